"""Sources that wait for what they asked for: the engine against the slow twins, and cases worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppim.dram.device import Device
from ppim.dram.load import load_device
from ppim.engine.host import HostReplay, HostResult, replay, sources as q
from tests.reference.core_twin import TICKS, Bag, Core, Cores, Line, Row, run_cores
from tests.reference.host_twin import run_twin
from tests.unit.engine_twin.test_engine_against_twin import commands_of

DEVICES = ["hbm2-4gb", "ddr4-8gb-x8-3200", "lpddr4-8gb-x16-2400"]


def preset(name: str, **overrides: Any) -> Device:
    return load_device(name, overrides)


def requests(device: Device, rng: np.random.Generator, n: int, write_share: float) -> tuple[Any, Any, Any]:
    """Addresses of which some are equal and some lie in one row, kinds, and cycles with pauses."""
    burst = device.organization.burst_bytes
    address = rng.integers(0, 1 << 14, n) * burst
    hot = rng.random(n) < 0.3
    address[hot] = rng.integers(0, 6, int(hot.sum())) * burst
    pauses = np.where(rng.random(n) < 0.05, rng.integers(0, 400, n), 0)
    return address, rng.random(n) < write_share, np.cumsum(pauses)


@pytest.mark.matrix(5)
@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("outstanding", [1, 3, 40])
@pytest.mark.parametrize(
    ("write_share", "inject", "merge"), [(0.0, 1, False), (0.4, 1, True), (0.4, 4, False)]
)
def test_outstanding_against_the_twin(
    name: str, outstanding: int, write_share: float, inject: int, merge: bool
) -> None:
    device = preset(name)
    seed = outstanding + int(10 * write_share) + inject
    address, is_write, cycle = requests(device, np.random.default_rng(seed), 300, write_share)
    twin = run_twin(
        device,
        address.tolist(),
        is_write.tolist(),
        cycle.tolist(),
        inject=inject,
        merging=merge,
        follow_defects=False,
        outstanding=outstanding,
    )
    for general in (False, True):
        result = replay(
            device, address, is_write, cycle, inject=inject, merge=merge, outstanding=outstanding,
            command_trace=True, general_kernel=general,
        )  # fmt: skip
        for index, channel in enumerate(twin.channels):
            assert commands_of(result, index) == [tuple(map(int, one)) for one in channel.commands], seed
        assert result.cycles == twin.n_cycles


def test_many_outstanding_are_no_limit() -> None:
    device = preset("hbm2-4gb")
    address, is_write, cycle = requests(device, np.random.default_rng(5), 2000, 0.3)
    free = replay(device, address, is_write, cycle, command_trace=True, inject=8)
    held = replay(device, address, is_write, cycle, command_trace=True, inject=8, outstanding=2000)
    assert [commands_of(held, c) for c in range(8)] == [commands_of(free, c) for c in range(8)]
    assert held.cycles == free.cycles


def test_it_does_not_matter_how_requests_are_cut() -> None:
    device = preset("ddr4-8gb-x8-3200")
    address, is_write, cycle = requests(device, np.random.default_rng(6), 700, 0.2)
    whole = replay(device, address, is_write, cycle, outstanding=7, command_trace=True)
    run = HostReplay(device, outstanding=7, command_trace=True)
    for first in range(0, 700, 9):
        part = slice(first, first + 9)
        run.feed(address[part], is_write[part], cycle[part])
    assert commands_of(run.finish(), 0) == commands_of(whole, 0)


def one_at_a_time(device: Device, n: int) -> HostResult:
    """Reads of one row of one bank, each of which waits for the one before it."""
    org = device.organization
    address = np.arange(n) * org.burst_bytes * org.channels
    return replay(
        device, address, np.zeros(n, bool), np.zeros(n, np.int64), outstanding=1, command_trace=True
    )


def test_one_outstanding_by_hand() -> None:
    """HBM2: accepted in 0, moved in 1, ACTIVATE in 2, READ in 2 + tRCDRD, done RL + B later; then the next is accepted.

    It moves one cycle later, and its READ of the open row comes two cycles after its acceptance.
    """
    device = preset("hbm2-4gb", **{"controller.address_mapping": "rorabgbacoch"})
    timing = device.timing
    result = one_at_a_time(device, 3)
    first = 2 + timing.tRCDRD
    step = timing.read_delay + 2
    reads = [row[0] for row in commands_of(result, 0) if row[1] == 0]
    assert (timing.tRCDRD, timing.read_delay) == (14, 16)
    assert reads == [first, first + step, first + 2 * step] == [16, 34, 52]
    assert result.cycles == 52 + 16 + 1


# --- cores -----------------------------------------------------------------------------------------


def lines_of(bags: list[Bag]) -> q.Lines:
    """Bags as the engine takes them."""
    flat = [(line, place == 0) for bag in bags for row in bag for place, line in enumerate(row)]
    ends = np.cumsum([0, *(sum(map(len, bag)) for bag in bags)])
    n = len(flat)
    return q.Lines(
        ends.astype(np.int64),
        np.array([q.IN_CACHE if line.address is None else q.READ for line, _ in flat], np.uint8),
        np.array([line.address or 0 for line, _ in flat], np.int64),
        np.zeros(n, np.int64),
        np.array([line.size for line, _ in flat], np.int64),
        np.array([begins for _, begins in flat], np.bool_),
    )


def engine(device: Device, parts: list[list[Bag]], *, inject: int, **settings: int) -> tuple[HostResult, int]:
    """A run that is fed part by part, and its last cycle; times are ticks, as the twin's."""
    t_ck = device.timing.tCK
    sources = q.make_sources(
        device,
        settings["cores"],
        settings["places"],
        row_ns=settings.get("row", 0) * t_ck / TICKS,
        near_ns=settings.get("near", 0) * t_ck / TICKS,
        far_ns=settings.get("far", 0) * t_ck / TICKS,
        bytes_per_cycle=settings.get("rate", 0),
    )
    run = HostReplay(device, sources=sources, inject=inject, merge=False, command_trace=True)
    for part in parts:
        run.feed_lines(lines_of(part), is_last=False)
    run.feed_lines(q.no_lines(), is_last=True)
    result = run.finish()
    return result, run.last_cycle_of_sources


