"""Devices of the golden cases, built from the parameters stored with them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from ppim.dram.device import Device
from ppim.dram.ini import device_table
from ppim.dram.load import make_device
from tests.conftest import SHARED

DRAMSIM3 = SHARED / "golden" / "dramsim3"


@cache
def golden_entries() -> dict[str, dict[str, Any]]:
    """`devices.json` of the golden cases: name -> entry; `A+v` is device A with overrides."""
    return json.loads((DRAMSIM3 / "devices.json").read_text())["devices"]


def _ignore(line: str) -> None:
    """Oddities of the parameters are known here."""


@cache
def golden_device(name: str) -> Device:
    """The device called `name` in `devices.json`, variants (`A+v`) included."""
    table = device_table(golden_entries()[name]["resolved"], name, _ignore)
    return make_device(name, {**table, "validated": True}, name)
