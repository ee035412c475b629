"""In which order units act, and banks of a unit are looked at (docs/model.md §3)."""

from ppim.jit import helper
from ppim.jit.bits import count_trailing_zeros


@helper(forceinline=True)
def first_bank_after(mask, last):
    """The first bank of a mask (not 0) behind the one that issued last, cyclically."""
    later = mask & (-2 << last)
    return count_trailing_zeros(later if later else mask)


@helper(forceinline=True)
def first_unit_after(p, lanes, last_activator):
    """The first unit with a lane in a mask (not 0) behind the one that activated last, cyclically."""
    return first_bank_after(lanes, ((last_activator + 1) << p.bank_bits) - 1) >> p.bank_bits


@helper(forceinline=True)
def unit_in_turn(p, turn, last_activator):
    """The unit that acts in the turn-th place of a cycle; units are a power of two."""
    return (last_activator + 1 + turn) & (p.units - 1)


@helper(forceinline=True)
def turn_of_unit(p, unit, last_activator):
    """The place of a unit in a cycle's order: the one behind the last activator comes first."""
    return (unit - 1 - last_activator) & (p.units - 1)
