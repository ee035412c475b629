"""Profile and locality against counts by dictionaries over a small trace."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ppim.stats.info import trace as info_trace
from ppim.stats.info.base import describe
from ppim.trace.locality import IN_BATCH, IN_GNR, OVERALL, measure_locality
from ppim.trace.profile import access_profile
from ppim.trace.reader import TraceChunk, TraceReader
from tests.unit.trace.test_files import qr_meta, write

# (batch, table, sample, lookup, subtable, row), two tables of subtables q and r
ACCESSES = [
    (0, 0, 0, 0, 0, 3), (0, 0, 0, 0, 1, 1), (0, 0, 0, 1, 0, 3), (0, 0, 0, 1, 1, 2), (0, 0, 1, 0, 0, 3), (0, 0, 1, 0, 1, 1),
    (0, 1, 0, 0, 0, 0), (0, 1, 0, 0, 1, 0), (1, 0, 0, 0, 0, 4), (1, 0, 0, 0, 1, 1), (1, 0, 0, 1, 0, 3), (1, 0, 0, 1, 1, 1),
    (1, 1, 1, 0, 0, 1), (1, 1, 1, 0, 1, 0), (2, 1, 0, 0, 0, 1), (2, 1, 0, 0, 1, 3),
]  # fmt: skip


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """The accesses above in two row groups."""
    chunks = []
    for batches in ((0, 1), (2,)):
        columns = zip(*[a for a in ACCESSES if a[0] in batches], strict=True)
        kinds = (np.uint32, np.uint16, np.uint32, np.uint32, np.uint8, np.uint32)
        chunks.append(TraceChunk(*(np.array(c, dtype=k) for c, k in zip(columns, kinds, strict=True))))
    return write(tmp_path / "t.parquet", chunks, qr_meta())


def test_profile_counts_rows(trace: Path) -> None:
    with TraceReader(trace) as reader:
        profile = access_profile(reader)
    expected = Counter((table, subtable, row) for _, table, _, _, subtable, row in ACCESSES)
    for table, meta in enumerate(profile.meta.tables):
        for subtable, part in enumerate(meta.subtables):
            counts = profile.of(table, subtable)
            assert counts.tolist() == [expected[table, subtable, row] for row in range(part.rows)]
            order = sorted(range(part.rows), key=lambda row: (-int(counts[row]), row))
            assert [order.index(row) for row in range(part.rows)] == profile.ranks(table, subtable).tolist()


def test_skew_curve(trace: Path) -> None:
    with TraceReader(trace) as reader:
        profile = access_profile(reader)
    assert [tuple(run) for run in profile.runs(0, 0)] == [(0, 1, 4, 4), (1, 1, 1, 5), (2, 23, 0, 5)]
    assert [tuple(run) for run in profile.runs(0, 1)] == [(0, 1, 4, 4), (1, 1, 1, 5), (2, 2, 0, 5)]


def test_repeats_in_each_scope(trace: Path) -> None:
    with TraceReader(trace) as reader:
        locality = measure_locality(reader)
    seen: dict[int, set[tuple[int, ...]]] = {IN_GNR: set(), IN_BATCH: set(), OVERALL: set()}
    expected = np.zeros((3, 4), dtype=np.int64)
    for batch, table, sample, _, subtable, row in ACCESSES:
        keys = {IN_GNR: (batch, table, sample), IN_BATCH: (batch, table), OVERALL: (table,)}
        for scope, key in keys.items():
            access = (*key, subtable, row)
            expected[scope, 2 * table + subtable] += access in seen[scope]
            seen[scope].add(access)
    assert locality.repeats.tolist() == expected.tolist()
    assert locality.accesses.tolist() == [5, 5, 3, 3]
    assert expected[IN_GNR].sum() == 2
    assert expected[IN_BATCH].sum() == 4


def test_info_prints_what_was_measured(trace: Path) -> None:
    lines = list(describe(str(trace)))
    table = next(line for line in lines if line.strip().startswith("0 ")).split()
    assert table[:10] == [
        "0",
        "C1",
        "100",
        "q+r",
        "12800",
        "3712",
        f"{12800 / 3712:.2f}",
        "2",
        "0.5000",
        "0.2000",
    ]
    r = next(line for line in lines if line.strip().startswith("r ")).split()
    assert r == ["r", "yes", "8", "1024", "8", f"{1 / 8:.4f}", f"{2 / 8:.4f}", f"{4 / 8:.4f}"]


def test_info_shows_the_first_of_many_tables(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info_trace, "MOST_SHOWN", 1)
    found = describe(str(trace))
    lines = list(found)
    begins = [line.split()[0] for line in lines if line.strip()]
    assert "0" in begins
    assert "1" not in begins
    assert "all" in begins
    assert "tables 1 to 1 are left out here; --format csv or json has them all" in lines
    assert [row[0] for row in found.tables[0].rows] == ["0", "1", "all"]
