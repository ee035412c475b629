"""All that touches the compiler: kernels and where they are kept, bare tables, lanes, bits and atomics.

The rest of the package knows numba only through this folder.
"""

from ppim.jit.kernel_cache import cache_root
from ppim.jit.kernels import helper, helper_by_type, njit
from ppim.jit.notice import compile_notice

__all__ = ["cache_root", "compile_notice", "helper", "helper_by_type", "njit"]
