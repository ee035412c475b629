"""Write a trace file: row groups of whole batches, encoded anywhere, written in order."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from ppim.trace import parquet, reader, schema
from ppim.trace.parquet import EncodedColumn, encode_plain, encode_runs, encode_split

ROW_GROUP_ACCESSES = 1 << 20
"""A row group holds as many whole batches as fit in this many accesses, and at least one."""

_STRUCTURE_TYPES = (parquet.UINT16, parquet.UINT32, parquet.UINT32, parquet.UINT8)


class EncodedGroup(NamedTuple):
    """A row group of a trace, ready to be written."""

    columns: tuple[EncodedColumn, ...]

    @property
    def n_accesses(self) -> int:
        """Accesses in it."""
        return self.columns[0].n_values


def encode_structure(columns: Sequence[np.ndarray]) -> tuple[EncodedColumn, ...]:
    """Encode `table`, `sample`, `lookup` and `subtable`; they repeat from group to group of one-hot data."""
    return tuple(encode_plain(values, kind) for values, kind in zip(columns, _STRUCTURE_TYPES, strict=True))


def encode_group(
    first_batch: int, batch_accesses: np.ndarray, structure: tuple[EncodedColumn, ...], row: np.ndarray
) -> EncodedGroup:
    """Put a row group together.

    Parameters
    ----------
    first_batch : int
        Number of its first batch.
    batch_accesses : ndarray of int64, shape (n_batches,)
        Accesses of each batch.
    structure : tuple of EncodedColumn
        From `encode_structure`.
    row : ndarray of uint32 or uint64, shape (n,)
    """
    batches = first_batch + np.arange(batch_accesses.size)
    batch = encode_runs(batches, batch_accesses, parquet.UINT32)
    return EncodedGroup((batch, *structure, encode_split(row, _row_type(row.dtype == np.uint64))))


def _row_type(wide: bool) -> parquet.ColumnType:
    return parquet.UINT64 if wide else parquet.UINT32


class TraceWriter:
    """Writes row groups in order.

    Parameters
    ----------
    path : path
        Where to write; give a temporary name (`ppim.files.atomic_path`).
    meta : TraceMeta
        Metadata; `close` fills in the totals.
    """

    def __init__(self, path: str | Path, meta: schema.TraceMeta) -> None:
        self._meta = meta
        kinds = (parquet.UINT32, *_STRUCTURE_TYPES, _row_type(meta.wide_rows))
        self._file = parquet.ParquetFile(path, list(zip(schema.COLUMNS, kinds, strict=True)))
        self._accesses = 0

    def write_group(self, group: EncodedGroup) -> None:
        """Append an encoded row group; one without accesses is left out."""
        if group.n_accesses:
            self._file.write_group(group.columns)
            self._accesses += group.n_accesses

    def write(self, chunk: reader.TraceChunk) -> None:
        """Append whole batches as one row group."""
        starts = np.flatnonzero(np.diff(chunk.batch, prepend=~chunk.batch[:1]))
        lengths = np.diff(starts, append=chunk.batch.size)
        batch = encode_runs(chunk.batch[starts], lengths, parquet.UINT32)
        row = encode_split(np.ascontiguousarray(chunk.row), _row_type(self._meta.wide_rows))
        self.write_group(EncodedGroup((batch, *encode_structure(chunk[1:5]), row)))

    def close(self, **totals: Any) -> schema.TraceMeta:
        """Finish the file with the totals (`samples`, `batches`, `lookups`); returns the final metadata."""
        meta = dataclasses.replace(self._meta, accesses=self._accesses, **totals)
        self._file.finish({schema.METADATA_KEY.decode(): meta.to_json()}, f"ppim version {meta.ppim_version}")
        return meta

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
