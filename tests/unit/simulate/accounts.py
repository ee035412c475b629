"""What every run of `simulate` must obey (docs/model.md), counted again from its program and its commands."""

from __future__ import annotations

import csv
import io
import tomllib
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from ppim.dram.device import Device
from ppim.engine.pim import state as s
from ppim.mapping.base import moves_rows
from ppim.program import instruction as i
from ppim.runs.simulate import simulate
from ppim.stats.counters import CYCLE_CLASSES
from ppim.stats.result import SimulationResult
from ppim.stats.simulation import write_csv
from ppim.systems.spec import SystemSpec
from tests.conftest import ROOT
from tests.reference.pim_check import violations
from tests.reference.pim_programs import units_per_channel
from tests.reference.pim_twin import Command
from tests.reference.small_traces import SmallTrace
from tests.reference.whole_program import WholeProgram, WholeRun, build_parts, run_parts


def csv_of(result: SimulationResult) -> str:
    """The stats CSV as text."""
    text = io.StringIO()
    write_csv(result, text)
    return text.getvalue()


def check_run(trace: SmallTrace, system: SystemSpec) -> SimulationResult:
    """Simulate, then hold the result of each memory to every account; returns it."""
    result = simulate(trace, system)
    programs = build_parts(trace, system)
    runs = run_parts(programs, system)
    for memory, program, run in zip(result.memories, programs, runs, strict=True):
        check_same_as_whole(memory, run)
        check_served_once(memory, program)
        check_bytes(memory, program, trace)
        check_commands(memory, run)
        check_timing(memory.device, memory.system, run)
        check_bounds(memory.device, memory.system, memory, run)
        check_cycles(memory)
        check_energy(memory, run)
    check_all_served(trace, result)
    check_one_end(result)
    check_csv(result)
    return result


def check_all_served(trace: SmallTrace, result: SimulationResult) -> None:
    """The memories together serve each access and each lookup of the trace once."""
    served = {name: sum(x.total(name) for x in result.memories) for name in ("accesses", "lookups")}
    assert served["accesses"] == len(trace.accesses.row)
    assert served["lookups"] == sum(len(ids) for bags in trace.bags for ids in bags)


def check_one_end(result: SimulationResult) -> None:
    """Memories end together, but for the part of a cycle by which the faster clock is finer."""
    ends = [memory.time_ns for memory in result.memories]
    assert max(ends) - min(ends) < max(memory.device.timing.tCK for memory in result.memories)


def check_cycles(result: SimulationResult) -> None:
    """Each cycle of each channel has one class, and no lower bound is above the run's length."""
    assert (sum(result.counts[name] for name in CYCLE_CLASSES) == result.cycles).all()
    assert all(limit <= result.cycles for limit in result.limits.values()), result.limits
    assert (result.counts["limit_cycles"] == max(result.limits.values())).all()


def check_energy(result: SimulationResult, run: WholeRun) -> None:
    """Parts of the energy add up, and those of the memory are what its commands take."""
    rows = [row for row in result.rows() if row["memory"] == result.memory]
    device, power, timing = result.device, result.device.power, result.device.timing
    unit = power.VDD * device.organization.devices_per_rank * timing.tCK
    for row, commands in zip(rows, run.commands, strict=True):
        parts = [value for name, value in row.items() if name.startswith("energy_")]
        assert min(parts) >= 0
        cycle = power.IDD0 * timing.tRC - power.IDD3N * timing.tRAS - power.IDD2N * timing.tRP
        assert row["energy_activate_pj"] == pytest.approx(row["activates"] * cycle * unit)
        burst = (power.IDD4R - power.IDD3N) * timing.burst_cycles
        assert row["energy_read_pj"] == pytest.approx(row["reads"] * burst * unit)
        if moves_rows(result.system.placement.mapping):
            written = (power.IDD4W - power.IDD3N) * timing.burst_cycles
            assert row["energy_write_pj"] == pytest.approx(row["writes"] * written * unit)
        else:
            assert "energy_write_pj" not in row
            assert row["writes"] == 0
        active = sum(active_cycles(commands, rank, run.cycles) for rank in range(device.organization.ranks))
        idle = run.cycles * device.organization.ranks - active
        standby = (active * power.IDD3N + idle * power.IDD2N) * unit
        assert row["energy_background_pj"] == pytest.approx(standby)
        bits = 8 * row["bytes_external"] + row["instructions"] * result.system.pim.instruction_bits
        if device.interface.io_pj_per_bit is None:
            assert {"energy_io_pj", "energy_total_pj"}.isdisjoint(row)
            continue
        assert row["energy_io_pj"] == pytest.approx(bits * device.interface.io_pj_per_bit)
        assert row["energy_total_pj"] == pytest.approx(sum(parts) - row["energy_total_pj"], rel=1e-9)


