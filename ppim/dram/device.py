"""A memory device: organisation, timing, power and controller, as validated immutable data.

Names of timing parameters are DRAMsim3's; all timing values but `tCK` are memory clock cycles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Protocol = Literal["DDR3", "DDR4", "DDR5", "LPDDR", "LPDDR3", "LPDDR4", "GDDR5", "GDDR5X", "GDDR6", "HBM", "HBM2", "HBM3"]


@dataclass(frozen=True)
class Organization:
    """Structure of one memory; counts, widths in bits, sizes in bytes."""

    channels: int
    ranks: int
    bankgroups: int
    banks_per_group: int
    rows: int
    columns: int  # column addresses of a row, after the family's factor (golden README 3.1)
    device_width: int  # bits
    bus_width: int  # bits
    burst_length: int  # beats
    devices_per_rank: int

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
        return self.bursts_per_row * self.burst_bytes


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


@dataclass(frozen=True)
class Controller:
    """Host memory controller, as DRAMsim3 has it (golden README 3)."""

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

    @property
    def is_hbm(self) -> bool:
        return self.protocol.startswith("HBM")

    @property
    def is_gddr(self) -> bool:
        return self.protocol.startswith("GDDR")
