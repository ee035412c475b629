"""The host's last-level cache: which lines of a trace it has, and which bursts reach the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.dram.address import Coordinates, address_map
from ppim.errors import InputError
from ppim.jit import njit
from ppim.jit.tables import bare
from ppim.program.cache import EMPTY, look_up

if TYPE_CHECKING:
    from ppim.dram.device import Device
    from ppim.systems.spec import HostSpec
    from ppim.trace.reader import TraceChunk
    from ppim.trace.schema import TraceMeta

# Columns of the counts, per channel of an access's first byte.
LOOKUPS = 0
ACCESSES = 1
HITS = 2  # all lines of the row were in the cache
BYTES_HIT = 3  # in lines that were in the cache
N_LLC_COUNTS = 4

FOUND = -1  # address of a line that the cache has


class HostLayout(NamedTuple):
    """Subtables one behind the other in the physical address space; int64, shape (tables, subtables)."""

    base: NDArray[np.int64]  # byte address of row 0
    row_bytes: NDArray[np.int64]  # whole bursts
    burst_bytes: int
    channel_at: int  # bit of the byte address where the channel's field begins
    channel_mask: int


def lay_out(meta: TraceMeta, device: Device) -> HostLayout:
    """Place all subtables, every row beginning at a burst.

    Raises
    ------
    InputError
        If they do not fit in the memory.
    """
    fields = address_map(device)
    burst = device.organization.burst_bytes
    shape = (len(meta.tables), max(len(table.subtables) for table in meta.tables))
    base, row_bytes = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    free = 0
    for t, table in enumerate(meta.tables):
        for s, subtable in enumerate(table.subtables):
            row_bytes[t, s] = -(-subtable.bytes_per_row // burst) * burst
            base[t, s] = free
            free += subtable.rows * int(row_bytes[t, s])
    capacity = device.organization.capacity_bytes
    if free > capacity:
        raise InputError(
            f"the tables take {free:,} bytes, but {device.name} has {capacity:,}; "
            "use a larger device or shorter vectors"
        )
    channel = Coordinates._fields.index("channel")
    return HostLayout(base, row_bytes, burst, fields.positions[channel], fields.masks[channel])


def scaled_bytes(host: HostSpec, meta: TraceMeta) -> int:
    """Size of the cache that a trace meets: as given, or as much smaller as the model became by weight sharing."""
    if host.llc_scale == "none" or not host.llc_bytes:
        return host.llc_bytes
    before = sum(table.rows for table in meta.tables) * int(meta.parameters["vector_bytes"])
    after = sum(subtable.size_bytes for table in meta.tables for subtable in table.subtables)
    set_bytes = host.llc_line_bytes * host.llc_ways
    return max(host.llc_bytes * after // before // set_bytes, 1) * set_bytes


def make_llc(host: HostSpec, size_bytes: int) -> NDArray[np.int64]:
    """An empty cache: tags, shape (sets, ways), most recently used first; no sets without a cache."""
    sets = size_bytes // (host.llc_line_bytes * host.llc_ways)
    return np.full((sets, host.llc_ways), EMPTY, dtype=np.int64)


def first_accesses(chunk: TraceChunk) -> NDArray[np.int64]:
    """Where the bags of a chunk begin, and behind the last one its end; int64."""
    of = np.stack([column.astype(np.int64) for column in (chunk.batch, chunk.table, chunk.sample)])
    changes = np.flatnonzero((of[:, 1:] != of[:, :-1]).any(axis=0)) + 1
    return np.concatenate(([0], changes, [len(chunk.row)]))


@njit
def list_lines(layout, tags, line_bytes, chunk, start_access, stop_access, counts, rows, addresses, sizes):
    """Lines of some of a chunk's accesses, in their order: those that the cache has, and bursts for the others.

    Parameters
    ----------
    layout : HostLayout
    tags : ndarray of int64, shape (sets, ways)
    line_bytes : int
    chunk : TraceChunk
    start_access, stop_access : int
    counts : ndarray of int64, shape (channels, N_LLC_COUNTS)
        Added to.
    rows : ndarray of int64, shape (stop_access - start_access + 1,)
        Receives where the lines of each access begin, and the end of the last one's.
    addresses, sizes : ndarray of int64
        Receive FOUND or the byte address of a burst, and the bytes of the row that come with it; large enough
        for every burst and line of these accesses.

    Returns
    -------
    int
        Number of lines.
    """
    n = 0
    burst = layout.burst_bytes
    sets, ways = tags.shape
    lines = bare(tags)
    for i in range(start_access, stop_access):
        table, subtable = np.int64(chunk.table[i]), np.int64(chunk.subtable[i])
        size = layout.row_bytes[table, subtable]
        start = layout.base[table, subtable] + np.int64(chunk.row[i]) * size
        row = counts[(start >> layout.channel_at) & layout.channel_mask]
        row[ACCESSES] += 1
        if (
            i == 0
            or chunk.lookup[i] != chunk.lookup[i - 1]
            or chunk.sample[i] != chunk.sample[i - 1]
            or chunk.table[i] != chunk.table[i - 1]
            or chunk.batch[i] != chunk.batch[i - 1]
        ):
            row[LOOKUPS] += 1
        rows[i - start_access] = n
        missed = 0
        # A miss fetches its line burst by burst. A line may be shorter than a burst or end inside one: the next line
        # of the row is then in a burst that this access has fetched.
        address = start
        fetched = np.int64(0)  # end of what it has fetched
        while address < start + size:
            line = address // line_bytes
            stop = min((line + 1) * line_bytes, start + size)
            if sets > 0 and look_up(lines, line % sets, ways, line):
                row[BYTES_HIT] += stop - address
                addresses[n] = FOUND
                sizes[n] = 0
                n += 1
            else:
                missed += 1
                fetch = max((line * line_bytes) // burst * burst, fetched)
                while fetch < (line + 1) * line_bytes:
                    addresses[n] = fetch
                    sizes[n] = 0
                    n += 1
                    fetch += burst
                fetched = fetch
            sizes[n - 1] += stop - address
            address = stop
        if missed == 0:
            row[HITS] += 1
    rows[stop_access - start_access] = n
    return n
