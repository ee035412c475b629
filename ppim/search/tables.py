"""What comes out of a search: all designs that were tried, the front, and the runs on the whole trace."""

from collections.abc import Iterator, Sequence
from typing import Any

from ppim.search.course import Course, Tried
from ppim.search.space import Space, Value
from ppim.sweep import resolve, tables
from ppim.sweep.plan import Plan, PlannedRun
from ppim.sweep.store import Store
from ppim.tables import Description, Table

DESIGNS, FRONT = "designs", "front"
START = "start"
PER_LOOKUP = {"time": "ns_per_lookup", "energy": "pj_per_lookup"}
FAILED, CUT, DONE = "failed", "cut short", "done"
"""Status of a design: it does not run; it ran on shorter traces only; it ran on the whole one."""


def write_results(course: Course, store: Store) -> None:
    """Write `designs`, `front`, and the tables of a sweep that has the runs on the whole trace."""
    space = course.designs.space
    axes = [parameter.name for parameter in space.parameters]
    front = course.front()
    on_front = {each.design.key for each in front}
    start = course.tried[course.designs.start.key]
    rows = [_row(course, each, start, on_front) for each in course.tried.values()]
    columns = [
        "id",
        *axes,
        "status",
        "error",
        "is_start",
        "is_on_front",
        "batches",
        PER_LOOKUP[space.objective],
    ]
    columns += ["sram_bytes", "copied_bytes", "start_over_this"]
    tables.write_table(store.folder, DESIGNS, rows, columns)
    tables.write_table(store.folder, FRONT, [_row(course, each, start, on_front) for each in front], columns)
    _write_runs(course, axes, store)


def _write_runs(course: Course, axes: Sequence[str], store: Store) -> None:
    """As of a sweep over the designs that ran on the whole trace, so that figures and reports can be made."""
    whole = [each for each in course.tried.values() if each.given is course.rungs[-1]]
    runs: list[resolve.Resolved] = [each.run for each in whole]
    planned: list[PlannedRun] = [run.planned for run in runs]
    baselines = {START: course.designs.start.axes}
    plan = _StartPlan(course.designs.space.path, axes, planned, baselines, [], {})
    tables.write_tables(plan, runs, store)


class _StartPlan(Plan):
    """All runs are compared with the first one, the start."""

    def baseline_of(self, run: PlannedRun, name: str) -> PlannedRun | None:  # noqa: ARG002 - the plan's
        """The start."""
        return self.runs[0]


def _row(course: Course, tried: Tried, start: Tried, on_front: set[str]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": tried.run.name,
        **tried.design.axes,
        "status": FAILED if tried.error else DONE if tried.given is course.rungs[-1] else CUT,
        "is_start": tried is start,
        "is_on_front": tried.design.key in on_front,
        "batches": tried.given.batches,
    }
    if tried.costs is None or start.costs is None:
        return row | {"error": tried.error}
    return row | {
        PER_LOOKUP[course.designs.space.objective]: tried.costs.objective,
        "sram_bytes": tried.costs.sram_bytes,
        "copied_bytes": tried.costs.copied_bytes,
        "start_over_this": start.costs.objective / tried.costs.objective if tried.costs.objective else None,
    }


def front_description(course: Course) -> Description:
    """The start and the front, for people and for programs."""
    space = course.designs.space
    axes = [each.name for each in space.parameters]
    start = course.tried[course.designs.start.key]
    unit = {"time": "ns a lookup", "energy": "pJ a lookup"}[space.objective]
    headings = ("design", unit, "times", "SRAM", "copies", *axes)
    shown = [(START, start), *((str(n), each) for n, each in enumerate(course.front(), 1))]
    rows = tuple(
        (
            name,
            f"{each.costs.objective:.4g}",
            f"{start.costs.objective / each.costs.objective:.3f}",
            size_text(each.costs.sram_bytes),
            size_text(each.costs.copied_bytes),
            *(_shown(each.design.axes.get(axis)) for axis in axes),
        )
        for name, each in shown
        if each.costs and start.costs and each.costs.objective
    )
    table = Table(FRONT, headings, rows)
    return Description((*_lines(course, space), table), (table,))


def _lines(course: Course, space: Space) -> Iterator[str]:
    counts = {status: 0 for status in (DONE, CUT, FAILED)}
    for each in course.tried.values():
        counts[FAILED if each.error else DONE if each.given is course.rungs[-1] else CUT] += 1
    how = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    yield (
        f"{len(course.tried):,} designs of at most {space.size + 1:,}: {how}; "
        f"work of {course.spent:.1f} runs of the whole trace"
    )
    if course.is_exhausted:
        yield "nothing new is left to try"
    yield (
        f"front of {space.objective}, SRAM and copies, the best {space.objective} first; "
        f"times: {space.objective} of the start over the design's"
    )


def size_text(size: int) -> str:
    """Bytes with three digits and a unit."""
    for unit, prefix in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.3g} {prefix}" if size < 1000 * unit else f"{size / unit:,.0f} {prefix}"
    return f"{size} B"


def _shown(value: Value | None) -> str | None:
    return None if value is None else f"{value:,}" if type(value) is int else str(value)
