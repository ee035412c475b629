"""Room: an instruction is sent when all its runs find places in their banks' queues (docs/model.md §2)."""

from ppim.jit import helper


@helper(forceinline=True)
def places_up_to(p, run):
    """Places that an instruction needs in a bank, up to its run-th run: beyond the unit's banks runs come again."""
    return 1 + (run >> p.bank_bits)


@helper(forceinline=True)
def has_place(p, places, taken, run):
    """Whether the run-th run of an instruction finds a place in a queue of `places`, of which some are taken."""
    return taken + places_up_to(p, run) <= places
