"""The stats CSV, the units CSV and the summary of `ppim simulate`."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from ppim import __version__
from ppim.engine.simulate import SimulationResult
from ppim.systems.chosen import settings_text
from ppim.systems.effect import spreads
from ppim.systems.spec import PlacementSpec

IDENTITY = (
    "run",
    "trace",
    "algorithm",
    "system",
    "mapping",
    "prefetch",
    "device",
    "settings",
    "memory",
    "channel",
)
COLUMNS = {
    "cycles": "length of the run, memory cycles (the same in all channels)",
    "time_ns": "length of the run, ns",
    "batches": "batches of the trace",
    "lookups": "lookups whose unit is in this channel (host: whose first row begins in it)",
    "accesses": "accesses of the trace, by the channel of the unit that uses the row",
    "instructions": "PIM instructions received, broadcasts and delivers included (host: requests)",
    "reads": "READ commands, one a burst",
    "writes": "WRITE commands",
    "activates": "ACTIVATE commands",
    "precharges": "PRECHARGE commands",
    "refreshes": "REFRESH commands",
    "row_hits": "column commands that were not the first after their ACTIVATE",
    "row_misses": "column commands that were",
    "cache_hits": "accesses served by the unit's SRAM (host: whose bursts were all in the LLC)",
    "cache_misses": "accesses that looked into a cache and were read from DRAM",
    "prefetch_reads": "READ commands of prefetches",
    "bytes_dram": "bytes of all column commands",
    "bytes_cache": "bytes served by SRAM",
    "bytes_external": "bytes over the channel's external data bus",
    "bytes_delivered": "of these, bytes the host delivered to PIM units",
    "transfer_cycles": "cycles of the external bus taken by result transfers",
    "compute_cycles": "cycles of arithmetic, summed over units",
    "busy_cycles": "cycles with a command, with data moving into a unit, or on the external bus",
    "stall_refresh_cycles": "other cycles in which a refresh holds back what waits in a bank's queue",
    "stall_compute_cycles": "other cycles in which a transfer or a full buffer waits for arithmetic only",
    "stall_bus_cycles": "other cycles in which a deliver or transfer has reserved the bus and does not move",
    "stall_bank_cycles": "other cycles in which a bank's queue waits, or data that were read are on their way",
    "stall_issue_cycles": "other cycles in which an instruction's slot lasts or it is on its way to a unit",
    "idle_cycles": "all other cycles: at a barrier, or waiting for other channels or the host",
    "unit_accesses_max": "accesses of the channel's most loaded unit, counted where the row lies, not where it is used",
    "unit_accesses_mean": "the same per unit of the channel",
    "limit_cycles": "greatest of the lower bounds of `cycles` (the same in all channels)",
    "partial_sum_hits": "accesses saved by vectors of whole lookups that are kept",
}
"""Column -> meaning and unit. A column that does not apply to the system is empty."""

NOT_SUMMED = ("batches", "unit_accesses_max", "limit_cycles")
"""Columns whose sum over the channels means nothing."""


def run_name(result: SimulationResult) -> str:
    """Identity of a run: trace, system, and what differs from the system's file."""
    name = f"{result.trace.stem}/{result.system.name}"
    return f"{name}+{settings_text(result.settings)}" if result.settings else name


def rows(result: SimulationResult) -> Iterator[dict[str, Any]]:
    """One row a memory and channel, as the CSV has them."""
    run, settings = run_name(result), settings_text(result.settings)
    for memory in result.memories:
        for row in _rows_of_memory(memory):
            yield row | {"run": run, "settings": settings}


def _rows_of_memory(result: SimulationResult) -> Iterator[dict[str, Any]]:
    is_pim = result.system.kind == "pim"
    for channel in range(result.device.organization.channels):
        row: dict[str, Any] = {
            "trace": result.trace.name,
            "algorithm": result.algorithm,
            "system": result.system.name,
            "mapping": result.system.placement.mapping if is_pim else "",
            "prefetch": result.system.prefetch.prefetch if is_pim else "",
            "device": result.device.name,
            "memory": result.memory,
            "channel": channel,
            "cycles": result.cycles,
            "time_ns": _number(result.time_ns),
        }
        for name in COLUMNS:
            if name in result.counts:
                row[name] = int(result.counts[name][channel])
        if result.unit_accesses is not None:
            row["unit_accesses_mean"] = _number(float(result.unit_accesses[channel].mean()))
        yield row


def _number(value: float) -> str:
    """Shortest text that gives back the number."""
    return f"{value:.12g}"


def write_csv(result: SimulationResult, stream: TextIO) -> None:
    """The stats CSV: a line for each memory and channel, and nothing else."""
    writer = csv.DictWriter(stream, [*IDENTITY, *COLUMNS], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(result))


