"""Which parameters act in a system: what a user sets and what cannot act is refused, or warned of.

What the kind of system does not have is refused, in a file and as a setting alike. What the value of another
parameter puts out of action may stand in a file, which others change, and is warned of as a setting.
"""

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

from ppim.errors import InputError
from ppim.mapping.base import MAPPINGS
from ppim.mapping.placing.spec import PlacementSpec
from ppim.prefetch.base import fetching
from ppim.systems.spec import SystemSpec

SECTIONS = {
    "host": ("memory", "host", "energy"),
    "pim": ("memory", "pim", "placement", "cache", "prefetch", "compute", "energy"),
}
"""Kind of system -> the sections that act in it."""

DIMM = "dimm"  # table of the second memory
TWO_MEMORIES = ("tiers", *(f"{DIMM}.{part}" for part in ("memory", "pim", "placement", "cache", "compute")))
"""What acts besides where a system has a second memory."""

GIVEN_ELSEWHERE = {
    "dimm.pim.barrier": "both memories wait at one; set it in [pim]",
    "dimm.pim.turns_open": "a turn is open in both memories; set it in [pim]",
    **dict.fromkeys(
        (
            "dimm.placement.partial_sum_fraction",
            "dimm.placement.partial_sum_of",
            "dimm.placement.partial_sum_candidates",
        ),
        "vectors are kept in the first memory; set it in [placement]",
    ),
}
"""Parameters of sections that act, but for these, and who has them."""

HOSTS_CACHE = ("llc_bytes",)
"""What acts of a host that keeps the shared subtables of a second memory."""

HOSTS_ENERGY = ("sram_read_pj", "sram_write_pj")
"""What acts of a host's energy: it adds up what it reads, but its cores are not modelled."""

Condition = dict[str, tuple[str, ...]]
SOME: tuple[str, ...] = ("not empty",)
"""As values of a list: any, as long as it is not empty."""
_PAGES: Condition = {"placement.placement": ("page",)}
_PREFETCHES: Condition = {"prefetch.prefetch": fetching()}
_LRU: Condition = {"cache.policy": ("lru",)}
_SCRATCHPAD: Condition = {"cache.policy": ("scratchpad",)}
_HOLDS: tuple[Condition, ...] = (
    _LRU,
    {**_SCRATCHPAD, **_PREFETCHES},
    {**_SCRATCHPAD, "cache.demand_subtables": SOME},
)
_HAS_LLC: Condition = {"kind": ("host",)}
_UNITS_ADD: Condition = {"pim.consumer": ("unit",)}
_CLOSED: Condition = {"host.loop": ("closed",)}
ONLY_WITH: dict[str, tuple[Condition, ...]] = {
    **dict.fromkeys(
        ("host.cores", "host.row_ns", "host.misses_per_core", "host.llc_ns", "host.memory_ns"), (_CLOSED,)
    ),
    "pim.instruction_bits": ({"pim.frontend": ("per-channel",)},),
    "pim.command_bits_per_cycle": ({"pim.frontend": ("per-channel",)},),
    "pim.instruction_pins": ({"pim.frontend": ("per-channel",)},),
    "pim.turns_open": ({"pim.barrier": ("none",)},),
    "pim.collect_cycles": ({"pim.collect": ("base-die", "tree", "rank", "dimm")},),
    "pim.ranks_per_dimm": ({"pim.collect": ("dimm",)},),
    "placement.placement_page": ({"placement.placement": ("hash",)},),
    "placement.page_bytes": (_PAGES,),
    "placement.stripe_bytes": (_PAGES,),
    "placement.stripe_order": (_PAGES,),
    "placement.partial_sum_candidates": ({"placement.partial_sum_of": ("pair",)},),
    "cache.cache_bytes": _HOLDS,
    "cache.cache_line_bytes": _HOLDS,
    "cache.cache_latency": _HOLDS,
    "cache.cache_ways": (_LRU,),
    "cache.cache_subtables": (_LRU,),
    "cache.cache_bypass_below": (_LRU,),
    "cache.demand_subtables": (_SCRATCHPAD,),
    "prefetch.prefetch_subtables": (_PREFETCHES,),
    "energy.sram_read_pj": (*_HOLDS, _HAS_LLC),
    "energy.sram_write_pj": (*_HOLDS, _HAS_LLC),
    "energy.mac_pj": (_UNITS_ADD,),
    "energy.add_pj": ({"pim.collect": ("base-die", "tree", "rank", "dimm")},),
    "compute.macs": (_UNITS_ADD,),
    "compute.mac_ghz": (_UNITS_ADD,),
    "compute.unit_buffer_bursts": (_UNITS_ADD,),
}
"""Parameter -> what others must be, one of these sets of them, or it does not act; mappings say more (`conditions`)."""


