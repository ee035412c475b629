"""Energies of SRAM accesses and of arithmetic: what a system says, or the built-in figures."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ppim import config
from ppim.systems.spec import EnergySpec

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class SramEnergy:
    """Picojoules of one access of so many bytes."""

    read_pj: float
    write_pj: float
    access_bytes: int


@cache
def arithmetic() -> dict[str, Any]:
    """`energy.toml`: mac_pj, add_pj and their source."""
    return config.read_toml(FOLDER / "energy.toml")


@cache
def sram_table() -> dict[str, Any]:
    """`sram.toml`: access_bytes, the entries by size, and their source."""
    return config.read_toml(FOLDER / "sram.toml")


def sram_energy(spec: EnergySpec, size_bytes: int) -> SramEnergy | None:
    """Energy of an SRAM of this size, between two sizes of the table in proportion; None beyond the table.

    A smaller one than the least of the table takes as much as that.
    """
    table = sram_table()
    entries = table["sram"]
    above = next((n for n, entry in enumerate(entries) if entry["size_bytes"] >= size_bytes), None)
    given = {"read_pj": spec.sram_read_pj, "write_pj": spec.sram_write_pj}
    if above is None and not all(given.values()):
        return None
    found = {}
    for name, value in given.items():
        if value:
            found[name] = value
            continue
        assert above is not None
        high = entries[above]
        low = entries[max(above - 1, 0)] if size_bytes > entries[0]["size_bytes"] else high
        span = high["size_bytes"] - low["size_bytes"]
        part = (size_bytes - low["size_bytes"]) / span if span else 1.0
        found[name] = low[name] + part * (high[name] - low[name])
    return SramEnergy(**found, access_bytes=table["access_bytes"])


def mac_pj(spec: EnergySpec) -> float:
    """Of a multiply-accumulate."""
    return spec.mac_pj or float(arithmetic()["mac_pj"])


def add_pj(spec: EnergySpec) -> float:
    """Of an addition."""
    return spec.add_pj or float(arithmetic()["add_pj"])
