"""Trace, system and device -> everything the program builder needs, checked here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ppim.arrays import aligned_full, integers
from ppim.errors import InputError
from ppim.mapping.base import MAPPINGS, CountAccesses
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import DUPLICATED, SLICED, Footprint, Placement
from ppim.program.builder import recipe as b
from ppim.program.cache import EMPTY
from ppim.program.instruction import NONE
from ppim.program.tiers import KEPT
from ppim.units import bytes_to_bursts, ceil_div, ns_to_cycles
from ppim.weight_sharing.base import ALGORITHMS, WeightSharing, first_product_macs, lookup_macs

if TYPE_CHECKING:
    from ppim.dram.device import Device
    from ppim.systems.spec import CacheSpec, ComputeSpec, SystemSpec
    from ppim.trace.profile import AccessProfile
    from ppim.trace.schema import TableMeta, TraceMeta

_PREFETCH = {
    "none": b.PREFETCH_NONE,
    "table": b.PREFETCH_TABLE,
    "next": b.PREFETCH_NEXT,
    "all": b.PREFETCH_ALL,
}


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
    _check(system)
    _check_prefetched_names(meta, system)
    _check_refresh(device)
    geometry = UnitGeometry.of(device, system.pim.level)
    mapping = MAPPINGS.get(system.placement.mapping)
    placement, footprint = mapping.place(
        meta, geometry, system.placement, count_accesses if mapping.counts_accesses else _not_declared
    )
    is_split = mapping.splits_rows
    shape = placement.mode.shape
    shared, row_bytes = (np.zeros(shape, dtype=np.int64) for _ in range(2))
    for t, table in enumerate(meta.tables):
        for s, subtable in enumerate(table.subtables):
            shared[t, s] = subtable.shared
            row_bytes[t, s] = subtable.bytes_per_row
    if host_holds_shared:
        resident, wanted_bytes = _rows_in_llc(meta, system, shape), np.zeros(shape, dtype=np.int64)
    else:
        resident, wanted_bytes = _resident_rows(meta, system, placement, geometry)
    is_all = system.prefetch.prefetch == "all"
    if not resident.any():
        nothing = replace(system.prefetch, prefetch="none", prefetch_used=False)
        system = replace(system, prefetch=nothing)
    line_bytes = _line_bytes(system.cache, placement, geometry)
    per_table = np.minimum((resident * line_bytes).sum(axis=1), wanted_bytes.sum(axis=1))
    sharing = WeightSharing.from_parameters(meta.algorithm, meta.parameters, "trace")
    slices = 1
    if is_split:
        _check_split(meta, system, sharing)
        slices = geometry.units
    vector_bytes = sharing.algorithm.vector_bytes
    by_units = int(system.pim.consumer == "unit")
    macs = by_units * np.array([lookup_macs(sharing, table.rows) for table in meta.tables])
    first_product = by_units * np.array([first_product_macs(sharing, table.rows) for table in meta.tables])
    reused = macs - first_product * system.compute.tt_reuse
    compute, compute_reused = (
        [compute_cycles(ceil_div(int(n), slices), system.compute, device.timing.tCK) for n in column]
        for column in (macs, reused)
    )
    if system.pim.dedup != "none":
        _check_dedup(system, has_products=bool(first_product.any()))
    accesses = [table.accesses_per_lookup for table in meta.tables]
    cached = shared if system.cache.cache_subtables == "shared" else np.ones(shape, dtype=np.int64)
    longest = int((placement.row_bursts * cached).max()) * geometry.burst_bytes
    is_lru = system.cache.policy == "lru" and system.cache.cache_bytes > 0 and longest > 0
    sets, ways = _cache_shape(longest, system.cache) if is_lru else (1, 1)
    kept = [len(table.subtables) - 1 if _has_kept(table) else NONE for table in meta.tables]
    if system.placement.partial_sum_fraction > 0 and (is_split or system.pim.dedup != "none"):
        raise InputError(
            "partial_sum_fraction: a kept vector stands for a whole lookup, which mapping "
            f"{system.placement.mapping} cuts in slices and dedup=turn looks for by its rows; give 0"
        )
    recipe = b.Recipe(
        shared=shared,
        row_bytes=row_bytes,
        resident=resident,
        compute=np.array(compute, dtype=np.int64),
        compute_reused=np.array(compute_reused, dtype=np.int64),
        accesses=np.array(accesses, dtype=np.int64),
        reordered=((first_product > 0) & system.compute.tt_reorder).astype(np.int64),
        vector_bursts=bytes_to_bursts(vector_bytes, geometry.burst_bytes * slices),
        channels=geometry.channels,
        units_per_channel=geometry.units_per_channel,
        own_unit=b.own_units(geometry.units, geometry.units_per_channel, range(geometry.channels)),
        global_stream=int(system.pim.frontend == "global"),
        prefetch=_PREFETCH[system.prefetch.schedule],
        only_used=int(system.prefetch.only_used),
        line_bytes=line_bytes,
        turn_bytes=_turn_bytes(system),
        transfer_all=int(system.pim.transfer == "all"),
        host_consumes=int(system.pim.consumer == "host"),
        slices=geometry.units if is_split else 0,
        in_order=int(system.pim.deliver == "in-order"),
        accumulators=system.compute.unit_accumulators,
        collect=int(system.pim.collect != "host"),
        dedup=int(system.pim.dedup == "turn"),
        lru=int(is_lru),
        cached=cached,
        cache_sets=sets,
        cache_ways=ways,
        tables=shape[0],
        subtables=shape[1],
        batch_size=meta.batch_size,
        samples=meta.samples,
        tied=int(tied),
        has_kept=int(max(kept) != NONE),
        kept_subtable=np.array(kept, dtype=np.int64),
        kept_compute=compute_cycles(sharing.algorithm.vector_elements, system.compute, device.timing.tCK),
    )
    return Prepared(
        geometry=geometry,
        placement=placement,
        footprint=footprint,
        recipe=recipe,
        resident_bytes=int(per_table.sum() if is_all else per_table.max()),
        prefetched_bytes=int(wanted_bytes.sum() if is_all else wanted_bytes.max()),
        delivers_per_lookup=_delivers_per_lookup(meta, placement),
        system=system,
        has_wide_rows=meta.wide_rows,
    )


def _not_declared() -> AccessProfile:
    raise TypeError("a mapping that counts accesses says so: counts_accesses=True")


def _has_kept(table: TableMeta) -> bool:
    """Whether some whole vectors of a table are kept."""
    return table.subtables[-1].name == KEPT


def _rows_in_llc(meta: TraceMeta, system: SystemSpec, shape: tuple[int, ...]) -> np.ndarray:
    """Rows of each subtable that the host's cache holds: all of the shared ones, or it is refused."""
    resident = np.zeros(shape, dtype=np.int64)
    needed = 0
    for t, table in enumerate(meta.tables):
        for s, subtable in enumerate(table.subtables):
            if subtable.shared:
                resident[t, s] = subtable.rows
                needed += subtable.rows * subtable.bytes_per_row
    if needed > system.host.llc_bytes:
        raise InputError(
            f"host.llc_bytes: the host keeps the shared subtables in its cache, {needed:,} bytes, but has "
            f"{system.host.llc_bytes:,}; give it more, or set dimm.pim.consumer=unit"
        )
    return resident