ACT_ON_PROGRAMS = ("memory", "pim", "compute", "energy")
"""Sections that act where a program is replayed: where rows lie and what caches hold, its instructions say."""

ACT_ON_TRACES = ("pim.dedup", "compute.tt_reorder", "compute.tt_reuse")
"""Parameters of those sections that a program has been made with."""

ALSO_ON_PROGRAMS = ("cache.cache_latency", "prefetch.prefetch")
"""Parameters of other sections that act as well."""


def sections_of(system: SystemSpec) -> tuple[str, ...]:
    """The sections that act in a system, by dotted name."""
    sections = SECTIONS[system.kind]
    if system.dimm is None:
        return sections
    return (*sections, *TWO_MEMORIES, *(["host"] if system.dimm.pim.consumer == "host" else []))


def acts(system: SystemSpec, section: str, name: str) -> bool:
    """Whether a parameter of a section that acts does so itself."""
    if section == "host" and system.kind != "host":
        return name in HOSTS_CACHE
    if section == "energy" and system.kind == "host":
        return name in HOSTS_ENERGY
    return f"{section}.{name}" not in GIVEN_ELSEWHERE


def refuse_what_cannot_act(system: SystemSpec, given: dict[str, Any], where: str) -> None:
    """Refuse parameters that the kind of system does not have.

    Parameters
    ----------
    system : SystemSpec
    given : dict
        What its file and settings give, as nested tables.
    where : str
        Begins the message.

    Raises
    ------
    InputError
        The first such parameter.
    """
    known = sections_of(system)
    for section, name in _given_parameters(given):
        dotted = f"{section}.{name}"
        if dotted in GIVEN_ELSEWHERE:
            raise InputError(f"{where}: {dotted}: {GIVEN_ELSEWHERE[dotted]}")
        if section not in known or not acts(system, section, name):
            raise InputError(f"{where}: {dotted}: {_why(system, section)}")


def _given_parameters(given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(section, parameter) of all that nested tables give."""
    tables = {name: table for name, table in given.items() if name != DIMM and isinstance(table, dict)}
    tables |= {f"{DIMM}.{name}": table for name, table in given.get(DIMM, {}).items()}
    for section, table in tables.items():
        for name in table:
            yield section, name


def _why(system: SystemSpec, section: str) -> str:
    if system.kind == "host":
        return "has no effect, since a host has no PIM units; leave it out"
    if section == "host":
        return "has no effect, since PIM units and not a host with a cache read the rows; leave it out"
    return "has no effect, since the system has one memory; add a [dimm] table, or leave it out"


def spreads(placement: PlacementSpec) -> bool:
    """Whether the mapping spreads rows over units, by hash or in random pages."""
    return placement.mapping in MAPPINGS.names() and MAPPINGS.get(placement.mapping).spreads


def conditions(name: str) -> tuple[Condition, ...]:
    """What others must be, one of these sets of them, or a parameter (by dotted name) does not act; () if it always does."""
    section, _, leaf = name.rpartition(".")
    known = ONLY_WITH.get(name, ())
    if section != "placement":
        return known
    mappings = tuple(one for one in MAPPINGS.names() if leaf in MAPPINGS.get(one).parameters)
    return tuple({**one, "placement.mapping": mappings} for one in known or ({},)) if mappings else known


def settings_without_effect(system: SystemSpec, names: Iterable[str]) -> list[str]:
    """Sentences on settings that the value of another parameter puts out of action; names are dotted."""
    found = []
    for name in names:
        in_second = name.startswith(f"{DIMM}.")
        parts = system.second if in_second else system
        needed = conditions(name.removeprefix(f"{DIMM}."))
        if needed and not any(_holds(parts, condition) for condition in needed):
            found.append(f"{name} has no effect here: it acts with {', or '.join(map(_text, needed))}")
    return found


def settings_that_a_program_decides(names: Iterable[str]) -> list[str]:
    """Sentences on settings that do not act where a program is replayed; names are dotted."""
    return [
        f"{name} has no effect here: the program was made with its own"
        for name in names
        if name not in ALSO_ON_PROGRAMS
        and (name in ACT_ON_TRACES or name.partition(".")[0] not in ACT_ON_PROGRAMS)
    ]


def _holds(system: SystemSpec, condition: Condition) -> bool:
    return all(
        attrgetter(name)(system) if values is SOME else attrgetter(name)(system) in values
        for name, values in condition.items()
    )


def _text(condition: Condition) -> str:
    parts = (f"{name.rpartition('.')[2]}={'|'.join(values)}" for name, values in condition.items())
    return " and ".join(parts)
