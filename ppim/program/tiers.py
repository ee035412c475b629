"""Which part of a trace each memory serves: hot rows and kept vectors the first, cold rows the second.

A lookup belongs to the memory of its large row (docs/model.md §11). The rows of each table's first subtable
that is not shared are *tiered*: hot ones lie in the first memory, closely packed, all in the second. Each
memory then sees a trace of its own: in the first, the tiered subtable has the hot rows only, numbered in the
order of the trace's rows; vectors that are kept are one more subtable behind the others.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ppim.errors import InputError
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.index import make_index
from ppim.program import pairs
from ppim.systems.spec import SystemSpec, TiersSpec
from ppim.trace import lookups, schema
from ppim.trace.profile import AccessProfile, FlatRows, access_profile, hottest
from ppim.trace.reader import TraceReader
from ppim.units import bytes_to_bursts

KEPT = "partial-sums"  # name of the subtable of kept vectors
NO_SUBTABLE = -1


@dataclass(frozen=True)
class Split:
    """How a trace is divided between a system's memories.

    Attributes
    ----------
    metas : tuple of TraceMeta
        The trace as each memory sees it.
    numbers : LookupNumbers
    flat : FlatRows
        Of the trace's own tables.
    tiered : ndarray of int64, shape (tables,)
        The tiered subtable of each table, or NO_SUBTABLE.
    hot : ndarray of int64
        Index (`mapping.placing.index`) from the numbers of hot rows among all rows to their rows in the first memory.
    kept : ndarray of int64
        Index from numbers of lookups to the rows of their vectors among those that are kept of the table; of pairs, to
        twice the row of their sum, and 1 more for the second lookup.
    kept_lookups : int
        Whose sum a kept vector is: 1 or 2; 0 where none is kept.
    hot_rows, tiered_rows : int
    hot_accesses, tiered_accesses : int
        Of the trace, to hot rows and to all tiered ones.
    kept_vectors : int
    """

    metas: tuple[schema.TraceMeta, ...]
    numbers: lookups.LookupNumbers
    flat: FlatRows
    tiered: NDArray[np.int64]
    hot: NDArray[np.int64]
    kept: NDArray[np.int64]
    kept_lookups: int = 0
    hot_rows: int = 0
    tiered_rows: int = 0
    hot_accesses: int = 0
    tiered_accesses: int = 0
    kept_vectors: int = 0


@dataclass(frozen=True)
class _Hot:
    """Hot rows by rising number among all rows, and what they were chosen from."""

    rows: NDArray[np.int64]
    tiered_rows: int
    accesses: int
    tiered_accesses: int


def is_split(system: SystemSpec) -> bool:
    """Whether a system's memories see anything but the trace itself."""
    return system.dimm is not None or system.placement.partial_sum_fraction > 0


def split_trace(reader: TraceReader, system: SystemSpec, geometry: UnitGeometry) -> Split:
    """Choose hot rows and kept vectors; `geometry` is the first memory's. Reads the trace once for each.

    Raises
    ------
    InputError
        An algorithm that reads a subtable twice in a lookup, or has too many lookups to number.
    """
    meta = reader.meta
    what = "dimm" if system.dimm is not None else "partial_sum_fraction"
    numbers = lookups.LookupNumbers.of(meta, what)
    flat = FlatRows.of(meta)
    nothing = np.empty(0, dtype=np.int64)
    split = Split(
        metas=(meta,),
        numbers=numbers,
        flat=flat,
        tiered=np.full(len(meta.tables), NO_SUBTABLE, dtype=np.int64),
        hot=make_index(nothing, nothing),
        kept=make_index(nothing, nothing),
    )
    if system.dimm is not None:
        split = _with_tiers(split, access_profile(reader), system.tiers, geometry)
    spec = system.placement
    if spec.partial_sum_fraction > 0:
        if meta.parameters.get("composition") == "pooled":
            raise InputError(
                "partial_sum_fraction: the trace's algorithm composes the sums of bags, not the vectors of lookups, "
                "so there are none to keep; give 0, or make the trace with composition=lookup"
            )
        if spec.partial_sum_of == "pair":
            found = pairs.frequent_pairs(
                reader, numbers, spec.partial_sum_fraction, spec.partial_sum_candidates
            )
            split = _with_kept(split, found.first, found.second)
        else:
            profile = lookups.profile_lookups(reader, numbers)
            split = _with_kept(split, np.sort(profile.most_frequent(spec.partial_sum_fraction)))
    return split


