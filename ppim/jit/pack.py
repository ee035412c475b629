"""State for kernels, laid out by Python: a kernel is handed one address for each named tuple.

numba would unpack a tuple of twenty arrays anew in each call, with a test and a reference count for each, in
code that is compiled with every kernel. `pack` writes the tuple as kernels have it (`by_address`), its arrays
as bare tables (`tables`), once; the kernel gets where that is.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import types
from numba.extending import NativeValue, unbox
from numba.np.numpy_support import from_dtype

from ppim.jit.by_address import ByAddress
from ppim.jit.tables import Table


class Packed:
    """A named tuple laid out for kernels; it keeps its arrays alive.

    Attributes
    ----------
    address : int
        Of the layout.
    """

    def __init__(self, value: Any, columns: Mapping[str, int]) -> None:
        shape, words = _lay_out(value, columns)
        self._numba_type_ = _by_address(shape)
        self._value = value
        self._words = np.array(words, np.int64)
        self.address: int = self._words.ctypes.data


class _Shape(NamedTuple):
    """What a tuple's type follows from: its class, and of each field a number's, a table's or a tuple's shape."""

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
                field.ctypes.data,
                *(stride // field.itemsize for stride in field.strides[: -2 if known else -1]),
            ]
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
    """A named tuple of whole numbers and C-ordered arrays for a kernel, which may write into the arrays.

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
    return Packed(value, columns)
