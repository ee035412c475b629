"""An output is there whole, or not at all."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ppim.errors import InputError, OutputError
from ppim.files import atomic_path, keep_inputs, naming_failure


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_appears_at_the_end_with_usual_permissions(tmp_path: Path) -> None:
    final, usual = tmp_path / "out.csv", tmp_path / "usual"
    usual.touch()
    with atomic_path(final) as temporary:
        temporary.write_text("half")
        assert not final.exists()
        temporary.write_text("whole")
    assert final.read_text() == "whole"
    assert stat.S_IMODE(final.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)
    assert names(tmp_path) == ["out.csv", "usual"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_what_was_there(tmp_path: Path, failure: type[BaseException]) -> None:
    final = tmp_path / "out.csv"
    final.write_text("earlier")

    def fail_halfway() -> None:
        with atomic_path(final) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        fail_halfway()
    assert final.read_text() == "earlier"
    assert names(tmp_path) == ["out.csv"]


def test_interrupted_process_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time; from pathlib import Path; from ppim.files import atomic_path\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); print('ready', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "out.csv")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert len(names(tmp_path)) == 1
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    assert names(tmp_path) == []


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    for final, words in ((tmp_path / "absent" / "x.csv", "create it first"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=words), atomic_path(final):
            pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot write there"), atomic_path(tmp_path / "x.csv"):
        pass
    tmp_path.chmod(0o700)


def test_an_input_stays_what_it_is(tmp_path: Path) -> None:
    keep_inputs([tmp_path / "in"], tmp_path / "out", None, tmp_path / "other")
    with pytest.raises(InputError, match="in: is an input too"):
        keep_inputs([tmp_path / "a", tmp_path / "in"], tmp_path / "b" / ".." / "in")
    with pytest.raises(InputError, match="out: is another output too"):
        keep_inputs([tmp_path / "in"], tmp_path / "out", tmp_path / "out")


def test_names_of_one_file_are_one_file(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("t")
    (tmp_path / "link").symlink_to("trace")
    (tmp_path / "hard").hardlink_to(trace)
    (tmp_path / "folder").symlink_to(tmp_path, target_is_directory=True)
    for name in ("link", "hard", "folder/trace", "folder/hard"):
        with pytest.raises(InputError, match="is an input too"):
            keep_inputs([trace], tmp_path / name)
        with pytest.raises(InputError, match="is another output too"):
            keep_inputs([], trace, tmp_path / name)
    (tmp_path / "ahead").symlink_to("not there yet")
    with pytest.raises(InputError, match="is another output too"):
        keep_inputs([trace], tmp_path / "ahead", tmp_path / "not there yet")


def test_what_is_no_file_takes_nobodys_place() -> None:
    keep_inputs([Path("/dev/null")], Path("/dev/null"), Path("/dev/null"), Path("-"), Path("-"))


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("earlier")
    (tmp_path / "one").symlink_to("target")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    before = (tmp_path / "target").stat().st_ino
    with atomic_path(tmp_path / "two") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "target").read_text() == "whole"
    assert (tmp_path / "target").stat().st_ino != before, "replaced in one step, not written in place"
    assert (tmp_path / "one").readlink() == Path("target")
    assert (tmp_path / "two").readlink() == tmp_path / "one"
    assert names(tmp_path) == ["one", "target", "two"]


def test_a_link_to_nothing_yet_makes_its_target(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    with atomic_path(tmp_path / "link") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "target").read_text() == "whole"
    assert (tmp_path / "link").is_symlink()


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(InputError, match="cannot write there"), atomic_path(tmp_path / "link"):
        pass


@pytest.mark.parametrize("name", ["/dev/null", "link"])
def test_a_device_stays_a_device(tmp_path: Path, name: str) -> None:
    device = Path(name) if name.startswith("/") else tmp_path / name
    if device.name == "link":
        device.symlink_to("/dev/null")
    before = Path("/dev/null").stat()
    with atomic_path(device) as temporary:
        temporary.write_bytes(b"whole" * 100_000)
    after = Path("/dev/null").stat()
    assert stat.S_ISCHR(after.st_mode)
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    assert device.is_symlink() == (name == "link")


def test_a_full_device_is_one_line() -> None:
    with (
        pytest.raises(OutputError, match="/dev/full: cannot be written: the disk is full"),
        atomic_path(Path("/dev/full")) as temporary,
    ):
        temporary.write_bytes(b"whole")


def test_a_pipe_gets_the_whole_output(tmp_path: Path) -> None:
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    content = os.urandom(300_000)
    with atomic_path(pipe) as temporary:
        temporary.write_bytes(content)
    reader.join(timeout=30)
    assert found == [content]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(tmp_path) == ["pipe"]


def test_a_failed_run_writes_nothing_into_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    listening = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def fail_halfway() -> None:
        with atomic_path(pipe) as temporary:
            temporary.write_text("half")
            raise KeyError

    try:
        with pytest.raises(KeyError):
            fail_halfway()
        assert os.read(listening, 10) == b""
    finally:
        os.close(listening)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_an_open_file_is_written_where_it_stands(tmp_path: Path, name: str) -> None:
    code = (
        "import sys; from pathlib import Path; from ppim.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as temporary: temporary.write_text('whole')\n"
    )
    log = tmp_path / "log"
    log.write_text("earlier ")
    with log.open("ab") as stream:
        subprocess.run([sys.executable, "-c", code, name], check=True, stdout=stream)
    assert log.read_text() == "earlier whole"
    piped = subprocess.run([sys.executable, "-c", code, name], check=True, stdout=subprocess.PIPE)
    assert piped.stdout == b"whole"


def test_a_socket_and_a_closed_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        with pytest.raises(InputError, match="is a socket"), atomic_path(Path("s")):
            pass
    with pytest.raises(InputError, match="is no open file"), atomic_path(Path("/dev/fd/987")):
        pass


def test_leftovers_of_a_killed_run_go_and_those_of_a_living_one_stay(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time; from pathlib import Path; from ppim.files import atomic_path\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); print('ready', flush=True); time.sleep(60)\n"
    )

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "out.csv")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    with start() as killed:
        killed.kill()
    assert len(names(tmp_path)) == 1
    with start() as living:
        assert len(names(tmp_path)) == 1
        other = names(tmp_path)
        with atomic_path(tmp_path / "out.csv") as temporary:
            assert len(names(tmp_path)) == 2
            temporary.write_text("whole")
        assert names(tmp_path) == [*other, "out.csv"]
        living.kill()
    with atomic_path(tmp_path / "out.csv") as temporary:
        temporary.write_text("again")
    assert names(tmp_path) == ["out.csv"]


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    final = tmp_path / ("é" * 127)
    with atomic_path(final) as temporary:
        temporary.write_text("whole")
    assert final.read_text() == "whole"


def test_a_folder_that_goes_away_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def lose_the_folder() -> None:
        with atomic_path(folder / "out.csv") as temporary:
            temporary.unlink()
            folder.rmdir()

    with pytest.raises(OutputError, match=r"out.csv: .* its place has changed"):
        lose_the_folder()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO])
def test_failures_of_the_disk_name_the_output(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(OutputError, match=r"out.csv: cannot be written: the"),
        atomic_path(tmp_path / "out.csv"),
    ):
        raise OSError(number, os.strerror(number))
    assert names(tmp_path) == []


def test_other_failures_are_not_the_disks(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), naming_failure(tmp_path):
        (tmp_path / "absent").read_bytes()
