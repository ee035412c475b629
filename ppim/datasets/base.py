"""Datasets: categorical values per sample and table, streamed in chunks of samples.

A dataset is one file of this package. It registers a `Dataset` under its name; `open` turns paths into a
`Source`, whose `chunks` yield values. Values become rows of tables in `ppim.datasets.rows`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from ppim import config
from ppim.errors import InputError
from ppim.registry import Registry
from ppim.text_files import check_text

MISSING = np.uint64(2**64 - 1)
"""The value of an empty field: row 0 of its table, or a row of its own where rows are numbered as seen."""


MOST_TABLES = 1 << 16
"""Of a dataset: as many as a trace has. Readers that find more refuse before they look for their sizes."""

MOST_LOOKUPS = 1 << 23
"""Of one sample, which is in memory as a whole."""


class SampleChunk(NamedTuple):
    """Consecutive samples.

    One-hot data: `values[t]` has one value a sample and `offsets` is None. Bags: sample s of table t holds
    `values[t][offsets[t][s]:offsets[t][s + 1]]`.
    """

    n_samples: int
    values: Sequence[np.ndarray]
    """One array of uint64 for each table."""
    offsets: Sequence[np.ndarray] | None = None
    """One array of int64, shape (n_samples + 1,), for each table."""


@dataclass(frozen=True)
class TableSpec:
    """A categorical column: its name and the rows of its table, None where the dataset does not say.

    `exact`: values are row numbers, each below `rows` (or equal to it, where none is 0), so that fewer rows would
    make one row of different things.
    """

    name: str
    rows: int | None
    exact: bool = False


@dataclass
class Progress:
    """What a source has read so far, for progress bars and the closing report."""

    rows: int = 0
    bytes: int = 0
    skipped: int = 0
    first_skipped: str = ""

    def skip(self, reason: str) -> None:
        """Count a row that was left out; the first reason is kept."""
        self.skipped += 1
        self.first_skipped = self.first_skipped or reason


@dataclass(frozen=True)
class ReadOptions:
    """How to read, whatever the dataset.

    `max_samples` ends the stream early; `on_error` says whether a bad row ends the run or is skipped and
    counted.
    """

    max_samples: int | None = None
    on_error: Literal["fail", "skip"] = "fail"
    block_bytes: int = 1 << 20
    seed: int = 0


class Source(ABC):
    """An opened dataset. `chunks` may be called again for another pass."""

    tables: tuple[TableSpec, ...]
    one_hot: bool = True
    pooling_advice: str = "leave it out"
    """What to do instead of choosing the pooling of bags that the source has."""
    total_bytes: int | None = None
    total_samples: int | None = None

    def __init__(self) -> None:
        self.progress = Progress()

    @abstractmethod
    def chunks(self) -> Iterator[SampleChunk]:
        """Yield all samples in order; `progress` follows."""


class Dataset(ABC):
    """A kind of dataset. Subclasses are frozen dataclasses of the options that only they have."""

    needs_path: ClassVar[bool] = True
    is_general: ClassVar[bool] = False
    """Whether it reads what many formats look like, so that any other that recognises a file goes before it."""
    summary: ClassVar[str]
    """One line for listings."""

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        """Whether the (decompressed) beginning of a file shows this format beyond doubt."""
        return False

    def order(self, paths: Sequence[Path]) -> list[Path]:
        """The order in which to read the files; as given unless their names say otherwise."""
        return list(paths)

    def other_inputs(self) -> list[Path]:
        """Files that an option of the dataset names, beside its own."""
        return []

    @abstractmethod
    def open(self, paths: Sequence[Path], options: ReadOptions) -> Source:
        """Make ready to read `paths`, in this order."""


def check_tables(n_tables: int, where: str) -> None:
    """Refuse more tables than a trace can have.

    Raises
    ------
    InputError
    """
    if n_tables > MOST_TABLES:
        raise InputError(f"{where}: {n_tables:,} tables, more than {MOST_TABLES:,}; choose fewer")


def check_lookups(n_lookups: int, where: str, sample: int = 0) -> None:
    """Refuse a sample that takes more memory than any real one.

    Raises
    ------
    InputError
    """
    if n_lookups > MOST_LOOKUPS:
        raise InputError(
            f"{where}: sample {sample} has {n_lookups:,} lookups, more than {MOST_LOOKUPS:,}; is the file damaged?"
        )


DATASETS: Registry[type[Dataset]] = Registry("dataset", "ppim.datasets")


def make_dataset(name: str, options: dict[str, Any]) -> Dataset:
    """The dataset called `name` with its own options; unknown names and options are InputErrors."""
    return config.build(DATASETS.get(name), options, f"dataset {name}")


def recognise(path: Path, head: bytes) -> str:
    """Name of the dataset whose format the beginning of the file shows.

    Raises
    ------
    InputError
        If none, or more than one, recognises it.
    """
    names = [name for name in DATASETS.names() if DATASETS.get(name).recognises(path, head)]
    if len(names) > 1:
        names = [name for name in names if not DATASETS.get(name).is_general] or names
    if not names:
        check_text(path, head)
    if len(names) == 1:
        return names[0]
    known = ", ".join(names or DATASETS.names())
    problem = "looks like more than one format" if names else "format not recognised"
    raise InputError(f"{path}: {problem}; name it with --dataset ({known})")
