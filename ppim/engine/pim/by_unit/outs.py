"""Rows that are read out to the host, run by run, and what the host delivers (docs/model.md §2, §4)."""

from ppim.engine.pim import state as s
from ppim.engine.pim.by_unit import cycles, queues, state as u
from ppim.engine.pim.rules import compute, delivers, phases, runs, slots, targets
from ppim.jit import helper
from ppim.program import instruction as ins


@helper
def send(p, rings, state, a, instruction, cycle):
    """READ_OUT: its runs go to its unit's queues."""
    row = a.channel
    out = row[u.OUT_FIRST]
    item = a.outs[out]
    row[u.OUT_FIRST] = item[u.OUT_NEXT]
    address, bursts = instruction[ins.ADDRESS], instruction[ins.BURSTS]
    n_runs = runs.count_runs(p, address, bursts)
    lookup, sharers = instruction[ins.LOOKUP], instruction[ins.SHARERS]
    item[u.OUT_LOOKUP] = lookup
    item[u.OUT_SHARERS] = sharers
    item[u.OUT_STEP] = instruction[ins.STEP]
    item[u.OUT_BURSTS] = bursts
    item[u.OUT_NUMBER] = instruction[ins.ORDER]
    item[u.OUT_RUNS] = n_runs
    item[u.OUT_READY] = 0
    if targets.goes_to_several(instruction):
        delivers.expect(rings, state, instruction)
        user, _ = targets.delivered_to(rings, lookup, instruction[ins.STEP], 0)
    else:
        state.channel[compute.owner_channel(rings, lookup), s.OPEN] += targets.lookups_of(instruction, 1)
        user = lookup
    unit = instruction[ins.UNIT]
    phase = phases.phase_of(p, ins.READ_OUT, instruction[ins.TURN])
    for run in range(n_runs):
        lane, dram_row = runs.lane_of_run(p, unit, address, run)
        column, length = runs.bursts_of_run(p, address, bursts, run)
        queues.enter(
            p, a, unit, lane, dram_row, column, length, user, sharers, out, phase, slots.joins_at(cycle)
        )


@helper
def finish_run(p, rings, state, a, out, arrival):
    """The host has a run at `arrival`; with the last one it has the row, and can deliver it."""
    item = a.outs[out]
    item[u.OUT_READY] = max(item[u.OUT_READY], arrival)
    item[u.OUT_RUNS] -= 1
    if item[u.OUT_RUNS] > 0:
        return
    item[u.OUT_NEXT] = a.channel[u.OUT_FIRST]
    a.channel[u.OUT_FIRST] = out
    delivers.hand_to_host(
        p,
        rings,
        state,
        item[u.OUT_LOOKUP],
        item[u.OUT_SHARERS],
        item[u.OUT_STEP],
        item[u.OUT_BURSTS],
        item[u.OUT_NUMBER],
        item[u.OUT_READY] + p.host_latency,
    )


@helper
def deliver(p, rings, state, a, cycle):
    """The channel's oldest deliver is sent in the slot of `cycle`."""
    lookup, sharers, start, end = delivers.send_next(p, rings, state, a.number, a.number, cycle)
    cycles.note_deliver(a, cycle, start, end)
    for user in range(lookup, lookup + sharers + 1):
        compute.operand_arrives(p, rings, state, user, cycle, end)
    cycles.note_slot(a, cycle, slots.use_slot(p, rings, state, a.number, cycle, True))
