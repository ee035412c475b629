"""What LLVM is given: each helper's code once, optimised only inside the kernels that call it.

numba makes every function a library of its own, links into it all that it calls, optimises the whole and
generates machine code for it; and so again in each caller. For kernels of 180 nested helpers that is most of
the time to compile. Helpers are never called from Python, so they need none of it: a helper's library holds
the helper alone, and a kernel links, once each, all helpers that it calls directly or not.
"""

import ctypes
from typing import Any

from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

# Stands for the machine code that a helper does not have; numba wants an address, and nobody calls it.
_NO_CODE = ctypes.cast(ctypes.pythonapi.PyErr_BadInternalCall, ctypes.c_void_p).value


class _HelperLibrary(JITCodeLibrary):
    """A helper's own code, as numba lowers it."""

    def finalize(self) -> None:
        self._raise_if_finalized()
        self._final_module.verify()
        self._finalize_dynamic_globals()
        self._finalized = True


class _KernelLibrary(JITCodeLibrary):
    """A kernel's code with that of all helpers that it calls, directly or not."""

    def finalize(self) -> None:
        self._linking_libraries: list[Any] = _with_callees(self._linking_libraries)
        super().finalize()


def _with_callees(libraries: list[Any]) -> list[Any]:
    """Libraries and those that helpers among them call, each once and behind all its callers.

    The order matters: LLVM leaves out what nothing that is linked so far refers to.
    """
    seen: set[Any] = set()
    callees_first: list[Any] = []
    todo: list[tuple[Any, bool]] = [(library, False) for library in libraries]
    while todo:
        library, is_done = todo.pop()
        if is_done:
            callees_first.append(library)
        elif library not in seen:
            seen.add(library)
            todo.append((library, True))
            if isinstance(library, _HelperLibrary):
                todo.extend((callee, False) for callee in library._linking_libraries)
    return callees_first[::-1]


@register_pass(mutates_CFG=True, analysis_only=False)
class _KernelLowering(NativeLowering):
    """numba's lowering, into a `_KernelLibrary`."""

    _name = "ppim_kernel_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _KernelLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()  # so that it can be kept on disk
        return super().run_pass(state)


@register_pass(mutates_CFG=True, analysis_only=False)
class _HelperLowering(NativeLowering):
    """numba's lowering, into a `_HelperLibrary`, without the step to machine code."""

    _name = "ppim_helper_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _HelperLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        state.library._ensure_finalized()
        lowered = state["cr"]
        name = lowered.fndesc.qualname.split(".")[-1]
        called = _dynfunc.make_function(
            lowered.fndesc.lookup_module(), name, "code of a helper", _NO_CODE, lowered.env, (state.library,)
        )
        state.targetctx.insert_user_function(called, lowered.fndesc, [state.library])
        state.reload_init.extend(state.library._reload_init)
        state["cr"] = lowered._replace(cfunc=called)
        return True


def _compiler(lowering: type[NativeLowering]) -> type[Compiler]:
    class WithLowering(Compiler):
        def define_pipelines(self) -> Any:
            pipelines = super().define_pipelines()
            for pipeline in pipelines:
                pipeline.passes = [
                    (lowering if step is NativeLowering else step, text) for step, text in pipeline.passes
                ]
                pipeline.finalize()
            return pipelines

    return WithLowering


KernelCompiler = _compiler(_KernelLowering)
HelperCompiler = _compiler(_HelperLowering)
