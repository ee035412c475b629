"""As `table`, into the other half of the scratchpads, while the turn before computes."""

from ppim.prefetch.base import PREFETCHES, Phase, PrefetchPolicy

PREFETCHES.register("next")(
    PrefetchPolicy("the rows of the table after the next, double buffered", Phase.EACH_TURN, buffers=2)
)
