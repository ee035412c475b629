"""Ctrl-C and SIGTERM end a command, even where a library loses the exception that they raise.

Python raises it wherever the program happens to be. In a function that compiled code calls back (numba that
loads a kernel, pyarrow that imports something) it cannot go further, and the program would run on. So the
signal is remembered, and `check` raises it again: where progress is told, a kernel is compiled, and before an
output takes its final name.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED = 130
TERMINATED = 143
_EXCEPTIONS: dict[int, type[BaseException]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}
_received: list[int] = []


def check() -> None:
    """Raise what a signal has asked for: KeyboardInterrupt, or SystemExit for SIGTERM."""
    if _received:
        _raise(_received[-1])


@contextmanager
def heeded() -> Iterator[None]:
    """In this block SIGINT and SIGTERM raise, and are remembered; only the main thread can have it so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _receive) for number in _EXCEPTIONS}
    report, sys.unraisablehook = sys.unraisablehook, _quietly(sys.unraisablehook)
    try:
        yield
        check()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        check()  # what a library made of it that its work was cut off
        raise
    finally:
        _received.clear()
        sys.unraisablehook = report
        for number, handler in before.items():
            signal.signal(number, handler)


def _receive(number: int, _: FrameType | None) -> None:
    _received.append(number)
    _raise(number)


def _raise(number: int) -> None:
    raise _EXCEPTIONS[number](TERMINATED if number == signal.SIGTERM else "")


def _quietly(report: Any) -> Any:
    """`report`, but for an exception of a signal: it is not lost, since the next `check` raises it."""

    def hook(lost: Any) -> None:
        if not (_received and issubclass(lost.exc_type, KeyboardInterrupt | SystemExit)):
            report(lost)

    return hook
