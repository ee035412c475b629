"""Slots of outstanding requests, found by byte address.

A slot is taken when a request needs a column command of its own and given back when that command has
been issued. In between it is on the chain of its address's bucket. When its data will have moved, the front end is told.
"""

from numba import int32, int64

from ppim.engine.host import columns as s
from ppim.jit import helper

_HASH_BITS = 31  # a product of two such numbers fits an int64
_HASH_MULTIPLIER = 0x9E3779B1 >> 1  # 2^31 / golden ratio
_HASH_SHIFT = 22  # well inside the product, where all bits of the address count


@helper(forceinline=True)
def _bucket(address):
    folded = (address ^ (address >> _HASH_BITS)) & ((1 << _HASH_BITS) - 1)
    return ((folded * _HASH_MULTIPLIER) >> _HASH_SHIFT) & ((1 << s.BUCKET_BITS) - 1)


@helper(forceinline=True)
def field(address, at, mask):
    """A bit field of an address."""
    return (address >> at) & mask


@helper(forceinline=True)
def slot_field(h, slot, what):
    """A field of a slot (SLOT_ROW, SLOT_LANE, ...)."""
    return h.pool[slot * s.SLOT_FIELDS + what]


@helper(forceinline=True)
def is_write(h, slot):
    """Whether a slot holds a write."""
    return slot_field(h, slot, s.SLOT_READERS) <= 0


@helper(forceinline=True)
def _lane_of(fields, address):
    return (
        field(address, fields[s.RANK_AT], fields[s.RANK_MASK]) * fields[s.LANES_PER_RANK]
        + field(address, fields[s.GROUP_AT], fields[s.GROUP_MASK]) * fields[s.LANES_PER_GROUP]
        + field(address, fields[s.BANK_AT], fields[s.BANK_MASK])
    )


@helper(forceinline=True)
def take_slot(h, address, stamp, readers, number):
    """Fill a free slot and put it on its chain (`readers`: 0 for a write)."""
    h.clocks[s.N_FREE] -= 1
    slot = int64(h.free[h.clocks[s.N_FREE]])
    at = slot * s.SLOT_FIELDS
    h.pool[at + s.SLOT_ADDRESS] = address
    h.pool[at + s.SLOT_STAMPS] = stamp
    h.pool[at + s.SLOT_READERS] = readers
    h.pool[at + s.SLOT_ROW] = field(address, h.fields[s.ROW_AT], h.fields[s.ROW_MASK])
    h.pool[at + s.SLOT_COLUMN] = field(address, h.fields[s.COLUMN_AT], h.fields[s.COLUMN_MASK])
    h.pool[at + s.SLOT_LANE] = _lane_of(h.fields, address)
    h.pool[at + s.SLOT_NUMBER] = number
    h.pool[at + s.SLOT_NEXT] = s.NO_SLOT
    bucket = _bucket(address)
    h.chain[slot] = h.buckets[bucket]
    h.buckets[bucket] = int32(slot)
    return slot


@helper(forceinline=True)
def release_slot(h, slot):
    """Take a slot off its chain and give it back."""
    bucket = _bucket(h.pool[slot * s.SLOT_FIELDS + s.SLOT_ADDRESS])
    if h.buckets[bucket] == slot:
        h.buckets[bucket] = h.chain[slot]
    else:
        before = h.buckets[bucket]
        while h.chain[before] != slot:
            before = h.chain[before]
        h.chain[before] = h.chain[slot]
    h.free[h.clocks[s.N_FREE]] = int32(slot)
    h.clocks[s.N_FREE] += 1


@helper(forceinline=True)
def note_done(h, cycle, address, requests):
    """Keep a completion for a front end that waits for it."""
    if h.rules[s.DONE_SIZE] != 0:
        at = h.clocks[s.DONE_USED] * s.DONE_FIELDS
        h.done[at + s.DONE_CYCLE] = cycle
        h.done[at + s.DONE_ADDRESS] = address
        h.done[at + s.DONE_REQUESTS] = requests
        h.clocks[s.DONE_USED] += 1


@helper(forceinline=True)
def first_in_bucket(h, address):
    """Where the search for an address starts; NO_SLOT when nothing can match."""
    return int64(h.buckets[_bucket(address)])


@helper
def find_outstanding(h, address, a_write):
    """Slot of an outstanding write (or read) of a byte address, or NO_SLOT."""
    slot = first_in_bucket(h, address)
    while slot != s.NO_SLOT:
        if slot_field(h, slot, s.SLOT_ADDRESS) == address and is_write(h, slot) == a_write:
            return slot
        slot = int64(h.chain[slot])
    return slot
