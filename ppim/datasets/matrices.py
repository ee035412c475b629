"""Matrices of ids, samples x columns, as one-hot samples or as bags."""

from collections.abc import Iterator, Sequence

import numpy as np

from ppim.datasets import base, npy
from ppim.errors import InputError

_CHUNK_IDS = 1 << 20


def as_matrix(array: npy.StoredArray | None, what: str) -> npy.StoredArray:
    """A stored matrix of whole numbers; a plain row of them is a matrix of one column.

    Raises
    ------
    InputError
        Nothing of the kind.
    """
    if (
        array is None
        or len(array.shape) not in (1, 2)
        or array.dtype.kind not in "iu"
        or 0 in array.shape[1:]
    ):
        found = "nothing" if array is None else f"{array.dtype} of shape {array.shape}"
        raise InputError(f"{what}: {found}, not a matrix of whole numbers (samples x columns)")
    if len(array.shape) == 1:
        return npy.StoredArray(array.backing, array.offset, array.dtype, (array.shape[0], 1), array.fortran)
    return array


def rows_of(table_matrices: Sequence[npy.StoredArray], name: str) -> int:
    """One more than the greatest id of a table, over all columns of its matrices.

    Raises
    ------
    InputError
        A negative id.
    """
    rows = 1
    for matrix in table_matrices:
        base.check_lookups(matrix.shape[1], matrix.backing.where)
        step = max(1, _CHUNK_IDS // matrix.shape[1])
        for first in range(0, matrix.shape[0], step):
            ids = matrix.read_rows(first, min(first + step, matrix.shape[0])).T
            npy.check_ids(ids, base.TableSpec(name, None), matrix.backing.where, first)
            rows = max(rows, int(ids.max()) + 1)
    return rows


class BagMatrixSource(base.Source):
    """Bags: in file f, the bag of sample s in table t is row s of `matrices[f][t]`."""

    one_hot = False

    def __init__(
        self,
        matrices: Sequence[Sequence[npy.StoredArray]],
        tables: Sequence[base.TableSpec],
        options: base.ReadOptions,
    ) -> None:
        super().__init__()
        self._matrices, self.tables = matrices, tuple(tables)
        for file in matrices:
            for table, matrix in zip(tables, file, strict=True):
                if matrix.shape[0] != file[0].shape[0]:
                    raise InputError(
                        f"{matrix.backing.where}: {matrix.shape[0]} samples in {table.name}, but "
                        f"{file[0].shape[0]} in {tables[0].name}; get the file again"
                    )
            base.check_lookups(sum(matrix.shape[1] for matrix in file), file[0].backing.where)
        n_samples = sum(file[0].shape[0] for file in matrices)
        self.total_samples = min(n_samples, options.max_samples or n_samples)

    def chunks(self) -> Iterator[base.SampleChunk]:
        left = self.total_samples or 0
        for file in self._matrices:
            n_samples = min(left, file[0].shape[0])
            step = max(1, _CHUNK_IDS // sum(matrix.shape[1] for matrix in file))
            for first in range(0, n_samples, step):
                stop = min(first + step, n_samples)
                yield self._chunk(file, first, stop)
                self.progress.rows += stop - first
            left -= n_samples

    def _chunk(self, file: Sequence[npy.StoredArray], first: int, stop: int) -> base.SampleChunk:
        values, offsets = [], []
        for table, matrix in zip(self.tables, file, strict=True):
            ids = matrix.read_rows(first, stop).T
            npy.check_ids(ids, table, matrix.backing.where, first)
            values.append(np.ascontiguousarray(ids).astype(np.uint64).ravel())
            offsets.append(np.arange(stop - first + 1, dtype=np.int64) * matrix.shape[1])
        return base.SampleChunk(stop - first, values, offsets)


class OneHotMatrixSource(base.Source):
    """One-hot samples: column t of each matrix holds the ids of table t."""

    def __init__(
        self,
        matrices: Sequence[npy.StoredArray],
        tables: Sequence[base.TableSpec],
        options: base.ReadOptions,
        hashed: bool = False,
    ) -> None:
        super().__init__()
        self._matrices, self._hashed, self.tables = matrices, hashed, tuple(tables)
        for matrix in matrices:
            if matrix.shape[1] != len(tables):
                raise InputError(
                    f"{matrix.backing.where}: {matrix.shape[1]} columns, not {len(tables)}; give files of one kind"
                )
        base.check_tables(len(tables), matrices[0].backing.where)
        n_samples = sum(matrix.shape[0] for matrix in matrices)
        self.total_samples = min(n_samples, options.max_samples or n_samples)

    def chunks(self) -> Iterator[base.SampleChunk]:
        left = self.total_samples or 0
        step = max(1, _CHUNK_IDS // len(self.tables))
        for matrix in self._matrices:
            n_samples = min(left, matrix.shape[0])
            for first in range(0, n_samples, step):
                stop = min(first + step, n_samples)
                columns = matrix.read_rows(first, stop)
                yield base.SampleChunk(
                    stop - first, [self._values(t, ids, first, matrix) for t, ids in enumerate(columns)]
                )
                self.progress.rows += stop - first
            left -= n_samples

    def _values(self, table: int, ids: np.ndarray, first: int, matrix: npy.StoredArray) -> np.ndarray:
        if self._hashed:
            # As numpy's remainder, which is never negative: the readers of such files use it.
            rows = self.tables[table].rows
            assert rows is not None, "hashed values need sizes"
            ids = ids.astype(np.int64) % rows
        npy.check_ids(ids, self.tables[table], matrix.backing.where, first)
        return np.ascontiguousarray(ids).astype(np.uint64)
