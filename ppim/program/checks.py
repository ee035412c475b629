"""Combinations of trace, device and system that make no sense, refused before anything is placed."""

from ppim.dram.device import Device
from ppim.errors import InputError
from ppim.prefetch.base import NO_PREFETCH, Phase
from ppim.systems.spec import SystemSpec
from ppim.trace import profile, schema
from ppim.weight_sharing.base import ALGORITHMS


def check_combination(meta: schema.TraceMeta, device: Device, system: SystemSpec) -> None:
    """Refuse what makes no sense wherever rows lie.

    Raises
    ------
    InputError
        The first such combination, and the mend.
    """
    check_units(device, system)
    if system.prefetch.policy.phase != Phase.NEVER and system.cache.policy == "lru":
        raise InputError(
            "prefetch fills a scratchpad, but the cache's policy is lru: set policy=scratchpad or "
            f"prefetch={NO_PREFETCH}"
        )
    _check_demanded(system)
    for setting, names in (
        ("prefetch_subtables", system.prefetch.prefetch_subtables),
        ("demand_subtables", system.cache.demand_subtables),
    ):
        _check_shared_names(meta, setting, names)


def check_units(device: Device, system: SystemSpec) -> None:
    """Refuse units and collectors that make no sense, whatever their program.

    Raises
    ------
    InputError
        The first such combination, and the mend.
    """
    if system.compute.unit_accumulators and (
        system.pim.frontend != "per-channel" or system.pim.transfer != "non-empty"
    ):
        raise InputError(
            "unit_accumulators: a sum that leaves early has a transfer of its own, which frontend=global and "
            "transfer=all do not have; give 0, or frontend=per-channel and transfer=non-empty"
        )
    if system.pim.consumer == "host":
        _check_host_consumer(system)
    if system.pim.collect in ("rank", "dimm"):
        _check_buffer_chips(device, system)
    _check_refresh(device)


def check_learning(system: SystemSpec, *, is_split: bool) -> None:
    """Rows move between two barriers, and a turn's rows are not fetched before the moves behind the turn before it.

    Raises
    ------
    InputError
        What does not go with that, and the mend.
    """
    mapping = system.placement.mapping
    if system.pim.barrier == "none":
        raise InputError(
            f"barrier: with mapping {mapping} rows move between barriers, so that none is read while it moves; "
            "give barrier=table or batch"
        )
    if system.prefetch.policy.buffers > 1:
        raise InputError(
            f"prefetch: with mapping {mapping} a turn's rows are not known two turns ahead; give prefetch=table, used "
            f"or {NO_PREFETCH}"
        )
    if is_split:
        raise InputError(
            f"mapping {mapping}: rows move between the units of one memory that holds all rows and no vectors; "
            "give another system, or partial_sum_fraction=0"
        )


def _check_buffer_chips(device: Device, system: SystemSpec) -> None:
    """A buffer chip adds up sums of several units, all of its own rank or DIMM."""
    pim, ranks = system.pim, device.organization.ranks
    smaller = {"rank": ("bankgroup", "bank"), "dimm": ("rank", "bankgroup", "bank")}[pim.collect]
    if pim.level not in smaller:
        raise InputError(
            f"collect: with level={pim.level} no {pim.collect} has several units whose sums it could add up; "
            f"give level={' or '.join(smaller)}, or collect=host"
        )
    if pim.collect == "dimm" and ranks % pim.ranks_per_dimm:
        raise InputError(
            f"ranks_per_dimm: the {ranks} ranks of a channel are not a whole number of DIMMs of {pim.ranks_per_dimm}; "
            "give a divisor"
        )


def _check_host_consumer(system: SystemSpec) -> None:
    """The host reads every row out: units have nothing to keep, to add or to send."""
    for setting, neutral, given in (
        ("prefetch", NO_PREFETCH, system.prefetch.prefetch),
        ("deliver", "ahead", system.pim.deliver),
        ("unit_accumulators", 0, system.compute.unit_accumulators),
        ("collect", "host", system.pim.collect),
        ("dedup", "none", system.pim.dedup),
        ("transfer", "non-empty", system.pim.transfer),
        ("policy", "none", "lru" if system.cache.policy == "lru" else "none"),
        ("demand_subtables", [], list(system.cache.demand_subtables)),
    ):
        if given != neutral:
            raise InputError(
                f"{setting}: with consumer=host units only read rows out, so {given} has no meaning; give {neutral}"
            )


def _check_demanded(system: SystemSpec) -> None:
    """Rows come into a scratchpad in one way: ahead of use, or when they are used."""
    names = system.cache.demand_subtables
    if names and system.cache.policy == "lru":
        raise InputError(
            "demand_subtables: a scratchpad keeps them, but the cache's policy is lru, which keeps what was used "
            "anyway; set policy=scratchpad, or demand_subtables=[]"
        )
    if system.prefetch.policy.phase == Phase.NEVER:
        return
    for name in system.prefetch.prefetch_subtables:
        if name in names:
            raise InputError(
                f"demand_subtables: {name!r} is prefetched already; take it out of demand_subtables or of "
                "prefetch_subtables"
            )


