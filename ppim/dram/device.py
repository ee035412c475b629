"""A memory device: organisation, timing, power and controller, as validated immutable data.

Names of timing parameters are DRAMsim3's; all timing values but `tCK` are memory clock cycles.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Protocol = Literal[
    "DDR3", "DDR4", "DDR5", "LPDDR", "LPDDR3", "LPDDR4", "GDDR5", "GDDR5X", "GDDR6", "HBM", "HBM2", "HBM3"
]
BEATS_PER_CYCLE = {"GDDR5": 4, "GDDR5X": 8, "GDDR6": 16, "HBM3": 4}
"""Data beats in one memory clock cycle of the families whose data clock runs faster than twice that clock."""
DOUBLE_DATA_RATE = 2
ADDRESS_FIELDS = ("ch", "ra", "bg", "ba", "ro", "co")
"""Fields of an address mapping: channel, rank, bank group, bank in its group, row, column."""
LARGEST_TIMING_CYCLES = 2**28
"""Of refresh intervals: sums of a few timing values stay far inside 32 bits."""
MOST_DISTANCE_CYCLES = 2**16
"""Of all other timing values: ninety times the longest of the presets (a tRFC of 710 cycles), and few refreshes long."""
_INTERVALS = ("tREFI", "tREFIb")
_ACTIVATE_DISTANCES = ("tRRD_L", "tRRD_S")
# What a number may at most be: beyond any memory, and small enough for the engine's tables.
MOST = {
    "channels": 1 << 8,
    "ranks": 1 << 8,
    "bankgroups": 1 << 8,
    "banks_per_group": 1 << 8,
    "rows": 1 << 28,
    "columns": 1 << 24,
    "bus_width": 1 << 16,
    "burst_length": 1 << 10,
    "cmd_queue_size": 1 << 12,
    "trans_queue_size": 1 << 14,
    "sref_threshold": LARGEST_TIMING_CYCLES,
}
MOST_BANKS = 1 << 14
"""Banks of all channels."""
MOST_CAPACITY_BYTES = 1 << 60
MOST_TCK_NS = 1e6
MOST_VOLTS, MOST_MILLIAMPERES = 100.0, 1e6
MOST_PICOJOULES = 1e6


def beats_per_cycle(protocol: str) -> int:
    """Data beats in one memory clock cycle of this family (host-controller.md §1; HBM3: JESD238)."""
    return BEATS_PER_CYCLE.get(protocol, DOUBLE_DATA_RATE)


def _refuse_non_powers_of_two(owner: Any, names: Iterable[str]) -> None:
    for name in names:
        value = getattr(owner, name)
        if value < 1 or value & (value - 1):
            raise ValueError(f"{name} = {value} is not a power of two; an address field cannot count that")
        if value > MOST[name]:
            raise ValueError(f"{name} = {value:,} is more than {MOST[name]:,}, which no memory has")


@dataclass(frozen=True)
class Organization:
    """Structure of one memory; counts, widths in bits, sizes in bytes."""

    channels: int
    ranks: int
    bankgroups: int
    banks_per_group: int
    rows: int
    columns: int  # column addresses of a row, after the family's factor (host-controller.md §1)
    device_width: int  # bits
    bus_width: int  # bits
    burst_length: int  # beats
    devices_per_rank: int
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        _refuse_non_powers_of_two(
            self,
            (
                "channels",
                "ranks",
                "bankgroups",
                "banks_per_group",
                "rows",
                "columns",
                "bus_width",
                "burst_length",
            ),
        )
        if self.device_width < 1 or self.bus_width != self.device_width * self.devices_per_rank:
            raise ValueError(
                f"bus_width = {self.bus_width} is not devices_per_rank = {self.devices_per_rank} "
                f"times device_width = {self.device_width}"
            )
        if self.bus_width < 8:
            raise ValueError(f"bus_width = {self.bus_width} is less than one byte")
        if self.columns < self.burst_length:
            raise ValueError(f"columns = {self.columns} holds less than one burst of {self.burst_length}")
        if self.channels * self.banks > MOST_BANKS:
            raise ValueError(
                f"channels, ranks, bankgroups and banks_per_group make {self.channels * self.banks:,} banks, more "
                f"than {MOST_BANKS:,}"
            )
        if self.capacity_bytes > MOST_CAPACITY_BYTES:
            raise ValueError(
                f"the memory has {self.capacity_bytes:,} bytes, more than {MOST_CAPACITY_BYTES:,}"
            )

    @property
    def banks_per_rank(self) -> int:
        return self.bankgroups * self.banks_per_group

    @property
    def banks(self) -> int:
        """Banks of one channel; flat id = (rank * bankgroups + bankgroup) * banks_per_group + bank."""
        return self.ranks * self.banks_per_rank

    @property
    def burst_bytes(self) -> int:
        """Bytes one column access moves (the request size)."""
        return self.bus_width // 8 * self.burst_length

    @property
    def bursts_per_row(self) -> int:
        """Column accesses in one DRAM row of a rank."""
        return self.columns // self.burst_length

    @property
    def row_bytes(self) -> int:
        """Bytes of one DRAM row over all devices of a rank."""
        return self.bursts_per_row * self.burst_bytes

    @property
    def capacity_bytes(self) -> int:
        """Bytes of all channels."""
        return self.channels * self.banks * self.rows * self.row_bytes


@dataclass(frozen=True)
class Timing:
    """Timing in memory clock cycles; `tCK` in ns."""

    tCK: float
    AL: int
    CL: int
    CWL: int
    tCCD_L: int
    tCCD_S: int
    tRTRS: int
    tRTP: int
    tWTR_L: int
    tWTR_S: int
    tWR: int
    tRP: int
    tRRD_L: int
    tRRD_S: int
    tRAS: int
    tRCD: int
    tRCDRD: int
    tRCDWR: int
    tRFC: int
    tRFCb: int
    tREFI: int
    tREFIb: int
    tFAW: int
    t32AW: int
    tPPD: int
    tCKESR: int
    tXS: int
    burst_cycles: int  # B: cycles the data bus is taken by one burst
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.tCK <= MOST_TCK_NS:
            raise ValueError(f"tCK = {self.tCK} ns is not positive, or more than {MOST_TCK_NS:,.0f} ns")
        for item in fields(self):
            value = getattr(self, item.name)
            most = LARGEST_TIMING_CYCLES if item.name in _INTERVALS else MOST_DISTANCE_CYCLES
            if isinstance(value, int) and not 0 <= value <= most:
                raise ValueError(f"{item.name} = {value} cycles is not between 0 and {most}")

    @property
    def read_latency(self) -> int:
        """RL = AL + CL."""
        return self.AL + self.CL

    @property
    def write_latency(self) -> int:
        """WL = AL + CWL."""
        return self.AL + self.CWL

    @property
    def read_delay(self) -> int:
        """RD: READ command to last data beat, RL + B."""
        return self.read_latency + self.burst_cycles

    @property
    def write_delay(self) -> int:
        """WD = WL + B."""
        return self.write_latency + self.burst_cycles

    @property
    def tRC(self) -> int:
        return self.tRAS + self.tRP


@dataclass(frozen=True)
class Power:
    """Supply voltage in V and datasheet currents in mA, per device."""

    VDD: float
    IDD0: float
    IDD2N: float
    IDD3N: float
    IDD4W: float
    IDD4R: float
    IDD5AB: float
    IDD5PB: float
    IDD6x: float
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            most, unit = (MOST_VOLTS, "V") if item.name == "VDD" else (MOST_MILLIAMPERES, "mA")
            if item.name != "source" and not 0 <= value <= most:  # NaN is in no range
                raise ValueError(f"{item.name} = {value} {unit} is not between 0 and {most:,.0f} {unit}")


@dataclass(frozen=True)
class Interface:
    """What sending over the channel's pins takes; DRAMsim3's currents do not contain it."""

    io_pj_per_bit: float | None = None  # driver, link and receiver; None: not known
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        value = self.io_pj_per_bit
        if value is not None and not 0 <= value <= MOST_PICOJOULES:
            raise ValueError(f"io_pj_per_bit = {value} pJ is not between 0 and {MOST_PICOJOULES:,.0f} pJ")


@dataclass(frozen=True)
class Controller:
    """Host memory controller, as DRAMsim3 has it (docs/host-controller.md)."""

    address_mapping: str  # six two-letter fields, most significant first
    queue_structure: Literal["PER_BANK", "PER_RANK"]
    row_buf_policy: Literal["OPEN_PAGE", "CLOSE_PAGE"]
    cmd_queue_size: int
    trans_queue_size: int
    unified_queue: bool
    refresh_policy: Literal["RANK_LEVEL_STAGGERED", "RANK_LEVEL_SIMULTANEOUS", "BANK_LEVEL_STAGGERED"]
    enable_self_refresh: bool
    sref_threshold: int
    hbm_dual_cmd: bool
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for name in ("cmd_queue_size", "trans_queue_size", "sref_threshold"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} is less than 1")
            if getattr(self, name) > MOST[name]:
                raise ValueError(f"{name} = {getattr(self, name):,} is more than {MOST[name]:,}")
        mapping = self.address_mapping
        names = [mapping[at : at + 2] for at in range(0, len(mapping), 2)]
        if sorted(names) != sorted(ADDRESS_FIELDS):
            raise ValueError(
                f"address_mapping {mapping!r} does not name each of {', '.join(ADDRESS_FIELDS)} once"
            )


@dataclass(frozen=True)
class Device:
    """One memory: what a device TOML or a DRAMsim3 .ini resolves to."""

    name: str
    protocol: Protocol
    source: str
    organization: Organization
    timing: Timing
    power: Power
    controller: Controller
    interface: Interface = Interface()
    validated: bool = field(default=False, compare=False)  # commands compared with DRAMsim3's, cycle by cycle

    def __post_init__(self) -> None:
        if self.refresh_interval_cycles < 1:
            raise ValueError("the refresh interval (tREFI by rank, or tREFIb) is less than one cycle")
        self._refuse_refresh_without_end()
        beats = beats_per_cycle(self.protocol)
        if self.organization.burst_length < beats:
            raise ValueError(
                f"burst_length = {self.organization.burst_length} is less than the {beats} beats of one clock cycle "
                f"of {self.protocol}"
            )
        if self.controller.hbm_dual_cmd and not self.is_hbm:
            raise ValueError(f"hbm_dual_cmd = true, but {self.protocol} has one command bus, not two")

    def _refuse_refresh_without_end(self) -> None:
        """A bank must have time between two refreshes to be opened for a column command, or that never comes.

        More time is needed only for more than one row between two refreshes.
        """
        timing = self.timing
        if self._is_refreshed_by_bank() and not self.is_refreshed:
            raise ValueError(
                f"refresh_policy = {self.controller.refresh_policy}, but tREFI = {timing.tREFI} stands for a memory "
                "that is not refreshed; shorten tREFI or take another refresh_policy"
            )
        between, refresh = self._refresh_keys()
        banks = self.organization.banks if self._is_refreshed_by_bank() else 1
        interval = getattr(timing, between) * banks
        to_column = ("tRCDRD", "tRCDWR") if self.is_gddr or self.is_hbm else ("tRCD",)
        slowest = max(to_column, key=lambda name: int(getattr(timing, name)))
        needed = {name: int(getattr(timing, name)) for name in (refresh, "tRP", slowest)}
        if interval <= sum(needed.values()):
            parts = ", ".join(f"{name} = {cycles}" for name, cycles in needed.items())
            raise ValueError(
                f"{between} = {getattr(timing, between)} leaves no time for a read between two refreshes, which take "
                f"{parts} cycles; lengthen {between} or shorten {max(needed, key=needed.__getitem__)}"
            )
        for name in _ACTIVATE_DISTANCES:
            if getattr(timing, name) >= interval:
                raise ValueError(
                    f"{between} = {getattr(timing, between)} leaves no time for the next activate between two refreshes: "
                    f"{name} = {getattr(timing, name)} cycles; lengthen {between} or shorten {name}"
                )

    def _is_refreshed_by_bank(self) -> bool:
        return self.controller.refresh_policy == "BANK_LEVEL_STAGGERED"

    def _refresh_keys(self) -> tuple[str, str]:
        """Names of the time between two refreshes, and of the time that one takes."""
        return ("tREFIb", "tRFCb") if self._is_refreshed_by_bank() else ("tREFI", "tRFC")

    def refreshes_leave_no_time(self) -> str:
        """What to say of a memory in which rows are opened, and closed again by refreshes before they are used."""
        between, takes = self._refresh_keys()
        # DRAMsim3 waits so long between refreshes of two banks (host-controller.md §10).
        apart = f", tREFI = {self.timing.tREFI} apart," if self._is_refreshed_by_bank() else ""
        return (
            f"{self.name}: requests wait, but no column command can be issued any more: refreshes of "
            f"{takes} = {getattr(self.timing, takes)} cycles every {between} = {getattr(self.timing, between)}{apart} "
            f"leave no time; lengthen {between}{' or shorten tREFI' if apart else ''}"
        )

    @property
    def refresh_interval_cycles(self) -> int:
        """Cycles between two refreshes of one channel (host-controller.md §9)."""
        policy = self.controller.refresh_policy
        if policy == "RANK_LEVEL_STAGGERED":
            return self.timing.tREFI // self.organization.ranks
        return self.timing.tREFI if policy == "RANK_LEVEL_SIMULTANEOUS" else self.timing.tREFIb

    @property
    def is_refreshed(self) -> bool:
        """Whether it is refreshed at all; the longest tREFI there is stands for a memory that needs none."""
        return self.timing.tREFI < LARGEST_TIMING_CYCLES

    @property
    def refresh_targets(self) -> int:
        """Refreshes of one channel until the same rank or bank has its turn again (host-controller.md §9)."""
        policy = self.controller.refresh_policy
        if policy == "RANK_LEVEL_STAGGERED":
            return self.organization.ranks
        return 1 if policy == "RANK_LEVEL_SIMULTANEOUS" else self.organization.banks

    @property
    def peak_gb_per_s(self) -> float:
        """Bandwidth of all data buses, 10^9 bytes per second."""
        org = self.organization
        beats_per_ns = beats_per_cycle(self.protocol) / self.timing.tCK
        return org.channels * org.bus_width / 8 * beats_per_ns

    @property
    def is_hbm(self) -> bool:
        return self.protocol.startswith("HBM")

    @property
    def is_gddr(self) -> bool:
        return self.protocol.startswith("GDDR")
