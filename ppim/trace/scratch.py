"""Arrays that a thread uses again and again: fresh memory costs a page fault every 4 KiB."""

import threading
from typing import Any

import numpy as np


class Scratch(threading.local):
    """Uninitialised arrays by name, each thread its own; an array is valid until its name is taken again."""

    def __init__(self) -> None:
        self._kept: dict[str, np.ndarray] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array of this shape and type, with any content."""
        size = int(np.prod(shape, dtype=np.int64))
        kept = self._kept.get(name)
        if kept is None or kept.size < size or kept.dtype != dtype:
            kept = self._kept[name] = np.empty(size, dtype=dtype)
        return kept[:size].reshape(shape)
