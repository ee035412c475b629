"""The engine's run of a program against the twin's."""

from __future__ import annotations

import numpy as np

from ppim.engine.pim import state as s
from ppim.program.instruction import (
    BURSTS,
    KIND,
    LAST_DEMAND,
    N_SUMS,
    SUM,
    SUM_BAG,
    SUM_BURSTS,
    SUM_TURN,
    TRANSFER,
    TURN,
)
from ppim.program.state import NOT_STARTED
from tests.reference.pim_programs import Case
from tests.reference.pim_twin import TwinResult
from tests.reference.pim_words import in_words, order
from tests.unit.engine_pim.feed import EngineResult, by_cycle, first_sum_of, run_program

COUNTS = {
    "instructions": s.INSTRUCTIONS,
    "reads": s.READS,
    "writes": s.WRITES,
    "activates": s.ACTIVATES,
    "precharges": s.PRECHARGES,
    "refreshes": s.REFRESHES,
    "row_hits": s.ROW_HITS,
    "prefetch_reads": s.PREFETCH_READS,
    "read_out_bursts": s.READ_OUT_BURSTS,
    "delivered_bursts": s.DELIVER_BURSTS,
    "transfer_bursts": s.TRANSFER_BURSTS,
    "compute_cycles": s.COMPUTE_CYCLES,
}


def assert_equal_results(left: EngineResult, right: EngineResult) -> None:
    """What two engines count of one program is equal."""
    assert left.cycles == right.cycles
    np.testing.assert_array_equal(left.counters, right.counters)
    np.testing.assert_array_equal(left.classes, right.classes)
    np.testing.assert_array_equal(left.active, right.active)
    np.testing.assert_array_equal(left.times, right.times)
    np.testing.assert_array_equal(left.slots, right.slots)
    assert left.limits == right.limits


def run_on_both(case: Case) -> list[EngineResult]:
    """The program on the engine that is chosen for it and, cycle by cycle, on the one that runs all; equal."""
    results = [run_program(case.device, case.system, case.program)]
    with by_cycle():
        results.append(run_program(case.device, case.system, case.program))
    assert_equal_results(*results)
    return results


def assert_same(case: Case, twin: TwinResult, engine: EngineResult) -> None:
    """Every command at its cycle, every count, the same end."""
    for channel, expected in enumerate(twin.channels):
        where = f"seed {case.seed}, channel {channel}"
        wanted = sorted(expected.commands, key=order)
        got = in_words(case.device, engine.commands[channel], engine.cycles)
        for want, have in zip(wanted, got, strict=False):
            assert have == want, where
        assert len(got) == len(wanted), where
        for name, column in COUNTS.items():
            assert engine.counters[channel, column] == getattr(expected, name), f"{where}: {name}"
        for rank, active in enumerate(engine.active[channel]):
            assert active == sum(at == rank for _, at in expected.active), f"{where}: active, rank {rank}"
    assert engine.times.tolist() == times_of_gnrs(case, twin), f"seed {case.seed}"
    assert engine.cycles == twin.cycles, f"seed {case.seed}"
    for stream, slots in enumerate(engine.slots):
        delivers = sum(len(engine.slots) == 1 or channel == stream for _, channel, _ in twin.delivers)
        if case.system.pim.deliver == "in-order":
            delivers = 0  # instructions like others
        assert slots == sum(stream in used for used in twin.slots) + delivers, f"stream {stream}"


def times_of_gnrs(case: Case, twin: TwinResult) -> list[list[int]]:
    """(turn, batch, bag, start, end) of each GnR: from its turn's first demand to its last transfer or addition."""
    program, timing = case.program, case.device.timing
    per_burst = max(timing.burst_cycles, timing.tCCD_S)
    bursts = {
        sum_: int(row[BURSTS])
        for row in program.instructions
        if row[KIND] == TRANSFER
        for sum_ in range(row[SUM], row[SUM] + row[N_SUMS])
    }
    ends = dict(enumerate(twin.sum_ready))
    for _, sum_, start in twin.transfer_starts:
        ends[sum_] = start + bursts.get(sum_, int(program.sums[sum_, SUM_BURSTS])) * per_burst
    rows: list[list[int]] = []
    for turn, batch in enumerate(program.turn_batch.tolist()):
        sent = [
            min(cycles.values())
            for row, cycles in zip(program.instructions, twin.slots, strict=True)
            if row[TURN] == turn and row[KIND] <= LAST_DEMAND
        ]
        number = first_sum_of(program, turn)
        while number < len(program.sums) and program.sums[number, SUM_TURN] == turn:
            bag = int(program.sums[number, SUM_BAG])
            if not rows or rows[-1][:3] != [turn, batch, bag]:
                rows.append([turn, batch, bag, min(sent, default=NOT_STARTED), 0])
            rows[-1][4] = max(rows[-1][4], ends[number])
            number += 1
    return rows
