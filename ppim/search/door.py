"""A search from its files to its tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ppim.errors import InputError
from ppim.search import space, tables
from ppim.search.course import Course, lengths_of
from ppim.search.designs import Designs
from ppim.sweep import resolve, runner
from ppim.sweep.store import Store
from ppim.trace.reader import TraceReader

if TYPE_CHECKING:
    import pandas as pd

    from ppim.tables import Description

RUNS = 200
"""Budget, in runs of the whole trace."""

MOST_RUNS = 1_000_000


@dataclass(frozen=True)
class Explored:
    """What a search has found.

    Attributes
    ----------
    folder : Path
        Has its tables (docs/explore.md).
    designs, front : pandas.DataFrame
        A row a design: all that were tried, and those on the Pareto front.
    spent : float
        Work, in runs of the whole trace.
    description : Description
        The front for people.
    """

    folder: Path
    spent: float
    description: Description

    @property
    def designs(self) -> pd.DataFrame:
        """All designs that were tried, in their order."""
        return _read(self.folder, tables.DESIGNS)

    @property
    def front(self) -> pd.DataFrame:
        """Designs on the front, the best objective first."""
        return _read(self.folder, tables.FRONT)


def explore(
    trace: str | os.PathLike[str],
    search: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    objective: str | None = None,
    runs: int = RUNS,
    seed: int = 0,
    jobs: int | None = None,
    scheduler: str | None = None,
    report: Callable[[float, int], object] = lambda _spent, _designs: None,
) -> Explored:
    """Search a design space for the Pareto front of time or energy, SRAM and copies, as `ppim explore` does.

    It starts processes, which import the script that calls it: there, call it below `if __name__ == "__main__":`.

    Parameters
    ----------
    trace : path
    search : path
        The TOML file that names parameters and their values.
    output : path
        Folder; what is done there already is kept.
    objective : {"time", "energy"}, optional
        In place of the file's.
    runs : int
        Budget, in runs of the whole trace: a run on a third of it takes a third.
    seed : int
    jobs : int, optional
        Processes of this machine; one for each of its processors without it. The result is the same.
    scheduler : str, optional
        Address of a Dask cluster whose workers do the runs instead.
    report : callable
        Told how much of the budget is spent, and how many designs were tried.

    Returns
    -------
    Explored
        `front` and `designs` as pandas frames.

    Raises
    ------
    InputError
        A trace, search or folder that cannot be used, a system that does not run, or no Optuna.
    """
    _check_number("runs", runs, 1, MOST_RUNS)
    _check_number("seed", seed, 0, (1 << 32) - 1)
    designs = Designs(space.read_space(Path(search), objective))
    trace = Path(trace).absolute()
    with TraceReader(trace) as reader:
        vector_bytes = int(reader.meta.parameters["vector_bytes"])
        if not reader.n_accesses:
            raise InputError(f"{trace}: has no accesses; make a longer trace")
    _check_optuna()
    store = Store(Path(output).absolute())
    store.prepare()
    with store.locked(), runner.working(store, jobs or os.cpu_count() or 1, scheduler) as workers:

        def run_all(runs: Sequence[resolve.Resolved]) -> None:
            todo = runner.what_is_left(list(runs), store)
            if todo.runs:
                runner.work_off(store, workers, todo, runner.Progress(), lambda _: None)

        course = Course(
            designs, store, lengths_of(trace, store), vector_bytes, float(runs), seed, run_all, report
        )
        course.run()
        tables.write_results(course, store)
    return Explored(store.folder, course.spent, tables.front_description(course))


def _check_number(name: str, number: int, least: int, most: int) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
        raise InputError(f"{name}: {number!r:.40} is no whole number from {least:,} to {most:,}")


def _check_optuna() -> None:
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise InputError("explore needs Optuna; install it with pip install 'ppim[explore]'")


def _read(folder: Path, name: str) -> pd.DataFrame:
    import pandas as pd

    with (folder / f"{name}.parquet").open("rb") as stream:
        return pd.read_parquet(stream)
