"""Tables of a sweep: a row a run, a row a channel, and means over seeds; as CSV and Parquet, the same bytes however it went."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppim.files import atomic_path
from ppim.stats.counters import COLUMNS, IDENTITY, VERDICT
from ppim.sweep import resolve
from ppim.sweep.plan import Plan
from ppim.sweep.store import Store

if TYPE_CHECKING:
    import pandas as pd

RUNS, CHANNELS, MEANS = "runs", "channels", "means"


def write_tables(plan: Plan, resolved: Sequence[resolve.Resolved], store: Store) -> None:
    """Write all tables from what is kept in the folder; runs that are not done are left out."""
    records = {run.name: store.record(run.name) for run in resolved}
    done = [(run, records[run.name]) for run in resolved if records[run.name] is not None]
    times = {
        id(run.planned): record["summary"]["time_ns"]
        for run, record in done
        if record is not None and "error" not in record
    }
    rows = [_run_row(plan, run, record or {}, times) for run, record in done]
    channels = [
        {"id": run.name, **_axes(plan, run), **row}
        for run, record in done
        for row in (record or {}).get("rows", [])
    ]
    axes = list(plan.axes)
    speed_ups = [f"speed_up_{name}" for name in plan.baselines]
    sums = [name for name, counter in COLUMNS.items() if counter.over == "sum"]
    identity = [name for name in IDENTITY if name not in ("memory", "channel", *axes)]
    run_columns = [
        "id",
        *axes,
        "status",
        "error",
        *identity,
        "time_ns",
        *speed_ups,
        "limit_share",
        *VERDICT,
        *sums,
    ]
    channel_columns = ["id", *axes, *(name for name in (*IDENTITY, *COLUMNS, *VERDICT) if name not in axes)]
    write_table(store.folder, RUNS, rows, run_columns)
    write_table(store.folder, CHANNELS, channels, channel_columns)
    if plan.seeds:
        others = [name for name in axes if name not in plan.seeds]
        write_table(store.folder, MEANS, *_means(rows, others, ["time_ns", *speed_ups]))


def _axes(plan: Plan, run: resolve.Resolved) -> dict[str, Any]:
    values = run.planned.axes
    return {name: _scalar(values[name]) for name in plan.axes if name in values}


def _scalar(value: Any) -> Any:
    """A list as one text, so that it fits in a cell."""
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _run_row(
    plan: Plan, run: resolve.Resolved, record: dict[str, Any], times: dict[int, float]
) -> dict[str, Any]:
    row: dict[str, Any] = {"id": run.name, **_axes(plan, run)}
    if "error" in record:
        return row | {"status": "failed", "error": record["error"]}
    first, summary = record["rows"][0], record["summary"]
    row |= {
        name: first[name] for name in IDENTITY if name in first and name not in ("memory", "channel", *row)
    }
    row |= {"status": "done", "time_ns": summary["time_ns"], **summary["totals"]}
    limits = summary["limit_cycles"]
    if limits and summary["cycles"]:
        row["limit_share"] = max(limits.values()) / summary["cycles"]
        row["binding_limit"] = summary["binding_limit"]
    for name in plan.baselines:
        base = plan.baseline_of(run.planned, name)
        base_ns = None if base is None else times.get(id(base))
        if base_ns and summary["time_ns"]:
            row[f"speed_up_{name}"] = base_ns / summary["time_ns"]
    return row


def _means(
    rows: Sequence[dict[str, Any]], axes: list[str], figures: list[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Mean and sample standard deviation over the seeds, for each combination of the other axes."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        if row["status"] == "done":
            groups.setdefault(tuple(row.get(name) for name in axes), []).append(row)
    means = []
    for key, members in groups.items():
        mean: dict[str, Any] = {**dict(zip(axes, key, strict=True)), "seeds": len(members)}
        for name in figures:
            values = [row[name] for row in members if name in row]
            if values:
                mean[f"{name}_mean"] = statistics.fmean(values)
            if len(values) > 1:
                mean[f"{name}_std"] = statistics.stdev(values)
        means.append(mean)
    columns = [*axes, "seeds", *(f"{name}_{kind}" for name in figures for kind in ("mean", "std"))]
    return means, columns


def write_table(folder: Path, name: str, rows: Sequence[dict[str, Any]], columns: list[str]) -> None:
    """Write rows as NAME.csv and NAME.parquet, each whole or not at all."""
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=columns).convert_dtypes()
    for column in frame.columns[frame.dtypes == object]:
        frame[column] = frame[column].map(
            lambda value: None if value is None else str(value)
        )  # axes of mixed kinds
    _write_frame(frame, folder / f"{name}.csv")
    _write_frame(frame, folder / f"{name}.parquet")


def _write_frame(frame: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        if path.suffix == ".csv":
            frame.to_csv(stream, index=False, float_format="%.12g", lineterminator="\n")
        else:
            frame.to_parquet(stream, index=False)
