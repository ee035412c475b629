"""Counters are declared once; a run's columns follow from what it says its namespaces hold."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ppim.engine import codes
from ppim.engine.pim import state
from ppim.engine.pim.rules import classes as cycle_classes
from ppim.program import llc
from ppim.program.builder import recipe
from ppim.stats.counters import (
    COLUMNS,
    CYCLE_CLASSES,
    IDENTITY,
    OF_ENERGY,
    OF_RESULT,
    SIMULATION,
    VERDICT,
    Table,
    evaluate,
    names_of,
)
from ppim.stats.result import SimulationResult

MODULES = {
    "engine": state,
    "classes": cycle_classes,
    "built": recipe,
    "kept": recipe,
    "moved": recipe,
    "wrote": state,
    "llc": llc,
    "commands": codes,
    OF_RESULT: SimulationResult,
}
BY_NAME = {
    "run": {"BATCHES", "LIMIT"},
    "units": {"MOST"},
    OF_ENERGY: {
        *("ACTIVATE", "READ", "WRITE", "REFRESH", "BACKGROUND"),
        *("CACHE", "COMPUTE", "COLLECT", "IO", "TOTAL"),
    },
    "requests": {"READS", "WRITES", "ROW_HITS", "COLUMN_COMMANDS"},
}


@pytest.mark.parametrize("counter", SIMULATION, ids=lambda counter: counter.name)
def test_every_source_names_something_that_is_counted(counter) -> None:  # type: ignore[no-untyped-def]
    assert counter.pim or counter.host
    assert counter.unit
    assert counter.meaning
    for space, name in names_of(counter.pim) + names_of(counter.host):
        if space in BY_NAME:
            assert name in BY_NAME[space]
        elif (space, name) != (OF_RESULT, "cycles"):
            assert hasattr(MODULES[space], name), (space, name)


def test_the_contracts_columns_in_order() -> None:
    """As the README's scripts and others' read them; what comes behind the energies was added later."""
    contract = (
        "run trace algorithm system mapping prefetch device settings memory channel cycles time_ns batches lookups "
        "accesses instructions reads writes activates precharges refreshes row_hits row_misses cache_hits "
        "cache_misses prefetch_reads bytes_dram bytes_cache bytes_external bytes_delivered transfer_cycles "
        "compute_cycles busy_cycles stall_refresh_cycles stall_compute_cycles stall_bus_cycles stall_bank_cycles "
        "stall_issue_cycles idle_cycles unit_accesses_max unit_accesses_mean limit_cycles energy_activate_pj "
        "energy_read_pj energy_write_pj energy_refresh_pj energy_background_pj energy_cache_pj energy_compute_pj "
        "energy_collect_pj energy_io_pj energy_total_pj partial_sum_hits moves moved_bytes binding_limit"
    )
    assert [*IDENTITY, *COLUMNS, *VERDICT] == contract.split()


def test_each_class_of_cycles_comes_from_the_class_of_its_name() -> None:
    """A stall of the bus is not one of a bank: the account's own constants have other numbers."""
    classes = np.arange(2 * cycle_classes.N_CYCLE_CLASSES).reshape(2, -1)
    sources = {"classes": Table(classes, cycle_classes)}
    counts = evaluate("pim", sources, 2, 64)
    by_hand = {
        "busy_cycles": cycle_classes.BUSY,
        "stall_refresh_cycles": cycle_classes.STALL_REFRESH,
        "stall_compute_cycles": cycle_classes.STALL_COMPUTE,
        "stall_bus_cycles": cycle_classes.STALL_BUS,
        "stall_bank_cycles": cycle_classes.STALL_BANK,
        "stall_issue_cycles": cycle_classes.STALL_ISSUE,
        "idle_cycles": cycle_classes.IDLE,
    }
    assert set(CYCLE_CLASSES) == by_hand.keys()
    for name, column in by_hand.items():
        assert counts[name].tolist() == [column, column + cycle_classes.N_CYCLE_CLASSES], name


def test_sources_are_sums_of_terms() -> None:
    names = SimpleNamespace(
        READS=0, ROW_HITS=1, READ_OUT_BURSTS=2, DELIVER_BURSTS=3, TRANSFER_BURSTS=4, PREFETCH_READS=5,
        INSTRUCTIONS=6, ACTIVATES=7, PRECHARGES=8, REFRESHES=9, TRANSFER_CYCLES=10, COMPUTE_CYCLES=11, WRITES=12,
    )  # fmt: skip
    counted = np.array([[50, 20, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]])
    counts = evaluate("pim", {"engine": Table(counted, names)}, 1, 32)
    assert counts["row_misses"].tolist() == [50 + 13 - 20]
    assert counts["bytes_dram"].tolist() == [32 * (50 + 13)]
    assert counts["bytes_external"].tolist() == [32 * (3 + 4 + 5 + 13)]
    assert counts["bytes_delivered"].tolist() == [128]
    assert counts["writes"].tolist() == [13]
    assert not {"lookups", "batches", "cycles", "idle_cycles", "partial_sum_hits"} & counts.keys()


def test_a_wrong_name_is_an_error_and_no_missing_column() -> None:
    with pytest.raises(AttributeError, match="INSTRUCTIONS"):
        evaluate("pim", {"engine": Table(np.zeros((1, 1), dtype=np.int64), SimpleNamespace())}, 1, 64)