def active_cycles(commands: Sequence[Command], rank: int, cycles: int) -> int:
    """Cycles in which a rank has an open bank, by its commands."""
    active, opened, since = 0, 0, 0
    for command in sorted((x for x in commands if x.rank == rank), key=lambda x: x.cycle):
        if command.command == "activate":
            since = since if opened else command.cycle
            opened += 1
        elif command.command == "precharge":
            opened -= 1
            active += 0 if opened else command.cycle - since
    return active + (cycles - since if opened else 0)


def check_same_as_whole(result: SimulationResult, run: WholeRun) -> None:
    """A program that streams through rings runs like one that is there at once."""
    assert result.cycles == run.cycles
    assert result.issue_slots == run.slots.sum()
    for name, column in (
        ("instructions", s.INSTRUCTIONS),
        ("reads", s.READS),
        ("writes", s.WRITES),
        ("activates", s.ACTIVATES),
        ("precharges", s.PRECHARGES),
        ("refreshes", s.REFRESHES),
        ("row_hits", s.ROW_HITS),
        ("prefetch_reads", s.PREFETCH_READS),
        ("transfer_cycles", s.TRANSFER_CYCLES),
        ("compute_cycles", s.COMPUTE_CYCLES),
    ):
        assert result.counts[name].tolist() == run.counters[:, column].tolist(), name


def rows_of(program: WholeProgram, *kinds: int) -> np.ndarray:
    """Instructions of these kinds in all streams."""
    rows = np.concatenate(program.streams)
    return rows[np.isin(rows[:, i.KIND], kinds)]


def check_served_once(result: SimulationResult, program: WholeProgram) -> None:
    """Accesses = demand reads of DRAM + hits + what kept vectors save; each lookup is counted in one channel."""
    demand = rows_of(program, i.READ, i.READ_OUT)
    slices = units_of(result) if result.system.placement.mapping == "vertical" else 0
    if slices:
        # Every stream has all of them.
        demand = demand[demand[:, i.CHANNEL] == program.streams[0][0, i.CHANNEL]]
        assert (demand[:, i.UNIT] == i.ALL).all()
    saved = result.total("partial_sum_hits") if "partial_sum_hits" in result.counts else 0
    read = result.total("accesses") - result.total("cache_hits") - saved
    if program.prepared.recipe.parts:
        check_parts_served(result, program, read)
    else:
        assert read == len(demand)
        assert result.unit_accesses.sum() == result.total("accesses") * max(slices, 1)
    assert result.total("batches") == result.batches * len(result.counts["batches"])
    table = result.counts["cache_misses"] + result.counts["cache_hits"]
    assert (table <= result.counts["accesses"]).all()


def units_of(result: SimulationResult) -> int:
    """PIM units of the memory."""
    per_channel = units_per_channel(result.device, result.system.pim.level)
    return result.device.organization.channels * per_channel