def write_units_csv(result: SimulationResult, stream: TextIO) -> None:
    """Accesses of every PIM unit."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["run", "memory", "channel", "unit", "accesses"])
    run = run_name(result)
    for memory in result.memories:
        for channel, units in enumerate([] if memory.unit_accesses is None else memory.unit_accesses):
            for unit, accesses in enumerate(units):
                writer.writerow([run, memory.memory, channel, unit, int(accesses)])


def summary(result: SimulationResult) -> dict[str, Any]:
    """Totals of a run and what is needed to repeat it."""
    from dataclasses import asdict

    system = asdict(result.system)
    if result.second is None:
        del system["tiers"], system["dimm"]  # without effect
    figures: dict[str, Any] = {
        "run": run_name(result),
        "ppim_version": __version__,
        "trace": str(result.trace),
        "settings": dict(result.settings),
        "cycles": result.cycles,
        "time_ns": result.time_ns,
        "issue_slots": result.issue_slots,
        "limit_cycles": result.limits,
        "binding_limit": binding_limit(result),
        "totals": totals(result.memories),
        "system": system,
        "device": result.device.name,
        "warnings": result.warnings,
    }
    if result.footprint is not None:
        figures["placement"] = _placement(result)
    if result.split is not None and result.split.has_kept:
        figures["partial_sums"] = {"vectors": result.split.kept_vectors}
    if result.second is not None:
        figures["tiers"] = _tiers(result)
        figures["memories"] = {memory.memory: _memory(memory) for memory in result.memories}
    return figures


def totals(memories: Sequence[SimulationResult]) -> dict[str, int]:
    """Sums of columns over memories and their channels."""
    names = (name for name in memories[0].counts if name not in NOT_SUMMED)
    return {name: sum(memory.total(name) for memory in memories) for name in names}


def _pages(placement: PlacementSpec) -> dict[str, Any]:
    """How rows are spread over units; nothing where the mapping spreads none."""
    if not spreads(placement):
        return {}
    if placement.placement == "page":
        return {"placement": "page", "placement_page_bytes": placement.page_bytes}
    return {"placement": "hash", "placement_page_rows": placement.placement_page}


def _placement(result: SimulationResult) -> dict[str, Any]:
    assert result.footprint is not None
    return {
        "mapping": result.system.placement.mapping,
        **_pages(result.system.placement),
        "spread_bytes": result.footprint.spread_bytes,
        "duplicated_bytes": result.footprint.duplicated_bytes,
        "capacity_bytes": result.footprint.capacity_bytes,
        "duplicated_percent": result.footprint.duplicated_percent,
    }


def _tiers(result: SimulationResult) -> dict[str, int]:
    """How many rows, and how many accesses to them, the first memory has of those that are tiered."""
    assert result.split is not None
    how = result.split
    return {
        "hot_rows": how.hot_rows,
        "tiered_rows": how.tiered_rows,
        "hot_accesses": how.hot_accesses,
        "tiered_accesses": how.tiered_accesses,
    }


def _memory(result: SimulationResult) -> dict[str, Any]:
    """One of two memories."""
    return {
        "device": result.device.name,
        "cycles": result.cycles,
        "time_ns": result.time_ns,
        "issue_slots": result.issue_slots,
        "limit_cycles": result.limits,
        "binding_limit": binding_limit(result),
        "totals": totals([result]),
        "placement": _placement(result),
    }


def binding_limit(result: SimulationResult) -> str:
    """Name of the greatest lower bound; empty for a host."""
    return max(result.limits, key=lambda name: result.limits[name], default="")


def write_summary(result: SimulationResult, path: Path) -> None:
    """The summary as JSON."""
    path.write_text(json.dumps(summary(result), indent=2) + "\n", encoding="utf-8")


def summary_lines(result: SimulationResult) -> Iterator[str]:
    """A few lines for a person."""
    accesses = sum(memory.total("accesses") for memory in result.memories)
    yield f"{run_name(result)}: {result.cycles:,} cycles = {result.time_ns / 1000:,.1f} us on {result.device.name}"
    for memory in result.memories:
        if result.second is not None:
            yield f"  {memory.memory}: {memory.device.name}, {memory.cycles:,} cycles"
        yield from _memory_lines(memory)
    if result.second is not None and result.split is not None:
        how = result.split
        percent = 100 * how.hot_accesses / max(how.tiered_accesses, 1)
        yield (
            f"  {how.hot_rows:,} of {how.tiered_rows:,} rows are hot, with {percent:.3g} % of their accesses: in "
            f"{result.memory}; the others in {result.second.memory}"
        )
    for warning in [warning for memory in result.memories for warning in memory.warnings]:
        yield f"  warning: {warning}"
    if result.seconds > 0:
        yield f"  simulated in {result.seconds:.2f} s, {accesses / result.seconds / 1e6:.2f} million accesses/s"


def _spread(placement: PlacementSpec) -> str:
    """How rows are spread over units, in brackets; nothing where the mapping spreads none."""
    if not spreads(placement):
        return ""
    if placement.placement == "page":
        return f" (random pages of {placement.page_bytes:,} bytes)"
    return f" (pages of {placement.placement_page} row{'s' if placement.placement_page > 1 else ''})"


def _memory_lines(result: SimulationResult) -> Iterator[str]:
    """What one memory did."""
    system, total = result.system, result.total
    saved = ""
    if "partial_sum_hits" in result.counts:
        saved = f", {total('partial_sum_hits'):,} saved by vectors that are kept"
    yield (
        f"  lookups {total('lookups'):,}, accesses {total('accesses'):,}, of them {total('cache_hits'):,} "
        f"cache hits{saved}"
    )
    yield (
        f"  DRAM {total('bytes_dram'):,} bytes in {total('reads'):,} reads, {total('activates'):,} activates; "
        f"external bus {total('bytes_external'):,} bytes"
    )
    if result.footprint is not None:
        yield (
            f"  mapping {system.placement.mapping}{_spread(system.placement)}, "
            f"prefetch {system.prefetch.prefetch}; copies take {result.footprint.duplicated_bytes:,} bytes, "
            f"{result.footprint.duplicated_percent:.2g} % of the memory; "
            f"{system.pim.frontend} front end, barrier {system.pim.barrier}, transfer {system.pim.transfer}"
        )
        yield f"  issue slots {result.issue_slots:,}"
    if result.limits and result.cycles:
        name = binding_limit(result)
        percent = 100 * result.limits[name] / result.cycles
        busy = 100 * total("busy_cycles") / (result.cycles * result.device.organization.channels)
        yield f"  {percent:.0f} % of the {name} limit; channels busy {busy:.0f} % of the time"
