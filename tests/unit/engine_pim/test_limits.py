"""Lower bounds: never above the run's cycles, and the one that is said to bind is the one that does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ppim.engine.pim.rules.limits import NAMES
from tests.reference.pim_programs import ProgramBuilder, make_device, make_system, random_case
from tests.unit.engine_pim.feed import EngineResult, run_program

ROW = 128  # bursts from a row of a bank group's bank to the next row
BANK = 32


def test_no_random_program_is_faster_than_a_bound() -> None:
    closest = dict.fromkeys(NAMES, 0.0)
    for seed in range(120):
        case = random_case(seed)
        result = run_program(case.device, case.system, case.program)
        for name, cycles in result.limits.items():
            assert cycles <= result.cycles, f"seed {seed}: {name}"
            closest[name] = max(closest[name], cycles / max(result.cycles, 1))
    assert min(closest.values()) > 0.3, f"bounds this loose say nothing: {closest}"


def rows_of_one_bank(builder: ProgramBuilder) -> None:
    for row in range(60):
        builder.lone_read(0, 0, ROW * row)


def bursts_of_open_rows(builder: ProgramBuilder) -> None:
    for row in range(4):
        for _ in range(20):
            builder.lone_read(0, 0, BANK * row, bursts=32)


def rows_of_many_banks(builder: ProgramBuilder) -> None:
    for row in range(50):
        for unit in range(4):
            builder.lone_read(0, unit, BANK * (row % 4) + ROW * (row // 4))


def open_rows_of_many_units(builder: ProgramBuilder) -> None:
    for number in range(200):
        builder.lone_read(0, number % 4, number // 4 % 32)


def long_vectors(builder: ProgramBuilder) -> None:
    for number in range(20):
        unit = number % 4
        builder.transfer(0, unit, builder.lone_read(0, unit, number), bursts=64)


def long_vectors_to_buffer_chips(builder: ProgramBuilder) -> None:
    for bag in range(5):
        parts = []
        for unit in range(4):
            parts.append(builder.lone_read(0, unit, bag))
            builder.transfer(0, unit, parts[-1], bursts=64)
        builder.collector(0, parts, bursts=64)


def long_arithmetic(builder: ProgramBuilder) -> None:
    for number in range(20):
        builder.lone_read(0, 0, number % 32, compute=100)


Write = Callable[[ProgramBuilder], None]
CASES: dict[str, tuple[Write, dict[str, object], dict[str, float]]] = {
    # what is read, the system, and what the device has to have for twice the speed (if the device sets the limit)
    "bank-occupancy": (rows_of_one_bank, {"instruction_interval": 4}, {"tRAS": 10, "tRP": 14}),
    "column-rate": (bursts_of_open_rows, {"instruction_interval": 4}, {"tCCD_L": 2}),
    "activate-rate": (
        rows_of_many_banks,
        {"instruction_interval": 1},
        {"tFAW": 15, "tRRD_S": 2, "tRRD_L": 2},
    ),
    "instruction-rate": (open_rows_of_many_units, {"instruction_interval": 16}, {}),
    "data-bus": (long_vectors, {"instruction_interval": 1}, {"burst_cycles": 1}),
    "compute": (long_arithmetic, {"instruction_interval": 1}, {}),
    "rank-bus": (
        long_vectors_to_buffer_chips,
        {"instruction_interval": 1, "collect": "rank"},
        {"burst_cycles": 1},
    ),
}


def run_case(write: Write, system: dict[str, object], **timing: float) -> EngineResult:
    builder = ProgramBuilder()
    builder.turn()
    write(builder)
    device = make_device(rows=256, **{"tREFI": 1 << 20, "tCCD_L": 4, **timing})
    return run_program(device, make_system(**system), builder.build())


def binding(result: EngineResult) -> str:
    return max(result.limits, key=lambda name: result.limits[name])


@pytest.mark.parametrize("name", NAMES)
def test_the_limit_that_binds_is_named(name: str) -> None:
    write, system, _ = CASES[name]
    result = run_case(write, system)
    assert binding(result) == name
    assert 0.93 * result.cycles < result.limits[name] <= result.cycles


@pytest.mark.parametrize("name", NAMES)
def test_only_what_binds_is_worth_speeding_up(name: str) -> None:
    """Relieving the limit that binds nearly halves the time; relieving any other changes next to nothing."""
    write, system, _ = CASES[name]
    before = run_case(write, system).cycles
    for other in NAMES:
        after = relieved(write, system, other)
        if after is None or (other != name and {other, name} == {"data-bus", "rank-bus"}):
            continue  # bursts are equally long on both
        if other == name:
            assert after < 0.75 * before, other
        else:
            assert after > 0.9 * before, other


def relieved(write: Write, system: dict[str, object], limit: str) -> int | None:
    """Cycles of a case with one limit relieved; None where that would change what the case does."""
    if limit == "instruction-rate":
        faster = {**system, "instruction_interval": max(1, int(str(system["instruction_interval"])) // 2)}
        return run_case(write, faster).cycles
    if limit == "compute":
        return None if write is not long_arithmetic else run_case(shorter_arithmetic, system).cycles
    return run_case(write, system, **CASES[limit][2]).cycles


# What a run of one turn takes at least, on a device with tRC 48, tCCD_L 4, tRRD_S 4, tFAW 30 and bursts of two cycles.
BY_HAND = {
    "bank-occupancy": (60 - 1) * 48,  # rows of one bank
    "column-rate": (4 * 20 * 32 - 1) * 4,  # bursts of one bank group
    "activate-rate": 49 * 30,  # ACTIVATEs of the rank: 200 are 49 windows of tFAW and four more
    "instruction-rate": (200 - 1) * 16 + 2,  # slots, and the last one's way to the unit
    "data-bus": 20 * 64 * 2,  # bursts of transfers
    "compute": 20 * 100,  # cycles of arithmetic in one unit
    "rank-bus": 20 * 64 * 2,  # bursts of all units' sums; a fourth of them leave
}


@pytest.mark.parametrize("name", NAMES)
def test_bounds_by_hand(name: str) -> None:
    """To the cycle: a bound that is a little too low binds as before."""
    write, system, _ = CASES[name]
    assert run_case(write, system).limits[name] == BY_HAND[name]


@pytest.mark.parametrize(("collect", "bursts"), [("rank", 20 * 64), ("tree", 5 * 64)])
def test_links_to_collectors_by_hand(collect: str, bursts: int) -> None:
    """The units of a rank share its bus; to a tree each has a link of its own."""
    result = run_case(long_vectors_to_buffer_chips, {"instruction_interval": 1, "collect": collect})
    assert result.limits["rank-bus"] == bursts * 2 <= result.cycles
    assert result.limits["data-bus"] == 5 * 64 * 2


def test_sums_that_cross_the_channel_have_no_other_bus() -> None:
    assert "rank-bus" not in run_case(long_vectors, {"instruction_interval": 1}).limits


def test_activates_one_by_one_by_hand() -> None:
    """Where four tRRD_S take longer than tFAW, they count: 49 times four, and three more."""
    write, system, _ = CASES["activate-rate"]
    assert run_case(write, system, tRRD_S=9, tRRD_L=9).limits["activate-rate"] == (200 - 1) * 9


def shorter_arithmetic(builder: ProgramBuilder) -> None:
    for number in range(20):
        builder.lone_read(0, 0, number % 32, compute=50)


@pytest.mark.parametrize(("barrier", "groups"), [("none", 1), ("batch", 2), ("table", 4)])
def test_bounds_are_summed_over_barriers(barrier: str, groups: int) -> None:
    """Each turn's worst channel: four turns of which each has its ten reads in one bank, of channels 0 and 1 in turn."""
    builder = ProgramBuilder()
    for turn in range(4):
        builder.turn(batch=turn // 2)
        channel = turn % 2
        for row in range(10):
            sum_ = builder.lone_read(channel, 0, ROW * row)
            builder.transfer(channel, 0, sum_, turn=turn)
    device = make_device(channels=2, rows=256, tREFI=1 << 20)
    result = run_program(device, make_system(barrier=barrier, instruction_interval=1), builder.build())
    # Ten rows of a bank take nine tRC (48). Where barriers do not say more, the whole run's twenty rows do.
    reads = {"none": 19, "batch": max(2 * 9, 19), "table": 4 * 9}[barrier]
    assert result.limits["bank-occupancy"] == reads * 48
    assert (
        result.limits["instruction-rate"]
        == groups * 2 + {"none": 39, "batch": 2 * 19, "table": 4 * 19}[barrier]
    )
    assert result.limits["data-bus"] == 20 * 2 * (2 if barrier == "table" else 1)
    assert result.limits["bank-occupancy"] <= result.cycles


def test_prefetches_count_over_the_whole_run_only() -> None:
    builder = ProgramBuilder()
    builder.turn()
    for row in range(30):
        builder.prefetch(ROW * row, 0)
    builder.transfer(0, 0, builder.lone_read(0, 0, 0))
    result = run_program(
        make_device(rows=256, tREFI=1 << 20), make_system(prefetch="table", barrier="table"), builder.build()
    )
    # 31 rows of one bank of each unit, if row 0 is not the one left open.
    assert result.limits["bank-occupancy"] == 30 * 48
    assert result.limits["bank-occupancy"] <= result.cycles
