"""Trace, system and device -> everything the program builder needs, checked here and nowhere else."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.mapping.base import MAPPINGS, CountAccesses
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import DUPLICATED, Footprint, Placement
from ppim.prefetch.base import NO_PREFETCH, Phase
from ppim.program import checks, costs, instruction, residency, tiers
from ppim.program.builder import recipe as b, seen, uses
from ppim.systems.spec import SystemSpec
from ppim.trace.schema import TraceMeta
from ppim.units import bytes_to_bursts


@dataclass(frozen=True)
class Prepared:
    """What is fixed before the first access is read."""

    geometry: UnitGeometry
    placement: Placement
    footprint: Footprint
    recipe: b.Recipe
    resident_bytes: int  # largest scratchpad contents
    prefetched_bytes: int  # that the prefetched subtables have, whether they fit or not
    delivers_per_lookup: int  # most rows of a lookup that can lie under other units than its owner
    system: SystemSpec  # as it acts: where nothing is prefetched, prefetch is none
    has_wide_rows: bool  # the trace's rows are 64-bit numbers


@dataclass(frozen=True)
class _Parts:
    """What the recipe is made of."""

    meta: TraceMeta
    system: SystemSpec
    geometry: UnitGeometry
    placement: Placement
    vector_bytes: int
    slices: int  # units that each have a part of every row; 0 where rows are whole
    collectors: int  # of a channel; 0: none, or one for all units
    shared: NDArray[np.int64]
    held: residency.Residency
    cost: costs.Costs
    cache: residency.CacheShape


def prepare(
    meta: TraceMeta,
    device: Device,
    system: SystemSpec,
    count_accesses: CountAccesses,
    *,
    tied: bool = False,
    host_holds_shared: bool = False,
) -> Prepared:
    """Place the subtables, choose the scratchpad's rows and cost the arithmetic.

    Parameters
    ----------
    meta : TraceMeta
        The trace, as this memory sees it.
    device : Device
    system : SystemSpec
    count_accesses : callable
        Called if the mapping needs the accesses of the trace to each row.
    tied : bool
        Each turn waits for the same turn of another memory too.
    host_holds_shared : bool
        Shared subtables are in the host's cache, so that no access to them reaches the memory.

    Raises
    ------
    InputError
        A combination that makes no sense, or a placement that does not fit in the memory.
    """
    checks.check_combination(meta, device, system)
    geometry = UnitGeometry.of(device, system.pim.level)
    mapping = MAPPINGS.get(system.placement.mapping)
    if mapping.learns:
        checks.check_learning(system, is_split=tied or system.placement.partial_sum_fraction > 0)
    placement, footprint = mapping.place(
        meta,
        geometry,
        system.placement,
        count_accesses if mapping.counts_accesses else checks.refuse_to_count,
    )
    held = residency.find_resident_rows(
        meta, system, placement, geometry, host_holds_shared=host_holds_shared
    )
    slices = geometry.units if mapping.splits_rows else 0
    if slices:
        checks.check_split(meta, system)
    if _parted(placement).any():
        checks.check_parts(system)
    cost = costs.cost_arithmetic(meta, system, placement, max(slices, 1), device.timing.tCK)
    checks.check_dedup(system, has_products=bool(cost.has_product.any()))
    checks.check_kept_vectors(system, is_split=slices > 0)
    shared = _of_subtables(meta, placement, "shared")
    if not held.resident.any():
        system = replace(system, prefetch=replace(system.prefetch, prefetch=NO_PREFETCH, prefetch_used=False))
    parts = _Parts(
        meta=meta,
        system=system,
        geometry=geometry,
        placement=placement,
        vector_bytes=meta.sharing.algorithm.vector_bytes,
        slices=slices,
        collectors=collectors_of_channel(device, system),
        shared=shared,
        held=held,
        cost=cost,
        cache=residency.shape_cache(system.cache, shared, placement, geometry),
    )
    return Prepared(
        geometry=geometry,
        placement=placement,
        footprint=footprint,
        recipe=_write_recipe(parts, tied=tied),
        resident_bytes=held.most_held,
        prefetched_bytes=held.most_wanted,
        delivers_per_lookup=0 if slices else _delivers_per_lookup(meta, placement),
        system=system,
        has_wide_rows=meta.wide_rows,
    )


def _write_recipe(parts: _Parts, *, tied: bool) -> b.Recipe:
    """The integers that the builder's kernels read."""
    meta, system, geometry, pim = parts.meta, parts.system, parts.geometry, parts.system.pim
    policy, compute = system.prefetch.policy, system.compute
    parted = _parted(parts.placement)
    kept = [
        len(table.subtables) - 1 if table.subtables[-1].name == tiers.KEPT else instruction.NONE
        for table in meta.tables
    ]
    tables, subtables = parts.placement.mode.shape
    return b.Recipe(
        shared=parts.shared,
        row_bytes=_of_subtables(meta, parts.placement, "bytes_per_row"),
        resident=parts.held.resident,
        compute=parts.cost.compute,
        compute_reused=parts.cost.compute_reused,
        macs=parts.cost.macs,
        macs_reused=parts.cost.macs_reused,
        accesses=np.array([table.accesses_per_lookup for table in meta.tables], dtype=np.int64),
        reordered=(parts.cost.has_product & compute.tt_reorder).astype(np.int64),
        vector_bursts=bytes_to_bursts(parts.vector_bytes, geometry.burst_bytes * max(parts.slices, 1)),
        channels=geometry.channels,
        units_per_channel=geometry.units_per_channel,
        own_unit=b.own_units(geometry.units, geometry.units_per_channel, range(geometry.channels)),
        global_stream=int(pim.frontend == "global"),
        fetch_at_start=int(policy.phase == Phase.AT_START),
        fetch_each_turn=int(policy.phase == Phase.EACH_TURN),
        turns_ahead=policy.turns_ahead,
        only_used=int(policy.only_used),
        line_bytes=parts.held.line_bytes,
        turn_bytes=parts.held.turn_bytes,
        demanded=parts.held.demanded,
        room=parts.held.room,
        transfer_all=int(pim.transfer == "all"),
        host_consumes=int(pim.consumer == "host"),
        slices=parts.slices,
        in_order=int(pim.deliver == "in-order"),
        accumulators=compute.unit_accumulators,
        collect=int(pim.collect != "host"),
        collectors=parts.collectors,
        apart=0,
        dedup=int(pim.dedup != "none"),
        seen_rows=seen.ROWS_PER_ACCESS * max(table.accesses_per_lookup for table in meta.tables)
        if pim.dedup == "rows"
        else 0,
        listed=int(pim.dedup == "rows"),
        lru=int(parts.cache.exists),
        cached=parts.cache.cached,
        cache_sets=parts.cache.sets,
        cache_ways=parts.cache.ways,
        bypass_below=system.cache.cache_bypass_below if parts.cache.exists else 0,
        use_rows=uses.ROWS_PER_ACCESS * max(table.accesses_per_lookup for table in meta.tables),
        tables=tables,
        subtables=subtables,
        batch_size=meta.batch_size,
        samples=meta.samples,
        tied=int(tied),
        kept_lookups=0
        if max(kept) == instruction.NONE
        else {"lookup": 1, "pair": 2}[system.placement.partial_sum_of],
        kept_subtable=np.array(kept, dtype=np.int64),
        kept_compute=parts.cost.kept_compute,
        kept_macs=parts.cost.kept_macs,
        parts=int(parted.any()),
        parted=parted.astype(np.int64),
        part_compute=parts.cost.part_compute,
        part_reused=parts.cost.part_reused,
        part_macs=parts.cost.part_macs,
        part_macs_reused=parts.cost.part_macs_reused,
        reuses=np.asarray(np.any(parts.cost.part_macs_reused < parts.cost.part_macs, axis=1), dtype=np.int64),
        most_pieces=int(parts.placement.pieces.max()),
        most_units=int(parts.placement.set_units.max()),
    )