def check_csv(result: SimulationResult) -> None:
    """Lines say how long the run took, in cycles of their memory's clock and in ns."""
    for line in csv.DictReader(io.StringIO(csv_of(result))):
        file = tomllib.loads((ROOT / "ppim" / "dram" / "devices" / f"{line['device']}.toml").read_text())
        clock_ns = clock_override(result.system, line["memory"]) or file["timing"]["tCK"]
        assert float(line["time_ns"]) == pytest.approx(int(line["cycles"]) * clock_ns, rel=1e-9)


def clock_override(system: SystemSpec, memory: str) -> float:
    """Clock in ns that the settings give a memory; 0 if they give none."""
    own = system.memory if system.dimm is None or memory != "dimm" else system.dimm.memory
    return max((float(value) for name, value in own.overrides.items() if name.endswith("tCK")), default=0)


def check_parts_served(result: SimulationResult, program: WholeProgram, read: int) -> None:
    """A row in parts is one access, however many units read it, and in however many pieces it is placed."""
    demand = rows_of(program, i.READ, i.READ_OUT)
    placement = program.prepared.placement
    if len(program.streams) > 1 and program.prepared.recipe.most_units == placement.units:
        # Every stream has what all units read.
        first = program.streams[0][0, i.CHANNEL]
        demand = demand[(demand[:, i.UNIT] != i.ALL) | (demand[:, i.CHANNEL] == first)]
    # What is a hit in the first set of units that a lookup has may be read in others.
    assert read <= len(demand) <= result.total("accesses") * program.prepared.recipe.most_pieces
    assert result.unit_accesses.sum() >= result.total("accesses")


