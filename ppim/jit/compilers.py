"""How numba compiles kernels and helpers, each into a library of its own kind (`libraries`).

Helpers are plain: whole numbers, tables and calls. Passes for anything else are left out.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType, ModuleType
from typing import Any, ClassVar

from numba.core import entrypoints, errors, ir, types
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.ir_utils import build_definitions
from numba.core.itanium_mangler import mangle
from numba.core.lowering import Lower
from numba.core.rewrites import rewrite_registry
from numba.core.typed_passes import NativeLowering, PreLowerStripPhis
from numba.core.untyped_passes import GenericRewrites

from ppim.jit.kernel_cache import unlock_all
from ppim.jit.libraries import HelperLibrary, KernelLibrary, called_as


@register_pass(mutates_CFG=True, analysis_only=False)
class _KernelLowering(NativeLowering):
    """numba's lowering, into a `KernelLibrary`."""

    _name = "ppim_kernel_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = KernelLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()  # so that it can be kept on disk
        return super().run_pass(state)


class _ByKey:
    """Names of a helper's code that are the same in every process, and of no other code."""

    def __init__(self, of_others: Any, key: bytes) -> None:
        self._of_others, self._uid = of_others, self.uid(key)

    @staticmethod
    def uid(key: bytes) -> str:
        """In the place of numba's running number."""
        return key.hex()[:32]

    def __call__(self, name: str, argtypes: Any, *, abi_tags: Any = (), uid: Any = None) -> str:
        if uid != self._uid:
            return self._of_others(name, argtypes, abi_tags=abi_tags, uid=uid)
        return mangle(name, (), uid=uid)


_sizes: dict[str, int] = {}  # of LLVM's types, in bytes


class _HelperLower(Lower):
    """numba's, with no address of a function's Python object: it is of this process, and nobody reads it."""

    def __init__(self, context: Any, *args: Any, **kws: Any) -> None:
        super().__init__(context, *args, **kws)
        ask = self.context.get_abi_sizeof

        def size_of(kind: Any) -> int:
            text = str(kind)
            if text not in _sizes:
                _sizes[text] = ask(kind)
            return _sizes[text]

        # For each variable numba asks LLVM, in a module's text.
        self.context.get_abi_sizeof = size_of

    def lower_assign(self, ty: Any, inst: Any) -> Any:
        if isinstance(ty, types.Dispatcher) and isinstance(inst.value, (ir.Global, ir.FreeVar)):
            return self.context.get_dummy_value()
        return super().lower_assign(ty, inst)


@register_pass(mutates_CFG=True, analysis_only=False)
class _HelperLowering(NativeLowering):
    """numba's lowering, into a `HelperLibrary`, without the step to machine code."""

    _name = "ppim_helper_lowering"

    @property
    def lowering_class(self) -> type[Lower]:
        return _HelperLower

    def run_pass(self, state: Any) -> bool:
        state.library = HelperLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        if state.pipeline.key is not None:
            state.targetctx.mangler = _ByKey(state.targetctx.mangler, state.pipeline.key)
        super().run_pass(state)
        state.library._ensure_finalized()
        lowered = state["cr"]
        called = called_as(lowered.fndesc, lowered.env, state.library)
        state.targetctx.insert_user_function(called, lowered.fndesc, [state.library])
        state.reload_init.extend(state.library._reload_init)
        state["cr"] = lowered._replace(cfunc=called)
        return True


class _Typing:
    """numba's typing context for helpers: what an operator makes of some types is found out once a kernel.

    numba tries all that `+` may mean, for numpy's arrays and for dates too, in each place where it stands.
    """

    _found: ClassVar[dict[Any, Any]] = {}

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def refresh(self) -> None:
        """Nothing: the kernel has done it."""

    def resolve_value_type(self, value: Any) -> Any:
        """Type of a constant: of a module, which most are, without trying all that it might be."""
        return types.Module(value) if type(value) is ModuleType else self._context.resolve_value_type(value)

    def resolve_value_type_prefer_literal(self, value: Any) -> Any:
        """The same, for which a number stands itself."""
        if type(value) is ModuleType:
            return types.Module(value)
        return self._context.resolve_value_type_prefer_literal(value)

    def resolve_function_type(self, function: Any, args: Any, kws: Any) -> Any:
        """Signature of a call."""
        if type(function) is not types.Function or kws:
            return self._context.resolve_function_type(function, args, kws)
        call = function, tuple(args)
        if call not in self._found:
            found = self._context.resolve_function_type(function, args, kws)
            if found is None:
                return None
            self._found[call] = found
        return self._found[call]

    @classmethod
    def forget(cls) -> None:
        """Before each kernel: more may be known then."""
        cls._found.clear()


