"""What a module's name of a kernel or helper stands for: numba's function, made when it is first wanted.

To make numba's functions of 700 helpers and kernels takes a sixth of a short run, and where kernels come from the disk
(`kernel_cache`) only the few that are called are ever asked for.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any

_making = threading.RLock()


class Deferred:
    """Stands for numba's function, for Python and for numba.

    Parameters
    ----------
    function : function
        What is to be compiled.
    make : callable
        numba's function of it.
    """

    def __init__(self, function: Callable[..., Any], make: Callable[[Callable[..., Any]], Any]) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        self._make = make
        self._made: Any = None

    def made(self) -> Any:
        """numba's function: one, whoever asks for it."""
        if self._made is None:
            with _making:
                if self._made is None:
                    self._made = self._make(self.py_func)
        return self._made

    @property
    def _numba_type_(self) -> Any:
        return self.made()._numba_type_

    def __call__(self, *args: Any, **kws: Any) -> Any:
        return (self._made or self.made())(*args, **kws)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python asks of any object
            raise AttributeError(name)
        return getattr(self.made(), name)

    def __reduce__(self) -> Any:
        return self.made().__reduce__()
