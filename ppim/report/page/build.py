"""A study -> one HTML file that needs no network: plotly's own script, the data, and this folder's page around them."""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ppim import __version__
from ppim.errors import InputError
from ppim.report import compare, parts, results, why
from ppim.stats.counters import COLUMNS

FOLDER = Path(__file__).parent
MOST_BASELINES = 40
"""Runs that can be chosen as a baseline where a sweep names none."""

DARK_COLOURS = {"#5F5F5F": "#9E9E9E", "#0072B2": "#3D9BD9", "#C8C8C8": "#6B7079"}
"""Colours that would be lost on a dark page -> what stands for them there."""


def page(study: results.Study, title: str, baseline: str | None = None) -> str:
    """The report.

    Parameters
    ----------
    study : Study
    title : str
    baseline : str, optional
        As `Study.baselines` takes it; the one that is chosen when the page opens.

    Raises
    ------
    InputError
        Without plotly, or no such baseline.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise InputError("reports need plotly; install it with pip install 'ppim[report]'") from error
    # Text that ends a script, or begins a comment in one, must not stand in it.
    data = json.dumps(_data(study, baseline), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = {
        "TITLE": html.escape(title),
        "VERSION": __version__,
        "STYLE": _read("page.css"),
        "PLOTLY": get_plotlyjs(),
        "DATA": data,
        "SCRIPT": _read("page.js"),
    }
    text = _read("page.html")
    before, *rest = text.split("{{")
    pieces = [before]
    for each in rest:
        name, _, after = each.partition("}}")
        pieces += [parts[name], after]
    return "".join(pieces)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _data(study: results.Study, baseline: str | None) -> dict[str, Any]:
    """All that the page shows, as JSON."""
    bases = _baselines(study, baseline)
    whys = _reasons(study, baseline)
    groups = {each.run.name: group.label for group in study.groups() for each in group.results}
    varying = [*study.varying(), *(name for name in study.axes if name in study.seeds)]
    return {
        "runs": [
            {
                **_run(result),
                "label": groups[result.run.name],
                "base": [times.get(result.run.name) for _, times in bases],
                "why": whys.get(result.run.name, ""),
            }
            for result in study.results
        ],
        "sweep": any(result.is_of_sweep for result in study.results),
        "failures": [asdict(each) for each in study.failures],
        "axes": [
            {"name": name, "values": _sorted(study.values(name)), "seed": name in study.seeds}
            for name in varying
            if len(study.values(name)) > 1
        ],
        "baselines": [name for name, _ in bases],
        "parts": {
            "time": _parts((*parts.TIME, parts.WHOLE)),
            "dram": _parts(parts.DRAM_TRAFFIC),
            "outside": _parts(parts.OUTSIDE_TRAFFIC),
            "energy": _parts(parts.ENERGY),
        },
        "classes": {f"{short}_share": short for short in compare.SHORT_CLASSES.values()},
        "counters": {name: {"unit": each.unit, "meaning": each.meaning} for name, each in COLUMNS.items()},
        "series": parts.SERIES,
        "dark": DARK_COLOURS,
    }


def _parts(parts: Iterable[Any]) -> list[dict[str, Any]]:
    return [asdict(part) for part in parts]


def _sorted(values: Sequence[Any]) -> list[Any]:
    """Numbers by size; anything else in the order in which it comes."""
    is_numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return sorted(values) if is_numeric else list(values)


def _baselines(study: results.Study, chosen: str | None) -> list[tuple[str, Mapping[str, float]]]:
    """What speed-ups can refer to, the first as the page opens: baselines of the sweep, else each of the runs."""
    names = list(dict.fromkeys(name for result in study.results for name in result.baseline_ns))
    if not names:
        names = list(dict.fromkeys(result.run.label for result in study.results))[:MOST_BASELINES]
    found = [study.baselines(chosen), *(study.baselines(name) for name in names)]
    return list({name: (name, times) for name, times in found}.values())


def _reasons(study: results.Study, baseline: str | None) -> dict[str, str]:
    """Name of a run -> what makes the difference between it and the baseline's run."""
    _, times = study.baselines(baseline)
    by_trace: dict[str, list[results.Result]] = {}
    for result in study.results:
        if times.get(result.run.name) == result.run.time_ns:
            by_trace.setdefault(result.run.identity["trace"], []).append(result)
    reasons = {}
    for result in study.results:
        own = by_trace.get(result.run.identity["trace"], [])
        near = [each for each in own if _is_near(each.run.time_ns, times.get(result.run.name))]
        if len(near) == 1 and near[0] is not result:
            reasons[result.run.name] = why.sentence(near[0].run, result.run)
    return reasons


def _is_near(one: float, other: float | None) -> bool:
    """Equal but for the digits that a table leaves out."""
    return other is not None and abs(one - other) <= 1e-9 * one


def _run(result: results.Result) -> dict[str, Any]:
    """Figures and settings of a run; None where a figure does not apply."""
    run = result.run
    lookups, accesses = run.total("lookups"), run.total("accesses")
    hits, energy = run.total("cache_hits"), run.total("energy_total_pj")
    shares = {
        f"{short}_share": run.class_ns[column] / run.time_ns if run.class_ns and run.time_ns else None
        for column, short in compare.SHORT_CLASSES.items()
    }
    return {
        "name": run.identity["run"] or run.name,
        "trace": run.identity["trace"],
        "axes": dict(result.axes),
        "time_ns": run.time_ns,
        "hit_share": hits / accesses if hits is not None and accesses else None,
        "bytes_dram": run.total("bytes_dram"),
        "bytes_external": run.total("bytes_external"),
        "energy_lookup_pj": energy / lookups if energy is not None and lookups else None,
        "unit_imbalance": run.unit_imbalance,
        "limit_share": run.limit_share,
        "limit": run.binding_limit,
        **shares,
        "time": parts.time_parts(run),
        "traffic": parts.traffic_parts(run),
        "energy": {name: value / lookups for name, value in parts.energy_parts(run).items()}
        if lookups
        else {},
        "totals": run.totals,
        "identity": {name: value for name, value in run.identity.items() if value and name != "memory"},
        "commands": list(result.commands),
        "settings": dict(_flat(result.configuration)),
    }


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Dotted names and values of tables in tables, as `--set` takes them."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
