"""Of the rows of `table`, those that a lookup of the turn uses."""

from ppim.prefetch.base import PREFETCHES, Phase, PrefetchPolicy

PREFETCHES.register("used")(
    PrefetchPolicy("of the next table's rows those that its turn uses", Phase.EACH_TURN, only_used=True)
)
