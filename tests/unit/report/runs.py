"""Results with figures that are known by construction, for tests of tables, figures and reports."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from ppim.stats.counters import COLUMNS, CYCLE_CLASSES, IDENTITY

ENERGY = {
    "energy_activate_pj": 400.0,
    "energy_read_pj": 800.0,
    "energy_write_pj": 0.0,
    "energy_refresh_pj": 100.0,
    "energy_background_pj": 500.0,
    "energy_cache_pj": 50.0,
    "energy_compute_pj": 90.0,
    "energy_collect_pj": 0.0,
    "energy_io_pj": 60.0,
    "energy_total_pj": 2000.0,
}
"""Of one channel."""


def channel_line(system: str, channel: int, cycles: int, settings: str = "", **figures: object) -> dict:
    """A line of a stats CSV; a third of the cycles is busy and the rest idle, but for what is given."""
    given = {column: 0 for column in COLUMNS if not column.startswith("energy_")}
    del given["partial_sum_hits"]
    given |= {"busy_cycles": cycles // 3, "accesses": 100, "lookups": 50, "reads": 40, "bytes_dram": 40 * 64}
    given |= {"unit_accesses_max": 30, "unit_accesses_mean": 25.0, "limit_cycles": cycles // 2}
    given |= {"bytes_external": 640, **figures}
    given["idle_cycles"] = cycles - sum(int(given[name]) for name in CYCLE_CLASSES if name != "idle_cycles")
    return {
        **dict.fromkeys(IDENTITY, ""),
        **given,
        "run": f"trace/{system}" + (f"+{settings}" if settings else ""),
        "trace": "trace.parquet",
        "algorithm": "qr",
        "system": system,
        "device": "hbm2-4gb",
        "settings": settings,
        "memory": "hbm",
        "channel": channel,
        "cycles": cycles,
        "time_ns": cycles * 1.0,
        "binding_limit": "bus",
    }


def write_stats(path: Path, lines: list[dict]) -> Path:
    """A stats CSV."""
    names = list(dict.fromkeys([*IDENTITY, *COLUMNS, *(name for line in lines for name in line)]))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names, restval="")
        writer.writeheader()
        writer.writerows(lines)
    return path


def write_run(folder: Path, system: str, cycles: int, settings: str = "", **figures: object) -> Path:
    """The stats CSV of a run of two channels."""
    lines = [channel_line(system, channel, cycles, settings, **figures) for channel in (0, 1)]
    return write_stats(folder / f"{system}{settings and '-'}{settings.replace('=', '-')}.csv", lines)


def write_host(folder: Path, system: str, cycles: int) -> Path:
    """The stats CSV of a host: no classes of cycles, no units."""
    without = (*CYCLE_CLASSES, "unit_accesses_max", "unit_accesses_mean", "limit_cycles", "prefetch_reads")
    line = channel_line(system, 0, cycles)
    return write_stats(folder / f"{system}.csv", [{k: v for k, v in line.items() if k not in without}])


def write_sweep(folder: Path, points: list[dict], seeds: tuple[str, ...] = ()) -> Path:
    """The folder of a sweep with records.

    Parameters
    ----------
    points : list of dict
        Axes, and `cycles`; also `error`, or figures of the stats CSV. Baseline "base": the run of the same axes whose
        system is "base".
    """
    (folder / "runs").mkdir(parents=True)
    axes = [
        name
        for name in dict.fromkeys(n for p in points for n in p)
        if name not in ("cycles", "error", "figures")
    ]
    cycles = {tuple(point[name] for name in axes): point["cycles"] for point in points}
    rows = []
    for number, point in enumerate(points):
        values = {name: point[name] for name in axes}
        row = {"id": f"{number:016x}", **values}
        if "error" in point:
            rows.append(row | {"status": "failed", "error": point["error"]})
            continue
        lines = [
            channel_line(point["system"], channel, point["cycles"], **point.get("figures", {}))
            for channel in (0, 1)
        ]
        base = cycles[tuple("base" if name == "system" else point[name] for name in axes)]
        totals = {
            name: sum(line[name] for line in lines)
            for name, counter in COLUMNS.items()
            if counter.over == "sum" and name in lines[0]
        }
        rows.append(
            row
            | {"status": "done", "run": lines[0]["run"], "trace": "trace.parquet", "device": "hbm2-4gb"}
            | {"time_ns": point["cycles"], "speed_up_base": base / point["cycles"], **totals}
        )
        summary = {
            "ppim_version": "0",
            "command": f"ppim simulate traces/trace.parquet --system {point['system']}",
            "trace": "traces/trace.parquet",
            "trace_made_by": "ppim gen-trace synthetic",
            "system": {"name": point["system"], "pim": {"barrier": "table"}},
            "settings": {},
        }
        record = {"rows": lines, "summary": summary, "seconds": 1.0}
        (folder / "runs" / f"{row['id']}.json").write_text(json.dumps(record), encoding="utf-8")
    names = list(
        dict.fromkeys(
            name for row in [{"id": 0, **dict.fromkeys(axes), "status": 0, "error": 0}, *rows] for name in row
        )
    )
    for name, header, body in [
        ("runs", names, rows),
        ("means", [*(a for a in axes if a not in seeds), "seeds"], []),
    ]:
        if name == "runs" or seeds:
            with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, header, restval="")
                writer.writeheader()
                writer.writerows(body)
    return folder
