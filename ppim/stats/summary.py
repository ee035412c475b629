"""The summary of `ppim simulate`: JSON with all that is needed to repeat the run, and a few lines for a person."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppim import __version__
from ppim.machine import environment
from ppim.systems import chosen, effect, spec

if TYPE_CHECKING:
    from ppim.stats.result import SimulationResult

PICOJOULES_PER_MICROJOULE = 1e6
TIMED = {"gnr": "GnR", "batch": "batch", "read": "memory read"}


def summary(result: SimulationResult) -> dict[str, Any]:
    """Totals of a run and what is needed to repeat it."""
    figures: dict[str, Any] = {
        "run": result.run,
        **configuration(result),
        "cycles": result.cycles,
        "time_ns": result.time_ns,
        "issue_slots": result.issue_slots,
        "limit_cycles": result.limits,
        "binding_limit": result.binding_limit,
        "totals": result.totals,
        "device": result.device.name,
        "warnings": list(result.warnings),
        "energy_notes": list(result.energy_notes),
        "latency": {name: asdict(one) for name, one in result.latency.items()},
    }
    if result.footprint is not None:
        figures["placement"] = _placement(result)
    if result.split is not None and result.split.kept_lookups:
        figures["partial_sums"] = {"vectors": result.split.kept_vectors}
    if result.second is not None:
        figures["tiers"] = _tiers(result)
        figures["memories"] = {memory.memory: _memory(memory) for memory in result.memories}
    return figures


def configuration(result: SimulationResult) -> dict[str, Any]:
    """All that a run depends on.

    Returns
    -------
    dict
        `command`, which repeats the run where its files are as they were; the trace and what it was made by; the
        system with all its parameters, and what differs from its file; every parameter of each memory's device.
    """
    command = "replay" if result.program else "simulate"
    settings = [f"{name}={text}" for name, text in chosen.setting_texts(result.settings).items()]
    options = [
        "--system",
        result.base or result.system.name,
        *(word for x in settings for word in ("--set", x)),
    ]
    return {
        "ppim_version": __version__,
        "environment": environment(),
        "command": shlex.join(["ppim", command, str(result.trace), *options]),
        "trace": str(result.trace),
        "trace_made_by": result.made_by,
        "system_file": result.base,
        "settings": dict(result.settings),
        "system": _system(result),
        "devices": {memory.memory: asdict(memory.device) for memory in result.memories},
    }


def _system(result: SimulationResult) -> dict[str, Any]:
    """All parameters that the system has."""
    system = asdict(result.system)
    if result.second is None:
        del system["tiers"], system["dimm"]  # without effect
    return system


def _pages(placement: spec.PlacementSpec) -> dict[str, Any]:
    """How rows are spread over units; nothing where the mapping spreads none."""
    if not effect.spreads(placement):
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
        "binding_limit": result.binding_limit,
        "totals": result.own_totals,
        "placement": _placement(result),
    }


def write_summary(result: SimulationResult, path: Path) -> None:
    """The summary as JSON."""
    path.write_text(json.dumps(summary(result), indent=2) + "\n", encoding="utf-8")


def summary_lines(result: SimulationResult) -> Iterator[str]:
    """What came out, in a few lines for a person; the same for the same run."""
    if result.program:
        yield from _program_lines(result)
        return
    yield f"{result.run}: {result.cycles:,} cycles = {result.time_ns / 1000:,.1f} us on {result.device.name}"
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
    yield from _latency_lines(result)
    yield from _energy_lines(result)


def note_lines(result: SimulationResult) -> Iterator[str]:
    """What a person should know of these figures, and how long it took."""
    for note in result.energy_notes:
        yield f"note: {note}"
    for warning in [warning for memory in result.memories for warning in memory.warnings]:
        yield f"warning: {warning}"
    if result.seconds <= 0:
        return
    if result.program:
        done, what, how = sum(result.program.values()), "instructions", "replayed"
    else:
        done, what, how = sum(memory.total("accesses") for memory in result.memories), "accesses", "simulated"
    yield f"{how} in {result.seconds:.2f} s, {done / result.seconds / 1e6:.2f} million {what}/s"


def _spread(placement: spec.PlacementSpec) -> str:
    """How rows are spread over units, in brackets; nothing where the mapping spreads none."""
    if not effect.spreads(placement):
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
    if system.kind == "host" and result.cycles:
        yield _host_line(result)
    if result.footprint is not None:
        yield (
            f"  mapping {system.placement.mapping}{_spread(system.placement)}, "
            f"prefetch {system.prefetch.prefetch}; copies take {result.footprint.duplicated_bytes:,} bytes, "
            f"{result.footprint.duplicated_percent:.2g} % of the memory; "
            f"{system.pim.frontend} front end, barrier {system.pim.barrier}, transfer {system.pim.transfer}"
        )
        yield f"  issue slots {result.issue_slots:,}"
    if result.limits and result.cycles:
        name = result.binding_limit
        percent = 100 * result.limits[name] / result.cycles
        busy = 100 * total("busy_cycles") / (result.cycles * result.device.organization.channels)
        yield f"  {percent:.0f} % of the {name} limit; channels busy {busy:.0f} % of the time"


def _latency_lines(result: SimulationResult) -> Iterator[str]:
    """How long what is timed took."""
    for name, one in result.latency.items():
        figures = {
            "mean": one.mean_ns,
            "50 %": one.p50_ns,
            "95 %": one.p95_ns,
            "99 %": one.p99_ns,
            "most": one.max_ns,
        }
        shown = ", ".join(f"{what} {ns / 1000:,.4g}" for what, ns in figures.items())
        yield f"  {TIMED[name]} of {one.count:,} in us: {shown}"


def _energy_lines(result: SimulationResult) -> Iterator[str]:
    """Energy of the run and its shares, where it has a total."""
    total = result.totals
    known = "energy_total_pj" in total
    whole = total.get("energy_total_pj", 0)
    parts = {
        name: value
        for name, value in total.items()
        if name.startswith("energy_") and name != "energy_total_pj" and value
    }
    if known and whole:
        shares = ", ".join(
            f"{name.removeprefix('energy_').removesuffix('_pj')} {100 * value / whole:.0f} %"
            for name, value in parts.items()
        )
        yield f"  energy {whole / PICOJOULES_PER_MICROJOULE:,.4g} uJ: {shares}"


def _host_line(result: SimulationResult) -> str:
    """How far memory and cores of a host are from what they could do at most."""
    host, device = result.system.host, result.device
    reached = result.total("bytes_dram") / result.time_ns
    text = f"  memory at {reached:.1f} of {device.peak_gb_per_s:.1f} GB/s"
    if host.loop == "open":
        return f"{text}; no core ever waits"
    in_rows = result.total("accesses") * host.row_ns / (result.time_ns * host.cores)
    return f"{text}; {host.cores} cores, {100 * in_rows:.0f} % of their time with rows and the rest waiting for lines"


def _program_lines(result: SimulationResult) -> Iterator[str]:
    """A few lines on the replay of a program."""
    pim, total = result.system.pim, result.total
    instructions = sum(result.program.values())
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in result.program.items())
    yield f"{result.run}: {result.cycles:,} cycles = {result.time_ns / 1000:,.1f} us on {result.device.name}"
    yield f"  {instructions:,} instructions ({kinds}), {result.issue_slots:,} issue slots"
    yield (
        f"  DRAM {total('bytes_dram'):,} bytes in {total('reads'):,} reads, {total('activates'):,} activates; "
        f"external bus {total('bytes_external'):,} bytes"
    )
    yield (
        f"  prefetch {result.system.prefetch.prefetch}; {pim.frontend} front end, barrier {pim.barrier}, "
        f"transfer {pim.transfer}"
    )
    yield from _latency_lines(result)
    yield from _energy_lines(result)
