"""Energy of commands and of standing by, from datasheet currents (host-controller.md §15).

DRAMsim3 works in V * mA * cycles; times the clock period in ns that is pJ. The sums are formed in its
order of operations in its unit, and converted last, so that they can be compared to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ppim.dram.device import Device


@dataclass(frozen=True)
class EnergyTable:
    """Energy of one event of a rank, in V * mA * cycles; all devices of the rank take part."""

    activate: float
    read: float
    write: float
    refresh: float
    refresh_bank: float
    active_standby_cycle: float
    precharge_standby_cycle: float
    self_refresh_cycle: float


@dataclass(frozen=True)
class EnergyCounts:
    """What one channel did: commands, and cycles of each rank in each standby state."""

    activates: int
    reads: int  # with or without auto-precharge
    writes: int
    refreshes: int
    bank_refreshes: int
    active_cycles: Sequence[int]
    idle_cycles: Sequence[int]
    self_refresh_cycles: Sequence[int]


@dataclass(frozen=True)
class Energy:
    """Energy of one channel, in pJ, or in V * mA * cycles where the name of the value says so."""

    activate: float
    read: float
    write: float
    refresh: float
    refresh_bank: float
    background: float
    total: float

    def scaled(self, factor: float) -> Energy:
        """Every part times `factor`."""
        return Energy(*(value * factor for value in vars(self).values()))


def energy_table(device: Device) -> EnergyTable:
    """Energy per command and per rank and cycle, in V * mA * cycles.

    Precharges cost nothing of their own: ACTIVATE carries the whole row cycle. I/O and termination are
    not modelled.
    """
    power, timing = device.power, device.timing
    devices = float(device.organization.devices_per_rank)
    volts, standby = power.VDD, power.IDD3N
    return EnergyTable(
        activate=volts
        * (power.IDD0 * timing.tRC - (standby * timing.tRAS + power.IDD2N * timing.tRP))
        * devices,
        read=volts * (power.IDD4R - standby) * timing.burst_cycles * devices,
        write=volts * (power.IDD4W - standby) * timing.burst_cycles * devices,
        refresh=volts * (power.IDD5AB - standby) * timing.tRFC * devices,
        refresh_bank=volts * (power.IDD5PB - standby) * timing.tRFCb * devices,
        active_standby_cycle=volts * standby * devices,
        precharge_standby_cycle=volts * power.IDD2N * devices,
        self_refresh_cycle=volts * power.IDD6x * devices,
    )


def channel_energy_v_ma_cycles(device: Device, counts: EnergyCounts) -> Energy:
    """Energy of one channel in DRAMsim3's unit, added up in DRAMsim3's order."""
    table = energy_table(device)
    parts = (
        counts.activates * table.activate,
        counts.reads * table.read,
        counts.writes * table.write,
        counts.refreshes * table.refresh,
        counts.bank_refreshes * table.refresh_bank,
    )
    background = 0.0
    ranks = zip(counts.active_cycles, counts.idle_cycles, counts.self_refresh_cycles, strict=True)
    for active, idle, self_refresh in ranks:
        background += (
            active * table.active_standby_cycle
            + idle * table.precharge_standby_cycle
            + self_refresh * table.self_refresh_cycle
        )
    commands = 0.0
    for part in parts:
        commands += part
    return Energy(*parts, background=background, total=commands + background)


COMMANDS = ("activate", "read", "write", "refresh", "refresh_bank")


def channel_energy_pj(device: Device, counts: EnergyCounts) -> Energy:
    """Energy of one channel in pJ, without commands whose energy would be negative (`negative_parts`)."""
    energy = channel_energy_v_ma_cycles(device, counts)
    below = {name: 0.0 for name in COMMANDS if getattr(energy, name) < 0}
    if below:
        energy = replace(energy, **below)
        commands = sum(getattr(energy, name) for name in COMMANDS)
        energy = replace(energy, total=commands + energy.background)
    return energy.scaled(device.timing.tCK)


def negative_parts(device: Device) -> tuple[str, ...]:
    """Sentences on commands that would give energy back, by the device's currents; no sum contains them.

    Those whose current is not below standby's have none. DRAMsim3 subtracts them: its default IDD5PB of a bank's
    refresh is less than IDD3N.
    """
    table, power = energy_table(device), device.power
    currents = {
        "activate": ("IDD0", power.IDD0),
        "read": ("IDD4R", power.IDD4R),
        "write": ("IDD4W", power.IDD4W),
        "refresh": ("IDD5AB", power.IDD5AB),
        "refresh_bank": ("IDD5PB", power.IDD5PB),
    }
    by_bank = device.controller.refresh_policy == "BANK_LEVEL_STAGGERED"
    unused = "refresh" if by_bank else "refresh_bank"
    return tuple(
        f"{device.name}: {name} = {value:g} mA is less than standby takes, so the energy of {command.replace('_', ' ')} "
        "is left out"
        for command, (name, value) in currents.items()
        if getattr(table, command) < 0 and command != unused
    )
