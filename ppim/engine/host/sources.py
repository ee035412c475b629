"""Who asks for lines and waits for them: the cores of a host, or a trace of which so many requests are under way.

A *source* takes bags of lines, one bag after the other, and asks for its lines in order. A line takes one of its
*places* until its data are there; with all of them taken it waits for the first line that comes back. Times are in
*ticks*, a thousandth of a memory cycle or so, since cores have clocks of their own. Rules: docs/model.md, "Host".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device

TICKS = 1 << 10  # in a memory cycle
SOURCE_SHIFT = 48  # bit of an address where the number of its source begins: above all that a memory decodes
MOST_CYCLE = 1 << 50  # whose ticks fit in 64 bits

# Kinds of lines.
IN_CACHE = 0
READ = 1
WRITE = 2

# Fields of a source.
NOW = 0  # tick from which it may ask for its next line
ROW_ENDS = 1  # tick until which its row keeps it
ITEM = 2  # next line of its bag, and the bag's end
ITEM_END = 3
UNDER_WAY = 4  # places that are taken
KNOWN = 5  # ... by lines of which it is known when they are there
FINISHED = 6
SOURCE_FIELDS = 8

# What all share: parameters,
COUNT = 0
PLACES = 1
ROW_TICKS = 2  # that a row keeps its source
NEAR_TICKS = 3  # from asking to the cache's answer, or to the memory's controller
FAR_TICKS = 4  # from the memory's last data to the source
BYTES_PER_CYCLE = 5  # that the cache delivers; 0: unlimited
READ_DELAY = 6  # memory cycles from a READ to its last data
# and what changes.
CACHE_FREE = 7  # tick from which the cache can deliver the next line
ADVANCED = 8  # memory cycle up to which all channels have been run
LAST_TICK = 9  # that a source or a line from the cache takes
NEXT_BAG = 10
HAS_WRITES = 11  # a write has been accepted: reads of its address are answered at once
PROGRESS = 12  # memory cycle of the last completion that was seen
SHARED_FIELDS = 13


class Sources(NamedTuple):
    """All sources."""

    shared: NDArray[np.int64]  # (SHARED_FIELDS,)
    clocks: NDArray[np.int64]  # (sources * SOURCE_FIELDS,)
    heaps: NDArray[np.int64]  # (sources, places) ticks at which lines are there, the first one first
    cycle: NDArray[np.int64]  # (1,) a request on its way to a full channel
    address: NDArray[np.int64]  # (1,)
    is_write: NDArray[np.bool_]  # (1,)


class Lines(NamedTuple):
    """Bags of lines, in the order in which they are dealt to sources."""

    bags: NDArray[np.int64]  # (bags + 1,) lines where they begin; the last one's end
    kind: NDArray[np.uint8]  # (lines,) IN_CACHE, READ or WRITE
    address: NDArray[np.int64]  # (lines,)
    cycle: NDArray[np.int64]  # (lines,) memory cycle before which it is not asked for
    size: NDArray[np.int64]  # (lines,) bytes that the cache delivers
    begins_row: NDArray[np.bool_]  # (lines,)


def ticks_of(time_ns: float, device: Device) -> int:
    """A time in ticks of the device's clock."""
    return round(time_ns / device.timing.tCK * TICKS)


def make_sources(
    device: Device,
    count: int,
    places: int,
    *,
    row_ns: float = 0.0,
    near_ns: float = 0.0,
    far_ns: float = 0.0,
    bytes_per_cycle: int = 0,
) -> Sources:
    """Sources that have not begun.

    Parameters
    ----------
    device : Device
    count, places : int
        Sources, and lines of each that may be under way.
    row_ns : float
        Time that a row keeps its source, whatever its lines.
    near_ns, far_ns : float
        From asking for a line to the cache's answer or the memory's controller, and from the memory's last data
        to the source.
    bytes_per_cycle : int
        That the cache delivers to all of them; 0: unlimited.
    """
    shared = np.zeros(SHARED_FIELDS, np.int64)
    shared[COUNT], shared[PLACES] = count, places
    shared[ROW_TICKS] = ticks_of(row_ns, device)
    shared[NEAR_TICKS], shared[FAR_TICKS] = ticks_of(near_ns, device), ticks_of(far_ns, device)
    shared[BYTES_PER_CYCLE] = bytes_per_cycle
    shared[READ_DELAY] = device.timing.read_delay
    shared[ADVANCED] = -1
    return Sources(
        shared=shared,
        clocks=np.zeros(count * SOURCE_FIELDS, np.int64),
        heaps=np.zeros((count, places), np.int64),
        cycle=np.zeros(1, np.int64),
        address=np.zeros(1, np.int64),
        is_write=np.zeros(1, np.bool_),
    )


def followed_by(sources: Sources, lines: Lines, more: Lines) -> Lines:
    """What the sources still hold of `lines`, with `more` behind it; they are told the new places."""
    clocks = sources.clocks.reshape(-1, SOURCE_FIELDS)
    busy = clocks[:, ITEM] < clocks[:, ITEM_END]
    first = int(clocks[busy, ITEM].min()) if busy.any() else lines.kind.size
    clocks[:, [ITEM, ITEM_END]] -= first
    clocks[~busy, ITEM] = clocks[~busy, ITEM_END] = 0
    sources.shared[NEXT_BAG] = 0

    def joined(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate((old[first:], new))

    return Lines(
        bags=more.bags + (lines.kind.size - first),
        kind=joined(lines.kind, more.kind),
        address=joined(lines.address, more.address),
        cycle=joined(lines.cycle, more.cycle),
        size=joined(lines.size, more.size),
        begins_row=joined(lines.begins_row, more.begins_row),
    )


def no_lines() -> Lines:
    """Nothing to ask for."""
    none = np.zeros(0, np.int64)
    return requests_as_lines(none, np.zeros(0, np.bool_), none)._replace(bags=np.zeros(1, np.int64))


def requests_as_lines(
    addresses: NDArray[np.int64], is_write: NDArray[np.bool_], cycles: NDArray[np.int64]
) -> Lines:
    """Plain requests as one bag of lines that no cache has."""
    n = addresses.size
    return Lines(
        np.array([0, n], np.int64),
        np.where(is_write, WRITE, READ).astype(np.uint8),
        addresses,
        cycles,
        np.zeros(n, np.int64),
        np.zeros(n, np.bool_),
    )
