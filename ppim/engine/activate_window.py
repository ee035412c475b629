"""Activate windows: of a rank's ACTIVATEs no more than a few may be issued in so many cycles (tFAW, t32AW).

A window's history is a ring of cycles, `depth` of them (a power of two), in a table of which it may be a part.
"""

from ppim.jit import helper

SHORT_WINDOW = 4  # ACTIVATEs in tFAW
LONG_WINDOW = 32  # ACTIVATEs in t32AW


@helper(forceinline=True)
def note_activate(table, ring, depth, before, cycle):
    """Enter an ACTIVATE of `cycle`, which `before` others came before."""
    table[ring + (before & (depth - 1))] = cycle


@helper(forceinline=True)
def window_opens(table, ring, depth, activates, most, window):
    """Cycle from which a window that takes `most` ACTIVATEs allows another one behind so many."""
    return table[ring + ((activates - most) & (depth - 1))] + window
