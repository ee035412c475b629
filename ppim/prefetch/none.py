"""Nothing is fetched ahead of use."""

from __future__ import annotations

from ppim.prefetch.base import PREFETCHES, Phase, PrefetchPolicy

PREFETCHES.register("none")(PrefetchPolicy("nothing", Phase.NEVER))
