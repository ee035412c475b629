"""What is fuzzed: every reader of files, as a function of a path that may only raise a `PpimError`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

from ppim.check.judge import Memory, check_trace
from ppim.config import parse_settings
from ppim.datasets.base import DATASETS, ReadOptions, make_dataset
from ppim.datasets.npy import open_arrays
from ppim.datasets.streams import read_head
from ppim.dram.load import load_device
from ppim.errors import InputError
from ppim.program.authors.form import UnitAddresses
from ppim.program.authors.read import read_turns, survey_program
from ppim.requests.read import open_requests
from ppim.stats.info.base import describe
from ppim.systems.load import load_system
from ppim.trace.reader import TraceReader

MOST_SAMPLES = 1000
MOST_CHUNKS = 50  # a small file that unpacks to a large one shall not cost an execution's time


@dataclass(frozen=True)
class Target:
    """One reader: the ending of its files, and what reads one."""

    suffix: str
    read: Callable[[Path], object]


def _drain(items: Iterable[object]) -> None:
    for _ in islice(items, MOST_CHUNKS):
        pass


def _dataset(name: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        DATASETS.get(name).recognises(path, read_head(path))
        dataset = make_dataset(name, {})
        for on_error in ("fail", "skip"):
            source = dataset.open([path], ReadOptions(MOST_SAMPLES, on_error))  # type: ignore[arg-type]
            _drain(source.chunks())

    return read


def _arrays(path: Path) -> None:
    for array in open_arrays(path).values():
        array.read(0, min(array.size, MOST_SAMPLES))


@cache
def _units() -> UnitAddresses:
    from ppim.mapping.placing.geometry import UnitGeometry

    return UnitAddresses(load_device("hbm2-4gb"), UnitGeometry.of(load_device("hbm2-4gb"), "bankgroup"))


def _program(path: Path) -> None:
    survey_program(path, _units())
    _drain(read_turns(path, _units()))


def _trace(path: Path) -> None:
    with TraceReader(path) as reader:
        _drain(reader.chunks())


def _settings(path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return  # a command line is text
    load_system("proactivepim", parse_settings(text.split("\n")))


def _commands(path: Path) -> None:
    check_trace(path, {"hbm": Memory(load_device("hbm2-4gb"))})


def _quiet(line: str) -> None:
    """Oddities of a .ini are not errors."""


def _device(path: Path) -> None:
    load_device(str(path), warn=_quiet)


TARGETS: dict[str, Target] = {
    "requests": Target(".trace", lambda path: _drain(open_requests(path).chunks)),
    "program": Target(".txt", _program),
    "commands": Target(".cmd", _commands),
    "device-ini": Target(".ini", _device),
    "device-toml": Target(".toml", _device),
    "system-toml": Target(".toml", lambda path: load_system(str(path))),
    "settings": Target(".txt", _settings),
    "trace": Target(".parquet", _trace),
    "stats": Target(".csv", lambda path: _drain(describe(str(path)))),
    "csv": Target(".csv", _dataset("csv")),
    "csv-parquet": Target(".parquet", _dataset("csv")),
    "criteo-kaggle": Target(".txt", _dataset("criteo-kaggle")),
    "criteo-terabyte": Target("", _dataset("criteo-terabyte")),
    "avazu": Target(".csv", _dataset("avazu")),
    "movielens": Target(".data", _dataset("movielens")),
    "amazon": Target(".json", _dataset("amazon")),
    "npz": Target(".npz", _dataset("embedding-bag")),
    "npy": Target(".npy", _arrays),
    "torch": Target(".pt", _dataset("embedding-bag")),
    "dlrm-npz": Target(".npz", _dataset("dlrm-npz")),
}


def must_refuse_or_read(target: Target, path: Path) -> bool:
    """Read a file; true if it was read, false if it was refused in one line. Whatever else is raised is a finding."""
    try:
        target.read(path)
    except InputError as refused:
        text = str(refused)
        if "\n" in text.strip():
            raise AssertionError(f"a refusal of several lines: {text!r}") from refused
        return False
    return True
