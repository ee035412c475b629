"""Arrays inside kernels as bare tables: a pointer and strides, nothing else.

A numpy array costs a kernel some ten arguments a function, a reference count each time it is passed and a
test for negative indices each time it is read. Kernels that share a dozen arrays over dozens of functions
spend more on that than on their work. `bare(array)` drops it: a bare table is indexed like the array, by
whole numbers >= 0 (fewer of them than dimensions give a table of the rest), has no length, checks nothing
and owns nothing. The caller keeps the array alive. With compilation off it is the array itself.
`bare_rows(array, columns)` also knows the size of its last dimension, which makes indexing cheaper.
"""

import ctypes
import operator
from typing import Any

import numba
import numpy as np
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

from ppim.jit.by_address import fields_scope


class Table(types.Type):
    """numba's type of a bare C-ordered table; `columns` is the size of its last dimension, or 0 if that is not known."""

    def __init__(self, dtype: types.Type, ndim: int, columns: int = 0) -> None:
        self.dtype = dtype
        self.ndim = ndim
        self.columns = columns
        super().__init__(name=f"Table({dtype}, {ndim}, {columns})")

    @property
    def stored_strides(self) -> int:
        """Strides that are kept: those of all dimensions but the last, less the one that is known."""
        return max(self.ndim - (2 if self.columns else 1), 0)


@register_model(Table)
class _TableModel(models.StructModel):
    """The first element's address, and the strides that are not known, in elements."""

    def __init__(self, dmm: Any, fe_type: Table) -> None:
        members = [("data", types.CPointer(fe_type.dtype))]
        members += [(f"stride{axis}", types.intp) for axis in range(fe_type.stored_strides)]
        super().__init__(dmm, fe_type, members)


def _n_indices(index: types.Type) -> int | None:
    """How many whole numbers an index consists of; None for anything else."""
    if isinstance(index, types.Integer):
        return 1
    if isinstance(index, types.BaseTuple) and all(isinstance(part, types.Integer) for part in index.types):
        return len(index.types)
    return None


@infer_global(operator.getitem)
class _TypeGetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:  # noqa: ARG002 - the signature is numba's
        table, index = args
        n = _n_indices(index) if isinstance(table, Table) else None
        if n is None or n > table.ndim:
            return None
        left = table.ndim - n
        return signature(Table(table.dtype, left, table.columns) if left else table.dtype, table, index)


@infer_global(operator.setitem)
class _TypeSetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:  # noqa: ARG002 - the signature is numba's
        table, index, _value = args
        if isinstance(table, Table) and _n_indices(index) == table.ndim:
            return signature(types.none, table, index, table.dtype)
        return None


def _address(context: Any, builder: Any, sig: Any, args: Any) -> tuple[Any, Any, int]:
    """(struct of the table, address of the element or row, number of indices)."""
    table_type, index_type = sig.args[:2]
    table = cgutils.create_struct_proxy(table_type)(context, builder, value=args[0])
    if isinstance(index_type, types.BaseTuple):
        parts = cgutils.unpack_tuple(builder, args[1], len(index_type.types))
        kinds = index_type.types
    else:
        parts, kinds = [args[1]], [index_type]
    offset = None
    for axis, (part, kind) in enumerate(zip(parts, kinds, strict=True)):
        step = context.cast(builder, part, kind, types.intp)
        if axis < table_type.ndim - 1:
            known = step.type(table_type.columns)
            stride = getattr(table, f"stride{axis}") if axis < table_type.stored_strides else known
            step = builder.mul(step, stride, flags=["nsw"])
        offset = step if offset is None else builder.add(offset, step, flags=["nsw"])
    return table, builder.gep(table.data, [offset], inbounds=True), len(parts)


def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    table, address, n = _address(context, builder, sig, args)
    if not isinstance(sig.return_type, Table):
        return builder.load(address)
    row = cgutils.create_struct_proxy(sig.return_type)(context, builder)
    row.data = address
    for axis in range(sig.return_type.stored_strides):
        setattr(row, f"stride{axis}", getattr(table, f"stride{axis + n}"))
    return row._getvalue()


def _set(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    _, address, _ = _address(context, builder, sig, args)
    stored = builder.store(args[2], address)
    stored.set_metadata("noalias", fields_scope(builder.module))
    return context.get_dummy_value()


for _index in (types.Integer, types.BaseTuple):
    lower_builtin(operator.getitem, Table, _index)(_get)
    lower_builtin(operator.setitem, Table, _index, types.Any)(_set)


if numba.config.DISABLE_JIT:

    def bare(array: Any) -> Any:
        """The array itself: compilation is off."""
        return array

    def bare_rows(array: Any, columns: int) -> Any:
        """The array itself: compilation is off."""
        if array.shape[-1] != columns:
            raise ValueError(f"rows of {array.shape[-1]}, not {columns}")
        return array

    def rows_at(address: int, rows: int, columns: int) -> Any:
        """The rows of int64 that lie at an address."""
        return np.ctypeslib.as_array((ctypes.c_int64 * columns * rows).from_address(address))

else:

    def _as_table(array: Any, columns: int) -> Any:
        """Signature's table type and code that makes it; None for what is no C-ordered array. A table stays as it is."""
        if isinstance(array, Table):
            return array, lambda _context, _builder, _sig, args: args[0]
        if not isinstance(array, types.Array) or array.layout != "C":
            return None
        table_type = Table(array.dtype, array.ndim, columns)

        def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
            source = context.make_array(sig.args[0])(context, builder, args[0])
            table = cgutils.create_struct_proxy(table_type)(context, builder)
            table.data = source.data
            strides = cgutils.unpack_tuple(builder, source.strides, array.ndim)
            for axis in range(table_type.stored_strides):
                setattr(table, f"stride{axis}", builder.sdiv(strides[axis], source.itemsize))
            return table._getvalue()

        return table_type, codegen

    @intrinsic
    def bare(_context, array):  # type: ignore[no-untyped-def]
        """A C-ordered array as a bare table."""
        made = _as_table(array, 0)
        return made and (made[0](array), made[1])

    @intrinsic(prefer_literal=True)
    def bare_rows(_context, array, columns):  # type: ignore[no-untyped-def]
        """A C-ordered array whose rows have a constant number of columns as a bare table that knows it."""
        made = isinstance(columns, types.IntegerLiteral) and _as_table(array, columns.literal_value)
        return made and (made[0](array, columns), made[1])

    @intrinsic(prefer_literal=True)
    def rows_at(_context, address, rows, columns):  # type: ignore[no-untyped-def]  # noqa: ARG001
        """The rows of int64 that lie at an address, kept alive by another thread, as a bare table."""
        if not isinstance(columns, types.IntegerLiteral):
            return None
        table_type = Table(types.int64, 2, columns.literal_value)

        def codegen(context, builder, _sig, args):  # type: ignore[no-untyped-def]
            table = cgutils.create_struct_proxy(table_type)(context, builder)
            table.data = builder.inttoptr(args[0], context.get_value_type(types.CPointer(types.int64)))
            return table._getvalue()

        return table_type(types.int64, rows, columns), codegen
