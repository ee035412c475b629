"""State for kernels, laid out by Python: a kernel is handed one address for each named tuple.

numba would unpack a tuple of twenty arrays anew in each call, with a test and a reference count for each, in
code that is compiled with every kernel. `pack` writes the tuple as kernels have it (`by_address`), its arrays
as bare tables (`tables`), once; the kernel gets where that is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import types
from numba.extending import NativeValue, unbox
from numba.np.numpy_support import from_dtype
from numpy.typing import NDArray

from ppim.jit.by_address import ByAddress
from ppim.jit.tables import Table


class Packed:
    """Named tuples, one after the other, laid out for kernels; it keeps their arrays alive.

    Attributes
    ----------
    address : int
        Of the layout.
    """

    def __init__(self, value: Any, kind: ByAddress, words: NDArray[np.int64]) -> None:
        self._numba_type_ = kind
        self._value = value
        self._words = words
        self.address: int = self._words.ctypes.data

    def __getitem__(self, number: int) -> Packed:
        """One of several."""
        return Packed(self._value, self._numba_type_, self._words[number])


class _Shape(NamedTuple):
    """What a tuple's type follows from: its class, and of each field a number's, a table's or a tuple's shape.

    Of what is packed already it is numba's type.
    """

    of: type
    fields: tuple[Any, ...]


class _TableShape(NamedTuple):
    dtype: np.dtype[Any]
    ndim: int
    columns: int


_NUMBER = None


def _lay_out(value: Any, columns: Mapping[str, int]) -> tuple[_Shape, list[int]]:
    """Shape of a named tuple with bare tables, and its words in memory."""
    fields: list[Any] = []
    words: list[int] = []
    for name, field in zip(value._fields, value, strict=True):
        if isinstance(field, np.ndarray):
            known = columns.get(name, 0)
            if not field.flags.c_contiguous or (known and field.shape[-1] != known):
                raise ValueError(
                    f"{name}, an array of {field.shape} with strides {field.strides}, is no table of {known} columns"
                )
            fields.append(_TableShape(field.dtype, field.ndim, known))
            words += [
                field.__array_interface__["data"][0],  # in a third of the time of `ctypes.data`
                *(stride // field.itemsize for stride in field.strides[: -2 if known else -1]),
            ]
        elif isinstance(field, Packed):
            fields.append(field._numba_type_)
            words.append(field.address)
        elif isinstance(field, tuple):
            shape, taken = _lay_out(field, {})
            fields.append(shape)
            words += taken
        else:
            fields.append(_NUMBER)
            words.append(int(field))
    return _Shape(type(value), tuple(fields)), words


@cache
def _by_address(shape: _Shape) -> ByAddress:
    return ByAddress(_kind(shape))


def _kind(shape: Any) -> types.Type:
    """numba's type of a field, or of the whole."""
    if shape is _NUMBER:
        return types.int64
    if isinstance(shape, ByAddress):
        return shape
    if isinstance(shape, _TableShape):
        return Table(from_dtype(shape.dtype), shape.ndim, shape.columns)
    kinds = [_kind(field) for field in shape.fields]
    if len(set(kinds)) == 1:  # as numba itself has it
        return types.NamedUniTuple(kinds[0], len(kinds), shape.of)
    return types.NamedTuple(kinds, shape.of)


@unbox(ByAddress)
def _unbox(typ: ByAddress, packed: Any, c: Any) -> NativeValue:
    number = c.pyapi.object_getattr_string(packed, "address")
    address = c.pyapi.long_as_longlong(number)
    c.pyapi.decref(number)
    return NativeValue(c.builder.inttoptr(address, c.context.get_value_type(typ)))


def pack(value: Any, **columns: int) -> Any:
    """A named tuple of whole numbers, C-ordered arrays and the like for a kernel, which may write into the arrays.

    Parameters
    ----------
    value : NamedTuple, or None
        None is handed on as it is; with compilation off the tuple is.
    **columns : int
        By name of an array, the size of its last dimension where kernels are to know it.

    Raises
    ------
    ValueError
        An array is not C-ordered, or has another number of columns.
    """
    if value is None or numba.config.DISABLE_JIT:
        return value
    shape, words = _lay_out(value, columns)
    return Packed(value, _by_address(shape), np.array(words, np.int64))


def pack_rows(row: Callable[[int], Any], rows: int) -> Any:
    """Named tuples for a kernel, which takes one of them with `by_address.nth`.

    Parameters
    ----------
    row : callable
        The tuple by its number. Its arrays are rows of arrays or the same in all: where they lie follows from
        the first two.
    rows : int
        How many there are.

    Raises
    ------
    ValueError
        The second has other fields than the first.
    """
    if numba.config.DISABLE_JIT:
        return [row(number) for number in range(rows)]
    first, second = row(0), row(min(1, rows - 1))
    (shape, words), (same_shape, next_words) = _lay_out(first, {}), _lay_out(second, {})
    if shape != same_shape:
        raise ValueError(f"rows of a {type(first).__name__} have fields of different types")
    start = np.array(words, np.int64)
    steps = np.array(next_words, np.int64) - start
    return Packed((first, second), _by_address(shape), start + np.arange(rows)[:, None] * steps)
