"""How long requests took: counted by latency; those that share a command, or all if somebody asks, are kept.

A latency is counted in buckets: exact up to 127 cycles, then 64 buckets to each power of two. The slot of a read that
others joined has the sum of their stamps only, so these are kept (`KEPT_REQUEST` and so on) and counted by
`latencies`. Which latency: host-controller.md §15.
"""

from ppim.engine.host import columns as s
from ppim.jit import helper
from ppim.jit.bits import length

BUCKET_BITS = 6
N_BUCKETS = 64 << BUCKET_BITS

# Kinds of requests: parts of `spread`.
READS = 0
WRITES = 1


@helper(forceinline=True)
def bucket_of(cycles):
    """Bucket of a latency."""
    shift = max(length(cycles) - (BUCKET_BITS + 1), 0)
    return (shift << BUCKET_BITS) + (cycles >> shift)


@helper(forceinline=True)
def count(h, kind, cycles):
    """Count a request that shares no command."""
    h.spread[kind * N_BUCKETS + bucket_of(cycles)] += 1
    h.counters[s.LONGEST_READ + kind] = max(h.counters[s.LONGEST_READ + kind], cycles)


@helper(forceinline=True)
def keep(h, request, how, stamp, end):
    """Keep a request."""
    at = h.clocks[s.KEPT_USED] * s.KEPT_FIELDS
    h.kept[at + s.KEPT_REQUEST] = request
    h.kept[at + s.KEPT_HOW] = how
    h.kept[at + s.KEPT_STAMP] = stamp
    h.kept[at + s.KEPT_END] = end
    h.clocks[s.KEPT_USED] += 1


@helper(forceinline=True)
def note(h, kind, at, alone, completion):
    """The command of the slot at place `at` of the pool is issued, for one request alone or for several."""
    if alone:
        count(h, kind, completion - h.pool[at + s.SLOT_STAMPS])
    if h.rules[s.KEEP_ALL] != 0 or not alone:
        keep(h, h.pool[at + s.SLOT_NUMBER], s.OWN_READ + kind, h.pool[at + s.SLOT_STAMPS], completion)
