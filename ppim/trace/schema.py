"""What a trace file holds: its columns and the JSON metadata under the key `ppim`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from ppim import config
from ppim.errors import InputError
from ppim.weight_sharing.base import SubtableMeta, WeightSharing

FORMAT_VERSION = 1
METADATA_KEY = b"ppim"
MAX_TABLES = 1 << 16
MAX_SUBTABLES = 1 << 8
MAX_NARROW_ROWS = 1 << 32
MAX_ROWS = 1 << 63
"""Rows of all subtables together: each has a number in a signed word."""
MAX_BATCH_SIZE = 1 << 28
"""A batch is in memory as a whole, and holds at least one access a sample."""
MAX_ACCESSES_PER_LOOKUP = 1 << 16
MAX_TOTAL = 1 << 63

__all__ = [
    "COLUMNS",
    "FORMAT_VERSION",
    "METADATA_KEY",
    "PoolingMeta",
    "SubtableMeta",
    "TableMeta",
    "TraceMeta",
    "arrow_schema",
]

COLUMNS = ("batch", "table", "sample", "lookup", "subtable", "row")
_NARROW = (pa.uint32(), pa.uint16(), pa.uint32(), pa.uint32(), pa.uint8(), pa.uint32())


def arrow_schema(wide_rows: bool) -> pa.Schema:
    """Columns of a trace file; `row` is 64 bits wide where a subtable has more than 2^32 rows."""
    types = (*_NARROW[:-1], pa.uint64() if wide_rows else pa.uint32())
    return pa.schema(
        [pa.field(name, kind, nullable=False) for name, kind in zip(COLUMNS, types, strict=True)]
    )


@dataclass(frozen=True)
class TableMeta:
    """One embedding table: its uncompressed rows and the subtables that stand for them.

    `accesses_per_lookup` is 0 in the constructor for the usual case, one access to each subtable.
    """

    rows: int
    subtables: tuple[SubtableMeta, ...]
    name: str = ""
    accesses_per_lookup: int = 0

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ValueError("a table needs at least one row")
        if not 1 <= len(self.subtables) <= MAX_SUBTABLES:
            raise ValueError(f"a table has 1 to {MAX_SUBTABLES} subtables, not {len(self.subtables)}")
        if self.accesses_per_lookup == 0:
            object.__setattr__(self, "accesses_per_lookup", len(self.subtables))
        if not 1 <= self.accesses_per_lookup <= MAX_ACCESSES_PER_LOOKUP:
            raise ValueError(
                f"accesses_per_lookup must be 1 to {MAX_ACCESSES_PER_LOOKUP:,}, not {self.accesses_per_lookup:,}"
            )


@dataclass(frozen=True)
class PoolingMeta:
    """Where bags come from: `distribution` is pareto, uniform or dataset (the dataset's own bags).

    `factors` holds the bag size of each table; it is empty where bags are the dataset's own.
    """

    distribution: str
    factors: tuple[int, ...] = ()


@dataclass(frozen=True)
class TraceMeta:
    """Everything needed to understand a trace, and to make it again.

    `parameters` are the algorithm's (among them `vector_bytes`), `dataset_options` the reader's. The
    command line leaves out what cannot change the trace (output name, folders, threads). Totals are of the
    whole file.
    """

    dataset: str
    dataset_sha256: str | None
    algorithm: str
    parameters: dict[str, Any]
    tables: tuple[TableMeta, ...]
    batch_size: int
    pooling: PoolingMeta
    seed: int
    command_line: str
    ppim_version: str
    dataset_options: dict[str, Any] = field(default_factory=dict)
    samples: int = 0
    batches: int = 0
    lookups: int = 0
    accesses: int = 0
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if not 1 <= len(self.tables) <= MAX_TABLES:
            raise ValueError(f"a trace has 1 to {MAX_TABLES} tables, not {len(self.tables)}")
        if not 1 <= self.batch_size <= MAX_BATCH_SIZE:
            raise ValueError(f"batch_size must be 1 to {MAX_BATCH_SIZE:,}, not {self.batch_size:,}")
        for name in ("samples", "batches", "lookups", "accesses"):
            if not 0 <= getattr(self, name) < MAX_TOTAL:
                raise ValueError(f"{name} must be a count, not {getattr(self, name):,}")
        # Rows are numbered through all subtables, and bytes through all rows: both sums must fit in a word.
        rows = max(
            sum(table.rows for table in self.tables),
            sum(part.rows for table in self.tables for part in table.subtables),
        )
        if rows >= MAX_ROWS:
            raise ValueError(
                f"the tables have {rows:,} rows together, more than fit in 64 bits; choose fewer"
            )
        size = sum(part.size_bytes for table in self.tables for part in table.subtables)
        if size >= MAX_ROWS:
            raise ValueError(
                f"the tables have {size:,} bytes together, more than fit in 64 bits; choose less"
            )

    @property
    def wide_rows(self) -> bool:
        """Whether row ids need 64 bits."""
        return any(part.rows > MAX_NARROW_ROWS for table in self.tables for part in table.subtables)

    @cached_property
    def sharing(self) -> WeightSharing:
        """The algorithm, as the parameters describe it.

        Raises
        ------
        InputError
            An algorithm, or an option of it, that is not there.
        """
        return WeightSharing.from_parameters(self.algorithm, self.parameters, "trace")

    def to_json(self) -> str:
        """The metadata as compact JSON with a fixed order of keys."""
        return json.dumps(_as_object(self), separators=(",", ":"), default=_as_object)

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "trace metadata") -> TraceMeta:
        """Read metadata strictly; `where` begins every message.

        Raises
        ------
        InputError
            Not JSON, another format version, an unknown or missing key, a value of the wrong type.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
            raise InputError(f"{where}: not valid JSON ({reason}); make the trace again") from error
        if not isinstance(content, dict):
            raise InputError(f"{where}: not a JSON object; make the trace again")
        version = content.get("format_version")
        if version != FORMAT_VERSION:
            raise InputError(
                f"{where}: trace format {version!r}, but this ppim reads format {FORMAT_VERSION}; "
                "make the trace again with `ppim gen-trace`"
            )
        return config.build(cls, content, where)


def _as_object(record: Any) -> dict[str, Any]:
    """A record for JSON; `dataclasses.asdict` copies all inside, which takes long for thousands of tables."""
    return {each.name: getattr(record, each.name) for each in dataclasses.fields(record)}
