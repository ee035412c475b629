"""What a bank offers: the oldest entry, hits on the open row, and how long they protect it (docs/model.md §3)."""

from ppim.engine.pim import state as s
from ppim.jit import helper

NO_PLACE = -1
MAX_HITS_BEFORE_PRECHARGE = (
    4  # READs after which waiting row hits no longer hold a precharge back (host-controller.md §7)
)


@helper(forceinline=True)
def next_hit(queues, queue, head, mask, first, stop, open_row):
    """Place of the oldest entry of a queue that wants the open row, of places first..stop-1; or NO_PLACE.

    `queues` has a ring of entries for each queue (their first column is ENTRY_ROW); place 0 is at `head`.
    """
    for place in range(first, stop):
        if queues[queue, (head + place) & mask, s.ENTRY_ROW] == open_row:
            return place
    return NO_PLACE


@helper(forceinline=True)
def offers_precharge(hit, reads):
    """Whether a bank whose oldest entry wants another row may close, `reads` READs after its ACTIVATE.

    `hit` is the place of a visible entry that wants the open row, or NO_PLACE.
    """
    return hit < 0 or reads >= MAX_HITS_BEFORE_PRECHARGE
