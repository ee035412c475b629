"""The beginning of a trace is what the trace begins with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ppim
from ppim.trace.prefix import write_prefix
from ppim.trace.reader import TraceReader
from tests.conftest import ROOT

TRACE = ROOT / "traces" / "sample-qr.parquet"


def columns(path: Path) -> list[np.ndarray]:
    with TraceReader(path) as reader:
        chunks = list(reader.chunks())
    return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


@pytest.mark.parametrize("batches", [1, 5, 16])
def test_the_first_batches(tmp_path: Path, batches: int) -> None:
    path = tmp_path / "short.parquet"
    write_prefix(TRACE, path, batches)
    whole = columns(TRACE)
    for found, expected in zip(columns(path), whole, strict=True):
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected[whole[0] < batches])
    with TraceReader(path) as reader, TraceReader(TRACE) as of_all:
        meta = reader.meta
        assert (meta.batches, meta.samples) == (batches, 4 * batches)
        assert meta.tables == of_all.meta.tables
        assert meta.lookups == len({*zip(*(each.tolist() for each in columns(path)[:4]), strict=True)})


def test_bags_of_any_size_and_a_last_batch_that_is_not_full(tmp_path: Path) -> None:
    made = tmp_path / "made.parquet"
    ppim.generate_trace("synthetic", made, max_samples=10, pooling_list=[1, 3, *[2] * 24], algorithm="dense")
    short, whole = tmp_path / "short.parquet", tmp_path / "whole.parquet"
    write_prefix(made, short, 2)
    write_prefix(made, whole, 3)
    with TraceReader(made) as reader, TraceReader(short) as first, TraceReader(whole) as all_of_it:
        assert reader.meta.samples == 10
        assert first.meta.samples == 8
        assert first.meta.lookups == 8 * (1 + 3 + 2 * 24)
        assert all_of_it.meta == reader.meta


def test_a_prefix_runs_as_a_trace_of_as_many_samples(tmp_path: Path) -> None:
    long, short, prefix = (tmp_path / f"{name}.parquet" for name in ("long", "short", "prefix"))
    ppim.generate_trace("synthetic", long, max_samples=16)
    ppim.generate_trace("synthetic", short, max_samples=8)
    write_prefix(long, prefix, 2)
    assert ppim.simulate(prefix).totals == ppim.simulate(short).totals
