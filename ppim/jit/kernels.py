"""The one `njit`, and `helper` for what only kernels call."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, overload

import numba
from numba import extending
from numba.core import sigutils
from numba.core.event import trigger_event
from numba.core.types import unliteral

from ppim.jit import compilers, helper_cache, kernel_cache
from ppim.jit.deferred import Deferred
from ppim.jit.sources import closure

Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def njit(function: Function) -> Function: ...
@overload
def njit(**options: Any) -> Callable[[Function], Function]: ...
def njit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`numba.njit` that keeps what it compiles on disk and never serves it stale (`kernel_cache`).

    Options are numba's; `nogil=True` is the default. Kept is nothing with `cache=False`, nor what stands in no file.
    """
    if function is None:
        return lambda decorated: njit(decorated, **options)
    if numba.config.DISABLE_JIT:
        return function
    settings = {"nogil": True, "no_cfunc_wrapper": True, **options}
    keep = settings.pop("cache", True) and closure(function) is not None
    return Deferred(function, partial(_kernel, keep, settings))


def _nothing() -> None:
    """In the place of what numba does before it looks for a kernel; `KernelCompiler` does it."""


def _kernel(keep: bool, settings: dict[str, Any], function: Callable[..., Any]) -> Any:
    """numba's function of a kernel."""
    kernel = numba.njit(pipeline_class=compilers.KernelCompiler, **settings)(function)
    # Among all packages numba would look for extensions of it, which only a kernel that is compiled may need.
    kernel._compilation_chain_init_hook = _nothing
    if keep:
        kernel._cache = kernel_cache.KernelCache(function, settings)
    return kernel


@overload
def helper(function: Function) -> Function: ...
@overload
def helper(**options: Any) -> Callable[[Function], Function]: ...
def helper(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`numba.njit` for functions that only kernels call: compiled into them, with no entry for Python.

    Leaving out the entries saves a third of the compile time. numba would compile a helper anew for each
    constant that it is called with, which takes a sixth of the rest; here constants are numbers like others
    (LLVM still knows them where it inlines).
    """
    if function is None:
        return lambda decorated: helper(decorated, **options)
    if numba.config.DISABLE_JIT:
        return function
    # Said of each: numba's default is what the caller has.
    settings = {
        "nogil": True,
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
        "forceinline": False,
        **options,
    }
    return Deferred(function, partial(_helper, settings))


def _helper(settings: dict[str, Any], function: Callable[..., Any]) -> Any:
    """numba's function of a helper."""
    kept = helper_cache.HelperCache(function, settings)
    compiled = numba.njit(pipeline_class=partial(compilers.HelperCompiler, keys=kept.keys), **settings)(
        function
    )
    compiled._cache = kept
    resolve = compiled.get_call_template

    def resolve_without_constants(args: Any, kws: Any) -> Any:
        return resolve(tuple(map(unliteral, args)), {name: unliteral(kind) for name, kind in kws.items()})

    compiled.get_call_template = resolve_without_constants
    compiled.compile = partial(_compile_helper, compiled)
    return compiled


def _compile_helper(compiled: Any, signature: Any) -> Any:
    """What numba does for a function, without timers: of those in a chain of helpers each hears each call of LLVM."""
    args, return_type = sigutils.normalize_signature(signature)
    known = compiled.overloads.get(tuple(args))
    if known is not None:
        return known.entry_point
    with compiled._compiling_counter:
        found = compiled._cache.load_overload(signature, compiled.targetctx)
        if found is not None:
            compiled._cache_hits[signature] += 1
            compiled.targetctx.insert_user_function(found.entry_point, found.fndesc, [found.library])
            compiled.add_overload(found)
            return found.entry_point
        compiled._cache_misses[signature] += 1
        with trigger_event(
            "numba:compile", data={"dispatcher": compiled, "args": args, "return_type": return_type}
        ):
            made = compiled._compiler.compile(args, return_type)
            compiled.add_overload(made)
        compiled._cache.save_overload(signature, made)
        return made.entry_point


def helper_by_type(function: Callable[..., Any]) -> Callable[[Function], Function]:
    """`numba.extending.overload`: a helper that stands for `function` in kernels, chosen by its arguments' types.

    The decorated function gets the types and returns the helper's Python function.
    """
    options = {"forceinline": True, "pipeline_class": compilers.HelperCompiler}
    by_type: Callable[[Function], Function] = extending.overload(function, jit_options=options)
    return by_type
