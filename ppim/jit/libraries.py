"""What LLVM is given: each helper's code once, optimised only inside the kernels that call it.

numba makes every function a library of its own, links into it all that it calls, optimises the whole and
generates machine code for it; and so again in each caller. For kernels of 180 nested helpers that is most of
the time to compile. Helpers are never called from Python, so they need none of it: a helper's library holds
the helper alone, and a kernel links, once each, all helpers that it calls directly or not.

Helpers are also plain: whole numbers, tables and calls. Passes for anything else are left out.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

from ppim.jit.kernel_cache import unlock_all

# Stands for the machine code that a helper does not have; numba wants an address, and nobody calls it.
_NO_CODE = ctypes.cast(ctypes.pythonapi.PyErr_BadInternalCall, ctypes.c_void_p).value


class _Library(JITCodeLibrary):
    """Code that is optimised as a whole, when all of a kernel is there, and not before."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout


class _HelperLibrary(_Library):
    """A helper's own code, as numba lowers it."""

    def finalize(self) -> None:
        self._raise_if_finalized()
        self._final_module.verify()
        self._finalize_dynamic_globals()
        self._finalized = True


class _KernelLibrary(_Library):
    """A kernel's code with that of all helpers that it calls, directly or not."""

    def finalize(self) -> None:
        self._linking_libraries: list[Any] = _with_callees(self._linking_libraries)
        super().finalize()

    def _optimize_final_module(self) -> None:
        """Once: what numba does before is for reference counts, and bare tables have none."""
        manager, builder = self._codegen._module_pass_manager()
        with self._recorded_timings.record("Module passes (full optimization)", builder):
            manager.run(self._final_module, builder)


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


# Passes for what helpers do not have: closures, contexts, expressions of whole arrays, error messages that are
# made at run time, literal_unroll, reports.
_UNUSED = frozenset(
    {
        "AnnotateTypes",
        "DumpParforDiagnostics",
        "FindLiterallyCalls",
        "InlineClosureLikes",
        "InlineInlinables",
        "LiteralPropagationSubPipelinePass",
        "LiteralUnroll",
        "MakeFunctionToJitFunction",
        "NoPythonSupportedFeatureValidation",
        "NopythonRewrites",
        "RewriteDynamicRaises",
        "WithLifting",
    }
)


def _with_lowering(pipeline: Any, lowering: type[NativeLowering]) -> Any:
    """A pipeline with its own lowering, and for helpers without passes that find nothing to do in them."""
    pipeline.passes = [
        (lowering if step is NativeLowering else step, text)
        for step, text in pipeline.passes
        if lowering is _KernelLowering or step.__name__ not in _UNUSED
    ]
    # numba looks through the whole function after each pass, whether it was changed or not.
    pipeline._ENFORCING = lowering is _KernelLowering
    pipeline.finalize()
    return pipeline


@contextmanager
def _no_collection() -> Iterator[None]:
    """Nothing of what a compiler makes is free before its end, and looking for it takes a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class KernelCompiler(Compiler):
    """numba's compiler, for kernels."""

    def define_pipelines(self) -> Any:
        return [_with_lowering(pipeline, _KernelLowering) for pipeline in super().define_pipelines()]

    def compile_extra(self, func: Any) -> Any:
        with _no_collection():
            try:
                return super().compile_extra(func)
            except BaseException:
                unlock_all()
                raise


class HelperCompiler(Compiler):
    """numba's compiler, for helpers."""

    def define_pipelines(self) -> Any:
        return [_with_lowering(pipeline, _HelperLowering) for pipeline in super().define_pipelines()]
