"""Result files -> a report file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ppim.errors import InputError
from ppim.files import atomic_path, keep_inputs
from ppim.report.page.build import page
from ppim.report.results import read_study
from ppim.text_files import printable


def report(
    paths: Sequence[Path],
    output: Path,
    *,
    title: str | None = None,
    baseline: str | None = None,
    where: Mapping[str, Any] | None = None,
) -> int:
    """Write a report of runs.

    Parameters
    ----------
    paths : sequence of Path
        Stats CSVs, summaries, folders of sweeps.
    output : Path
        A .html file.
    title : str, optional
        Names of the files without it.
    baseline : str, optional
        As `Study.baselines` takes it.
    where : mapping of str to value, optional
        Only runs whose axes have these values.

    Returns
    -------
    int
        Number of runs.

    Raises
    ------
    InputError
        Files that are no results, another kind of output, or no plotly.
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{output}: write a .html report")
    keep_inputs([path for path in paths if path.is_file()], output)
    study = read_study(paths)
    if where:
        study = study.where(where)
    names = list(dict.fromkeys(printable(path.resolve().stem) for path in paths))
    text = page(study, title or _title(names), baseline)
    with atomic_path(output) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return len(study.results)


def _title(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 4 else ""
    return ", ".join(names[: 3 if more else 4]) + more
