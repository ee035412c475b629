"""What makes one run faster than another, in a sentence that follows from their counts and from nothing else."""

from dataclasses import dataclass

from ppim.report.read import Run

SAME_TIME = 0.01
"""Runs whose times differ by less than this share are as fast as each other."""

SAME_COUNT = 0.005
"""Counts that differ by less than this share are the same."""


@dataclass(frozen=True)
class Cause:
    """What a class of cycles is spent on, and the counts that say why there are more or fewer of them.

    Attributes
    ----------
    doing : str
        Completes "... of the difference is time ...".
    evidence : tuple of (column, what it counts)
        Looked at in this order.
    """

    doing: str
    evidence: tuple[tuple[str, str], ...]


CAUSES = {
    "busy_cycles": Cause(
        "with commands or data on the move",
        (
            ("reads", "DRAM reads"),
            ("bytes_external", "bytes on the external bus"),
            ("activates", "activates"),
        ),
    ),
    "stall_refresh_cycles": Cause("held back by refreshes", (("refreshes", "refreshes"),)),
    "stall_compute_cycles": Cause("waiting for arithmetic", (("compute_cycles", "cycles of arithmetic"),)),
    "stall_bus_cycles": Cause(
        "waiting for the external bus", (("bytes_external", "bytes on the external bus"),)
    ),
    "stall_bank_cycles": Cause("waiting for banks", (("reads", "DRAM reads"), ("activates", "activates"))),
    "stall_issue_cycles": Cause("waiting for instruction slots", (("instructions", "instructions"),)),
    "idle_cycles": Cause("idle at barriers, or for lack of work", ()),
}
"""Class of cycles -> what it means."""

HOST_EVIDENCE = (
    ("reads", "DRAM reads"),
    ("cache_hits", "cache hits"),
    ("bytes_external", "bytes on the external bus"),
)
"""Counts that are compared where a run has no classes of cycles."""


def sentence(baseline: Run, run: Run) -> str:
    """Why `run` takes more or less time than `baseline`.

    Of the classes of cycles, the one that changed most in the direction of the whole is named with its share of
    the difference; then the counts that belong to it, where they differ; then the busiest unit, where idling changed.
    """
    if not run.time_ns or not baseline.time_ns:
        return f"{run.label} and {baseline.label}: a run of no time has nothing to compare."
    if abs(run.time_ns - baseline.time_ns) <= SAME_TIME * max(run.time_ns, baseline.time_ns):
        return f"{run.label} and {baseline.label} take the same time, within {SAME_TIME:.0%}."
    head = f"{run.label} takes {_ratio(baseline.time_ns, run.time_ns)} {baseline.label}"
    if not run.class_ns or not baseline.class_ns:
        counts = _differing(baseline, run, HOST_EVIDENCE)
        return f"{head}: {counts}." if counts else f"{head}; their counts are the same."
    difference = run.time_ns - baseline.time_ns
    changes = {name: run.class_ns[name] - baseline.class_ns[name] for name in CAUSES}
    name = max(changes, key=lambda each: changes[each] / difference)
    share = changes[name] / difference
    cause = CAUSES[name]
    text = f"{head}; {min(share, 1):.0%} of the difference is time {cause.doing}"
    counts = _differing(baseline, run, cause.evidence)
    if name == "idle_cycles":
        counts = _imbalance(baseline, run)
    if share > 1:
        text += (
            ", and other causes grew against it" if difference < 0 else ", and other causes shrank against it"
        )
    return f"{text} ({counts})." if counts else f"{text}."


def _ratio(before: float, after: float) -> str:
    if after >= before:
        return f"{after / before:.2f} times as long as"
    return f"1/{before / after:.2f} of the time of"


def _differing(baseline: Run, run: Run, evidence: tuple[tuple[str, str], ...]) -> str:
    """The counts that differ: `12,000 instructions instead of 30,000`."""
    parts = []
    for column, what in evidence:
        old, new = baseline.total(column), run.total(column)
        if old is None or new is None or abs(new - old) <= SAME_COUNT * max(old, new):
            continue
        parts.append(f"{new:,.0f} {what} instead of {old:,.0f}")
    return ", ".join(parts)


def _imbalance(baseline: Run, run: Run) -> str:
    old, new = baseline.unit_imbalance, run.unit_imbalance
    if old is None or new is None or abs(new - old) <= SAME_COUNT * max(old, new):
        return ""
    return f"the busiest unit has {new:.2f} times the mean, instead of {old:.2f}"
