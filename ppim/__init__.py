"""Trace-driven simulator of processing-in-memory for embedding layers with weight sharing.

`ppim.generate_trace`, `ppim.simulate`, `ppim.replay`, `ppim.explore`, `ppim.systems()` and `ppim.devices()` do what the
commands of the same names do (docs/python.md). They are imported when they are first used, so that importing `ppim` is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["devices", "explore", "generate_trace", "replay", "simulate", "systems"]

if TYPE_CHECKING:
    from ppim.api import generate_trace, replay, simulate
    from ppim.builtin import devices, systems
    from ppim.search.door import explore

_ELSEWHERE = {"devices": "ppim.builtin", "explore": "ppim.search.door"}


def __getattr__(name: str) -> Any:
    if name in __all__:
        from importlib import import_module

        if name == "systems":  # the package of that name, which can be called
            return import_module("ppim.systems")
        return getattr(import_module(_ELSEWHERE.get(name, "ppim.api")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
