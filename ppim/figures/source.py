"""Files -> what figures are drawn from: a study of runs, loads of PIM units, or skew curves of a trace."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppim.errors import InputError
from ppim.figures import front, timeline
from ppim.numbers import whole_number
from ppim.parquet_footer import MAGIC
from ppim.stats.simulation import UNIT_COLUMNS
from ppim.text_files import csv_lines
from ppim.trace.profile import AccessProfile

SKEW_COLUMNS = (
    "table",
    "name",
    "subtable",
    "first_rank",
    "rows",
    "accesses_per_row",
    "cumulative_accesses",
    "cumulative_share",
)
"""Of the CSV of `ppim profile`."""

POINTS_PER_RUN = 32
"""Of a curve where many rows have equal counts: a straight line there is none on a logarithmic scale."""


@dataclass(frozen=True)
class Loads:
    """Accesses of the PIM units of one memory of a run.

    Attributes
    ----------
    run, memory : str
    accesses : ndarray of int64, shape (channels, units)
    """

    run: str
    memory: str
    accesses: NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """How skewed the accesses of one subtable are.

    Attributes
    ----------
    table, subtable : str
    rows : ndarray of float64
        Number of rows, most accessed first.
    share : ndarray of float64
        Accesses that these rows have, of all of the subtable.
    """

    table: str
    subtable: str
    rows: NDArray[np.float64]
    share: NDArray[np.float64]


def kind_of(path: Path) -> str:
    """Which source a file is: "study", "front", "loads", "skew" or "timeline"; "study" for all else, whose reader says what it is."""
    if front.looks_like(path):
        return "front"
    if path.is_dir():
        return "study"
    try:
        with path.open("rb") as stream:
            start = stream.read(1 << 12)
    except OSError:
        return "study"
    if timeline.looks_like(path):
        return "timeline"
    if start.startswith(MAGIC):
        return "skew"
    header = start.splitlines()[0].decode(errors="replace").split(",") if start else []
    if header == list(UNIT_COLUMNS):
        return "loads"
    return "skew" if header == list(SKEW_COLUMNS) else "study"


def read_loads(paths: Sequence[Path]) -> list[Loads]:
    """Loads of units CSVs (`ppim simulate --units`), a memory of a run each.

    Raises
    ------
    InputError
        A file that is none.
    """
    found: dict[tuple[Path, str, str], dict[tuple[int, int], int]] = {}
    for path in paths:
        for number, line in enumerate(_lines(path, UNIT_COLUMNS, "ppim simulate --units"), 2):
            try:
                place = whole_number(line["channel"]), whole_number(line["unit"])
                found.setdefault((path, line["run"], line["memory"]), {})[place] = whole_number(
                    line["accesses"]
                )
            except ValueError as error:
                raise InputError(f"{path}:{number}: {error}; write the file again") from error
    loads = []
    for (path, run, memory), accesses in found.items():
        channels, units = (max(place[i] for place in accesses) + 1 for i in (0, 1))
        if len(accesses) != channels * units or min(min(place) for place in accesses) < 0:
            raise InputError(f"{path}: run {run}: units are missing; write the file again")
        table = np.zeros((channels, units), dtype=np.int64)
        for place, count in accesses.items():
            table[place] = count
        loads.append(Loads(run, memory, table))
    if not loads:
        raise InputError(f"{paths[0]}: has no unit: hosts have none; give runs of PIM systems")
    return loads


def read_skew(paths: Sequence[Path]) -> list[Curve]:
    """Skew curves of traces, or of the CSVs of `ppim profile`.

    Raises
    ------
    InputError
        A file that is neither.
    """
    curves: list[Curve] = []
    for path in paths:
        with path.open("rb") as stream:
            is_trace = stream.read(len(MAGIC)) == MAGIC
        curves += _curves_of_trace(path) if is_trace else _curves_of_csv(path)
    if not curves:
        raise InputError(f"{paths[0]}: has no access; nothing is skewed")
    return curves


def curves_of_profile(profile: AccessProfile) -> list[Curve]:
    """The curve of every subtable that has accesses."""
    curves = []
    for number, table in enumerate(profile.meta.tables):
        for place, part in enumerate(table.subtables):
            runs = [(each.rows, each.accesses_per_row) for each in profile.runs(number, place)]
            curves += _curve(table.name, part.name, runs)
    return curves


def _curves_of_trace(path: Path) -> list[Curve]:
    from ppim.jit import compile_notice
    from ppim.progress import progress_bar
    from ppim.trace.profile import access_profile
    from ppim.trace.reader import TraceReader

    with (
        compile_notice("profile"),
        TraceReader(path) as reader,
        progress_bar(reader.n_accesses, "access", "profile") as bar,
    ):
        return curves_of_profile(access_profile(reader, bar.update))


def _curves_of_csv(path: Path) -> list[Curve]:
    runs: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for number, line in enumerate(_lines(path, SKEW_COLUMNS, "ppim profile"), 2):
        try:
            run = whole_number(line["rows"]), whole_number(line["accesses_per_row"])
        except ValueError as error:
            raise InputError(f"{path}:{number}: {error}; write the file again") from error
        runs.setdefault((line["table"], line["name"], line["subtable"]), []).append(run)
    return [curve for (_, name, part), own in runs.items() for curve in _curve(name, part, own)]


def _curve(table: str, subtable: str, runs: Sequence[tuple[int, int]]) -> list[Curve]:
    """The curve of runs of rows with equal counts (rows, accesses of each), most accessed first; none without accesses."""
    total = sum(rows * accesses for rows, accesses in runs)
    rows_so_far, so_far = 0, 0
    x: list[float] = []
    y: list[float] = []
    for rows, accesses in runs:
        if not accesses:
            break
        for more in np.unique(np.geomspace(1, rows, POINTS_PER_RUN).astype(np.int64)).tolist():
            x.append(rows_so_far + more)
            y.append((so_far + more * accesses) / total)
        rows_so_far += rows
        so_far += rows * accesses
    return [Curve(table, subtable, np.array(x, dtype=float), np.array(y))] if x else []


def _lines(path: Path, columns: Sequence[str], made_by: str) -> list[dict[str, str]]:
    names, lines = csv_lines(path, f"give a file of {made_by}")
    if names != list(columns):
        raise InputError(f"{path}: is no CSV of {made_by}; give one")
    return lines
