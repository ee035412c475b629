"""What a system is: one frozen record per concern, as its TOML file holds them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal

from ppim import parameters as p
from ppim.errors import UnknownNameError
from ppim.mapping.placing.spec import PlacementSpec
from ppim.parameters import Section, parameter
from ppim.prefetch.base import NO_PREFETCH, PREFETCHES, Phase, PrefetchPolicy, choosing

MOST_SLOTS = 16
"""Instructions that a command path may take in a cycle."""

Level = Literal["channel", "rank", "bankgroup", "bank"]


@dataclass(frozen=True)
class MemorySpec(Section):
    """The memory of the system; `[memory]`."""

    device: str = parameter("hbm2-4gb", "", "memory device: a name of `ppim devices`, .toml or .ini")
    overrides: dict[str, Any] = field(
        default_factory=dict,
        metadata={"unit": "", "meaning": "dotted parameters of the device that differ from its file"},
    )


@dataclass(frozen=True)
class HostSpec(Section):
    """Host that reads every row itself, through a last-level cache; `[host]`."""

    loop: Literal["open", "closed"] = parameter(
        "open", "", "cores that never wait for a row, or cores each of which waits for its lines"
    )
    llc_bytes: int = parameter(
        33_554_432, "bytes", "last-level cache; 0: none", least=0, most=2 * p.MOST_BYTES
    )
    llc_ways: int = parameter(4, "lines", "lines of a set of that cache", least=1, most=p.MOST_NUMBER)
    llc_line_bytes: int = parameter(64, "bytes", "line of that cache", least=1, most=p.MOST_NUMBER)
    llc_bytes_per_cycle: int = parameter(
        256, "bytes/cycle", "most that the host takes through its cache", least=1, most=p.MOST_NUMBER
    )
    llc_scale: Literal["none", "model"] = parameter(
        "none", "", "cache as large as it says, or smaller by as much as weight sharing made the model"
    )
    requests_per_cycle: int = parameter(
        1, "requests/cycle", "accepted by the whole memory", least=1, most=p.MOST_CYCLES
    )
    cores: int = parameter(
        8, "cores", "each takes the next bag when it is through with one", least=1, most=p.MOST_CORES
    )
    row_ns: float = parameter(
        0.0, "ns", "of a core's time that a row takes, whatever its length", least=0, most=p.MOST_NS
    )
    misses_per_core: int = parameter(
        10, "lines", "under way for a core; the next one waits for one of them", least=1, most=p.MOST_ENTRIES
    )
    llc_ns: float = parameter(
        0.0, "ns", "from a core to the cache's data, or to the memory's controller", least=0, most=p.MOST_NS
    )
    memory_ns: float = parameter(
        0.0, "ns", "from the memory's last data back to the core", least=0, most=p.MOST_NS
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.llc_bytes and self.llc_bytes % (self.llc_ways * self.llc_line_bytes):
            raise ValueError("llc_bytes is not a whole number of sets (llc_ways x llc_line_bytes)")


@dataclass(frozen=True)
class PimSpec(Section):
    """PIM units, their front end and queues; `[pim]`."""

    level: Level = parameter("bankgroup", "", "a unit for each channel, rank, bankgroup or bank")  # noqa: RUF009 - a field
    frontend: Literal["per-channel", "global"] = parameter(
        "per-channel", "", "streams of instructions: one a channel, or one for all with a slot every cycle"
    )
    instruction_bits: int = parameter(
        85,
        "bits",
        "of an instruction, on the command path of its channel (per-channel)",
        least=1,
        most=p.MOST_CYCLES,
    )
    command_bits_per_cycle: int = parameter(
        28,
        "bits/cycle",
        "that the command path of a channel takes (per-channel)",
        least=1,
        most=p.MOST_CYCLES,
    )
    instruction_pins: Literal["command", "command-and-data"] = parameter(
        "command",
        "",
        "of which a command path is made; data pins that instructions use, data cannot (per-channel)",
    )
    host_latency: int = parameter(
        0, "cycles", "host's reaction at a barrier and from read-out to deliver", least=0, most=p.MOST_CYCLES
    )
    unit_queue: int = parameter(
        -1,
        "entries",
        "queue of a bank; 0: unlimited; -1: 16 per-channel, unlimited global",
        least=-1,
        most=p.MOST_ENTRIES,
    )
    unit_window: int = parameter(
        8, "entries", "oldest ones of a bank that selection sees", least=1, most=p.MOST_ENTRIES
    )
    unit_read_latency: int = parameter(
        -1, "cycles", "from READ to data in the unit; -1: RL + B", least=-1, most=p.MOST_CYCLES
    )
    cross_unit_timing: Literal["physical", "faw-only", "none"] = parameter(
        "physical", "", "timing rules kept between units of a rank"
    )
    barrier: Literal["table", "batch", "none"] = parameter(
        "table", "", "what must be complete before the next part's demand is sent"
    )
    turns_open: int = parameter(
        0,
        "turns",
        "that units may have open where there is no barrier, from first demand to last transfer; 0: any number",
        least=0,
        most=p.MOST_ENTRIES,
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
    collect: Literal["host", "base-die", "tree", "rank", "dimm"] = parameter(
        "host",
        "",
        "who adds up the partial sums of a bag: the host, the base die, a tree over all units, "
        "or the buffer chip of a rank or DIMM those of its own units",
    )
    collect_cycles: int = parameter(
        3,
        "cycles",
        "base die, buffer chip, or a level of the tree: to add a vector",
        least=0,
        most=p.MOST_CYCLES,
    )
    ranks_per_dimm: int = parameter(2, "ranks", "of a channel that a DIMM has", least=1, most=p.MOST_ENTRIES)

    dedup: Literal["none", "turn", "rows"] = parameter(
        "none",
        "",
        "equal lookups that one unit owns: sent one by one, or once for a table's part of a batch; or each row once "
        "for that, of whatever lookups of whatever units",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.command_bits_per_cycle > MOST_SLOTS * self.instruction_bits:
            raise ValueError(
                f"command_bits_per_cycle: {self.command_bits_per_cycle} are more than {MOST_SLOTS} instructions of "
                f"{self.instruction_bits} bits in a cycle; give {MOST_SLOTS * self.instruction_bits} or less"
            )

    @property
    def instruction_interval(self) -> Fraction:
        """Memory cycles from one slot of a stream to the next."""
        if self.frontend == "global":
            return Fraction(1)
        return Fraction(self.instruction_bits, self.command_bits_per_cycle)

    @property
    def turns_wait(self) -> bool:
        """Whether demand ever waits for turns before its own."""
        return self.barrier != "none" or self.turns_open > 0

    @property
    def queue_entries(self) -> int:
        """Entries per bank queue; 0 means unlimited."""
        if self.unit_queue >= 0:
            return self.unit_queue
        return 16 if self.frontend == "per-channel" else 0


@dataclass(frozen=True)
class CacheSpec(Section):
    """SRAM of a PIM unit; `[cache]`."""

    policy: Literal["scratchpad", "lru", "none"] = parameter(
        "scratchpad", "", "holds what was prefetched, or what was last used, or nothing"
    )
    cache_bytes: int = parameter(40_960, "bytes", "SRAM of a unit", least=0, most=p.MOST_NUMBER)
    cache_line_bytes: int = parameter(0, "bytes", "line; 0: one subtable row", least=0, most=p.MOST_NUMBER)
    cache_ways: int = parameter(
        0, "lines", "of a set (lru); 0: fully associative", least=0, most=p.MOST_NUMBER
    )
    cache_latency: int = parameter(1, "cycles", "of a hit", least=0, most=p.MOST_CYCLES)
    cache_bypass_below: int = parameter(
        0,
        "uses",
        "rows that a turn uses fewer times go past the cache (lru); 0: none",
        least=0,
        most=p.MOST_NUMBER,
    )
    cache_subtables: Literal["all", "shared"] = parameter(
        "all", "", "whose rows the cache holds (lru): all, or shared subtables only"
    )
    demand_subtables: tuple[str, ...] = parameter(
        (),
        "",
        "shared subtables whose rows a turn keeps in the scratchpad when it has read them, beside what is prefetched",
    )


@dataclass(frozen=True)
class PrefetchSpec(Section):
    """What is loaded into the scratchpads ahead of use; `[prefetch]`."""

    prefetch: str = parameter("table", "", "what is fetched ahead of use", registry=PREFETCHES)
    prefetch_subtables: tuple[str, ...] = parameter(("r", "core1"), "", "subtables that are prefetched")
    prefetch_used: bool = parameter(
        False, "", "only rows that the turn will touch, where rows are fetched at each turn"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            policy = PREFETCHES.get(self.prefetch)
        except UnknownNameError as error:
            raise ValueError(str(error)) from error
        if self.prefetch_used and policy.phase != Phase.EACH_TURN:
            raise ValueError(
                f"prefetch_used chooses rows for a turn, but prefetch is {self.prefetch}; give {' or '.join(choosing())}"
            )

    @property
    def policy(self) -> PrefetchPolicy:
        """What the name stands for."""
        policy = PREFETCHES.get(self.prefetch)
        return replace(policy, only_used=True) if self.prefetch_used else policy


@dataclass(frozen=True)
class ComputeSpec(Section):
    """Arithmetic of a PIM unit; `[compute]`."""

    macs: int = parameter(
        64, "lanes", "multiply-accumulates of a unit in each of its cycles", least=1, most=p.MOST_NUMBER
    )
    mac_ghz: float = parameter(
        0.0, "GHz", "clock of the arithmetic; 0: the memory clock", least=0, most=p.MOST_GHZ
    )
    unit_buffer_bursts: int = parameter(
        0, "bursts", "operands that may wait for arithmetic; 0: unlimited", least=0, most=p.MOST_NUMBER
    )
    unit_accumulators: int = parameter(
        0,
        "bags",
        "that a unit may have open, from first demand to the end of the transfer; 0: unlimited",
        least=0,
        most=p.MOST_ACCUMULATORS,
    )
    tt_reorder: bool = parameter(
        True, "", "TT-Rec: a bag's lookups by second-core row, each of which is read once"
    )
    tt_reuse: bool = parameter(True, "", "TT-Rec: the product of equal first and second rows is made once")

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.mac_ghz < p.LEAST_GHZ:
            raise ValueError(
                f"mac_ghz: {self.mac_ghz} is less than {p.LEAST_GHZ}; 0 stands for the memory clock"
            )


@dataclass(frozen=True)
class EnergySpec(Section):
    """Energy of what is no DRAM command; 0 stands for the built-in figure (docs/energy.md); `[energy]`."""

    sram_read_pj: float = parameter(
        0.0,
        "pJ",
        "to read 64 bytes from a unit's SRAM, or a host's cache; 0: CACTI's, by its size",
        least=0,
        most=p.MOST_PICOJOULES,
    )
    sram_write_pj: float = parameter(
        0.0, "pJ", "to write 64 bytes into it; 0: CACTI's, by its size", least=0, most=p.MOST_PICOJOULES
    )
    mac_pj: float = parameter(
        0.0, "pJ", "of a multiply-accumulate in a unit; 0: energy.toml's", least=0, most=p.MOST_PICOJOULES
    )
    add_pj: float = parameter(
        0.0, "pJ", "of an addition in a collector; 0: energy.toml's", least=0, most=p.MOST_PICOJOULES
    )


@dataclass(frozen=True)
class TiersSpec(Section):
    """Which rows lie in the first memory of a system that has two; `[tiers]`."""

    hot_fraction: float = parameter(
        0.952, "", "share that lies in the first memory, hottest rows first", least=0, most=1
    )
    hot_by: Literal["accesses", "capacity"] = parameter(
        "accesses", "", "of what hot_fraction is a share: of their accesses, or of the first memory's bytes"
    )


@dataclass(frozen=True)
class DimmMemorySpec(MemorySpec):
    """The second memory; `[dimm.memory]`."""

    device: str = parameter("ddr4-8gb-x8-3200", "", "memory device: a name of `ppim devices`, .toml or .ini")


@dataclass(frozen=True)
class DimmSpec:
    """A second memory, of DIMMs, with units of its own; `[dimm.memory]`, `[dimm.pim]`, ..."""

    memory: DimmMemorySpec = DimmMemorySpec()
    pim: PimSpec = PimSpec()
    placement: PlacementSpec = PlacementSpec()  # noqa: RUF009 - it is frozen
    cache: CacheSpec = CacheSpec()
    compute: ComputeSpec = ComputeSpec()


@dataclass(frozen=True)
class SystemSpec:
    """One system: what its TOML file says."""

    name: str
    title: str
    source: str
    kind: Literal["host", "pim"]
    paper_algorithms: tuple[str, ...] = ()
    """Algorithms that the units of its paper can do; others are an extension of ours. Empty: all."""
    memory: MemorySpec = MemorySpec()
    host: HostSpec = HostSpec()
    pim: PimSpec = PimSpec()
    placement: PlacementSpec = PlacementSpec()  # noqa: RUF009 - it is frozen
    cache: CacheSpec = CacheSpec()
    prefetch: PrefetchSpec = PrefetchSpec()
    compute: ComputeSpec = ComputeSpec()
    energy: EnergySpec = EnergySpec()
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
            pim=replace(self.dimm.pim, barrier=self.pim.barrier, turns_open=self.pim.turns_open),
            placement=self.dimm.placement,
            cache=self.dimm.cache,
            prefetch=PrefetchSpec(prefetch=NO_PREFETCH),
            compute=self.dimm.compute,
            dimm=None,
        )
