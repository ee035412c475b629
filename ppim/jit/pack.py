"""State for kernels, laid out by Python: a kernel is handed one address for each named tuple.

numba would unpack a tuple of twenty arrays anew in each call, with a test and a reference count for each, in
code that is compiled with every kernel. `pack` writes the tuple as kernels have it (`by_address`), its arrays
as bare tables (`tables`), once; the kernel gets where that is.
"""

from collections.abc import Mapping
from typing import Any

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
        kind, words = _lay_out(value, columns)
        self._numba_type_ = ByAddress(kind)
        self._value = value
        self._words = np.array(words, np.int64)
        self.address: int = self._words.ctypes.data


def _lay_out(value: Any, columns: Mapping[str, int]) -> tuple[types.Type, list[int]]:
    """numba's type of a named tuple with bare tables, and its words in memory."""
    kinds, words = [], []
    for name, field in zip(value._fields, value, strict=True):
        kind, taken = _lay_out_field(field, columns.get(name, 0))
        kinds.append(kind)
        words += taken
    if len(set(kinds)) == 1:  # as numba itself has it
        return types.NamedUniTuple(kinds[0], len(kinds), type(value)), words
    return types.NamedTuple(kinds, type(value)), words


def _lay_out_field(field: Any, columns: int) -> tuple[types.Type, list[int]]:
    if isinstance(field, np.ndarray):
        if not field.flags.c_contiguous or (columns and field.shape[-1] != columns):
            raise ValueError(
                f"an array of {field.shape} with strides {field.strides} is no table of {columns} columns"
            )
        table = Table(from_dtype(field.dtype), field.ndim, columns)
        strides = [stride // field.itemsize for stride in field.strides[: table.stored_strides]]
        return table, [field.ctypes.data, *strides]
    if isinstance(field, tuple):
        return _lay_out(field, {})
    return types.int64, [int(field)]


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
