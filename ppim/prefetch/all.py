"""All rows of all tables' prefetched subtables that fit, once, at the start; they are kept."""

from ppim.prefetch.base import PREFETCHES, Phase, PrefetchPolicy

PREFETCHES.register("all")(PrefetchPolicy("all tables' rows at the start", Phase.AT_START))
