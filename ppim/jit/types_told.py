"""What a type is, told so that another process understands it: a hash, and the modules that its classes come from.

numba's own name of a named tuple leaves out the fields, so two versions of a class may have one name.
"""

import hashlib
from collections.abc import Iterator
from functools import cache

from numba.core import types

from ppim.jit.sources import PACKAGE, is_in_a_file

# What their names, and those of what they are made of, tell wholly.
_BY_NAME = (
    *(types.Number, types.Boolean, types.NoneType),
    *(types.Array, types.BaseTuple, types.UnionType, types.CPointer),
)


class UntoldError(Exception):
    """A type that may mean something in this process only."""


def _parts(kind: types.Type) -> Iterator[types.Type]:
    """A type and all that it is made of."""
    yield kind
    # Of numba's only these: they also keep there what they were once asked for.
    names = vars(kind) if _is_ours(kind) else ("dtype", "types")
    for name in names:
        value = getattr(kind, name, None)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, types.Type):
                yield from _parts(part)


def _is_ours(kind: types.Type) -> bool:
    return type(kind).__module__.startswith(f"{PACKAGE}.")


@cache
def told(kind: types.Type) -> tuple[bytes, frozenset[str]]:
    """Hash of what a type is, and the modules of the classes that it is made of.

    Raises
    ------
    UntoldError
        It is none of the types that are known to be told by their names.
    """
    digest = hashlib.sha256()
    modules = set()
    for part in _parts(kind):
        model, value = type(part), getattr(part, "instance_class", None)
        if not isinstance(part, _BY_NAME) and not _is_ours(part):
            raise UntoldError(str(part))
        digest.update(repr((model.__module__, model.__qualname__, str(part))).encode())
        modules.add(model.__module__)
        if value is not None:
            if not is_in_a_file(value.__module__):
                raise UntoldError(str(part))
            digest.update(repr((value.__module__, value.__qualname__, part.fields)).encode())
            modules.add(value.__module__)
    return digest.digest(), frozenset(modules)
