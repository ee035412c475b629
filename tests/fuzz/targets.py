"""What is fuzzed: every reader of files, as a function of a path that may only raise a `PpimError`."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np

from ppim.check.judge import Memory, check_trace
from ppim.config import parse_settings
from ppim.datasets.base import DATASETS, ReadOptions, make_dataset
from ppim.datasets.npy import open_arrays
from ppim.datasets.streams import read_head
from ppim.dram.load import load_device
from ppim.errors import InputError
from ppim.figures import front, source, timeline
from ppim.program.authors.form import UnitAddresses
from ppim.program.authors.read import read_turns, survey_program
from ppim.report.read import read_runs
from ppim.report.results import read_study
from ppim.requests.read import open_requests
from ppim.search.space import read_space
from ppim.stats.info.base import describe
from ppim.sweep.plan import read_plan
from ppim.systems.load import load_system
from ppim.systems.spec import SystemSpec
from ppim.trace import parquet, schema
from ppim.trace.reader import TraceReader

MOST_SAMPLES = 1000
MOST_CHUNKS = 50  # a small file that unpacks to a large one shall not cost an execution's time


MEMORY_FOLDER = Path("/dev/shm")  # inputs are rewritten a thousand times a second
COLUMN_TYPES = (parquet.UINT32, parquet.UINT16, parquet.UINT32, parquet.UINT32, parquet.UINT8, parquet.UINT32)


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


@cache
def _system(settings: str) -> SystemSpec:
    return load_system("pim-base", parse_settings(settings.split()))


def _listing(path: Path) -> None:
    """The file on a system that can execute most of what its header may ask for."""
    from ppim.program.listing.header import read_header
    from ppim.runs.replay_listing import ListingReplay

    units = read_header(path).units
    settings = f"deliver={units.deliver} consumer={units.consumer} frontend={units.frontend}"
    try:
        system = _system(settings)
    except InputError:
        system = _system("collect=base-die")
    ListingReplay(path, system)


def _trace(path: Path) -> None:
    with TraceReader(path) as reader:
        _drain(reader.chunks())


@contextmanager
def _trace_file(columns: Sequence[np.ndarray], metadata: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        path = Path(folder) / "t.parquet"
        file = parquet.ParquetFile(path, list(zip(schema.COLUMNS, COLUMN_TYPES, strict=True)))
        if columns[0].size:
            file.write_group(
                [parquet.encode_plain(*each) for each in zip(columns, COLUMN_TYPES, strict=True)]
            )
        file.finish({schema.METADATA_KEY.decode(): metadata}, "fuzz")
        yield path


def _metadata(path: Path) -> None:
    """The file is the JSON metadata of a trace whose accesses are right."""
    with _trace_file(right_columns(), path.read_text("latin-1")) as trace:
        _trace(trace)


def _accesses(path: Path) -> None:
    """The file is the columns of a trace, four bytes a value, access by access; its metadata are right."""
    content = path.read_bytes()
    values = np.frombuffer(content[: len(content) // 24 * 24], "<u4").reshape(-1, 6).T
    columns = [
        values & ((1 << kind.bits) - 1)
        for values, kind in zip(values.astype(np.uint64), COLUMN_TYPES, strict=True)
    ]
    meta = dataclasses.replace(right_meta(), accesses=columns[0].size, lookups=min(columns[0].size, 4))
    with _trace_file(columns, meta.to_json()) as trace:
        _trace(trace)


@cache
def right_meta() -> schema.TraceMeta:
    """Two tables of a Q and an R, two samples in two batches."""
    tables = tuple(
        schema.TableMeta(
            32,
            (schema.SubtableMeta("q", 8, 128, shared=False), schema.SubtableMeta("r", 4, 128, shared=True)),
            name,
        )
        for name in ("C1", "C2")
    )
    return schema.TraceMeta(
        *("fuzz", None, "qr", {"vector_bytes": 128}, tables, 1, schema.PoolingMeta("dataset"), 0, "", "0"),
        samples=2,
        batches=2,
        lookups=4,
        accesses=8,
    )


@cache
def right_columns() -> list[np.ndarray]:
    batch, table, part = (np.array(each) for each in zip(*np.ndindex(2, 2, 2), strict=True))
    return [batch, table, np.zeros_like(batch), np.zeros_like(batch), part, part + 1]


def _figure(path: Path) -> None:
    """Whatever `ppim plot` takes."""
    readers = {
        "study": read_study,
        "front": front.read_front,
        "loads": source.read_loads,
        "skew": source.read_skew,
        "timeline": timeline.read_timeline,
    }
    readers[source.kind_of(path)]([path])


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
    "listing": Target(".ppim", _listing),
    "commands": Target(".cmd", _commands),
    "device-ini": Target(".ini", _device),
    "device-toml": Target(".toml", _device),
    "system-toml": Target(".toml", lambda path: load_system(str(path))),
    "settings": Target(".txt", _settings),
    "trace": Target(".parquet", _trace),
    "metadata": Target(".json", _metadata),
    "accesses": Target("", _accesses),
    "sweep": Target(".toml", read_plan),
    "space": Target(".toml", read_space),
    "stats": Target(".csv", lambda path: _drain(describe(str(path)))),
    "figure": Target("", _figure),
    "compare": Target(".json", lambda path: read_runs([path])),
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
    "mlperf-npz": Target(".npz", _dataset("mlperf-multi-hot")),
    "torchrec-npy": Target(".npy", _dataset("torchrec-npy")),
    "index-matrix": Target(".npy", _dataset("index-matrix")),
    "history": Target(".csv", _dataset("history")),
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