def check_bytes(result: SimulationResult, program: WholeProgram, trace: SmallTrace) -> None:
    """DRAM serves demand, prefetches and moves, the external bus read-outs, delivers, transfers and moves.

    Sizes are worked out here from the device's pins, the system's level and the trace's vectors.
    """
    pins, beats = result.device.organization.bus_width, result.device.organization.burst_length
    burst = pins * beats // 8
    units, vector_bytes = units_of(result), int(trace.meta.parameters["vector_bytes"])
    of_vector = burst * (units if result.system.placement.mapping == "vertical" else 1)
    vector_bursts = -(-vector_bytes // of_vector)
    host_consumes = result.system.pim.consumer == "host"
    demand = rows_of(program, i.READ, i.READ_OUT)
    prefetch = rows_of(program, i.PREFETCH)
    everywhere = 1 if (prefetch[:, i.CHANNEL] != i.ALL).any() else len(result.counts["reads"])
    copies = units // len(result.counts["reads"]) * everywhere
    assert result.total("prefetch_reads") == prefetch[:, i.BURSTS].sum() * copies
    channels = np.where(demand[:, i.CHANNEL] == i.ALL, len(result.counts["reads"]), 1)
    reached = channels * np.where(demand[:, i.UNIT] == i.ALL, units // len(result.counts["reads"]), 1)
    moved_out = int(rows_of(program, i.MOVE_OUT)[:, i.BURSTS].sum())
    asked = (demand[:, i.BURSTS] * reached).sum() + moved_out
    assert (result.total("reads") - result.total("prefetch_reads")) == asked
    commands = result.counts["reads"] + result.counts["writes"]
    assert (result.counts["bytes_dram"] == commands * burst).all()
    check_moves(result, program, burst)
    outs = rows_of(program, i.READ_OUT)
    out = int(outs[:, i.BURSTS].sum()) * burst
    # A row that several units get is delivered to each of them.
    to_many = int((outs[:, i.BURSTS] * outs[:, i.SHARERS])[outs[:, i.STEP] != 0].sum()) * burst
    # What is collected inside the memory leaves it once a bag.
    leaves = program.sums[:, i.SUM_PARENT] == i.NONE
    moved = 0 if host_consumes else int(leaves.sum()) * vector_bursts * burst
    delivered = 0 if host_consumes else out + to_many
    assert result.total("bytes_delivered") == delivered
    # A row that moves is on the bus twice.
    assert result.total("bytes_external") == out + delivered + moved + 2 * moved_out * burst
    hit_bytes = result.total("bytes_cache")
    longest = max(part.bytes_per_row for table in trace.meta.tables for part in table.subtables)
    assert hit_bytes <= result.total("cache_hits") * max(longest, vector_bytes)
    assert (hit_bytes > 0) == (result.total("cache_hits") > 0)


def check_moves(result: SimulationResult, program: WholeProgram, burst: int) -> None:
    """Each row that moves is read out once and written once, whole, and is counted where it goes."""
    outs, ins = rows_of(program, i.MOVE_OUT), rows_of(program, i.MOVE_IN)
    bursts = Counter(outs[:, i.BURSTS].tolist())
    assert bursts == Counter(ins[:, i.BURSTS].tolist())
    if not moves_rows(result.system.placement.mapping):
        assert not bursts
        assert not {"moves", "moved_bytes"} & result.counts.keys()
        return
    channels = range(len(result.counts["moves"]))
    assert result.counts["moves"].tolist() == [
        int((ins[:, i.CHANNEL] == channel).sum()) for channel in channels
    ]
    written = [int(ins[ins[:, i.CHANNEL] == channel, i.BURSTS].sum()) for channel in channels]
    assert result.counts["writes"].tolist() == written
    assert result.counts["moved_bytes"].tolist() == [n * burst for n in written]


def check_commands(result: SimulationResult, run: WholeRun) -> None:
    """Row hits + activates that were used = column commands; counts are those of the commands."""
    counts = result.counts
    assert (counts["row_hits"] + counts["row_misses"] == counts["reads"] + counts["writes"]).all()
    for channel, commands in enumerate(run.commands):
        names = Counter(command.command for command in commands)
        for name, column in (
            ("read", "reads"),
            ("write", "writes"),
            ("activate", "activates"),
            ("precharge", "precharges"),
            ("refresh", "refreshes"),
        ):
            assert names[name] == counts[column][channel], name
        used, fresh = 0, set()
        for command in commands:
            bank = (command.rank, command.bankgroup, command.bank)
            if command.command == "activate":
                fresh.add(bank)
            elif command.command in ("read", "write") and bank in fresh:
                fresh.remove(bank)
                used += 1
        assert used == counts["row_misses"][channel]


def check_timing(device: Device, system: SystemSpec, run: WholeRun) -> None:
    """No command breaks a constraint."""
    for commands in run.commands:
        assert violations(device, system.pim, commands, run.cycles) == []


def check_bounds(device: Device, system: SystemSpec, result: SimulationResult, run: WholeRun) -> None:
    """No resource is used for longer than the run lasts."""
    timing, pim, cycles = device.timing, system.pim, result.cycles
    assert all((int(n) - 1) * pim.instruction_interval + 1 < cycles for n in run.slots)
    per_burst = max(timing.burst_cycles, timing.tCCD_S)
    external = result.counts["bytes_external"] // (
        device.organization.bus_width * device.organization.burst_length // 8
    )
    assert (external * per_burst <= cycles).all()
    assert (result.counts["compute_cycles"] <= cycles * units_per_channel(device, pim.level)).all()
    column_cycles = timing.tCCD_L if device.organization.bankgroups > 1 else timing.tCCD_S
    for commands in run.commands:
        reads = Counter((x.rank, x.bankgroup) for x in commands if x.command == "read")
        opened = Counter((x.rank, x.bankgroup, x.bank) for x in commands if x.command == "activate")
        ranks = Counter(x.rank for x in commands if x.command == "activate")
        assert all((n - 1) * column_cycles < cycles for n in reads.values())
        assert all((n - 1) * timing.tRC < cycles for n in opened.values())
        if pim.cross_unit_timing != "none":
            assert all((n - 1) // 4 * timing.tFAW < cycles for n in ranks.values())