def random_bags(device: Device, rng: np.random.Generator, n: int, hits: float) -> list[Bag]:
    burst = device.organization.burst_bytes

    def row() -> Row:
        first = int(rng.integers(0, 1 << 12)) * burst
        return [
            Line(None if rng.random() < hits else first + place * burst, burst)
            for place in range(int(rng.integers(1, 4)))
        ]

    return [[row() for _ in range(int(rng.integers(1, 7)))] for _ in range(n)]


SETTINGS = [
    {"cores": 1, "places": 1},
    {"cores": 1, "places": 4, "row": 3000, "near": 5000, "far": 20_000, "rate": 40},
    {"cores": 3, "places": 2, "row": 7531, "near": 12_345, "far": 54_321, "rate": 161},
    {"cores": 8, "places": 10, "row": 4813, "near": 20_480, "far": 51_200, "rate": 256},
    {"cores": 8, "places": 3, "row": 100, "near": 0, "far": 0, "rate": 0},
]


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(("hits", "inject"), [(0.0, 8), (0.5, 1), (1.0, 2)])
def test_cores_against_the_twin(name: str, settings: dict[str, int], hits: float, inject: int) -> None:
    device = preset(name)
    bags = random_bags(device, np.random.default_rng(settings["cores"] + inject), 40, hits)
    twin = run_cores(device, bags, inject=inject, **settings)
    for parts in ([bags], [bags[:7], bags[7:8], bags[8:]]):
        result, last = engine(device, parts, inject=inject, **settings)
        for index, commands in enumerate(twin.commands):
            until = result.command_streams[index].cycle.size if result.command_streams else 0
            assert commands_of(result, index) == [tuple(map(int, one)) for one in commands[:until]]
            assert all(one.kind > 3 for one in commands[until:]), "only refreshes are left"
        assert int(result.reads.sum()) == len(twin.accepted)
        assert last == twin.cycles


