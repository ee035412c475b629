"""Result files -> a figure file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ppim.errors import InputError
from ppim.figures import base, front, sensitivity, style, timeline
from ppim.figures.source import kind_of, read_loads, read_skew
from ppim.files import keep_inputs
from ppim.report.results import Study, read_study

_READERS = {
    "study": read_study,
    "front": front.read_front,
    "loads": read_loads,
    "skew": read_skew,
    "timeline": timeline.read_timeline,
}
_MADE_BY = {
    "study": "stats CSVs, summaries or the folder of a sweep",
    "front": "the folder of ppim explore",
    "loads": "the CSVs of ppim simulate --units",
    "timeline": "the file of ppim simulate --timeline",
    "skew": "a trace or the CSV of ppim profile",
}


def plot(
    paths: Sequence[Path],
    output: Path,
    kind: str | None = None,
    *,
    options: base.Options | None = None,
    where: Mapping[str, Any] | None = None,
) -> str:
    """Draw a figure of results.

    Parameters
    ----------
    paths : sequence of Path
        All of one source.
    output : Path
        A .png, .svg or .pdf file.
    kind : str, optional
        One of `FIGURES`; the one that fits best without it.
    options : Options, optional
    where : mapping of str to value, optional
        Only runs whose axes have these values.

    Returns
    -------
    str
        The kind that was drawn.

    Raises
    ------
    InputError
        Files that are no results or no results of this kind, or no matplotlib.
    """
    style.check_format(output)
    keep_inputs([path for path in paths if path.is_file()], output)
    sources = list(dict.fromkeys(kind_of(path) for path in paths))
    if len(sources) > 1:
        raise InputError(
            f"{paths[0]}, ...: files of {len(sources)} kinds do not go into one figure; give one kind"
        )
    source = sources[0]
    if source == "front" and kind is not None and base.FIGURES.get(kind).source == "study":
        source = "study"  # its runs on the whole trace are those of a sweep
    if kind is not None and base.FIGURES.get(kind).source != source:
        raise InputError(
            f"{paths[0]}: a figure of {kind} is drawn from {_MADE_BY[base.FIGURES.get(kind).source]}; give those"
        )
    with style.drawing():
        found: Any = _READERS[source](paths)
        if where:
            if not isinstance(found, Study | timeline.Timeline):
                raise InputError(
                    "--where: chooses runs; a figure of units, a trace or a front has none to choose from"
                )
            found = found.where(where)
        chosen = kind or _best(source, found)
        style.save(base.FIGURES.get(chosen).draw(found, options or base.Options()), output)
    return chosen


def _best(source: str, found: Any) -> str:
    """The kind that says most of what there is."""
    if source != "study":
        return {"front": "front", "loads": "units", "skew": "skew", "timeline": "timeline"}[source]
    if (
        isinstance(found, Study)
        and any(each.is_of_sweep for each in found.results)
        and sensitivity.axes_for_curves(found)
    ):
        return "sensitivity"
    return "speed-up" if len(found.groups()) > 1 else "time"
