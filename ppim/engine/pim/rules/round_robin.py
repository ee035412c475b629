"""In which order units act, and banks of a unit are looked at (docs/model.md §3)."""

from ppim.engine import lane_masks
from ppim.jit import helper
from ppim.jit.bits import count_trailing_zeros


@helper(forceinline=True)
def first_bank_after(mask, last):
    """The first bank of a mask (not 0) behind the one that issued last, cyclically."""
    later = mask & (-2 << last)
    return count_trailing_zeros(later if later else mask)


@helper(forceinline=True)
def first_lane(p, last_activator):
    """First lane of the unit that acts first in a cycle: the one behind that which activated last, cyclically."""
    return ((last_activator + 1) & (p.units - 1)) << p.bank_bits


@helper(forceinline=True)
def word_in_turn(p, step, first):
    """Word of a mask whose units act in the step-th part of a cycle: from the one of lane `first` round to it again."""
    word = lane_masks.word_of(first) + step
    return word if word < p.mask_words else word - p.mask_words


@helper(forceinline=True)
def lanes_in_turn(p, step, first):
    """Which lanes of that word: the first one's from lane `first` on, and in the last step those before it."""
    behind = lane_masks.WHOLE_WORD << (first & lane_masks.IN_WORD)
    if step == 0:
        return behind
    return ~behind if step == p.mask_words else lane_masks.WHOLE_WORD


@helper(forceinline=True)
def unit_in_turn(p, turn, last_activator):
    """The unit that acts in the turn-th place of a cycle; units are a power of two."""
    return (last_activator + 1 + turn) & (p.units - 1)


@helper(forceinline=True)
def turn_of_unit(p, unit, last_activator):
    """The place of a unit in a cycle's order: the one behind the last activator comes first."""
    return (unit - 1 - last_activator) & (p.units - 1)
