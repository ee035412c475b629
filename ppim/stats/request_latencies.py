"""How long each request of a replay took: a CSV or Parquet file, written while the replay runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np

from ppim.engine.host import columns as s
from ppim.errors import InputError
from ppim.files import atomic_path

if TYPE_CHECKING:
    import pyarrow as pa

    from ppim.engine.host.latencies import RequestLatencies

KINDS = np.array(["read", "write", "read", "write", "read"])
SERVED = np.array(["command", "command", "merged", "merged", "forwarded"])
assert len(KINDS) == len(SERVED) == 1 + s.FORWARDED_READ


class Writer(Protocol):
    """pyarrow's writers."""

    def write_table(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class LatencyFile:
    """A file with a row for each request that is done.

    Parameters
    ----------
    writer : Writer
        Of `schema()`.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def write(self, taken: Sequence[Sequence[RequestLatencies]]) -> None:
        """Append the requests of each channel."""
        for channel, pieces in enumerate(taken):
            for piece in pieces:
                if len(piece):
                    self.writer.write_table(_table(channel, piece))


def schema() -> pa.Schema:
    """Columns of the file (docs/formats.md)."""
    import pyarrow as pa

    words = pa.dictionary(pa.int8(), pa.string())
    return pa.schema(
        {
            "request": pa.int64(),
            "channel": pa.int16(),
            "kind": words,
            "served": words,
            "accepted_cycle": pa.int64(),
            "done_cycle": pa.int64(),
            "latency_cycles": pa.int64(),
        }.items()
    )


def _table(channel: int, piece: RequestLatencies) -> pa.Table:
    import pyarrow as pa

    how = piece.how
    columns: dict[str, Any] = {
        "request": piece.request,
        "channel": np.full(len(piece), channel, np.int16),
        "kind": KINDS[how],
        "served": SERVED[how],
        "accepted_cycle": piece.stamp - 1,
        "done_cycle": piece.end,
        "latency_cycles": piece.cycles,
    }
    arrays = [pa.array(columns[field.name]).cast(field.type) for field in schema()]
    return pa.Table.from_arrays(arrays, schema=schema())


@contextmanager
def latency_file(path: Path) -> Iterator[LatencyFile]:
    """A file to write, complete at its name in the end or not there; its name says which format.

    Raises
    ------
    InputError
        Neither .csv nor .parquet, or a place that cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise InputError(f"{path}: latencies are written as .csv or .parquet; give a name that ends so")
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        writer = _open(stream, suffix)
        try:
            yield LatencyFile(writer)
        finally:
            writer.close()


def _open(stream: IO[bytes], suffix: str) -> Writer:
    if suffix == ".parquet":
        from pyarrow import parquet

        return parquet.ParquetWriter(stream, schema(), compression="zstd")
    from pyarrow import csv

    return csv.CSVWriter(stream, schema(), write_options=csv.WriteOptions(quoting_style="none"))