@register_pass(mutates_CFG=True, analysis_only=False)
class _HelperRewrites(GenericRewrites):
    """numba's, which then counts the uses of all variables, for the first of four times."""

    _name = "ppim_helper_rewrites"

    def run_pass(self, state: Any) -> bool:
        blocks = state.func_ir.blocks
        for rewrite_class in rewrite_registry.rewrites["before-inference"]:
            rewrite = rewrite_class(state)
            todo = list(blocks.items())
            while todo:
                at, block = todo.pop()
                if rewrite.match(state.func_ir, block, state.typemap, state.calltypes):
                    blocks[at] = rewrite.apply()
                    todo.append((at, blocks[at]))
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class _HelperStripPhis(PreLowerStripPhis):
    """numba's, without the count of all uses that its next pass repeats."""

    _name = "ppim_helper_strip_phis"

    def run_pass(self, state: Any) -> bool:
        if state.func_ir.is_generator:
            return bool(super().run_pass(state))
        state.func_ir = self._strip_phi_nodes(state.func_ir)
        state.func_ir._definitions = build_definitions(state.func_ir.blocks)
        return True


# What stands for numba's passes in helpers.
_OF_HELPERS = {
    NativeLowering: _HelperLowering,
    GenericRewrites: _HelperRewrites,
    PreLowerStripPhis: _HelperStripPhis,
}


class _HelperPasses(PassManager):
    """numba's, without its timers and checks between passes."""

    def _runPass(self, _index: int, step: Any, state: Any) -> None:
        step.analysis = self._analysis
        with errors.new_error_context("Pass {name}", name=step.name()):
            step.run_initialization(state)
            step.run_pass(state)
            step.run_finalizer(state)


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


def _of_kernels(pipeline: Any) -> Any:
    """A pipeline with the lowering of kernels."""
    pipeline.passes = [
        (_KernelLowering if step is NativeLowering else step, text) for step, text in pipeline.passes
    ]
    pipeline.finalize()
    return pipeline


def _of_helpers(pipeline: Any) -> Any:
    """A pipeline with the lowering of helpers, without passes that find nothing to do in them."""
    passes = _HelperPasses(pipeline.pipeline_name)
    passes.passes = [
        (_OF_HELPERS.get(step, step), text) for step, text in pipeline.passes if step.__name__ not in _UNUSED
    ]
    passes.finalize()
    return passes


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


@contextmanager
def _without_colours() -> Iterator[None]:
    """Messages of what a compiler tried in vain are never seen; to colour tens of thousands takes a tenth of the time."""
    scheme = vars(errors.termcolor())
    kept = scheme.get("_markup")  # of a kernel that calls the one that is compiled now
    scheme["_markup"] = lambda message, *_: message
    try:
        yield
    finally:
        scheme.pop("_markup")
        if kept is not None:
            scheme["_markup"] = kept


class KernelCompiler(Compiler):
    """numba's compiler, for kernels."""

    def __init__(self, *args: Any, **kws: Any) -> None:
        entrypoints.init_all()
        super().__init__(*args, **kws)

    def define_pipelines(self) -> Any:
        return [_of_kernels(pipeline) for pipeline in super().define_pipelines()]

    def compile_extra(self, func: Any) -> Any:
        _Typing.forget()
        with _no_collection(), _without_colours():
            try:
                return super().compile_extra(func)
            except BaseException:
                unlock_all()
                raise


class HelperCompiler(Compiler):
    """numba's compiler, for helpers.

    Parameters
    ----------
    keys : dict
        What tells the code from all others, by its arguments' types.
    """

    def __init__(self, typing: Any, *args: Any, keys: Any = MappingProxyType({}), **kws: Any) -> None:
        super().__init__(_Typing(typing), *args, **kws)
        self.key: bytes | None = keys.get(tuple(self.state.args))

    def define_pipelines(self) -> Any:
        if self.key is not None:
            self.state.func_id.unique_id = _ByKey.uid(self.key)
        return [_of_helpers(pipeline) for pipeline in super().define_pipelines()]