def _delivers_per_lookup(meta: TraceMeta, placement: Placement) -> int:
    """Most rows of one lookup that can lie under other units than its first row that lies once."""
    if (placement.mode == SLICED).all():
        return 0
    # Every subtable is accessed at least once; one of few subtables may be accessed often.
    copies = (placement.mode == DUPLICATED).sum(axis=1)
    accesses = np.array([table.accesses_per_lookup for table in meta.tables])
    return max(0, int((accesses - copies).max()) - 1)


def _check(system: SystemSpec) -> None:
    if system.compute.unit_accumulators and (
        system.pim.frontend != "per-channel" or system.pim.transfer != "non-empty"
    ):
        raise InputError(
            "unit_accumulators: a sum that leaves early has a transfer of its own, which frontend=global and "
            "transfer=all do not have; give 0, or frontend=per-channel and transfer=non-empty"
        )
    if system.prefetch.prefetch != "none" and system.cache.policy == "lru":
        raise InputError(
            "prefetch fills a scratchpad, but the cache's policy is lru: set policy=scratchpad or prefetch=none"
        )
    if system.pim.consumer == "host":
        _check_host_consumer(system)


def _check_prefetched_names(meta: TraceMeta, system: SystemSpec) -> None:
    """Systems name subtables of several algorithms; each name is of a shared subtable, of this trace or another."""
    own = {part.name: part.shared for table in meta.tables for part in table.subtables}
    own |= {part.name: True for table in meta.tables for part in table.subtables if part.shared}
    of_algorithms = {
        name for algorithm in ALGORITHMS.names() for name in ALGORITHMS.get(algorithm).shared_names
    }
    for name in system.prefetch.prefetch_subtables:
        if not own.get(name, name in of_algorithms):
            here = ", ".join(sorted(part for part, shared in own.items() if shared)) or "none"
            raise InputError(
                f"prefetch_subtables: {name!r} is no shared subtable, of which each unit has a copy to read; "
                f"this trace has {here}; known: {', '.join(sorted(of_algorithms))}"
            )


