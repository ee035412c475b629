"""Energy of a run: what was counted, times what each of it takes (docs/energy.md)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.dram.energy import EnergyCounts, channel_energy_pj, negative_parts
from ppim.mapping.base import moves_rows
from ppim.stats.counters import Counts, Sources
from ppim.systems.energy import SramEnergy, add_pj, mac_pj, sram_energy
from ppim.systems.spec import SystemSpec

BITS_PER_BYTE = 8
ELEMENT_BYTES = 4  # of a vector: 32-bit numbers

Picojoules = NDArray[np.float64]


@dataclass(frozen=True)
class RunEnergy:
    """Energy of one memory in a run.

    Attributes
    ----------
    parts : dict of str to ndarray of float64, shape (channels,)
        pJ of each part of the energy (`energy_<part>_pj`); parts that the system has not, or for which there is no
        figure, are absent.
    missing : tuple of str
        Sentences on figures that are not known; with any there is no total.
    notes : tuple of str
        Sentences on figures that are left out.
    """

    parts: dict[str, Picojoules]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Picojoules | None:
        """pJ of all parts, shape (channels,); None where one of them is not known."""
        if self.missing:
            return None
        return np.sum(list(self.parts.values()), axis=0)

    def columns(self, *, with_total: bool) -> dict[str, Picojoules]:
        """Columns of the stats CSV."""
        found = {f"energy_{name}_pj": values for name, values in self.parts.items()}
        total = self.total
        if with_total and total is not None:
            found["energy_total_pj"] = total
        return found


def pim_energy(
    device: Device,
    system: SystemSpec,
    sources: Sources,
    counts: Counts,
    active: NDArray[np.int64],
    cycles: int,
) -> RunEnergy:
    """Energy of a run on PIM units.

    Parameters
    ----------
    device : Device
    system : SystemSpec
    sources : mapping
        What the run counted: `engine`, and `built` with MACS, SRAM_READS, SRAM_FILLS and COLLECTED.
    counts : dict
        Columns of the stats CSV.
    active : ndarray of int64, shape (channels, ranks)
        Cycles with an open bank.
    cycles : int
        Length of the run.
    """
    engine, built = sources["engine"], sources["built"]
    burst_bytes = device.organization.burst_bytes
    dram = [
        EnergyCounts(
            activates=int(engine["ACTIVATES"][channel]),
            reads=int(engine["READS"][channel]),
            writes=int(engine["WRITES"][channel]),
            refreshes=int(engine["REFRESHES"][channel]),
            bank_refreshes=0,
            active_cycles=active[channel].tolist(),
            idle_cycles=(cycles - active[channel]).tolist(),
            self_refresh_cycles=[0] * device.organization.ranks,
        )
        for channel in range(device.organization.channels)
    ]
    parts, missing = _dram(device, dram), list[str]()
    if not moves_rows(system.placement.mapping):
        del parts["write"]  # nothing is written
    if system.cache.policy != "none":
        sram = sram_energy(system.energy, system.cache.cache_bytes)
        fills = engine["PREFETCH_READS"] + built["SRAM_FILLS"]
        _add_sram(
            parts,
            missing,
            sram,
            system.cache.cache_bytes,
            built["SRAM_READS"] * burst_bytes,
            fills * burst_bytes,
        )
    if system.pim.consumer == "unit":
        parts["compute"] = built["MACS"] * np.float64(mac_pj(system.energy))
    if system.pim.collect != "host":
        parts["collect"] = built["COLLECTED"] * np.float64(
            burst_bytes / ELEMENT_BYTES * add_pj(system.energy)
        )
    bits = BITS_PER_BYTE * counts["bytes_external"] + system.pim.instruction_bits * counts["instructions"]
    _add_io(parts, missing, device, bits)
    return RunEnergy(parts, tuple(missing), negative_parts(device))


def host_energy(
    device: Device,
    system: SystemSpec,
    dram: Sequence[EnergyCounts],
    counts: Counts,
    *,
    cycles: int,
    simulated: int,
) -> RunEnergy:
    """Energy of a host's run.

    Parameters
    ----------
    device : Device
    system : SystemSpec
    dram : sequence of EnergyCounts
        What each channel did.
    counts : dict
        Columns of the stats CSV.
    cycles, simulated : int
        Length of the run, and of the memory's part of it; behind that its banks are taken as closed.
    """
    parts, missing = _dram(device, dram), list[str]()
    standby = _background(device, (cycles - simulated) * device.organization.ranks)
    parts["background"] = parts["background"] + standby
    if system.host.llc_bytes:
        sram = sram_energy(system.energy, system.host.llc_bytes)
        _add_sram(parts, missing, sram, system.host.llc_bytes, counts["bytes_cache"], counts["bytes_dram"])
    _add_io(parts, missing, device, BITS_PER_BYTE * counts["bytes_external"])
    return RunEnergy(parts, tuple(missing), negative_parts(device))


def _dram(device: Device, channels: Sequence[EnergyCounts]) -> dict[str, Picojoules]:
    """Energy of the memory's commands and of standing by, as DRAMsim3 has it."""
    energies = [channel_energy_pj(device, counts) for counts in channels]
    return {
        "activate": np.array([energy.activate for energy in energies]),
        "read": np.array([energy.read for energy in energies]),
        "write": np.array([energy.write for energy in energies]),
        "refresh": np.array([energy.refresh + energy.refresh_bank for energy in energies]),
        "background": np.array([energy.background for energy in energies]),
    }


def _background(device: Device, rank_cycles: int) -> float:
    """Energy of so many cycles of a rank whose banks are closed."""
    counts = EnergyCounts(
        0, 0, 0, 0, 0, active_cycles=[0], idle_cycles=[rank_cycles], self_refresh_cycles=[0]
    )
    return channel_energy_pj(device, counts).background


def _add_sram(
    parts: dict[str, Picojoules],
    missing: list[str],
    sram: SramEnergy | None,
    size_bytes: int,
    read_bytes: NDArray[np.int64],
    written_bytes: NDArray[np.int64],
) -> None:
    if sram is None:
        missing.append(
            f"no figure for an SRAM of {size_bytes:,} bytes; set sram_read_pj and sram_write_pj, in pJ of 64 bytes"
        )
        return
    parts["cache"] = (read_bytes * sram.read_pj + written_bytes * sram.write_pj) / sram.access_bytes


def _add_io(
    parts: dict[str, Picojoules], missing: list[str], device: Device, bits: NDArray[np.int64]
) -> None:
    per_bit = device.interface.io_pj_per_bit
    if per_bit is None:
        missing.append(f"no figure for the I/O of {device.name}; set io_pj_per_bit, in pJ")
        return
    parts["io"] = bits * np.float64(per_bit)
