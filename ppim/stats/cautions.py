"""Where a run's figures mean little: its trace is too short, too small or too much made up for them."""

from collections.abc import Iterator

from ppim.stats.result import SimulationResult
from ppim.trace.schema import TraceMeta

MADE_UP_SHARE = 0.9
"""Share of lookups that no dataset had, from which on a result is about them."""

SYNTHETIC = "synthetic"
MEBIBYTE = 1 << 20


def cautions(result: SimulationResult, meta: TraceMeta) -> tuple[str, ...]:
    """What to bear in mind with the figures of a run, a sentence each.

    Parameters
    ----------
    result : SimulationResult
    meta : TraceMeta
        Of its trace.
    """
    if not result.cycles:
        return ()
    found = [*made_up(meta)]
    for memory in result.memories:
        found += [*_fits_in_caches(memory), *_leaves_units_idle(memory, meta), *_never_refreshed(memory)]
    return tuple(dict.fromkeys(found))


def made_up(meta: TraceMeta) -> Iterator[str]:
    """Bags that were made of single values: all but their first lookups are drawn."""
    factors = meta.pooling.factors
    if meta.dataset == SYNTHETIC or meta.pooling.distribution == "dataset" or not factors:
        return
    share = 1 - len(factors) / sum(factors)
    if share >= MADE_UP_SHARE:
        yield (
            f"{100 * share:.0f} % of the lookups are drawn ({meta.pooling.distribution}) and not {meta.dataset}'s, "
            "which has one value a sample and table; --pooling sets how many are added"
        )


def _fits_in_caches(memory: SimulationResult) -> Iterator[str]:
    system, read = memory.system, memory.total("bytes_dram")
    if system.kind == "host":
        size, whose = system.host.llc_bytes, "the host's cache"
    elif system.cache.policy == "lru" and memory.unit_accesses is not None:
        size, whose = system.cache.cache_bytes * memory.unit_accesses.size, "the units' caches together"
    else:
        return
    if read <= size:
        yield (
            f"all that was read from memory ({read / MEBIBYTE:.2g} MiB) fits into {whose} ({size / MEBIBYTE:.2g} MiB): "
            "nothing had to make room, as it has in a longer trace"
        )


def _leaves_units_idle(memory: SimulationResult, meta: TraceMeta) -> Iterator[str]:
    if memory.unit_accesses is None or not memory.batches:
        return
    parts = {"table": memory.batches * len(meta.tables), "batch": memory.batches, "none": 1}
    barrier = memory.system.pim.barrier
    what = {"table": "a turn", "batch": "a batch", "none": "the trace"}[barrier]
    lookups, units = memory.total("lookups") / parts[barrier], memory.unit_accesses.size
    if lookups < units:
        yield (
            f"{what} has {lookups:.3g} lookups for {units} PIM units: many have nothing to do; larger batches or bags "
            "(gen-trace --batch-size, --pooling) keep them busy"
        )


def _never_refreshed(memory: SimulationResult) -> Iterator[str]:
    interval = memory.device.refresh_interval_cycles
    if memory.device.is_refreshed and memory.cycles < interval:
        yield (
            f"the run ends after {memory.cycles:,} cycles, before the first refresh of {memory.device.name} "
            f"(every {interval:,}): a longer one is slower for them"
        )
