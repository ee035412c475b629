"""What a system is: one frozen record per concern, as its TOML file holds them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

MOST_ACCUMULATORS = 1 << 16
Level = Literal["channel", "rank", "bankgroup", "bank"]


def parameter(default: Any, unit: str, meaning: str) -> Any:
    """A field with its default, its unit ("" for a name or a switch) and what it says of the system.

    `ppim systems show` prints them. "cycles" are of the memory clock.
    """
    return field(default=default, metadata={"unit": unit, "meaning": meaning})


@dataclass(frozen=True)
class MemorySpec:
    """The memory of the system; `[memory]`."""

    device: str = parameter("hbm2-4gb", "", "memory device: a name of `ppim devices`, .toml or .ini")
    overrides: dict[str, Any] = field(
        default_factory=dict,
        metadata={"unit": "", "meaning": "dotted parameters of the device that differ from its file"},
    )


@dataclass(frozen=True)
class HostSpec:
    """Host that reads every row itself, through a last-level cache; `[host]`."""

    llc_bytes: int = parameter(33_554_432, "bytes", "last-level cache; 0: none")
    llc_ways: int = parameter(4, "lines", "lines of a set of that cache")
    llc_line_bytes: int = parameter(64, "bytes", "line of that cache")
    llc_bytes_per_cycle: int = parameter(256, "bytes/cycle", "most that the host takes through its cache")
    requests_per_cycle: int = parameter(1, "requests/cycle", "accepted by the whole memory")

    def __post_init__(self) -> None:
        if self.llc_bytes_per_cycle < 1 or self.requests_per_cycle < 1:
            raise ValueError("llc_bytes_per_cycle and requests_per_cycle are at least 1")
        if self.llc_bytes and self.llc_bytes % (self.llc_ways * self.llc_line_bytes):
            raise ValueError("llc_bytes is not a whole number of sets (llc_ways x llc_line_bytes)")


@dataclass(frozen=True)
class PimSpec:
    """PIM units, their front end and queues; `[pim]`."""

    level: Level = parameter("bankgroup", "", "a unit for each channel, rank, bankgroup or bank")  # noqa: RUF009 - a field
    frontend: Literal["per-channel", "global"] = parameter(
        "per-channel", "", "streams of instructions: one a channel, or one for all with a slot every cycle"
    )
    instruction_interval: int = parameter(8, "cycles", "between two slots of a channel (per-channel)")
    host_latency: int = parameter(0, "cycles", "host's reaction at a barrier and from read-out to deliver")
    unit_queue: int = parameter(
        -1, "entries", "queue of a bank; 0: unlimited; -1: 16 per-channel, unlimited global"
    )
    unit_window: int = parameter(8, "entries", "oldest ones of a bank that selection sees")
    unit_read_latency: int = parameter(-1, "cycles", "from READ to data in the unit; -1: RL + B")
    cross_unit_timing: Literal["physical", "faw-only", "none"] = parameter(
        "physical", "", "timing rules kept between units of a rank"
    )
    barrier: Literal["table", "batch", "none"] = parameter(
        "table", "", "what must be complete before the next part's demand is sent"
    )
    transfer: Literal["non-empty", "all"] = parameter(
        "non-empty", "", "which units send a result for a bag: those with a partial sum, or all"
    )
    deliver: Literal["ahead", "in-order"] = parameter(
        "ahead", "", "delivers go before instructions of later program order, or hold them up"
    )
    consumer: Literal["unit", "host"] = parameter(
        "unit", "", "who adds up what is read: PIM units, or the host, to whom every row is read out"
    )
    collect: Literal["host", "base-die", "tree"] = parameter(
        "host", "", "who adds up the partial sums of a bag: the host, the base die, or a tree over all units"
    )
    collect_cycles: int = parameter(3, "cycles", "base die, or a level of the tree: to add a vector")

    dedup: Literal["none", "turn"] = parameter(
        "none", "", "equal lookups that one unit owns: sent one by one, or once for a table's part of a batch"
    )

    def __post_init__(self) -> None:
        if self.instruction_interval < 1 or self.unit_window < 1 or self.host_latency < 0:
            raise ValueError("instruction_interval and unit_window are at least 1, host_latency at least 0")
        if self.collect_cycles < 0:
            raise ValueError("collect_cycles is at least 0")

    @property
    def queue_entries(self) -> int:
        """Entries per bank queue; 0 means unlimited."""
        if self.unit_queue >= 0:
            return self.unit_queue
        return 16 if self.frontend == "per-channel" else 0


@dataclass(frozen=True)
class PlacementSpec:
    """Where subtables lie; `[placement]`."""

    mapping: str = parameter("duplicate", "", "which units get a row: a name of `--mapping`")
    placement_page: int = parameter(1, "rows", "of a subtable that stay together in a unit (hash)")
    placement_seed: int = parameter(0, "", "of the hash, or of the pages")
    placement: Literal["hash", "page"] = parameter(
        "hash", "", "of rows that are spread: hashed over units, or striped over them in random pages"
    )
    page_bytes: int = parameter(4096, "bytes", "page of the random page allocation (page)")
    stripe_bytes: int = parameter(64, "bytes", "of a page that lie in one unit, at least a row (page)")
    stripe_order: Literal["channel-unit", "unit-channel"] = parameter(
        "channel-unit",
        "",
        "address bits above a stripe, lowest first: the next stripe is in the next channel, or unit (page)",
    )
    hot_fraction: float = parameter(0.05, "", "share that is copied into every unit (mapping hot)")
    hot_by: Literal["accesses", "entries"] = parameter(
        "accesses", "", "of what hot_fraction is a share: of the trace's accesses, or of all rows"
    )
    partial_sum_fraction: float = parameter(
        0.0, "", "share of the trace's lookups whose whole vectors are kept, most frequent ones first"
    )

    def __post_init__(self) -> None:
        if self.placement_page < 1:
            raise ValueError(f"placement_page: {self.placement_page} is not a number of rows; give 1 or more")
        if self.page_bytes < 1 or self.stripe_bytes < 1:
            raise ValueError("page_bytes and stripe_bytes are at least 1")
        if not 0 <= self.hot_fraction <= 1:
            raise ValueError(f"hot_fraction: {self.hot_fraction} is no share; give 0 to 1")
        if not 0 <= self.partial_sum_fraction <= 1:
            raise ValueError(f"partial_sum_fraction: {self.partial_sum_fraction} is no share; give 0 to 1")


@dataclass(frozen=True)
class CacheSpec:
    """SRAM of a PIM unit; `[cache]`."""

    policy: Literal["scratchpad", "lru", "none"] = parameter(
        "scratchpad", "", "holds what was prefetched, or what was last used, or nothing"
    )
    cache_bytes: int = parameter(40_960, "bytes", "SRAM of a unit")
    cache_line_bytes: int = parameter(0, "bytes", "line; 0: one subtable row")
    cache_ways: int = parameter(0, "lines", "of a set (lru); 0: fully associative")
    cache_latency: int = parameter(1, "cycles", "of a hit")
    cache_subtables: Literal["all", "shared"] = parameter(
        "all", "", "whose rows the cache holds (lru): all, or shared subtables only"
    )


@dataclass(frozen=True)
class PrefetchSpec:
    """What is loaded into the scratchpads ahead of use; `[prefetch]`."""

    prefetch: Literal["none", "table", "next", "all", "used"] = parameter(
        "table",
        "",
        "nothing; the next table's rows at each turn; double buffered; all tables' at start; table of used rows",
    )
    prefetch_subtables: tuple[str, ...] = parameter(("r", "core1"), "", "subtables that are prefetched")
    prefetch_used: bool = parameter(False, "", "only rows that the batch will touch (table, next)")

    def __post_init__(self) -> None:
        if self.prefetch_used and self.prefetch in ("none", "all"):
            raise ValueError(
                f"prefetch_used chooses rows for a turn, but prefetch is {self.prefetch}; give table or next"
            )

    @property
    def schedule(self) -> Literal["none", "table", "next", "all"]:
        """When rows are fetched."""
        return "table" if self.prefetch == "used" else self.prefetch

    @property
    def only_used(self) -> bool:
        """Whether only rows that the turn touches are fetched."""
        return self.prefetch_used or self.prefetch == "used"


@dataclass(frozen=True)
class ComputeSpec:
    """Arithmetic of a PIM unit; `[compute]`."""

    macs: int = parameter(64, "lanes", "multiply-accumulates of a unit in each of its cycles")
    mac_ghz: float = parameter(0.0, "GHz", "clock of the arithmetic; 0: the memory clock")
    unit_buffer_bursts: int = parameter(0, "bursts", "operands that may wait for arithmetic; 0: unlimited")
    unit_accumulators: int = parameter(
        0, "bags", "that a unit may have open, from first demand to the end of the transfer; 0: unlimited"
    )
    tt_reorder: bool = parameter(
        True, "", "TT-Rec: a bag's lookups by second-core row, each of which is read once"
    )
    tt_reuse: bool = parameter(True, "", "TT-Rec: the product of equal first and second rows is made once")

    def __post_init__(self) -> None:
        if not 0 <= self.unit_accumulators <= MOST_ACCUMULATORS:
            raise ValueError(
                f"unit_accumulators: {self.unit_accumulators} is not in 0 to {MOST_ACCUMULATORS} (0: unlimited)"
            )


@dataclass(frozen=True)
class TiersSpec:
    """Which rows lie in the first memory of a system that has two; `[tiers]`."""

    hot_fraction: float = parameter(0.952, "", "share that lies in the first memory, hottest rows first")
    hot_by: Literal["accesses", "capacity"] = parameter(
        "accesses", "", "of what hot_fraction is a share: of their accesses, or of the first memory's bytes"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.hot_fraction <= 1:
            raise ValueError(f"hot_fraction: {self.hot_fraction} is no share; give 0 to 1")


@dataclass(frozen=True)
class DimmMemorySpec(MemorySpec):
    """The second memory; `[dimm.memory]`."""

    device: str = parameter("ddr4-8gb-x8-3200", "", "memory device: a name of `ppim devices`, .toml or .ini")


@dataclass(frozen=True)
class DimmSpec:
    """A second memory, of DIMMs, with units of its own; `[dimm.memory]`, `[dimm.pim]`, ..."""

    memory: DimmMemorySpec = DimmMemorySpec()
    pim: PimSpec = PimSpec()
    placement: PlacementSpec = PlacementSpec()
    cache: CacheSpec = CacheSpec()
    compute: ComputeSpec = ComputeSpec()

    def __post_init__(self) -> None:
        if self.placement.partial_sum_fraction:
            raise ValueError(
                "placement.partial_sum_fraction: vectors are kept in the first memory; set it there"
            )


@dataclass(frozen=True)
class SystemSpec:
    """One system: what its TOML file says."""

    name: str
    title: str
    source: str
    kind: Literal["host", "pim"]
    memory: MemorySpec = MemorySpec()
    host: HostSpec = HostSpec()
    pim: PimSpec = PimSpec()
    placement: PlacementSpec = PlacementSpec()
    cache: CacheSpec = CacheSpec()
    prefetch: PrefetchSpec = PrefetchSpec()
    compute: ComputeSpec = ComputeSpec()
    tiers: TiersSpec = TiersSpec()
    dimm: DimmSpec | None = None

    def __post_init__(self) -> None:
        if self.dimm is not None and self.kind != "pim":
            raise ValueError("dimm: a host reads one memory; leave the table out")

    @property
    def second(self) -> SystemSpec:
        """The system as its second memory sees it: that memory's parts, and the barrier that both share."""
        assert self.dimm is not None
        return replace(
            self,
            memory=self.dimm.memory,
            pim=replace(self.dimm.pim, barrier=self.pim.barrier),
            placement=self.dimm.placement,
            cache=self.dimm.cache,
            prefetch=PrefetchSpec(prefetch="none"),
            compute=self.dimm.compute,
            dimm=None,
        )
