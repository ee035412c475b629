"""A signal that a library loses still ends the command, with the right status and without an output."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ppim import interrupt
from ppim.cli import main
from ppim.files import atomic_path
from ppim.jit import compile_notice, njit
from ppim.progress import progress_bar
from tests.conftest import ROOT

SIGNALS = [(signal.SIGINT, KeyboardInterrupt, 130), (signal.SIGTERM, SystemExit, 143)]


def lose(number: int) -> None:
    """Raise a signal inside a function that C calls back: the exception goes no further."""

    @ctypes.CFUNCTYPE(None)
    def callback() -> None:
        signal.raise_signal(number)

    callback()


def write_output(folder: Path) -> None:
    with atomic_path(folder / "out") as temporary:
        temporary.write_text("all of it")


def tell_progress(_: Path) -> None:
    with progress_bar(2, "row", "test") as bar:
        bar.update(1)


def compile_a_kernel(_: Path) -> None:
    @njit(cache=False)
    def kernel(number):  # type: ignore[no-untyped-def]
        return number + 1

    with compile_notice("test"):
        kernel(1)


@pytest.mark.parametrize(("number", "kind", "status"), SIGNALS)
@pytest.mark.parametrize("step", [write_output, tell_progress, compile_a_kernel])
def test_the_next_step_finds_what_was_lost(
    step: Callable[[Path], None], number: int, kind: type[BaseException], status: int, tmp_path: Path
) -> None:
    after = []

    def work() -> None:
        with interrupt.heeded():
            lose(number)
            after.append("lost")
            step(tmp_path)
            after.append("not found")

    with pytest.raises(kind) as stopped:
        work()
    assert after == ["lost"]
    interrupt.check()  # is of the past
    assert list(tmp_path.iterdir()) == []
    if kind is SystemExit:
        assert stopped.value.code == status


@pytest.mark.parametrize(("number", "kind", "status"), SIGNALS)
def test_a_command_ends_with_the_signals_status(
    number: int,
    kind: type[BaseException],  # noqa: ARG001 - of all signals alike
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from ppim.runs import simulate_files

    simulate = simulate_files.simulate

    def interrupted(*arguments: Any, **options: Any) -> Any:
        lose(number)
        return simulate(*arguments, **options)

    monkeypatch.setattr(simulate_files, "simulate", interrupted)
    sample = ROOT / "traces" / "sample-qr.parquet"
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", str(sample), "-o", str(tmp_path / "stats.csv")])
    assert stopped.value.code == status
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("number", "kind", "status"), SIGNALS)
def test_what_a_library_makes_of_a_signal_is_that_signal(
    number: int, kind: type[BaseException], status: int
) -> None:
    def work() -> None:
        with interrupt.heeded():
            lose(number)
            raise RuntimeError("no compiled object yet")

    with pytest.raises(kind) as stopped:
        work()
    if kind is SystemExit:
        assert stopped.value.code == status


def test_other_errors_stay_what_they_are() -> None:
    def work() -> None:
        with interrupt.heeded():
            raise RuntimeError("of its own")

    with pytest.raises(RuntimeError, match="of its own"):
        work()


def test_signals_and_reports_are_as_before_afterwards() -> None:
    def now() -> list[Any]:
        return [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), sys.unraisablehook]

    before = now()
    with interrupt.heeded():
        assert all(a is not b for a, b in zip(now(), before, strict=True))
    assert now() == before


def test_another_thread_leaves_signals_alone() -> None:
    seen = []

    def work() -> None:
        with interrupt.heeded():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_other_lost_exceptions_are_still_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: reported.append(lost.exc_type))

    @ctypes.CFUNCTYPE(None)
    def callback() -> None:
        raise ValueError

    with interrupt.heeded():
        callback()
    assert reported == [ValueError]
