"""Random small host runs: any legal device, and traces that make requests meet in banks and queues."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from hypothesis import strategies as st

from ppim.dram.device import Controller, Device, Organization, Power, Timing

BEATS_PER_CYCLE = {"GDDR5": 4, "GDDR5X": 8, "GDDR6": 16}
PROTOCOLS = ("DDR3", "DDR4", "LPDDR", "LPDDR3", "LPDDR4", "GDDR5", "GDDR5X", "GDDR6", "HBM", "HBM2")
FIELDS = ("ch", "ra", "bg", "ba", "ro", "co")


@dataclass(frozen=True)
class Case:
    device: Device
    addresses: list[int]
    is_write: list[bool]
    due_cycles: list[int]
    n_cycles: int  # may cut the run short


def powers(low: int, high: int) -> st.SearchStrategy[int]:
    """Powers of two from 2**low to 2**high."""
    return st.integers(low, high).map(lambda exponent: 2**exponent)


@st.composite
def organizations(draw: st.DrawFn, protocol: str) -> Organization:
    device_width = draw(powers(5, 7)) if protocol.startswith("HBM") else draw(powers(3, 5))
    devices = 1 if protocol.startswith("HBM") else draw(powers(0, 3))
    beats = BEATS_PER_CYCLE.get(protocol, 2)
    burst_length = draw(st.sampled_from([2, 4])) if protocol.startswith("HBM") else max(8, beats)
    return Organization(
        channels=draw(powers(0, 2)),
        ranks=draw(powers(0, 2)),
        bankgroups=draw(powers(0, 2)),
        banks_per_group=draw(powers(0, 2)),
        rows=2**15,
        columns=2**11,
        device_width=device_width,
        bus_width=device_width * devices,
        burst_length=burst_length,
        devices_per_rank=devices,
    )


@st.composite
def timings(draw: st.DrawFn, burst_cycles: int, ranks: int, self_refresh: bool) -> Timing:
    """Timing values of any size that occurs, and rather short refresh intervals, so that refreshes meet work."""

    def cycles(low: int, high: int) -> int:
        return draw(st.integers(low, high))

    tRCD = cycles(5, 22)
    tRFC = cycles(10, 200)
    # A request may come any time after self-refresh entry; DRAMsim3 aborts when it is within tCKESR.
    tCKESR = 0 if self_refresh else cycles(0, 20)
    return Timing(
        tCK=1.0,
        AL=draw(st.sampled_from([0, 0, 0, 1, 4])),
        CL=cycles(4, 24),
        CWL=cycles(2, 6) if draw(st.booleans()) else cycles(4, 20),  # a short one overlaps ranks
        tCCD_L=cycles(1, 10),
        tCCD_S=cycles(1, 6),
        tRTRS=cycles(0, 4),
        tRTP=cycles(1, 12),
        tWTR_L=cycles(1, 14),
        tWTR_S=cycles(1, 8),
        tWR=cycles(2, 24),
        tRP=cycles(3, 22),
        tRRD_L=cycles(1, 12),
        tRRD_S=cycles(1, 8),
        tRAS=cycles(5, 52),
        tRCD=tRCD,
        tRCDRD=cycles(5, 24),
        tRCDWR=cycles(5, 20),
        tRFC=tRFC,
        tRFCb=cycles(5, 100),
        tREFI=ranks * (tRFC + cycles(50, 2000)),
        tREFIb=cycles(20, 400),
        tFAW=cycles(4, 60),
        t32AW=cycles(60, 1500),
        tPPD=cycles(0, 4),
        tCKESR=tCKESR,
        tXS=cycles(10, 300),
        burst_cycles=burst_cycles,
    )


@st.composite
def controllers(draw: st.DrawFn, protocol: str) -> Controller:
    refresh = draw(
        st.sampled_from(["RANK_LEVEL_STAGGERED", "RANK_LEVEL_SIMULTANEOUS", "BANK_LEVEL_STAGGERED"])
    )
    return Controller(
        address_mapping="".join(draw(st.permutations(FIELDS))),
        queue_structure=draw(st.sampled_from(["PER_BANK", "PER_RANK"])),
        row_buf_policy=draw(st.sampled_from(["OPEN_PAGE", "OPEN_PAGE", "CLOSE_PAGE"])),
        cmd_queue_size=draw(st.integers(1, 16) | st.sampled_from([32, 62])),
        trans_queue_size=draw(st.integers(1, 48)),
        unified_queue=draw(st.booleans()),
        refresh_policy=refresh,
        enable_self_refresh=refresh != "BANK_LEVEL_STAGGERED" and draw(st.booleans()),
        sref_threshold=draw(st.integers(1, 1500)),
        hbm_dual_cmd=protocol.startswith("HBM") and draw(st.booleans()),
    )


POWER = Power(
    VDD=1.2, IDD0=65.0, IDD2N=40.0, IDD3N=55.0, IDD4W=500.0, IDD4R=390.0, IDD5AB=250.0, IDD5PB=5.0, IDD6x=31.0
)


@st.composite
def devices(draw: st.DrawFn) -> Device:
    """Any device whose parameters are legal, whatever their combination."""
    protocol = draw(st.sampled_from(PROTOCOLS) | st.just("HBM"))
    organization = draw(organizations(protocol))
    controller = draw(controllers(protocol))
    burst_cycles = organization.burst_length // BEATS_PER_CYCLE.get(protocol, 2)
    timing = draw(timings(burst_cycles, organization.ranks, controller.enable_self_refresh))
    # Between two refreshes of a bank there is time for a column command, or the device is refused.
    to_column = max(timing.tRCD, timing.tRCDRD, timing.tRCDWR)
    least = (timing.tRFCb + timing.tRP + to_column) // organization.banks + 1
    timing = replace(timing, tREFIb=max(timing.tREFIb, least))
    return Device("random", protocol, "drawn", organization, timing, POWER, controller)


@st.composite
def traces(draw: st.DrawFn, device: Device, most: int) -> tuple[list[int], list[bool], list[int]]:
    """Requests among a few rows of a few banks (hits, conflicts, merges) or anywhere, dense or with gaps."""
    random = Random(draw(st.integers(0, 2**32)))  # plain, as hypothesis would draw too much from its own
    count = random.choice([random.randint(1, most), most, most])
    burst = device.organization.burst_bytes
    span = random.choice([2**10, 2**16, 2**22, 2**34])
    # Varying few address bits at once makes requests share rows, banks and columns.
    pool = [random.randrange(span) * burst for _ in range(random.choice([4, 12, 60, 1000]))]
    near = random.choice([1, 1, 4, 32])
    unaligned = random.random() < 0.1
    write_share = random.choice([0.0, 0.1, 0.3, 0.5, 1.0])
    gap_share = random.choice([0.0, 0.02, 0.3, 1.0])
    longest_gap = random.choice([3, 40, 400])
    addresses, is_write, due_cycles = [], [], []
    due = random.choice([0, 0, 30, 2000] if device.controller.enable_self_refresh else [0, 0, 30])
    for _ in range(count):
        address = random.choice(pool) + random.randrange(near) * burst
        addresses.append(address + random.randrange(burst) if unaligned else address)
        is_write.append(random.random() < write_share)
        if random.random() < gap_share:
            due += random.randint(1, longest_gap)
        due_cycles.append(due)
    return addresses, is_write, due_cycles


@st.composite
def dense_mixes(draw: st.DrawFn, device: Device, most: int) -> tuple[list[int], list[bool], list[int]]:
    """Reads and writes as fast as they are taken, so that both wait in the queues at once."""
    random = Random(draw(st.integers(0, 2**32)))
    burst = device.organization.burst_bytes
    pool = [random.randrange(2**20) for _ in range(random.choice([6, 60, 1000]))]
    near = random.choice([1, 64])
    addresses = [(random.choice(pool) + random.randrange(near)) * burst for _ in range(most)]
    return addresses, [random.random() < 0.4 for _ in range(most)], [0] * most


def in_plain_modes(device: Device) -> Device:
    """The device with per-bank and separate queues, open page, rank refresh, no self refresh."""
    refresh = device.controller.refresh_policy
    plain = replace(
        device.controller,
        queue_structure="PER_BANK",
        row_buf_policy="OPEN_PAGE",
        unified_queue=False,
        refresh_policy="RANK_LEVEL_STAGGERED" if refresh == "BANK_LEVEL_STAGGERED" else refresh,
        enable_self_refresh=False,
    )
    return replace(device, controller=plain)


def with_overlapping_ranks(device: Device) -> Device:
    """The device as HBM with two ranks, where a READ may go with a WRITE to the other (host-controller.md §8)."""
    timing, organization = device.timing, device.organization
    write_delay = timing.AL + timing.CWL + timing.burst_cycles
    control = replace(device.controller, hbm_dual_cmd=True, address_mapping="rochbacobgra")
    return replace(
        in_plain_modes(replace(device, protocol="HBM", controller=control)),
        organization=replace(organization, channels=1, ranks=2, banks_per_group=4, bankgroups=2),
        timing=replace(timing, CL=write_delay + timing.tRTRS, tFAW=4, tCCD_L=1),
    )


def with_short_queues(device: Device) -> Device:
    """The device with a small write buffer that fills while reads wait (host-controller.md §13)."""
    control = replace(
        device.controller,
        trans_queue_size=3,
        cmd_queue_size=1,
        unified_queue=False,
        enable_self_refresh=False,
    )
    return replace(device, controller=control)


def with_long_queues(device: Device) -> Device:
    """The device with few banks and many row hits, until the cap on them ends a row (host-controller.md §7)."""
    control = replace(
        in_plain_modes(device).controller,
        trans_queue_size=48,
        cmd_queue_size=16,
        address_mapping="rochrababgco",
    )
    organization = replace(device.organization, channels=1, ranks=1, bankgroups=2, banks_per_group=2)
    return replace(device, controller=control, organization=organization)


def starves(device: Device) -> bool:
    """Bank refreshes fall due faster than they are served; with one queue a rank, that queue stays blocked."""
    control = device.controller
    return control.queue_structure == "PER_RANK" and control.refresh_policy == "BANK_LEVEL_STAGGERED"


@st.composite
def cases(
    draw: st.DrawFn, devices: st.SearchStrategy[Device], most: int = 150, *, dense: bool = False
) -> Case:
    """A device of the given ones, a trace of at most so many requests, and cycles to run it for."""
    device = draw(devices)
    addresses, is_write, due_cycles = draw(dense_mixes(device, most) if dense else traces(device, most))
    enough = max(due_cycles) + len(addresses) * 12 + 800
    n_cycles = draw(st.sampled_from([enough, enough, enough // 2, enough // 4]))
    return Case(device, addresses, is_write, due_cycles, n_cycles)
