"""Shares of a chunk are checked apart, and find what the chunk checked as a whole finds."""

from __future__ import annotations

import numpy as np
import pytest

from ppim.trace.check import Fault, check_accesses, is_as_written

# Three tables of one to three subtables, each read once by a lookup.
FIRST_SUBTABLES = np.array([0, 2, 3, 6])
ROWS = np.array([30, 4, 9, 5, 6, 7], dtype=np.uint64)
ACCESSES = np.array([2, 1, 3])
BATCH_SIZE = 5
LAYOUT = (FIRST_SUBTABLES, ROWS, ACCESSES, BATCH_SIZE)
TYPES = (np.uint32, np.uint16, np.uint32, np.uint32, np.uint8, np.uint32)


def some_accesses(rng: np.random.Generator) -> np.ndarray:
    """Columns of a faultless chunk."""
    rows = [
        (batch, table, sample, lookup, subtable, rng.integers(ROWS[FIRST_SUBTABLES[table] + subtable]))
        for batch in range(3)
        for table in range(3)
        for sample in range(2)
        for lookup in range(rng.integers(4))
        for subtable in range(ACCESSES[table])
    ]
    return np.array(rows).reshape(-1, 6).T


def check(columns: np.ndarray, shares: int) -> tuple[Fault, int]:
    chunk = [column.astype(kind) for column, kind in zip(columns, TYPES, strict=True)]
    return check_accesses(*chunk, *LAYOUT, shares=shares)


def spoil(rng: np.random.Generator, columns: np.ndarray) -> np.ndarray:
    """Change, drop, repeat or exchange accesses."""
    n = columns.shape[1]
    at, other = rng.integers(n, size=2)
    how = rng.integers(5)
    if how == 0:
        column = rng.integers(6)
        columns[column, at] = rng.choice([*range(8), 2**28]) if column == 3 else rng.integers(8)
    if how == 1:
        columns = np.delete(columns, at, axis=1)
    if how == 2:
        columns = np.insert(columns, at, columns[:, at], axis=1)
    if how == 3:
        columns[:, [at, other]] = columns[:, [other, at]]
    if how == 4:  # a whole lookup again
        width = ACCESSES[columns[1, at]]
        start = at - columns[4, at]
        columns = np.insert(columns, [start], columns[:, start : start + width], axis=1)
    return columns


@pytest.mark.parametrize("seed", range(150))
def test_shares_find_the_first_fault(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = some_accesses(rng)
    shares = (2, 3, 7, columns.shape[1] + 3)
    assert {check(columns, n) for n in (1, *shares)} == {(Fault.NONE, 0)}
    spoiled = spoil(rng, columns)
    expected = check(spoiled, 1)
    assert [check(spoiled, n) for n in shares] == [expected] * len(shares)


def test_the_seeds_reach_every_fault() -> None:
    found = set()
    for seed in range(600):
        rng = np.random.default_rng(seed)
        found.add(check(spoil(rng, some_accesses(rng)), 1)[0])
    assert found == set(Fault)


def test_a_share_reads_nothing_before_the_chunk() -> None:
    """Where there are more shares than accesses, the first ones are empty; what lies before the chunk in memory is not its."""
    columns = np.array(
        [[1, 0, 0, 0, 0, 99]] * 2
    ).T  # two accesses of one lookup, with a row that the table has not
    chunk = [column.astype(kind)[1:] for column, kind in zip(columns, TYPES, strict=True)]
    assert is_as_written(*chunk, *LAYOUT, 0, 0)
    assert not is_as_written(*chunk, *LAYOUT, 0, 1)
