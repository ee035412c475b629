"""Devices of the golden cases, built from the parameters stored with them; and presets that equal them."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from functools import cache
from typing import Any

from ppim.dram.device import Device
from ppim.dram.ini import device_table
from ppim.dram.load import load_device, make_device
from tests.conftest import SHARED

DRAMSIM3 = SHARED / "golden" / "dramsim3"


@cache
def golden_entries() -> dict[str, dict[str, Any]]:
    """`devices.json` of the golden cases: name -> entry; `A+v` is device A with overrides."""
    return json.loads((DRAMSIM3 / "devices.json").read_text())["devices"]


VARIANTS: dict[str, dict[str, Any]] = {
    "": {},
    "ch4_rank2": {"channels": 4, "ranks": 2},
    "close_page": {"row_buf_policy": "CLOSE_PAGE"},
    "simul_refresh": {"refresh_policy": "RANK_LEVEL_SIMULTANEOUS"},
    "sref": {"enable_self_refresh": True, "sref_threshold": 1000},
    "unified": {"unified_queue": True},
}


def preset(name: str) -> Device:
    """The built-in device `NAME` or `NAME+VARIANT`: in every clone, what golden devices are elsewhere."""
    base, _, variant = name.partition("+")
    device = load_device(base)
    for section in ("organization", "controller"):
        part = getattr(device, section)
        known = {item.name for item in fields(part)}
        changes = {key: value for key, value in VARIANTS[variant].items() if key in known}
        device = replace(device, **{section: replace(part, **changes)})
    return device


def _ignore(line: str) -> None:
    """Oddities of the parameters are known here."""


@cache
def golden_device(name: str) -> Device:
    """The device called `name` in `devices.json`, variants (`A+v`) included."""
    table = device_table(golden_entries()[name]["resolved"], name, _ignore)
    return make_device(name, {**table, "validated": True}, name)
