"""Batches of any size run in the memory of some turns, and nothing of a run's result hangs on how they come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ppim
from ppim.engine.pim.engine import PimEngine
from ppim.program import feed, state as rings
from ppim.trace import reader

NONSENSE = -(1 << 61)
SYSTEMS = ("proactivepim", "proactivepim-tiers", "pim-base", "recnmp", "heam", "space", "fafnir", "cpu")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two batches of 26 turns, each of some hundred lookups, some tables with a few rows only."""
    path = tmp_path_factory.mktemp("large") / "t.parquet"
    ppim.generate_trace("synthetic", path, max_samples=48, batch_size=32)
    return path


@pytest.mark.parametrize("system", SYSTEMS)
def test_pieces_and_rings_given_back_change_nothing(
    large: Path, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ppim.simulate(large, system)
    pieces, given_back = [], []

    def spoil(ring: np.ndarray, first: int, stop: int) -> None:
        """What is given back must not be missed: here it reads as nonsense, not as zeros."""
        given_back.append(stop - first)
        ring[first:stop] = NONSENSE

    def counted_turns(parts, turns=reader.whole_turns):  # type: ignore[no-untyped-def]
        for chunk in turns(parts):
            pieces.append(len(chunk.row))
            yield chunk

    monkeypatch.setattr(reader, "_PIECE_ACCESSES", 500)
    monkeypatch.setattr(reader, "whole_turns", counted_turns)
    monkeypatch.setattr(feed, "LARGE_RINGS", 0)
    monkeypatch.setattr(feed, "FIRST_RING", 1 << 6)
    monkeypatch.setattr(rings, "give_back", spoil)
    again = ppim.simulate(large, system)
    assert len(pieces) > 26
    assert system == "cpu" or sum(given_back) > 1000
    assert again.cycles == whole.cycles
    for name, counts in whole.counts.items():
        np.testing.assert_array_equal(again.counts[name], counts, err_msg=name)


def test_bits_of_cycles_grow_before_rings_of_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One channel has most of a long turn's work, and the others wait for it where sums meet in the base die."""
    path = tmp_path / "t.parquet"
    ppim.generate_trace("synthetic", path, max_samples=1024, batch_size=1024)
    grown: dict[str, int] = {}

    def counted(name: str, grow: Callable[[object], None]) -> Callable[[object], None]:
        def wrapper(self: object) -> None:
            grown[name] = grown.get(name, 0) + 1
            grow(self)

        return wrapper

    whole = ppim.simulate(path)
    monkeypatch.setattr(PimEngine, "grow_bits", counted("bits", PimEngine.grow_bits))
    short = ppim.simulate(path)
    assert grown["bits"] > 0
    monkeypatch.setattr(PimEngine, "lacks_bits", property(lambda _: False))
    grown.clear()
    other = ppim.simulate(path)
    assert not grown
    for name, counts in whole.counts.items():
        np.testing.assert_array_equal(short.counts[name], counts, err_msg=name)
        np.testing.assert_array_equal(other.counts[name], counts, err_msg=name)
