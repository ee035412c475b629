"""A plan -> jobs: paths made absolute, mistakes found before anything runs, names by hash."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppim.errors import InputError, unreadable
from ppim.sweep import identity
from ppim.sweep.plan import Plan, PlannedRun, Point
from ppim.temporary import temporary_folder
from ppim.text_files import printable

SYNTHETIC = "synthetic"
NOT_PROBED = ("seed", "max_samples")
"""Options of a trace that make it longer or other, but not wrong: combinations of the rest are each tried once."""


@dataclass(frozen=True)
class Resolved:
    """A run with all that it depends on.

    Attributes
    ----------
    planned : PlannedRun
    name : str
        Hash of its configuration, inputs and code.
    trace_name : str
        Hash of all that its trace depends on; "" where the trace is a file of the user's.
    trace_options : dict
        Arguments of `ppim.generate_trace`.
    trace_file : str
        The user's trace, or "".
    label : str
        What the trace is called in results.
    options, settings : dict
        Arguments of `ppim.simulate`.
    accesses : int or None
        Of its trace, by the first sample of those that `max_samples` asks for; None where that is not known.
    """

    planned: PlannedRun
    name: str
    trace_name: str
    trace_options: dict[str, Any]
    trace_file: str
    label: str
    options: dict[str, Any]
    settings: dict[str, Any]
    accesses: int | None = None


def resolve(plan: Plan) -> list[Resolved]:
    """Runs of a plan, in its order.

    Raises
    ------
    InputError
        The first mistake in an option, a setting, a dataset or a trace, with the run that has it.
    """
    checked = _Checked(plan)
    return [checked.run(run) for run in plan.runs]


class _Checked:
    """Checks each file, system and trace once, however many runs have it."""

    def __init__(self, plan: Plan) -> None:
        self.path, self.alternatives = plan.path, plan.alternatives
        self.own_options: dict[tuple[str, str | None], set[str]] = {}
        self.accesses: dict[str, int] = {}  # of a sample, or of a trace
        self.digests: dict[Path, str] = {}
        self.tried: set[str] = set()

    def run(self, planned: PlannedRun) -> Resolved:
        """One run, checked."""
        try:
            return self._run(planned)
        except InputError as error:
            axes = ", ".join(f"{name} = {value}" for name, value in planned.axes.items())
            raise InputError(f"{self.path}: run with {axes}: {error}") from error

    def _run(self, planned: PlannedRun) -> Resolved:
        options = {name: self._near(value) for name, value in planned.run.items() if name != "trace"}
        self._try_system(options, planned.settings)
        trace_file, trace_name, trace_options = "", "", {}
        if planned.trace:
            trace_options = self._trace_options(planned.trace)
            inputs = {word: self._digest(Path(word)) for word in _words(trace_options) if word != SYNTHETIC}
            trace_name = identity.digest(
                "trace", _named_by_content(trace_options, inputs), identity.code_digest("trace")
            )
            label = f"{printable(Path(_words(trace_options)[0]).stem)}-{trace_name[:8]}"
            of_sample, samples = self._try_trace(trace_options), trace_options.get("max_samples")
            accesses = of_sample * samples if samples else None
            trace = trace_name
        else:
            trace_file = str(self._near(planned.run["trace"]))
            label = printable(Path(trace_file).name)
            trace = self._digest(Path(trace_file))
            accesses = self._open_trace(trace_file)
        files = {name: self._digest(Path(value)) for name, value in options.items() if _is_file(value)}
        content = {name: files.get(name, value) for name, value in options.items()}
        name = identity.digest("run", trace, label, content, planned.settings, identity.code_digest("run"))
        return Resolved(
            planned,
            name,
            trace_name,
            trace_options,
            trace_file,
            label,
            options,
            dict(planned.settings),
            accesses,
        )

    def _near(self, value: Any) -> Any:
        """A file that stands beside the sweep's file, by its whole path; any other value as it is."""
        if isinstance(value, str) and value != SYNTHETIC:
            beside = (self.path.parent / value).resolve()
            if beside.is_file():
                return str(beside)
        return value

    def _trace_options(self, given: Point) -> dict[str, Any]:
        options = dict(given)
        words = options["dataset"]
        listed = words if isinstance(words, list) else [words]
        options["dataset"] = [str(self._near(word)) for word in listed]
        for usual, own in self.alternatives.items():
            if usual in options and own in self._own_options(options):
                options["dataset_options"] = {**options.get("dataset_options", {}), own: options.pop(usual)}
        return options

    def _own_options(self, options: Point) -> set[str]:
        """Names of the options that a trace's dataset has of its own."""
        from ppim.datasets.base import DATASETS, recognise
        from ppim.datasets.streams import read_head

        first, name = options["dataset"][0], options.get("dataset_format")
        if (first, name) not in self.own_options:
            known = name or (
                SYNTHETIC if first == SYNTHETIC else recognise(Path(first), read_head(Path(first)))
            )
            dataset: Any = DATASETS.get(known)
            self.own_options[first, name] = {field.name for field in dataclasses.fields(dataset)}
        return self.own_options[first, name]

    def _digest(self, path: Path) -> str:
        if path not in self.digests:
            try:
                self.digests[path] = identity.file_digest(path)
            except OSError as error:
                raise unreadable(path, error) from error
        return self.digests[path]

    def _try_system(self, options: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        from ppim.systems.chosen import check_names, choose_system

        key = identity.digest("system", options, settings)
        if key in self.tried:
            return
        chosen = {name: value for name, value in options.items() if name != "system"}
        check_names(choose_system(str(options.get("system", "proactivepim")), settings, **chosen).spec)
        self.tried.add(key)

    def _try_trace(self, options: dict[str, Any]) -> int:
        """Make the first sample's trace, so that a wrong option is found now; its accesses."""
        from ppim.api import generate_trace
        from ppim.runs.generate_files import TraceOptions

        TraceOptions(**{name: options[name] for name in NOT_PROBED if name in options})  # checks their ranges
        short = {name: value for name, value in options.items() if name not in NOT_PROBED}
        key = identity.digest("trace", short)
        if key not in self.accesses:
            with temporary_folder() as folder:
                made = generate_trace(output=folder / "trace.parquet", threads=1, max_samples=1, **short)
            self.accesses[key] = made.meta.accesses
        return self.accesses[key]

    def _open_trace(self, path: str) -> int:
        from ppim.trace.reader import TraceReader

        if path not in self.accesses:
            with TraceReader(path) as reader:
                self.accesses[path] = reader.n_accesses
        return self.accesses[path]


def _words(options: Mapping[str, Any]) -> list[str]:
    return list(options["dataset"])


def _named_by_content(options: dict[str, Any], inputs: Mapping[str, str]) -> dict[str, Any]:
    """Options in which files stand by their content."""
    return {**options, "dataset": [inputs.get(word, word) for word in options["dataset"]]}


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute() and Path(value).is_file()
