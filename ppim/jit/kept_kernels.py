"""A compiled kernel as bytes, and back: its machine code, and what numba needs to call it or to link it."""

import pickle
from functools import cache
from typing import Any, NamedTuple

import llvmlite.binding
import numba
from numba.core.compiler import CompileResult, compile_result
from numba.core.runtime import _nrt_python, rtsys
from numba.core.serialize import dumps

from ppim.jit.libraries import KernelLibrary


class _Kept(NamedTuple):
    """What a file holds."""

    stands_alone: bool
    code: Any
    symbols: list[str]
    descriptor: Any
    environment: Any
    signature: Any
    reload_init: list[Any]
    referenced: list[Any]  # environments


def packed(compiled: CompileResult) -> bytes:
    """A compiled kernel as bytes."""
    descriptor = compiled.fndesc
    descriptor.typemap = descriptor.calltypes = None  # large, and not needed any more
    kept = _Kept(
        compiled.library.stands_alone(),
        compiled.library.serialize_using_object_code(),
        compiled.library.symbols(),
        descriptor,
        compiled.environment,
        compiled.signature,
        compiled.reload_init,
        compiled._find_referenced_environments(),
    )
    return bytes(dumps(tuple(kept)))


def unpacked(payload: bytes, target_context: Any) -> CompileResult:
    """The kernel that `packed` made bytes of; the caller trusts them."""
    kept = _Kept(*pickle.loads(payload))
    if kept.stands_alone:
        _offer_runtime()
    else:
        rtsys.initialize(target_context)
    for initialize in kept.reload_init:
        initialize()
    codegen = target_context.codegen()
    library = KernelLibrary.kept(codegen, kept.code, kept.symbols)
    compiled = compile_result(
        typing_context=target_context.typing_context,
        target_context=target_context,
        entry_point=target_context.get_executable(library, kept.descriptor, kept.environment),
        library=library,
        signature=kept.signature,
        objectmode=False,
        lifted=(),
        fndesc=kept.descriptor,
        environment=kept.environment,
        reload_init=kept.reload_init,
        referenced_envs=kept.referenced,
    )
    for environment_ in kept.referenced:
        codegen.set_env(environment_.env_name, environment_)
    return compiled


@cache
def _offer_runtime() -> None:
    """What numba's run time has in C; the rest, which takes longer to make, is part of each kernel that needs it."""
    if numba.core.config.NRT_STATS:
        _nrt_python.memsys_enable_stats()
    for name, address in _nrt_python.c_helpers.items():
        llvmlite.binding.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)
