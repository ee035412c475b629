"""What LLVM is given: each helper's code once, optimised only inside the kernels that call it.

numba makes every function a library of its own, links into it all that it calls, optimises the whole and
generates machine code for it; and so again in each caller. For kernels of 180 nested helpers that is most of
the time to compile. Helpers are never called from Python, so they need none of it: a helper's library holds
the helper alone, and a kernel links, once each, all helpers that it calls directly or not.
"""

import ctypes
from typing import Any, ClassVar

import llvmlite.binding
from numba import _dynfunc
from numba.core.codegen import CodeLibrary, JITCodeLibrary
from numba.core.runtime import rtsys

# Stands for the machine code that a helper does not have; numba wants an address, and nobody calls it.
_NO_CODE = ctypes.cast(ctypes.pythonapi.PyErr_BadInternalCall, ctypes.c_void_p).value
_ENVIRONMENT = "_ZN08NumbaEnv"
"""What numba's name begins with of the place where a function finds Python's objects."""


class _Library(JITCodeLibrary):
    """Code that is optimised as a whole, when all of a kernel is there, and not before."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout


class HelperLibrary(_Library):
    """A helper's own code, as numba lowers it, with what it calls of numba's."""

    by_key: ClassVar[dict[bytes, "HelperLibrary"]] = {}  # of those that are kept on disk
    _linking_libraries: list[Any]
    key: bytes = b""  # tells its code from all other
    file: str = ""  # that holds it

    @classmethod
    def kept(cls, codegen: Any, name: str, bitcode: bytes, callees: list["HelperLibrary"]) -> "HelperLibrary":
        """One that was lowered before."""
        self = cls.__new__(cls)
        CodeLibrary.__init__(self, codegen, name)
        self._final_module = self._shared_module = llvmlite.binding.parse_bitcode(bitcode)
        self._linking_libraries = callees
        self._finalized = True
        return self

    def know(self, key: bytes, file: str) -> None:
        """Its code is in this file now."""
        self.key, self.file = key, file
        self.by_key[key] = self

    def can_be_kept(self) -> bool:
        """There is no address of this process in it, and all that it calls is kept."""
        return (
            not self.has_dynamic_globals
            and not self._reload_init
            and all(isinstance(callee, HelperLibrary) and callee.key for callee in self._linking_libraries)
        )

    def finalize(self) -> None:
        self._raise_if_finalized()
        self._take_in_foreign()
        self._final_module.verify()
        self._finalize_dynamic_globals()
        self._finalized = True

    def _take_in_foreign(self) -> None:
        """Make what it calls of numba's a part of it: those names hold numbers that another process gives to others."""
        callees = dict.fromkeys(
            library for library in self._linking_libraries if library is not rtsys.library
        )
        self._linking_libraries = [
            library for library in callees if isinstance(library, HelperLibrary | KernelLibrary)
        ]
        own = {function.name for function in self._final_module.functions if not function.is_declaration}
        for library in callees:
            if not isinstance(library, HelperLibrary | KernelLibrary):
                self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        for function in self._final_module.functions:
            if not function.is_declaration and function.name not in own:
                function.linkage = "internal"


class KernelLibrary(_Library):
    """A kernel's code with that of all helpers that it calls, directly or not."""

    _bitcode: bytes | None = None  # of one that was compiled before, until it is wanted

    @classmethod
    def kept(cls, codegen: Any, state: Any, symbols: list[str]) -> "KernelLibrary":
        """One that was compiled before, as `serialize_using_object_code` and `symbols` told it."""
        name, _, (machine_code, bitcode) = state
        self = cls(codegen, name)
        self.enable_object_caching()
        self._set_compiled_object(machine_code)
        self._bitcode = bitcode
        self._finalize_final_module()
        codegen._engine._defined_symbols.update(symbols)
        return self

    def _get_module_for_linking(self) -> Any:
        """Its code for another kernel that calls it: parsed then, as that is half of the time to load a kernel."""
        if self._bitcode is not None:
            self._shared_module = llvmlite.binding.parse_bitcode(self._bitcode)
            self._bitcode = None
        return super()._get_module_for_linking()

    def symbols(self) -> list[str]:
        """What its code defines: numba asks before it looks for an address."""
        module = self._get_module_for_linking()
        defined = (*module.functions, *module.global_variables)
        return [symbol.name for symbol in defined if not symbol.is_declaration]

    def stands_alone(self) -> bool:
        """It calls no function that numba compiles anew in each process."""
        declared = {function.name for function in self._final_module.functions if function.is_declaration}
        offered = rtsys.library._get_module_for_linking().functions
        return declared.isdisjoint(function.name for function in offered if not function.is_declaration)

    def finalize(self) -> None:
        self._linking_libraries: list[Any] = _with_callees(self._linking_libraries)
        self._own = {table.name for table in self._final_module.global_variables}
        super().finalize()

    def _optimize_final_module(self) -> None:
        """Once: what numba does before is for reference counts, and bare tables have none."""
        for table in self._final_module.global_variables:
            if table.name.startswith(_ENVIRONMENT) and table.name not in self._own:
                table.linkage = (
                    "linkonce_any"  # no helper reads its own: each would have to be set in every run
                )
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
            if isinstance(library, HelperLibrary):
                todo.extend((callee, False) for callee in library._linking_libraries)
    return callees_first[::-1]


def called_as(fndesc: Any, environment: Any, library: HelperLibrary) -> Any:
    """The object that stands for a helper's code where numba looks for a function."""
    name = fndesc.qualname.split(".")[-1]
    module = fndesc.lookup_module()
    return _dynfunc.make_function(module, name, "code of a helper", _NO_CODE, environment, (library,))
