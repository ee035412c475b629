"""Batches of any size run in the memory of some turns, and nothing of a run's result hangs on how they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ppim
from ppim.program import feed
from ppim.trace import reader

SYSTEMS = ("proactivepim", "proactivepim-tiers", "pim-base", "recnmp", "heam", "space", "fafnir", "cpu")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two batches of 26 turns, each of some hundred lookups, some tables with a few rows only."""
    path = tmp_path_factory.mktemp("large") / "t.parquet"
    ppim.generate_trace("synthetic", path, max_samples=48, batch_size=32)
    return path


@pytest.mark.parametrize("system", SYSTEMS)
def test_pieces_and_fresh_rings_change_nothing(
    large: Path, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ppim.simulate(large, system)
    pieces, sheds = [], []

    def counted_copy(rings, which, times, copy=feed.copy_rings):  # type: ignore[no-untyped-def]
        sheds.append(times == 1)
        return copy(rings, which, times)

    def counted_turns(parts, turns=reader.whole_turns):  # type: ignore[no-untyped-def]
        for chunk in turns(parts):
            pieces.append(len(chunk.row))
            yield chunk

    monkeypatch.setattr(reader, "_PIECE_ACCESSES", 500)
    monkeypatch.setattr(reader, "whole_turns", counted_turns)
    monkeypatch.setattr(feed, "LARGE_RINGS", 0)
    monkeypatch.setattr(feed, "FIRST_RING", 1 << 6)
    monkeypatch.setattr(feed, "copy_rings", counted_copy)
    again = ppim.simulate(large, system)
    assert len(pieces) > 26
    assert system == "cpu" or sum(sheds) > 20
    assert again.cycles == whole.cycles
    for name, counts in whole.counts.items():
        np.testing.assert_array_equal(again.counts[name], counts, err_msg=name)
