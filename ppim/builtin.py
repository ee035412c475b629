"""The built-in systems and devices, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ppim.dram.load import device_names, load_device
from ppim.systems.load import load_system, system_names

if TYPE_CHECKING:
    from ppim.dram.device import Device
    from ppim.systems.spec import SystemSpec

__all__ = ["devices", "systems"]


def systems() -> Mapping[str, SystemSpec]:
    """The built-in systems by name, with all their parameters.

    Examples
    --------
    >>> ppim.systems()["proactivepim"].pim.barrier
    'table'
    """
    return MappingProxyType({name: load_system(name) for name in system_names()})


def devices() -> Mapping[str, Device]:
    """The built-in memory devices by name, with all their parameters.

    Examples
    --------
    >>> ppim.devices()["hbm2-4gb"].timing.tFAW
    30
    """
    return MappingProxyType({name: load_device(name) for name in device_names()})
