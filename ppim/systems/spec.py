"""What a system is: one frozen record per concern, as its TOML file holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["channel", "rank", "bankgroup", "bank"]


@dataclass(frozen=True)
class MemorySpec:
    """The memory of the system; `[memory]`."""

    device: str = "hbm2-4gb"
    overrides: dict[str, Any] = field(default_factory=dict)  # dotted device parameters


@dataclass(frozen=True)
class HostSpec:
    """Host that reads every row itself, through a last-level cache; `[host]`."""

    llc_bytes: int = 33_554_432
    llc_ways: int = 4
    llc_line_bytes: int = 64
    llc_bytes_per_cycle: int = 256  # that the host takes through its cache, per memory clock
    requests_per_cycle: int = 1  # accepted by the whole memory per memory clock

    def __post_init__(self) -> None:
        if self.llc_bytes_per_cycle < 1 or self.requests_per_cycle < 1:
            raise ValueError("llc_bytes_per_cycle and requests_per_cycle are at least 1")
        if self.llc_bytes and self.llc_bytes % (self.llc_ways * self.llc_line_bytes):
            raise ValueError("llc_bytes is not a whole number of sets (llc_ways x llc_line_bytes)")


@dataclass(frozen=True)
class PimSpec:
    """PIM units, their front end and queues; `[pim]`. Cycles are of the memory clock."""

    level: Level = "bankgroup"
    frontend: Literal["per-channel", "global"] = "per-channel"
    instruction_interval: int = 8  # cycles per instruction and channel (per-channel front end)
    host_latency: int = 0  # cycles
    unit_queue: int = -1  # entries per bank; 0 unlimited; -1: 16 per-channel, unlimited global
    unit_window: int = 8  # oldest entries of a bank that selection sees
    unit_read_latency: int = -1  # cycles from READ to data in the unit; -1: RL + B
    cross_unit_timing: Literal["physical", "faw-only", "none"] = "physical"
    barrier: Literal["table", "batch", "none"] = "table"
    transfer: Literal["non-empty", "all"] = "non-empty"
    deliver: Literal["ahead", "in-order"] = "ahead"

    def __post_init__(self) -> None:
        if self.instruction_interval < 1 or self.unit_window < 1 or self.host_latency < 0:
            raise ValueError("instruction_interval and unit_window are at least 1, host_latency at least 0")

    @property
    def queue_entries(self) -> int:
        """Entries per bank queue; 0 means unlimited."""
        if self.unit_queue >= 0:
            return self.unit_queue
        return 16 if self.frontend == "per-channel" else 0


@dataclass(frozen=True)
class PlacementSpec:
    """Where subtables lie; `[placement]`."""

    mapping: str = "duplicate"
    placement_page: int = 1  # rows of a subtable that stay together
    placement_seed: int = 0


@dataclass(frozen=True)
class CacheSpec:
    """SRAM of a PIM unit; `[cache]`."""

    policy: Literal["scratchpad", "lru", "none"] = "scratchpad"
    cache_bytes: int = 40_960
    cache_line_bytes: int = 0  # 0: a line is one subtable row
    cache_ways: int = 0  # 0: fully associative
    cache_latency: int = 1  # memory cycles


@dataclass(frozen=True)
class PrefetchSpec:
    """What is loaded into the scratchpads ahead of use; `[prefetch]`."""

    prefetch: Literal["none", "table", "next", "all"] = "table"
    prefetch_subtables: tuple[str, ...] = ("r", "core1")
    prefetch_used: bool = False  # only rows that the batch will touch


@dataclass(frozen=True)
class ComputeSpec:
    """Arithmetic of a PIM unit; `[compute]`."""

    macs: int = 64
    mac_ghz: float = 0.0  # 0: the memory clock
    unit_buffer_bursts: int = 0  # 0: unlimited
    unit_accumulators: int = 0  # bags a unit may have open; 0: unlimited


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
