"""Nothing is fetched ahead of use."""

from __future__ import annotations

from ppim.prefetch.base import NO_PREFETCH, PREFETCHES, Phase, PrefetchPolicy

PREFETCHES.register(NO_PREFETCH)(PrefetchPolicy("nothing", Phase.NEVER))
