"""`ppim sweep`: many runs from one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ppim.cli.options import pool_options, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ppim.sweep.plan import Plan
    from ppim.sweep.resolve import Resolved
    from ppim.sweep.runner import Progress, Todo


@click.command(short_help="Run a study of many runs, and go on with one.")
@click.argument("sweep", type=click.Path(path_type=Path), metavar="SWEEP.toml")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder of the sweep.",
)
@pool_options
@click.option(
    "--set",
    "constants",
    multiple=True,
    metavar="NAME=VALUE",
    help="A constant in place of the file's, e.g. dataset=train.txt.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def command(
    sweep: Path,
    output: Path,
    jobs: int | None,
    scheduler: str | None,
    constants: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Make the traces and do the runs that SWEEP.toml describes, and write them into one table.

    DIR then has runs.csv (a row a run), channels.csv (a row a run and channel), both as .parquet too, and means.csv
    where results are averaged over seeds. Runs that are done are kept: the same command goes on where it was
    stopped, and does again what has changed. A run that fails is recorded with its error, and the others go on.

    \b
    Examples:
        ppim sweep scripts/sweeps/mapping.toml -o sweeps/mapping --dry-run
        ppim sweep scripts/sweeps/mapping.toml -o sweeps/mapping --jobs 2
        ppim sweep scripts/sweeps/mapping.toml -o sweeps/mapping --scheduler tcp://10.0.0.1:8786
    """
    import os
    import sys

    from tqdm import tqdm

    from ppim.config import parse_settings
    from ppim.sweep.plan import read_plan
    from ppim.sweep.resolve import resolve
    from ppim.sweep.runner import run_sweep, what_is_left
    from ppim.sweep.store import Store

    plan = read_plan(sweep, _with_whole_paths(parse_settings(constants)))
    resolved = resolve(plan)
    if dry_run:
        for line in _plan_lines(plan, resolved, what_is_left(resolved, Store(output))):
            click.echo(line)
        return
    processes = jobs or os.cpu_count() or 1
    with tqdm(total=len({run.name for run in resolved}), unit="run", desc="sweep", disable=None) as bar:

        def report(progress: Progress) -> None:
            bar.n = progress.skipped + progress.done + progress.failed
            made = f"traces {progress.traces_made}/{progress.traces}, " if progress.traces else ""
            bar.set_postfix_str(f"{made}{progress.failed} failed, {progress.running} running")

        done = run_sweep(plan, resolved, output, processes=processes, scheduler=scheduler, report=report)
    tell(
        f"{done.runs} runs: {done.done} done, {done.skipped} done before, {done.failed} failed -> {output / 'runs.csv'}"
    )
    if done.failed:
        sys.exit(1)


def _with_whole_paths(constants: dict[str, Any]) -> dict[str, Any]:
    """Files that were named from here, and not from the sweep's folder."""

    def whole(value: Any) -> Any:
        if isinstance(value, list):
            return [whole(each) for each in value]
        return str(Path(value).absolute()) if isinstance(value, str) and Path(value).is_file() else value

    return {name: whole(value) for name, value in constants.items()}


def _plan_lines(plan: Plan, resolved: list[Resolved], todo: Todo) -> Iterator[str]:
    """What varies, what is left, and how long it takes."""
    n = len({run.name for run in resolved})
    for axis in plan.axes:
        values = list(dict.fromkeys(str(run.axes[axis]) for run in plan.runs if axis in run.axes))
        seed = ", averaged" if axis in plan.seeds else ""
        yield f"{axis} ({len(values)} values{seed}): {', '.join(values)}"
    yield f"{n} runs, {n - len(todo.runs)} of them done; {len(todo.traces)} traces to make"
    if not todo.runs:
        yield "nothing is left to do"
    elif todo.seconds is None:
        yield "how long it takes is not known: no run is done yet, and max_samples does not bound the traces"
    elif todo.done:
        yield f"about {todo.seconds:.0f} s of processor time, by the {todo.done} runs that are done"
    else:
        yield (
            f"about {todo.seconds:.0f} s of processor time, by the accesses of a sample alone; "
            f"a run that is done gives a better estimate"
        )
