"""Slots of outstanding requests, found by byte address.

A slot is taken when a request needs a column command of its own and given back when that command has
been issued. In between it is on the chain of its address's bucket.
"""

from __future__ import annotations

from numba import int32, int64

from ppim.engine.host.state import (
    AGE,
    BANK_AT,
    BANK_MASK,
    BUCKET_BITS,
    COLUMN_AT,
    COLUMN_MASK,
    GROUP_AT,
    GROUP_LANES,
    GROUP_MASK,
    N_FREE,
    NO_SLOT,
    RANK_AT,
    RANK_LANES,
    RANK_MASK,
    ROW_AT,
    ROW_MASK,
    SLOT_ADDRESS,
    SLOT_AGE,
    SLOT_COLUMN,
    SLOT_FIELDS,
    SLOT_LANE,
    SLOT_NEXT,
    SLOT_READERS,
    SLOT_ROW,
    SLOT_STAMPS,
)
from ppim.jit import helper

_HASH_BITS = 31  # a product of two such numbers fits an int64
_HASH_MULTIPLIER = 0x9E3779B1 >> 1  # 2^31 / golden ratio
_HASH_SHIFT = 22  # well inside the product, where all bits of the address count


@helper(forceinline=True)
def _bucket(address):
    folded = (address ^ (address >> _HASH_BITS)) & ((1 << _HASH_BITS) - 1)
    return ((folded * _HASH_MULTIPLIER) >> _HASH_SHIFT) & ((1 << BUCKET_BITS) - 1)


@helper(forceinline=True)
def field(address, at, mask):
    """A bit field of an address."""
    return (address >> at) & mask


@helper(forceinline=True)
def _lane_of(fields, address):
    return (
        field(address, fields[RANK_AT], fields[RANK_MASK]) * fields[RANK_LANES]
        + field(address, fields[GROUP_AT], fields[GROUP_MASK]) * fields[GROUP_LANES]
        + field(address, fields[BANK_AT], fields[BANK_MASK])
    )


@helper(forceinline=True)
def take_slot(h, address, stamp, readers):
    """Fill a free slot and put it on its chain (`readers`: 0 for a write)."""
    h.clocks[N_FREE] -= 1
    slot = int64(h.free[h.clocks[N_FREE]])
    at = slot * SLOT_FIELDS
    h.pool[at + SLOT_ADDRESS] = address
    h.pool[at + SLOT_STAMPS] = stamp
    h.pool[at + SLOT_READERS] = readers
    h.pool[at + SLOT_ROW] = field(address, h.fields[ROW_AT], h.fields[ROW_MASK])
    h.pool[at + SLOT_COLUMN] = field(address, h.fields[COLUMN_AT], h.fields[COLUMN_MASK])
    h.pool[at + SLOT_LANE] = _lane_of(h.fields, address)
    h.pool[at + SLOT_AGE] = h.clocks[AGE]
    h.pool[at + SLOT_NEXT] = NO_SLOT
    h.clocks[AGE] += 1
    bucket = _bucket(address)
    h.chain[slot] = h.buckets[bucket]
    h.buckets[bucket] = int32(slot)
    return slot


@helper(forceinline=True)
def release_slot(h, slot):
    """Take a slot off its chain and give it back."""
    bucket = _bucket(h.pool[slot * SLOT_FIELDS + SLOT_ADDRESS])
    if h.buckets[bucket] == slot:
        h.buckets[bucket] = h.chain[slot]
    else:
        before = h.buckets[bucket]
        while h.chain[before] != slot:
            before = h.chain[before]
        h.chain[before] = h.chain[slot]
    h.free[h.clocks[N_FREE]] = int32(slot)
    h.clocks[N_FREE] += 1


@helper(forceinline=True)
def first_in_bucket(h, address):
    """Where the search for an address starts; NO_SLOT when nothing can match."""
    return int64(h.buckets[_bucket(address)])


@helper
def find_outstanding(h, address, is_write):
    """Slot of an outstanding write (or read) of a byte address, or NO_SLOT."""
    slot = first_in_bucket(h, address)
    while slot != NO_SLOT:
        at = slot * SLOT_FIELDS
        if h.pool[at + SLOT_ADDRESS] == address and (h.pool[at + SLOT_READERS] == 0) == is_write:
            return slot
        slot = int64(h.chain[slot])
    return slot
