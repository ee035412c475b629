"""Values of the parameters -> designs that can be run."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from ppim.errors import InputError
from ppim.search.costs import BOUNDLESS
from ppim.search.space import Parameter, Space, Value
from ppim.sweep import identity, plan, resolve
from ppim.systems import chosen, effect, load
from ppim.systems.spec import DimmSpec, SystemSpec

SYSTEM = "system"
OPTIONS = {"mapping": "placement.mapping", "prefetch": "prefetch.prefetch", "device": "memory.device"}
"""Arguments of `ppim.simulate`, besides the system -> parameter that they replace. All other names are settings."""

Choice = tuple[int, ...]
"""Place of the value of each parameter among its values."""


@dataclass(frozen=True)
class Design:
    """A system that is to be tried.

    Attributes
    ----------
    axes : dict of str to value
        Parameters of the search that act in it.
    options, settings : dict
        Arguments of `ppim.simulate`.
    key : str
        The same for the same system.
    spec : SystemSpec
    """

    axes: dict[str, Value]
    options: dict[str, Any]
    settings: dict[str, Any]
    key: str
    spec: SystemSpec


@dataclass(frozen=True)
class Given:
    """The trace that is searched for, or its beginning.

    Attributes
    ----------
    path : Path
    digest : str
        Of all that it depends on.
    label : str
        What it is called in results.
    batches : int
    share : float
        Of the whole trace's accesses.
    """

    path: Path
    digest: str
    label: str
    batches: int
    share: float


class Designs:
    """Designs of a space; each system is built once.

    Attributes
    ----------
    start : Design
        The system with the constants and nothing else; its axes are the values that it has.

    Raises
    ------
    InputError
        A name or a value that no system has.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._built: dict[str, SystemSpec] = {}
        self._made: dict[Choice, Design | InputError] = {}
        self._digests: dict[str, str] = {}
        self.start = self._start()
        for parameter in space.parameters:
            for value in parameter.values:
                self._check(parameter, value)

    def _start(self) -> Design:
        try:
            spec = self._try({})
        except InputError as error:
            raise InputError(f"{self.space.path}: constants: {error}") from error
        found = {each.name: self._value_in(spec, each.name) for each in self.space.parameters}
        axes = {name: value for name, value in found.items() if value is not None}
        return self._of(self._acting(axes, spec), {}, spec)

    def _check(self, parameter: Parameter, value: Value) -> None:
        """A value must go with the constants, or with them and one value of another parameter."""
        where = f"{self.space.path}: space.{parameter.name}"
        leaf = parameter.name.rpartition(".")[2]
        if leaf in BOUNDLESS and value == BOUNDLESS[leaf]:
            raise InputError(f"{where}: {value} stands for no bound, whose SRAM is not known; leave it out")
        try:
            self._try({parameter.name: value})
        except InputError as error:
            others = [each for each in self.space.parameters if each is not parameter]
            pairs = ({parameter.name: value, other.name: each} for other in others for each in other.values)
            if not any(map(self._goes, pairs)):
                raise InputError(f"{where}: {error}") from error

    def _goes(self, values: Mapping[str, Value]) -> bool:
        try:
            self._try(values)
        except InputError:
            return False
        return True

    def _try(self, values: Mapping[str, Value]) -> SystemSpec:
        """A system of which all that it names is there."""
        spec = self._build(values)
        chosen.check_names(spec)
        return spec

    def at(self, choice: Choice) -> dict[str, Value]:
        """Values at a choice."""
        pairs = zip(self.space.parameters, choice, strict=True)
        return {parameter.name: parameter.values[place] for parameter, place in pairs}

    def near_start(self) -> Choice:
        """The choice that is nearest to the start: its own values, else the nearest numbers, else the first ones."""
        return tuple(_nearest(each, self.start.axes.get(each.name)) for each in self.space.parameters)

    def design(self, choice: Choice) -> Design:
        """What a choice stands for: the parameters that act in it.

        Raises
        ------
        InputError
            Values that do not go together.
        """
        if choice not in self._made:
            self._made[choice] = self._make(choice)
        found = self._made[choice]
        if isinstance(found, InputError):
            raise found
        return found

    def _make(self, choice: Choice) -> Design | InputError:
        values = self.at(choice)
        try:
            spec = self._build(values)
        except InputError as error:
            return error
        acting = self._acting(values, spec)
        return self._of(acting, acting, self._build(acting))

    def _of(self, axes: dict[str, Value], values: Mapping[str, Value], spec: SystemSpec) -> Design:
        options, settings = self._arguments(values)
        key = identity.digest(options.get(SYSTEM, load.DEFAULT_SYSTEM), dataclasses.asdict(spec))
        return Design(axes, options, settings, key, spec)

    def _acting(self, values: Mapping[str, Value], spec: SystemSpec) -> dict[str, Value]:
        dotted = {name: self._dotted(name, spec) for name in values}
        return {
            name: value
            for name, value in values.items()
            if not (dotted[name] and effect.settings_without_effect(spec, [dotted[name]]))
        }

    def _dotted(self, name: str, spec: SystemSpec) -> str:
        """Whole name of a system's parameter; "" of a device's, and of the system itself."""
        if name in OPTIONS:
            return OPTIONS[name]
        prefix, _, rest = name.partition(".")
        in_dimm = prefix == "dimm" and spec.dimm is not None
        known = (
            load.parameters_of(DimmSpec)
            if in_dimm
            else load.parameters_of(SystemSpec, tiers=spec.dimm is not None)
        )
        own = rest if in_dimm else name
        places = [known[own]] if own in known else load.places_by_leaf(known).get(own, [])
        return ("dimm." if in_dimm else "") + ".".join(places[0]) if len(places) == 1 else ""

    def _value_in(self, spec: SystemSpec, name: str) -> Value | None:
        """What a system has for a parameter; None where its device has it."""
        if name == SYSTEM:
            return str(self.space.constants.get(SYSTEM, spec.name))
        dotted = self._dotted(name, spec)
        value: Any = attrgetter(dotted)(spec) if dotted else None
        return value if isinstance(value, str | int | float) else None

    def _arguments(self, values: Mapping[str, Value]) -> tuple[dict[str, Any], dict[str, Any]]:
        """(options, settings) of `ppim.simulate`."""
        given = {**self.space.constants, **values}
        options = {name: self._near(given[name]) for name in (SYSTEM, *OPTIONS) if name in given}
        return options, {name: value for name, value in given.items() if name not in options}

    def _near(self, value: Any) -> Any:
        """A file that stands beside the search's file, by its whole path."""
        if isinstance(value, str):
            beside = (self.space.path.parent / value).resolve()
            if beside.is_file():
                return str(beside)
        return value

    def _build(self, values: Mapping[str, Value]) -> SystemSpec:
        options, settings = self._arguments(values)
        key = identity.digest(options, settings)
        if key not in self._built:
            others = {name: value for name, value in options.items() if name != SYSTEM}
            system = options.get(SYSTEM, load.DEFAULT_SYSTEM)
            if not isinstance(system, str):
                raise InputError(f"system: {system!r:.80} is no name of ppim systems, nor a file")
            self._built[key] = chosen.choose_system(system, settings, **others).spec
        return self._built[key]

    def resolved(self, design: Design, given: Given) -> resolve.Resolved:
        """A run of a design, as a sweep has it: the same run has the same name in both."""
        options = design.options
        files = {name: self._digest(value) for name, value in options.items() if Path(value).is_absolute()}
        name = identity.digest(
            "run", given.digest, given.label, options | files, design.settings, identity.code_digest("run")
        )
        planned = plan.PlannedRun(dict(design.axes), {}, options, design.settings)
        return resolve.Resolved(planned, name, "", {}, str(given.path), given.label, options, design.settings)

    def _digest(self, path: str) -> str:
        if path not in self._digests:
            self._digests[path] = identity.file_digest(Path(path))
        return self._digests[path]


def _nearest(parameter: Parameter, wanted: Value | None) -> int:
    values = parameter.values
    if wanted in values:
        return values.index(wanted)
    if not parameter.is_ordered or not isinstance(wanted, int | float):
        return 0
    return min(range(len(values)), key=lambda place: abs(float(values[place]) - wanted))