def _check_refresh(device: Device) -> None:
    """Between two refreshes of a bank there is time for something else."""
    by_bank = device.controller.refresh_policy == "BANK_LEVEL_STAGGERED"
    name = "tREFIb x banks" if by_bank else "tREFI"
    between = device.timing.tREFIb * device.organization.banks if by_bank else device.timing.tREFI
    if between <= device.timing.tRFC:
        raise InputError(
            f"device {device.name}: a bank is refreshed every {between} cycles ({name}), and tRFC = "
            f"{device.timing.tRFC} leaves no time for anything else; give a longer interval"
        )


def _check_host_consumer(system: SystemSpec) -> None:
    """The host reads every row out: units have nothing to keep, to add or to send."""
    for setting, neutral, given in (
        ("prefetch", "none", system.prefetch.prefetch),
        ("deliver", "ahead", system.pim.deliver),
        ("unit_accumulators", 0, system.compute.unit_accumulators),
        ("collect", "host", system.pim.collect),
        ("dedup", "none", system.pim.dedup),
        ("transfer", "non-empty", system.pim.transfer),
        ("policy", "none", "lru" if system.cache.policy == "lru" else "none"),
    ):
        if given != neutral:
            raise InputError(
                f"{setting}: with consumer=host units only read rows out, so {given} has no meaning; give {neutral}"
            )


def _check_dedup(system: SystemSpec, *, has_products: bool) -> None:
    """Equal lookups of all bags of a turn go together."""
    if has_products and (system.compute.tt_reorder or system.compute.tt_reuse):
        raise InputError(
            "dedup: equal lookups are sent as one in the order of the trace, tt_reorder and tt_reuse need another; "
            "give tt_reorder=false and tt_reuse=false, or dedup=none"
        )
    if system.compute.unit_accumulators:
        raise InputError(
            "dedup: a lookup may be of all bags of a turn, so all are open; give unit_accumulators=0"
        )


def _check_split(meta: TraceMeta, system: SystemSpec, sharing: WeightSharing) -> None:
    """Each unit has a slice of every row: it must be able to compute with it alone."""
    mapping = system.placement.mapping
    if not sharing.algorithm.is_elementwise and any(table.accesses_per_lookup > 1 for table in meta.tables):
        raise InputError(
            f"mapping {mapping}: {meta.algorithm} multiplies matrices, whose slices no unit can compute with; "
            "use another mapping, or a trace of another algorithm"
        )
    if system.pim.consumer == "host":
        raise InputError(
            f"consumer: with mapping {mapping} units add up slices, so host has no meaning; give unit"
        )
    if system.pim.collect != "host" or system.pim.dedup != "none":
        raise InputError(
            f"mapping {mapping}: units have slices of a sum, which no collector adds up, and share no lookup; "
            "give collect=host and dedup=none"
        )
    if system.compute.unit_accumulators:
        raise InputError(
            f"unit_accumulators: with mapping {mapping} all units add up the same bags, which one may not do "
            "ahead of another; give 0"
        )


def compute_cycles(macs: int, compute: ComputeSpec, clock_ns: float) -> int:
    """Memory cycles that `macs` multiply-accumulates take in one unit."""
    steps = ceil_div(macs, compute.macs)
    if compute.mac_ghz == 0:
        return steps
    return ns_to_cycles(steps / compute.mac_ghz, clock_ns)