def collectors_of_channel(device: Device, system: SystemSpec) -> int:
    """Buffer chips of a channel that add up partial sums; 0 where others do."""
    ranks, pim = device.organization.ranks, system.pim
    return {"rank": ranks, "dimm": ranks // pim.ranks_per_dimm}.get(pim.collect, 0)


def _parted(placement: Placement) -> NDArray[np.bool_]:
    """Whether a row of a table's lookups lies in parts, shape (tables,)."""
    parted = (placement.set_units > 1) | (placement.pieces > 1)
    return np.asarray(np.any(parted, axis=1), dtype=np.bool_)


def _of_subtables(meta: TraceMeta, placement: Placement, attribute: str) -> NDArray[np.int64]:
    """A number of each subtable, shape (tables, subtables)."""
    column = np.zeros(placement.mode.shape, dtype=np.int64)
    for t, table in enumerate(meta.tables):
        for s, subtable in enumerate(table.subtables):
            column[t, s] = getattr(subtable, attribute)
    return column


def _delivers_per_lookup(meta: TraceMeta, placement: Placement) -> int:
    """Most rows of one lookup that can lie under other units than its first row that lies once."""
    # Every subtable is accessed at least once; one of few subtables may be accessed often.
    copies = (placement.mode == DUPLICATED).sum(axis=1)
    accesses = np.array([table.accesses_per_lookup for table in meta.tables])
    return max(0, int((accesses - copies).max()) - 1)
