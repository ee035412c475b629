"""The engine's runs in the words of the twin, and the comparison of the two."""

from __future__ import annotations

from ppim.dram.device import Device
from ppim.engine.codes import ACTIVATE, PRECHARGE, READ, REFRESH
from ppim.engine.pim import state as s
from ppim.engine.pim.engine import Commands
from ppim.program.instruction import LOOKUP, LOOKUP_SUM, SUM_CHANNEL
from tests.reference.pim_programs import Case
from tests.reference.pim_twin import Command, TwinResult
from tests.unit.engine_pim.feed import EngineResult

NAMES = {READ: "read", ACTIVATE: "activate", PRECHARGE: "precharge", REFRESH: "refresh"}
COUNTS = {
    "instructions": s.INSTRUCTIONS,
    "reads": s.READS,
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


def in_words(device: Device, commands: Commands, cycles: int) -> list[Command]:
    """Commands of one channel before the end of the run; those of one cycle in order of their banks."""
    org = device.organization
    found = []
    for cycle, command, lane, row, column in zip(
        commands.cycle, commands.command, commands.lane, commands.row, commands.column, strict=True
    ):
        rank, in_rank = divmod(int(lane), org.banks_per_rank)
        group, bank = divmod(in_rank, org.banks_per_group)
        if command == REFRESH:
            group = bank = -1
        if cycle < cycles:
            found.append(Command(int(cycle), NAMES[int(command)], rank, group, bank, int(row), int(column)))
    return sorted(found, key=order)


def order(command: Command) -> tuple[int, ...]:
    """Refreshes of a cycle before the commands of units, those by bank."""
    return command.cycle, command.rank, command.bankgroup, command.bank, command.row


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
    assert engine.cycles == twin.cycles, f"seed {case.seed}"
    for stream, slots in enumerate(engine.slots):
        owners = [
            case.program.sums[
                case.program.lookups[case.program.instructions[index, LOOKUP], LOOKUP_SUM], SUM_CHANNEL
            ]
            for index in twin.deliver_slots
        ]
        delivers = sum(len(engine.slots) == 1 or owner == stream for owner in owners)
        assert slots == sum(stream in used for used in twin.slots) + delivers, f"stream {stream}"
