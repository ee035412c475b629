"""Elements that several threads read and write, inside kernels."""

from typing import Any

import numba
from numba.core import types
from numba.extending import intrinsic

from ppim.jit.tables import Table

if numba.config.DISABLE_JIT:

    def store_atomically(table: Any, index: int, value: int) -> None:
        """Write an element that other threads read, after all that was written before it."""
        table[index] = value

    def load_atomically(table: Any, index: int) -> int:
        """Read an element that another thread writes."""
        return int(table[index])

    def yield_processor() -> int:
        """Let another thread run."""
        return 0

else:
    yield_processor = types.ExternalFunction("sched_yield", types.int32())

    def _place(builder: Any, table: Any, index: Any) -> Any:
        return builder.gep(builder.extract_value(table, 0), [index])

    @intrinsic
    def store_atomically(_context, table, index, value):  # type: ignore[no-untyped-def]  # noqa: ARG001
        """Write an element of a one-dimensional table of int64 that other threads read, after all before it."""
        if not isinstance(table, Table) or table.ndim != 1:
            return None

        def codegen(context, builder, _signature, args):  # type: ignore[no-untyped-def]
            builder.store_atomic(args[2], _place(builder, args[0], args[1]), "release", 8)
            return context.get_dummy_value()

        return types.none(table, types.intp, types.int64), codegen

    @intrinsic
    def load_atomically(_context, table, index):  # type: ignore[no-untyped-def]  # noqa: ARG001
        """Read an element of a one-dimensional table of int64 that another thread writes."""
        if not isinstance(table, Table) or table.ndim != 1:
            return None

        def codegen(_context, builder, _signature, args):  # type: ignore[no-untyped-def]
            return builder.load_atomic(_place(builder, args[0], args[1]), "acquire", 8)

        return types.int64(table, types.intp), codegen