def _check_shared_names(meta: schema.TraceMeta, setting: str, names: tuple[str, ...]) -> None:
    """Systems name subtables of several algorithms; each name is of a shared subtable, of this trace or another."""
    own = {part.name: part.shared for table in meta.tables for part in table.subtables}
    own |= {part.name: True for table in meta.tables for part in table.subtables if part.shared}
    of_algorithms = {
        name for algorithm in ALGORITHMS.names() for name in ALGORITHMS.get(algorithm).shared_names
    }
    for name in names:
        if not own.get(name, name in of_algorithms):
            here = ", ".join(sorted(part for part, shared in own.items() if shared)) or "none"
            raise InputError(
                f"{setting}: {name!r} is no shared subtable, of which each unit has a copy to read; "
                f"this trace has {here}; known: {', '.join(sorted(of_algorithms))}"
            )


def _check_refresh(device: Device) -> None:
    """Between two refreshes of a bank there is time for something else."""
    by_bank = device.controller.refresh_policy == "BANK_LEVEL_STAGGERED"
    name = "tREFIb x banks" if by_bank else "tREFI"
    between = device.refresh_interval_cycles * device.refresh_targets
    if between <= device.timing.tRFC:
        raise InputError(
            f"device {device.name}: a bank is refreshed every {between} cycles ({name}), and tRFC = "
            f"{device.timing.tRFC} leaves no time for anything else; give a longer interval"
        )


def check_split(meta: schema.TraceMeta, system: SystemSpec) -> None:
    """Each unit has a slice of every row: it must be able to compute with it alone.

    Raises
    ------
    InputError
        What it cannot do with slices, and the mend.
    """
    mapping = system.placement.mapping
    if not meta.sharing.algorithm.is_elementwise and any(
        table.accesses_per_lookup > 1 for table in meta.tables
    ):
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
    if system.cache.cache_bypass_below:
        raise InputError(
            f"cache_bypass_below: with mapping {mapping} the caches of all units hold the same rows, none past them; give 0"
        )
    if system.compute.unit_accumulators:
        raise InputError(
            f"unit_accumulators: with mapping {mapping} all units add up the same bags, which one may not do "
            "ahead of another; give 0"
        )


def check_parts(system: SystemSpec) -> None:
    """Several units have parts of a row and a sum of the bag each.

    Raises
    ------
    InputError
        What they cannot do with parts, and the mend.
    """
    for setting, neutral, given in (
        ("consumer", "unit", system.pim.consumer),
        ("dedup", "none", system.pim.dedup),
        ("unit_accumulators", 0, system.compute.unit_accumulators),
        ("cache_bypass_below", 0, system.cache.cache_bypass_below),
        ("partial_sum_fraction", 0, system.placement.partial_sum_fraction),
    ):
        if given != neutral:
            raise InputError(
                f"{setting}: with tt_split={system.placement.tt_split} and "
                f"tt_granularity={system.placement.tt_granularity} several units make a vector together, so {given} "
                f"has no meaning; give {neutral}, or tt_split=none and tt_granularity=slice"
            )


def check_dedup(system: SystemSpec, *, has_products: bool) -> None:
    """Equal lookups of all bags of a turn go together, if they go together at all.

    Raises
    ------
    InputError
        What needs them in another order, and the mend.
    """
    if system.pim.dedup == "none":
        return
    if has_products and (system.compute.tt_reorder or system.compute.tt_reuse):
        raise InputError(
            "dedup: equal lookups are sent as one in the order of the trace, tt_reorder and tt_reuse need another; "
            "give tt_reorder=false and tt_reuse=false, or dedup=none"
        )
    if system.compute.unit_accumulators:
        raise InputError(
            "dedup: a lookup may be of all bags of a turn, so all are open; give unit_accumulators=0"
        )


def refuse_to_count() -> profile.AccessProfile:
    """What a mapping is given that does not say that it counts accesses."""
    raise TypeError("a mapping that counts accesses says so: counts_accesses=True")


def check_kept_vectors(system: SystemSpec, *, is_split: bool) -> None:
    """A vector that is kept stands for a whole lookup.

    Raises
    ------
    InputError
        What cuts lookups, or looks for them by their rows.
    """
    if system.placement.partial_sum_fraction > 0 and (is_split or system.pim.dedup != "none"):
        raise InputError(
            "partial_sum_fraction: a kept vector stands for a whole lookup, which mapping "
            f"{system.placement.mapping} cuts in slices and dedup=turn looks for by its rows; give 0"
        )
