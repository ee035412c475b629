"""Runs at the ends of what is allowed: every account holds there, and lengths are those that count by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import ppim
from ppim.dram.load import load_device
from ppim.runs.simulate import simulate
from ppim.systems.chosen import choose_system
from tests.reference.small_traces import SmallTrace, small_trace
from tests.reference.whole_program import build_parts
from tests.unit.simulate.accounts import check_run

QR = ("qr", {"collisions": 4, "vector_bytes": 128})
DENSE = ("dense", {"vector_bytes": 64})
TT = ("tt-rec", {"tt_rank": 1, "vector_bytes": 64})


def a_trace(of: tuple[str, dict[str, Any]], **options: Any) -> SmallTrace:
    return small_trace(*of, **options)


TRACES: dict[str, SmallTrace] = {
    "tables of one row": a_trace(DENSE, rows=(1, 1)),
    "tables of one row, QR": a_trace(QR, rows=(1, 1, 2)),
    "rank 1": a_trace(TT, samples=6),
    "1,000 lookups a bag": a_trace(QR, rows=(300,), samples=2, pooling=(1000, 1000)),
    "no lookup at all": a_trace(QR, pooling=(0, 0)),
    "one lookup": a_trace(DENSE, rows=(5,), samples=1, pooling=(1, 1)),
    "2,000 tables": a_trace(DENSE, rows=[3] * 2000, samples=3, batch_size=2, pooling=(0, 1)),
}


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("system", ["proactivepim", "pim-base"])
def test_traces(name: str, system: str) -> None:
    check_run(TRACES[name], choose_system(system).spec)


@pytest.mark.parametrize("channels", [1, 64])
@pytest.mark.parametrize(("system", "of"), [("proactivepim", QR), ("pim-base", QR), ("proactivepim", TT)])
def test_channels(channels: int, system: str, of: tuple[str, dict[str, Any]]) -> None:
    chosen = choose_system(system, {"organization.channels": channels}).spec
    result = check_run(a_trace(of, samples=6), chosen)
    assert all(len(counts) == channels for counts in result.counts.values())


def test_rank_one_multiplies_vectors() -> None:
    """A lookup of rank 1 takes J1 x J2 products of the first two cores and J1 x J2 x J3 with the third."""
    trace = a_trace(TT, samples=6)
    system = choose_system("pim-base", {"tt_reuse": False, "macs": 1}).spec
    result = simulate(trace, system)
    dims = [scheme.element_factors for scheme in trace.schemes]  # type: ignore[attr-defined]
    lookups = [sum(len(bags[table]) for bags in trace.bags) for table in range(len(dims))]
    by_hand = sum(n * (a * b + a * b * c) for n, (a, b, c) in zip(lookups, dims, strict=True))
    assert result.total("compute_cycles") == by_hand


@pytest.mark.slow
def test_more_cycles_than_32_bits_hold() -> None:
    """Slots of 2^16 cycles: a turn takes as many as it has instructions, and little more."""
    slot = 1 << 16
    trace = a_trace(DENSE, rows=(500, 80), samples=700, batch_size=350, pooling=(50, 50))
    settings = {"instruction_bits": slot, "command_bits_per_cycle": 1, "organization.channels": 1}
    system = choose_system("proactivepim", settings, prefetch="none").spec
    result = simulate(trace, system)
    (program,) = build_parts(trace, system)
    instructions, turns = len(program.streams[0]), 4
    assert instructions > 700 * 2 * 50
    assert result.cycles > 1 << 32
    # The last slot of a turn need not end; what follows it is some latencies.
    assert 0 <= result.cycles - (instructions - turns) * slot <= turns * (slot + 2000)


@pytest.mark.parametrize("name", ["hbm2-4gb", "ddr4-8gb-x8-2400"])
def test_requests_behind_2_to_the_32(tmp_path: Path, name: str) -> None:
    """A read takes as long 2^33 cycles later, at the same place between refreshes."""
    timing = load_device(name).timing
    early = 10 * timing.tREFI + timing.tREFI // 2
    late = early + ((1 << 33) // timing.tREFI) * timing.tREFI
    times = []
    for arrival in (early, late):
        requests, out = tmp_path / f"{arrival}.trc", tmp_path / f"{arrival}.parquet"
        requests.write_text(f"0x0 READ {arrival}\n")
        result = ppim.replay(requests, device=name, latencies=out)
        (row,) = pq.read_table(out).to_pylist()
        assert row["accepted_cycle"] == arrival
        assert result.cycles > arrival
        times.append((row["latency_cycles"], row["done_cycle"] - arrival, result.cycles - arrival))
    assert late > 1 << 32
    assert times[0] == times[1]
    assert times[0][0] > timing.read_latency
