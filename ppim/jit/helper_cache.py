"""Lowered helpers on disk, so that a kernel is not typed and lowered again as far as another one has them too.

A helper's file holds its own code, as numba lowers it, and the names of the files of the helpers that it calls.
What those are and return is found out when a caller is typed, so whoever is found here needs only the code of
all below it. The rules are those of kernels (`kernel_cache`): a name stands for one code only.
"""

import hashlib
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from numba.core import compiler, sigutils, types
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult, compile_result
from numba.core.environment import Environment
from numba.core.registry import cpu_target
from numba.core.serialize import dumps

from ppim.jit import kernel_cache
from ppim.jit.libraries import HelperLibrary, called_as
from ppim.jit.sources import sources_digest
from ppim.jit.types_told import UntoldError, told


class _Kept(NamedTuple):
    """What a file holds."""

    name: str
    bitcode: bytes
    callees: list[tuple[bytes, str]]  # keys, and names of files beside this one
    described: bytes  # numba's descriptor and the signature: only wanted by who calls it by that


def _flags(options: dict[str, Any]) -> str:
    """What numba compiles with; the caller hands on a part of it."""
    flags = compiler.Flags()
    cpu_target.options.parse_as_flags(flags, {"nopython": True, **options})
    return str(sorted(flags.values().items()))


def _load(key: bytes, place: Path, codegen: Any) -> tuple[HelperLibrary, bytes] | None:
    """A helper's code with that of all that it calls, and its description; None if any of it is not there."""
    payload = kernel_cache.read(place, key)
    if payload is None:
        return None
    kept = _Kept(*pickle.loads(payload))
    callees = []
    for callee_key, file in kept.callees:
        callee = HelperLibrary.by_key.get(callee_key)
        if callee is None:
            found = _load(callee_key, place.with_name(file), codegen)
            if found is None:
                return None
            callee = found[0]
        callees.append(callee)
    with suppress(OSError):  # read only
        place.touch()
    library = HelperLibrary.by_key.get(key)
    if library is None:
        library = HelperLibrary.kept(codegen, kept.name, kept.bitcode, callees)
        library.know(key, place.name)
    return library, kept.described


class HelperCache(_Cache):
    """numba's cache of one helper.

    Parameters
    ----------
    function : function
    options : dict
        With which it is compiled.
    """

    def __init__(self, function: Any, options: dict[str, Any]) -> None:
        self._function = function
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._options = options
        self.keys: dict[tuple[types.Type, ...], bytes] = {}  # by the arguments' types

    @property
    def cache_path(self) -> str:
        return str(kernel_cache.cache_root())

    def _key(self, args: tuple[types.Type, ...], codegen: Any) -> bytes | None:
        """What tells the code for these arguments from all others; None if it is of this process only.

        The sources were read when the kernel that is being compiled was imported: its own are all of a helper's.
        """
        if self._function.__closure__:
            return None
        try:
            hashes, modules = zip(*map(told, args), strict=True) if args else ((), ())
        except UntoldError:
            return None
        sources = sources_digest(self._function, sorted(frozenset().union(*modules)))
        if sources is None:
            return None
        code = self._function.__code__
        parts = [
            *("helper", sources, self._name, code.co_firstlineno, code.co_code),
            *(sorted(self._options.items()), hashes, _flags(self._options)),
            *kernel_cache.environment(codegen),
        ]
        return hashlib.sha256(repr(parts).encode()).digest()

    def _file(self, key: bytes) -> str:
        return kernel_cache.file_name(self._name, key, kernel_cache.HELPER_SUFFIX)

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """The lowered helper of a signature, or None."""
        args, _ = sigutils.normalize_signature(sig)
        codegen = target_context.codegen()
        key = self._key(args, codegen)
        folder = kernel_cache.readable(kernel_cache.cache_root())
        if key is None:
            return None
        self.keys[args] = key
        if folder is None:
            return None
        try:
            found = _load(key, folder / self._file(key), codegen)
            if found is None:
                return None
            library, described = found
            descriptor, signature = pickle.loads(described)
        except Exception:  # noqa: BLE001 - whatever it is, compiling anew mends it
            return None
        environment = Environment.from_fndesc(descriptor)
        return compile_result(
            typing_context=target_context.typing_context,
            target_context=target_context,
            entry_point=called_as(descriptor, environment, library),
            library=library,
            signature=signature,
            objectmode=False,
            lifted=(),
            fndesc=descriptor,
            environment=environment,
            reload_init=[],
        )

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        """Keep the lowered helper of a signature, with all that it calls or not at all."""
        args, _ = sigutils.normalize_signature(sig)
        library, descriptor = data.library, data.fndesc
        if (
            args not in self.keys
            or not library.can_be_kept()
            or data.lifted
            or data.reload_init
            or not kernel_cache.keeps()
        ):
            return
        descriptor.typemap = descriptor.calltypes = None  # as for kernels: large, and not needed any more
        try:
            folder = kernel_cache.writable(kernel_cache.cache_root())
            if folder is None:
                return
            kept = _Kept(
                library.name,
                library._get_module_for_linking().as_bitcode(),
                [(callee.key, callee.file) for callee in library._linking_libraries],
                dumps((descriptor, data.signature)),
            )
            key = self.keys[args]
            kernel_cache.write(folder / self._file(key), key, pickle.dumps(tuple(kept)))
            library.know(key, self._file(key))
        except OSError as error:
            kernel_cache.cannot_write(error)

    def enable(self) -> None:
        """Nothing: numba asks for it."""

    def disable(self) -> None:
        """Nothing: numba asks for it."""

    def flush(self) -> None:
        """Nothing: numba asks for it."""
