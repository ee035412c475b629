"""The distance rules resolve to DRAMsim3's numbers."""

from __future__ import annotations

import pytest

from ppim.dram.load import device_names, load_device
from ppim.dram.timing import COMMANDS, SCOPES, UNCONSTRAINED, distance_table
from tests.conftest import SHARED
from tests.golden.devices import golden_device, golden_entries
from tests.reference.host_timing import Kind, Scope, distances

NAMES = sorted(golden_entries()) if SHARED.is_dir() else []


@pytest.mark.skipif(not NAMES, reason="the shared golden data is not here")
@pytest.mark.parametrize("name", NAMES)
def test_distances_are_those_of_the_golden_devices(name):
    table = distance_table(golden_device(name))
    mine = {}
    for i, issued in enumerate(COMMANDS):
        for s, scope in enumerate(SCOPES):
            later = {
                COMMANDS[j]: int(table[i, j, s])
                for j in range(len(COMMANDS))
                if table[i, j, s] != UNCONSTRAINED
            }
            if later:
                mine.setdefault(issued, {})[scope] = later
    assert mine == golden_entries()[name]["timing_table"]


@pytest.mark.parametrize("name", device_names())
def test_distances_are_those_written_out_rule_by_rule(name):
    device = load_device(name)
    table, by_hand = distance_table(device), distances(device)
    for issued, i in zip(Kind, range(len(COMMANDS)), strict=True):
        for s, scope in enumerate(Scope):
            later = {
                Kind(j): int(table[i, j, s]) for j in range(len(COMMANDS)) if table[i, j, s] != UNCONSTRAINED
            }
            assert later == by_hand[issued, scope]
