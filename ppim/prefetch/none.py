"""Nothing is fetched ahead of use."""

from ppim.prefetch.base import PREFETCHES, Phase, PrefetchPolicy

PREFETCHES.register("none")(PrefetchPolicy("nothing", Phase.NEVER))
