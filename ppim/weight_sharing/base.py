"""Weight sharing: how the rows of one table are rebuilt from the rows of its subtables.

An algorithm is a frozen dataclass of its options, registered under its name; `table` makes the scheme of
one table from it. A scheme knows its subtables, splits row ids into subtable rows (compiled), and rebuilds
vectors from weights (numpy, the reference for functional tests).
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ppim import config
from ppim.errors import InputError
from ppim.registry import Registry

FLOAT_BYTES = 4
MAX_ROW_BYTES = 1 << 30  # more than a bank of any memory holds


@dataclass(frozen=True)
class SubtableMeta:
    """One subtable: `shared` means small and reused within every gather-and-reduce."""

    name: str
    rows: int
    bytes_per_row: int
    shared: bool

    def __post_init__(self) -> None:
        if self.rows < 1 or self.bytes_per_row < 1:
            raise ValueError(f"subtable {self.name!r} needs at least one row of at least one byte")
        if self.bytes_per_row > MAX_ROW_BYTES:
            raise ValueError(
                f"a row of subtable {self.name!r} has {self.bytes_per_row:,} bytes, more than {MAX_ROW_BYTES:,}"
            )

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole subtable."""
        return self.rows * self.bytes_per_row


class TableScheme(ABC):
    """How one table is shared: its subtables, and the way from row ids to subtable rows to vectors."""

    subtables: tuple[SubtableMeta, ...]
    """In the order of their indices in the trace."""

    access_subtables: tuple[int, ...]
    """Subtable of each access of a lookup, in the order the algorithm needs them."""

    @abstractmethod
    def decompose(self, ids: np.ndarray, out: np.ndarray) -> None:
        """Split row ids into subtable rows.

        Parameters
        ----------
        ids : ndarray of int64, shape (n,)
            Rows of the uncompressed table.
        out : ndarray of uint32 or uint64, shape (n, accesses per lookup)
            Receives the subtable row of each access.
        """

    @abstractmethod
    def combine(self, weights: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        """Vectors of lookups from the rows they access.

        Parameters
        ----------
        weights : sequence of ndarrays, one for each subtable
            Shape (subtable rows, elements per row), in the element order of the subtable's row.
        rows : ndarray, shape (n, accesses per lookup)
            Subtable rows, as `decompose` gives them.

        Returns
        -------
        ndarray, shape (n, vector elements)
        """

    def split(self, ids: np.ndarray) -> np.ndarray:
        """Subtable rows of `ids` as a new array of uint64, shape (n, accesses per lookup)."""
        out = np.empty((len(ids), len(self.access_subtables)), dtype=np.uint64)
        self.decompose(np.ascontiguousarray(ids, dtype=np.int64), out)
        return out

    def reconstruct(self, weights: Sequence[np.ndarray], ids: np.ndarray) -> np.ndarray:
        """Rows `ids` of the uncompressed table, shape (n, vector elements)."""
        return self.combine(weights, self.split(ids))

    def reduce_bag(self, weights: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        """Sum pooling of one bag, shape (vector elements,); an empty bag gives zeros."""
        return self.combine(weights, rows).sum(axis=0)


class Matrices(NamedTuple):
    """The matrices of a row, in the order (their rows, the matrices, their columns)."""

    number: int
    rows: int  # of each: as many as the first row's vectors are long


class Algorithm(ABC):
    """Options of a weight-sharing algorithm; subclasses are frozen dataclasses with defaults."""

    vector_bytes: int

    is_elementwise = True
    """Whether an element of a vector needs one element of each row, or numbers that are one a row (a scale)."""

    shared_names: tuple[str, ...] = ()
    """Every name that a shared subtable can have, whatever the options."""

    @abstractmethod
    def table(self, rows: int, table: int = 0) -> TableScheme:
        """The scheme of table number `table` with `rows` rows."""

    @property
    def vector_elements(self) -> int:
        """Elements of an embedding vector (4 bytes each)."""
        return self.vector_bytes // FLOAT_BYTES

    def macs_per_lookup(self, rows: int) -> int:  # noqa: ARG002 - for algorithms whose work depends on the table
        """Multiply-accumulates that compose one lookup's vector and add it to its bag's sum.

        One for each element where composing is at most a multiplication (dense, hash, QR).
        """
        return self.vector_elements

    def macs_of_first_product(self, rows: int) -> int:  # noqa: ARG002
        """Of these, those of the product of a lookup's first two rows, where the second is not shared.

        Lookups with equal first two rows share the product. 0: the algorithm makes no such product.
        """
        return 0

    def second_matrices(self, rows: int) -> Matrices | None:  # noqa: ARG002
        """The matrices that a second row consists of, where a lookup multiplies its first row with them.

        None: the algorithm has none, or the second row is shared.
        """
        return None


ALGORITHMS: Registry[type[Algorithm]] = Registry("algorithm", "ppim.weight_sharing")


@dataclass(frozen=True)
class WeightSharing:
    """An algorithm and the tables that are too small for it.

    Tables of fewer than `dense_below` rows stay dense (DLRM's `qr-threshold` is such a number).
    """

    name: str
    algorithm: Algorithm
    dense_below: int = 0

    @classmethod
    def from_parameters(
        cls, name: str, parameters: dict[str, Any], where: str = "algorithm"
    ) -> WeightSharing:
        """Build from an algorithm's name and a dict of its options (a trace's `parameters`).

        Raises
        ------
        UnknownNameError
            No such algorithm.
        InputError
            An option the algorithm does not have, or a value it refuses.
        """
        options = dict(parameters)
        dense_below = options.pop("dense_below", 0)
        if isinstance(dense_below, bool) or not isinstance(dense_below, int) or dense_below < 0:
            raise InputError(f"{where}: dense_below must be a whole number of rows, not {dense_below!r}")
        return cls(name, config.build(ALGORITHMS.get(name), options, f"{where} {name}"), dense_below)

    @property
    def parameters(self) -> dict[str, Any]:
        """All options with their values, lists that are empty left out; `from_parameters` takes them back."""
        options = dataclasses.asdict(self.algorithm)  # type: ignore[call-overload]
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
        return {key: value for key, value in plain.items() if value != []} | {"dense_below": self.dense_below}

    def table(self, rows: int, table: int = 0) -> TableScheme:
        """The scheme of table number `table` with `rows` rows."""
        if rows < self.dense_below:
            dense = config.build(
                ALGORITHMS.get("dense"), {"vector_bytes": self.algorithm.vector_bytes}, "dense"
            )
            return dense.table(rows, table)
        return self.algorithm.table(rows, table)


def lookup_macs(sharing: WeightSharing, rows: int) -> int:
    """Multiply-accumulates of one lookup in a table of `rows` rows, small tables that stay dense included."""
    if rows < sharing.dense_below:
        return sharing.algorithm.vector_elements
    return sharing.algorithm.macs_per_lookup(rows)


def first_product_macs(sharing: WeightSharing, rows: int) -> int:
    """Multiply-accumulates of the product of a lookup's first two rows; 0 where there is none to be shared."""
    if rows < sharing.dense_below:
        return 0
    return sharing.algorithm.macs_of_first_product(rows)


def second_matrices(sharing: WeightSharing, rows: int) -> Matrices | None:
    """The matrices of a second row of a table of `rows` rows, or None; see `Algorithm.second_matrices`."""
    return None if rows < sharing.dense_below else sharing.algorithm.second_matrices(rows)


def check_vector_bytes(vector_bytes: int) -> None:
    """Refuse a vector size that is not a positive multiple of 4 bytes."""
    if vector_bytes < FLOAT_BYTES or vector_bytes % FLOAT_BYTES:
        raise ValueError(f"vector_bytes must be a positive multiple of {FLOAT_BYTES}, not {vector_bytes}")
    if vector_bytes > MAX_ROW_BYTES:
        raise ValueError(f"vector_bytes must be at most {MAX_ROW_BYTES:,}, not {vector_bytes:,}")
