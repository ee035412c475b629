"""Systems: presets, what a system's file may say, and which parameters act. `ppim.systems()` lists them."""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """This package, which can be called by the name that the function of `ppim.builtin` has too."""

    def __call__(self) -> Any:
        listed: Callable[[], Any] = import_module("ppim.builtin").systems
        return listed()


sys.modules[__name__].__class__ = _CallablePackage
