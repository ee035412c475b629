"""Named tuples inside kernels, handed on by their address.

numba hands a tuple on as its elements: a state of twenty tables is eighty arguments of every helper that sees it,
packed and unpacked at each call. In kernels of hundreds of helpers that is half of what is to be compiled.
`by_address(value)` keeps the tuple once, in the frame of the function that calls it, and what is handed on
is a pointer; fields are read as of the tuple itself. With compilation off it is the tuple.
"""

import hashlib
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.imputils import impl_ret_borrowed, lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, register_model


class ByAddress(types.Type):
    """numba's type of a named tuple that is known by its address."""

    def __init__(self, kind: types.BaseNamedTuple) -> None:
        self.kind = kind
        of = kind.instance_class
        # numba takes types of one name for one type, and its name of a named tuple leaves out the fields.
        text = f"{of.__module__}.{of.__qualname__}{kind.fields}{kind}"
        super().__init__(name=f"{of.__name__}At{hashlib.sha256(text.encode()).hexdigest()[:16]}")


@register_model(ByAddress)
class _ByAddressModel(models.PrimitiveModel):
    """The address of the tuple, as a value that functions work with."""

    def __init__(self, dmm: Any, fe_type: ByAddress) -> None:
        super().__init__(dmm, fe_type, dmm.lookup(fe_type.kind).get_value_type().as_pointer())


@infer_getattr
class _Fields(AttributeTemplate):
    key = ByAddress

    def generic_resolve(self, typ: ByAddress, attr: str) -> Any:
        fields = typ.kind.fields
        return typ.kind[fields.index(attr)] if attr in fields else None


def fields_scope(module: ir.Module) -> Any:
    """LLVM's name for what fields are loaded from: no store into a table changes it (`tables`)."""
    return module.add_metadata([module.add_metadata(["fields", module.add_metadata(["ppim"])])])


@lower_getattr_generic(ByAddress)
def _field(context: Any, builder: Any, typ: ByAddress, value: Any, attr: str) -> Any:
    place = cgutils.gep_inbounds(builder, value, 0, typ.kind.fields.index(attr))
    loaded = builder.load(place)
    loaded.set_metadata("alias.scope", fields_scope(builder.module))
    return impl_ret_borrowed(context, builder, typ.kind[typ.kind.fields.index(attr)], loaded)


if numba.config.DISABLE_JIT:

    def by_address(value: Any) -> Any:
        """The tuple itself: compilation is off."""
        return value

    def nth(rows: Any, number: int) -> Any:
        """The tuple itself: compilation is off."""
        return rows[number]

else:

    @intrinsic
    def nth(_context, rows, number):  # type: ignore[no-untyped-def]  # noqa: ARG001
        """One of the named tuples that lie one after the other (`pack.pack_rows`), by its address."""
        if not isinstance(rows, ByAddress):
            return None

        def codegen(_context, builder, _sig, args):  # type: ignore[no-untyped-def]
            return builder.gep(args[0], [args[1]], inbounds=True)

        return rows(rows, types.intp), codegen

    @intrinsic
    def by_address(_context, value):  # type: ignore[no-untyped-def]
        """A named tuple by its address, as long as the function runs that calls this."""
        if not isinstance(value, types.BaseNamedTuple):
            return None

        def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
            place = cgutils.alloca_once(builder, context.get_value_type(sig.args[0]))
            builder.store(args[0], place)
            return place

        return ByAddress(value)(value), codegen