def _line_bytes(cache: CacheSpec, placement: Placement, geometry: UnitGeometry) -> np.ndarray:
    """Bytes that a row of each subtable takes in the SRAM."""
    unit = cache.cache_line_bytes or geometry.burst_bytes
    row_bytes = placement.row_bursts * geometry.burst_bytes
    return -(-row_bytes // unit) * unit


def _resident_rows(
    meta: TraceMeta, system: SystemSpec, placement: Placement, geometry: UnitGeometry
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each subtable that the scratchpad holds, and the bytes that all its rows would take."""
    resident = np.zeros(placement.mode.shape, dtype=np.int64)
    wanted = np.zeros(placement.mode.shape, dtype=np.int64)
    if system.prefetch.prefetch == "none":
        return resident, wanted
    line_bytes = _line_bytes(system.cache, placement, geometry)
    free = _turn_bytes(system)
    for t, table in enumerate(meta.tables):
        if system.prefetch.schedule != "all":
            free = _turn_bytes(system)
        for s, subtable in enumerate(table.subtables):
            if not subtable.shared or subtable.name not in system.prefetch.prefetch_subtables:
                continue
            if placement.mode[t, s] != DUPLICATED:
                raise InputError(
                    f"mapping {system.placement.mapping}: a prefetch reads copies of {subtable.name} beside every "
                    "unit, and this mapping makes none; use --mapping duplicate or --prefetch none"
                )
            wanted[t, s] = subtable.rows * line_bytes[t, s]
            resident[t, s] = min(subtable.rows, free // int(line_bytes[t, s]))
            if system.prefetch.only_used:
                # Which rows there is room for depends on the turn.
                resident[t, s] = subtable.rows if line_bytes[t, s] <= free else 0
                wanted[t, s] = min(wanted[t, s], free)
                continue
            free -= int(resident[t, s] * line_bytes[t, s])
    return resident, wanted


def _turn_bytes(system: SystemSpec) -> int:
    """Bytes of a unit's scratchpad that one turn's rows may take."""
    if system.cache.policy != "scratchpad":
        return 0
    buffers = 2 if system.prefetch.schedule == "next" else 1
    return system.cache.cache_bytes // buffers


def make_build_state(recipe: b.Recipe, placement: Placement) -> b.BuildState:
    """An empty builder."""
    units = recipe.channels * recipe.units_per_channel
    streams = 1 if recipe.global_stream else recipe.channels
    sets, ways = recipe.cache_sets, recipe.cache_ways
    pending = integers(b.N_PENDING)
    pending[b.PENDING_TURN] = NONE
    most_rows = int(recipe.resident.sum(axis=1).max())
    return b.BuildState(
        pending=pending,
        slot_of_unit=aligned_full((units,), NONE, np.int64),
        touched=integers(ceil_div(units, b.WORD_BITS)),
        turn_lookups=integers(placement.units),
        prefetched=integers(streams),
        counts=integers(recipe.channels, b.N_BUILD_COUNTS),
        unit_accesses=integers(units),
        opened=integers(units),
        recent=integers(units, recipe.accumulators),
        held=integers(2, most_rows if recipe.only_used else 0),
        fetched=integers(most_rows, b.FETCHED_COLUMNS),
        # One set more than the cache has: its stamp is the clock of the unit's cache.
        cache_tags=aligned_full((units, sets + 1, ways), EMPTY, np.int64),
        cache_stamps=integers(units, sets + 1, ways),
    )


def _cache_shape(longest: int, cache: CacheSpec) -> tuple[int, int]:
    """(sets, ways) of a unit's cache; a line holds the longest subtable row unless its size is given."""
    line = cache.cache_line_bytes or longest
    if line < longest:
        raise InputError(
            f"cache_line_bytes: {line} is less than the longest subtable row of {longest} bytes; "
            f"give {longest}, or 0"
        )
    lines = cache.cache_bytes // line
    if lines < 1:
        raise InputError(
            f"cache_bytes: {cache.cache_bytes} holds no line of {line} bytes; set policy=none instead"
        )
    ways = cache.cache_ways or lines
    if lines % ways:
        raise InputError(f"cache_ways: {lines} lines are not a whole number of sets of {ways} ways")
    return lines // ways, ways