def test_short_queues_hold_all_cores_up() -> None:
    device = preset("hbm2-4gb", **{"controller.trans_queue_size": 2, "controller.cmd_queue_size": 1})
    rng = np.random.default_rng(3)
    bags = [[[Line(int(x) * 16384, 64)] for x in rng.integers(0, 1 << 10, 20)] for _ in range(12)]
    settings = {"cores": 6, "places": 10, "near": 2048, "far": 1024}
    twin = run_cores(device, bags, inject=8, **settings)
    result, last = engine(device, [bags], inject=8, **settings)
    assert result.refused_cycles > 100
    assert last == twin.cycles
    assert [commands_of(result, c) for c in range(8)] == [
        [tuple(map(int, one)) for one in commands] for commands in twin.commands
    ]


def test_rows_in_the_cache_by_hand() -> None:
    """Two places, answers after 20 cycles, 5 cycles a row: asked in 0, 5, then as each place is free again."""
    device = preset("hbm2-4gb")
    bag: Bag = [[Line(None, 64)] for _ in range(5)]
    settings = {"cores": 1, "places": 2, "row": 5 * TICKS, "near": 20 * TICKS}
    # Asked in 0, 5, 20, 25, 40; the last answer is there in 60.
    assert engine(device, [[bag]], inject=1, **settings)[1] == 60
    # With ten places rows follow each other: 0, 5, 10, 15, 20, and the last answer in 40.
    assert engine(device, [[bag]], inject=1, **{**settings, "places": 10})[1] == 40


def test_the_cache_delivers_so_many_bytes_by_hand() -> None:
    """16 bytes a cycle: lines of 64 bytes are 4 cycles apart, whoever asks."""
    device = preset("hbm2-4gb")
    bags: list[Bag] = [[[Line(None, 64), Line(None, 64)]] for _ in range(4)]
    settings = {"cores": 4, "places": 8, "near": 20 * TICKS, "rate": 16}
    # The eighth line begins in 28.
    assert engine(device, [bags], inject=1, **settings)[1] == 48


def test_a_miss_by_hand() -> None:
    """Asked in 0, at the controller in 20, accepted then, ACTIVATE in 22, READ in 36, data in 52, with the core in 102.

    With one place the second row, of another channel, is asked for in 102.
    """
    device = preset("hbm2-4gb")
    bag: Bag = [[Line(0, 64)], [Line(2048, 64)]]
    settings = {"cores": 1, "places": 1, "row": 5 * TICKS, "near": 20 * TICKS, "far": 50 * TICKS}
    result, last = engine(device, [[bag]], inject=1, **settings)
    reads = sorted(row[0] for channel in range(8) for row in commands_of(result, channel) if row[1] == 0)
    assert reads == [36, 102 + 36]
    assert last == 2 * 102


def test_bags_go_to_the_core_that_is_free() -> None:
    """Three bags of 4, 1 and 1 rows, two cores, 10 cycles a row: the core of the short bag takes the third."""
    device = preset("hbm2-4gb")
    row: Row = [Line(None, 64)]
    bags: list[Bag] = [[row] * 4, [row], [row]]
    settings = {"cores": 2, "places": 9, "row": 10 * TICKS}
    assert engine(device, [bags], inject=1, **settings)[1] == 40
    twin = Cores(bags, cores=2, places=9, row=10 * TICKS, near=0, rate=0)
    twin.work(10 * TICKS)
    assert [len(core.steps) for core in twin.cores] == [2, 0]
    assert isinstance(twin.cores[0], Core)
    assert not twin.bags
