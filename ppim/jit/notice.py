"""What the user is told while kernels are compiled."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from numba.core import event

from ppim import interrupt
from ppim.jit import kernel_cache


class _CompileListener(event.Listener):
    def __init__(self, label: str) -> None:
        self.label = label
        self.started = 0.0
        self.depth = 0
        self.seconds = 0.0

    def on_start(self, event: event.Event) -> None:  # noqa: ARG002 - the signature is numba's
        interrupt.check()
        if self.depth == 0:
            if self.seconds == 0.0:
                sys.stderr.write(f"{self.label}: first run, compiling the kernels ...\n")
                sys.stderr.flush()
            self.started = time.perf_counter()
        self.depth += 1

    def on_end(self, event: event.Event) -> None:  # noqa: ARG002 - the signature is numba's
        self.depth -= 1
        if self.depth == 0:
            self.seconds += time.perf_counter() - self.started


@contextmanager
def compile_notice(label: str) -> Iterator[None]:
    """Say on stderr when kernels are being compiled in this block, and at its end for how long."""
    listener = _CompileListener(label)
    with event.install_listener("numba:compile", listener):
        yield
    if listener.seconds:
        kept = " (kept for the next run)" if kernel_cache.keeps() else ""
        sys.stderr.write(f"{label}: compiled in {listener.seconds:.1f} s{kept}\n")
