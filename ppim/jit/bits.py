"""Bits of whole numbers, inside kernels."""

import numba
from numba.core import types

if numba.config.DISABLE_JIT:

    def count_trailing_zeros(mask: int) -> int:
        """Index of the lowest set bit of a non-zero int64."""
        lowest = int(mask) & -int(mask)
        return lowest.bit_length() - 1

    def population(mask: int) -> int:
        """Number of set bits of an int64."""
        return (int(mask) & ((1 << 64) - 1)).bit_count()

    def length(number: int) -> int:
        """Bits of an int64 of at least 0, without leading zeros; 0 of 0."""
        return int(number).bit_length()

else:
    from llvmlite import ir
    from numba.extending import intrinsic

    @intrinsic
    def count_trailing_zeros(_context, mask):  # type: ignore[no-untyped-def]  # noqa: ARG001 - a type
        """Index of the lowest set bit of a non-zero int64."""

        def codegen(_context, builder, _signature, args):  # type: ignore[no-untyped-def]
            return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

        return types.int64(types.int64), codegen

    @intrinsic
    def population(_context, mask):  # type: ignore[no-untyped-def]  # noqa: ARG001 - a type
        """Number of set bits of an int64."""

        def codegen(_context, builder, _signature, args):  # type: ignore[no-untyped-def]
            return builder.ctpop(args[0])

        return types.int64(types.int64), codegen

    @intrinsic
    def length(_context, number):  # type: ignore[no-untyped-def]  # noqa: ARG001 - a type
        """Bits of an int64 of at least 0, without leading zeros; 0 of 0."""

        def codegen(_context, builder, _signature, args):  # type: ignore[no-untyped-def]
            bits = args[0].type
            return builder.sub(bits(bits.width), builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0)))

        return types.int64(types.int64), codegen