def tiered_subtables(meta: schema.TraceMeta) -> NDArray[np.int64]:
    """Each table's first subtable that is not shared; NO_SUBTABLE where all are."""
    return np.array(
        [
            next((s for s, part in enumerate(table.subtables) if not part.shared), NO_SUBTABLE)
            for table in meta.tables
        ],
        dtype=np.int64,
    )


def choose_hot_rows(
    profile: AccessProfile, tiered: NDArray[np.int64], spec: TiersSpec, geometry: UnitGeometry
) -> _Hot:
    """The hottest rows of all tiered subtables, by accesses, ties by number; none that is never accessed.

    By accesses: as many as together have at most `hot_fraction` of the accesses to tiered rows. By capacity:
    as many as take at most that share of the first memory.
    """
    numbers, counts, sizes = [], [], []
    tiered_rows = 0
    for t, s in enumerate(tiered.tolist()):
        if s == NO_SUBTABLE:
            continue
        of_row = profile.of(t, s)
        tiered_rows += of_row.size
        accessed = np.flatnonzero(of_row)
        first = int(profile.layout.first_row[profile.layout.first_subtable[t] + s])
        row_bytes = profile.meta.tables[t].subtables[s].bytes_per_row
        numbers.append(first + accessed)
        counts.append(of_row[accessed].astype(np.int64))
        sizes.append(np.full(accessed.size, bytes_to_bursts(row_bytes, geometry.burst_bytes)))
    if not numbers:
        return _Hot(np.empty(0, dtype=np.int64), 0, 0, 0)
    number, count, size = (np.concatenate(parts) for parts in (numbers, counts, sizes))
    if spec.hot_by == "accesses":
        chosen = hottest(count, spec.hot_fraction * int(count.sum()))
    else:
        chosen = hottest(count, spec.hot_fraction * geometry.unit_bursts * geometry.units, size)
    return _Hot(np.sort(number[chosen]), tiered_rows, int(count[chosen].sum()), int(count.sum()))


def _with_tiers(split: Split, profile: AccessProfile, spec: TiersSpec, geometry: UnitGeometry) -> Split:
    """Hot rows in the first memory, all rows in the second."""
    (meta,) = split.metas
    tiered = tiered_subtables(meta)
    hot = choose_hot_rows(profile, tiered, spec, geometry)
    subtable = np.searchsorted(split.flat.first_row, hot.rows, side="right") - 1
    # Hot rows of a subtable are neighbours in `hot.rows`; each has its place among them.
    index = np.arange(hot.rows.size) - np.searchsorted(subtable, subtable)
    tables = list(meta.tables)
    for t, s in enumerate(tiered.tolist()):
        if s == NO_SUBTABLE:
            continue
        rows = int((subtable == split.flat.first_subtable[t] + s).sum())
        parts = list(tables[t].subtables)
        parts[s] = replace(parts[s], rows=max(1, rows))
        tables[t] = replace(tables[t], subtables=tuple(parts))
    return replace(
        split,
        metas=(replace(meta, tables=tuple(tables)), meta),
        tiered=tiered,
        hot=make_index(hot.rows, index),
        hot_rows=hot.rows.size,
        tiered_rows=hot.tiered_rows,
        hot_accesses=hot.accesses,
        tiered_accesses=hot.tiered_accesses,
    )


def _with_kept(split: Split, numbers: NDArray[np.int64], partners: NDArray[np.int64] | None = None) -> Split:
    """Whole vectors of these lookups in the first memory, or their sums with their partners'."""
    first = split.metas[0]
    table = np.searchsorted(split.numbers.first, numbers, side="right") - 1
    tables = []
    for t, of_table in enumerate(first.tables):
        rows = int((table == t).sum())
        if rows:
            kept = schema.SubtableMeta(KEPT, rows, int(first.parameters["vector_bytes"]), shared=False)
            of_table = replace(
                of_table,
                subtables=(*of_table.subtables, kept),
                accesses_per_lookup=of_table.accesses_per_lookup,
            )
        tables.append(of_table)
    row = np.arange(numbers.size) - np.searchsorted(table, table)
    index, kept_lookups = make_index(numbers, row), 1
    if partners is not None:
        index = make_index(np.concatenate((numbers, partners)), np.concatenate((2 * row, 2 * row + 1)))
        kept_lookups = 2
    return replace(
        split,
        metas=(replace(first, tables=tuple(tables)), *split.metas[1:]),
        kept=index,
        kept_lookups=kept_lookups if numbers.size else 0,
        kept_vectors=numbers.size,
    )
