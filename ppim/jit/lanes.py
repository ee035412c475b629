# ruff: noqa: ARG001 - the arguments of an intrinsic are types
"""Vector operations over lanes: one lane is one bank, 16 lanes of int32 are one block.

Each has a plain twin of the same name in `lanes_plain`, which also stands in when compilation is off (NUMBA_DISABLE_JIT=1). LLVM's generic vector types are used, so
any processor gets legal code; a block is one register with AVX-512, two with AVX2.

Masks are int64 with bit i for lane i.
"""

import numba
from numba.core import types

from ppim.jit.tables import Table

LANES = 16
LANE_SHIFT = 4

if numba.config.DISABLE_JIT:
    from ppim.jit.lanes_plain import (
        at_most,
        equal,
        load,
        lower,
        raised,
        smallest,
        splat,
        store,
        where,
    )
else:
    from llvmlite import ir
    from numba.core import cgutils
    from numba.core.datamodel.models import PrimitiveModel
    from numba.extending import intrinsic, register_model

    class Block(types.Type):
        """numba's name for a vector of `LANES` int32."""

        def __init__(self) -> None:
            super().__init__(name="Block16xInt32")

    block = Block()
    _INT32 = ir.IntType(32)
    _VECTOR = ir.VectorType(_INT32, LANES)
    _BOOLEANS = ir.VectorType(ir.IntType(1), LANES)
    _BITS = ir.IntType(LANES)
    _ELEMENT_BYTES = 4

    @register_model(Block)
    class _BlockModel(PrimitiveModel):
        def __init__(self, dmm, fe_type):
            super().__init__(dmm, fe_type, _VECTOR)

    def _pointer(context, builder, array_type, array, index):
        if isinstance(array_type, Table):
            data = builder.extract_value(array, 0)
        else:
            data = context.make_array(array_type)(context, builder, array).data
        return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())

    def _to_mask(builder, booleans):
        return builder.zext(builder.bitcast(booleans, _BITS), ir.IntType(64))

    def _vector_intrinsic(builder, name, result, *arguments):
        function_type = ir.FunctionType(result, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(builder.module, function_type, name)
        return builder.call(function, arguments)

    @intrinsic
    def load(_context, array, index):
        """The block that starts at `array[index]` (int32, any alignment)."""

        def codegen(context, builder, signature, args):
            pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
            return builder.load(pointer, align=_ELEMENT_BYTES)

        return block(array, types.intp), codegen

    @intrinsic
    def store(_context, array, index, value):
        """Write a block to `array[index:index + LANES]`."""

        def codegen(context, builder, signature, args):
            pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
            builder.store(args[2], pointer, align=_ELEMENT_BYTES)
            return context.get_dummy_value()

        return types.void(array, types.intp, block), codegen

    @intrinsic
    def splat(_context, value):
        """A block with `value` in every lane."""

        def codegen(_context, builder, _signature, args):
            first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[0], _INT32(0))
            zeros = ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES)
            return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), zeros)

        return block(types.int32), codegen

    @intrinsic
    def raised(_context, earliest, now, distance):
        """max(earliest, now + distance) lane by lane."""

        def codegen(_context, builder, _signature, args):
            due = builder.add(args[1], args[2])
            return builder.select(builder.icmp_signed(">", args[0], due), args[0], due)

        return block(block, block, block), codegen

    @intrinsic
    def lower(_context, left, right):
        """min(left, right) lane by lane."""

        def codegen(_context, builder, _signature, args):
            return builder.select(builder.icmp_signed("<", args[0], args[1]), args[0], args[1])

        return block(block, block), codegen

    @intrinsic
    def where(_context, mask, chosen, other):
        """`chosen` in the lanes of `mask` (low bits), `other` elsewhere."""

        def codegen(_context, builder, _signature, args):
            booleans = builder.bitcast(builder.trunc(args[0], _BITS), _BOOLEANS)
            return builder.select(booleans, args[1], args[2])

        return block(types.int64, block, block), codegen

    @intrinsic
    def smallest(_context, value):
        """The smallest lane."""

        def codegen(_context, builder, _signature, args):
            return _vector_intrinsic(builder, f"llvm.vector.reduce.smin.v{LANES}i32", _INT32, args[0])

        return types.int32(block), codegen

    @intrinsic
    def at_most(_context, value, limit):
        """Mask of lanes with value <= limit (limit is one int32)."""

        def codegen(_context, builder, _signature, args):
            return _to_mask(builder, builder.icmp_signed("<=", args[0], args[1]))

        return types.int64(block, block), codegen

    @intrinsic
    def equal(_context, left, right):
        """Mask of lanes where the blocks are equal."""

        def codegen(_context, builder, _signature, args):
            return _to_mask(builder, builder.icmp_signed("==", args[0], args[1]))

        return types.int64(block, block), codegen


__all__ = [
    "LANES",
    "LANE_SHIFT",
    "at_most",
    "equal",
    "load",
    "lower",
    "raised",
    "smallest",
    "splat",
    "store",
    "where",
]
