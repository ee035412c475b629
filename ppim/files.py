"""Outputs appear under their final name whole, or not at all; no output takes the place of an input.

What a name stands for decides how it is written. A regular file, or none yet, is replaced in one step, behind a
symbolic link its target. A device, a pipe or an open file of this process (`/dev/null`, a FIFO, `/dev/stdout`)
is written through: it gets the whole output once that is complete.
"""

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ppim import interrupt
from ppim.errors import InputError, OutputError, unreadable
from ppim.temporary import lock, temporary_folder

STDOUT = Path("-")
_MAX_LINKS = 40  # as Linux follows
MOST_PIPED_BYTES = 1 << 33
"""Of a pipe: its copy shall fill nobody's disk, and what never ends stops here."""
_PIECE_BYTES = 1 << 20
_given: dict[str, str] = {}  # copies of pipes, and what they are copies of
_NAME_BYTES = 100  # of the output's name in its temporary name, so that this is never too long
_SUFFIX = ".part"
_OPEN_FILES = ("/proc/self/fd", "/dev/fd")
_PLACE_IS_BAD = {
    errno.ENOSPC: "the disk is full; free some space, or write to another disk",
    errno.EDQUOT: "the disk quota is used up; free some space, or write to another disk",
    errno.EFBIG: "the file would be larger than the limit on files (`ulimit -f`); raise it",
    errno.EROFS: "the disk is read-only; write to another one",
    errno.EIO: "the disk reports an error; write to another one",
}


def keep_inputs(inputs: Iterable[Path], *outputs: Path | None) -> None:
    """Refuse an output that would take the place of an input or of another output; None and `-` are no outputs.

    Two names of one file are one file, whether by symbolic or by hard links.

    Raises
    ------
    InputError
        Such an output.
    """
    taken = {identity: "an input" for path in inputs if (identity := _identity(path)) is not None}
    for path in outputs:
        if path is None or path == STDOUT or (identity := _identity(path)) is None:
            continue
        if identity in taken:
            raise InputError(f"{path}: is {taken[identity]} too; give each output a file of its own")
        taken[identity] = "another output"


def _identity(path: Path) -> tuple[int, int] | str | None:
    """What tells one file from another, whatever its names; None where writing takes nobody's place."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return os.path.realpath(path)
    if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
        return found.st_dev, found.st_ino
    return None


@contextmanager
def atomic_path(final: Path) -> Iterator[Path]:
    """Yield a temporary path, whose content becomes that of `final` when the block ends well.

    A regular file is replaced by it in one step; what is written through gets its content. On any exception,
    Ctrl-C included, the temporary file is removed and `final` is untouched.

    Raises
    ------
    InputError
        If the folder of `final` does not exist or cannot be written, or `final` is nothing that can be written.
    OutputError
        If the disk fills up, or the place of `final` goes away meanwhile.
    """
    final = Path(final)
    descriptor = _open_file_behind(final)
    if descriptor is None and not _is_written_through(final):
        with _replacing(final) as temporary:
            yield temporary
        return
    with _beside(Path(tempfile.gettempdir()), "ppim", final) as temporary:
        yield temporary
        interrupt.check()
        with naming_failure(final), temporary.open("rb") as content, _through(final, descriptor) as stream:
            shutil.copyfileobj(content, stream)


@contextmanager
def _replacing(final: Path) -> Iterator[Path]:
    target = Path(os.path.realpath(final))
    if not target.parent.is_dir():
        place = target if final.is_symlink() else final
        raise InputError(f"{place.parent}: no such folder for the output {place.name}; create it first")
    with _beside(target.parent, target.name, final) as temporary:
        yield temporary
        interrupt.check()
        _take_place(temporary, target, final)


@contextmanager
def _beside(folder: Path, name: str, final: Path) -> Iterator[Path]:
    """A temporary file in a folder, locked while it is ours, so that the next run can tell a dead run's."""
    shown = os.fsdecode(os.fsencode(name)[:_NAME_BYTES])
    _remove_leftovers(folder, shown)
    handle, temporary = _make(folder, shown, final)
    try:
        with naming_failure(final if folder == Path(os.path.realpath(final)).parent else folder):
            yield temporary
    finally:
        with contextlib.suppress(OSError):  # its folder may be gone, or a file in its place
            temporary.unlink()
        os.close(handle)


def _make(folder: Path, name: str, final: Path) -> tuple[int, Path]:
    while True:
        try:
            handle, path = tempfile.mkstemp(prefix=f".{name}.", suffix=_SUFFIX, dir=folder)
        except OSError as error:
            where = f" in {folder}" if folder != final.parent else ""
            raise InputError(f"{final}: cannot write there{where} ({error.strerror})") from error
        lock(handle)
        if os.fstat(handle).st_nlink:
            return handle, Path(path)
        os.close(handle)  # another run took it for a leftover before it was locked


def _remove_leftovers(folder: Path, name: str) -> None:
    """Remove temporary files of this output that no run holds any more: a killed one could not."""
    begins = f".{name}."
    with contextlib.suppress(OSError):
        for part in folder.iterdir():
            if part.name.startswith(begins) and part.suffix == _SUFFIX:
                _remove_unlocked(part)


def _remove_unlocked(part: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(part, os.O_RDWR | os.O_NOFOLLOW)
        try:
            if lock(handle):
                part.unlink()
        finally:
            os.close(handle)


def _is_written_through(final: Path) -> bool:
    """Whether `final` is there and no regular file, so that its content cannot be replaced by renaming.

    Raises
    ------
    InputError
        A folder, a socket, a disk, or a name that cannot be looked up.
    """
    try:
        mode = final.stat().st_mode
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{final}: cannot write there ({reason})") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{final}: is a folder; give the name of a file")
    if stat.S_ISSOCK(mode) or stat.S_ISBLK(mode):
        kind = "a socket" if stat.S_ISSOCK(mode) else "a disk"
        raise InputError(f"{final}: is {kind}, which is not written; give the name of a file")
    return not stat.S_ISREG(mode)


def _open_file_behind(final: Path) -> int | None:
    """The file descriptor that a name such as `/dev/stdout` or `/dev/fd/3` stands for; None for other names."""
    folders = {os.path.realpath(folder) for folder in _OPEN_FILES}
    path = final.absolute()
    for _ in range(_MAX_LINKS):
        name = path.name
        if name.isascii() and name.isdigit() and os.path.realpath(path.parent) in folders:
            if not _is_open(int(name)):
                raise InputError(f"{final}: is no open file; give the name of a file")
            return int(name)
        try:
            path = path.parent / path.readlink()
        except (OSError, ValueError):
            return None
    return None


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except (OSError, OverflowError):
        return False
    return True


def _through(final: Path, descriptor: int | None) -> IO[bytes]:
    if descriptor is None:
        return final.open("wb")
    # A copy: opened anew, a redirected file would lose what others have written to it.
    return os.fdopen(os.dup(descriptor), "wb")


def for_arrow(path: Path) -> Path | IO[bytes]:
    """What pyarrow opens: the path, or where its name is no UTF-8, which pyarrow cannot take, the open file."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.open("rb")
    return path


@contextmanager
def rereadable(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """The same paths, but pipes (process substitutions), which can be read once only, as copies in temporary files.

    Raises
    ------
    InputError
        A pipe that cannot be read, or has more than `MOST_PIPED_BYTES`, or than half of what is free for its copy.
    OutputError
        A temporary folder without room for a copy.
    """
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(_copy_of(path)) if _is_pipe(path) else path for path in paths]


@contextmanager
def unchanged(paths: Iterable[Path]) -> Iterator[None]:
    """Files that are read more than once: what is made of them would be of no state that they had, if they changed.

    Raises
    ------
    InputError
        At the end, a file that is another one now, or was written to.
    """
    before = [(path, _version(path)) for path in paths]
    yield
    for path, version in before:
        if _version(path) != version:
            raise InputError(
                f"{path}: changed while it was read; run again, on a copy if something writes to it"
            )


def _version(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is replaced or written to; None of what is no regular file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return ()
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def _copy_of(path: Path) -> Iterator[Path]:
    with temporary_folder() as folder:
        copy = folder / path.name
        _given[str(copy)] = str(path)
        try:
            with path.open("rb") as stream, naming_failure(folder), copy.open("wb") as target:
                _copy_within(stream, target, min(MOST_PIPED_BYTES, shutil.disk_usage(folder).free // 2), path)
        except OSError as error:
            raise unreadable(path, error) from error
        yield copy


def as_given(text: str) -> str:
    """A message with the names of pipes instead of those of their copies."""
    for copy, path in _given.items():
        text = text.replace(copy, path)
    return text


def _copy_within(stream: IO[bytes], target: IO[bytes], most: int, path: Path) -> None:
    done = 0
    while piece := stream.read(_PIECE_BYTES):
        done += len(piece)
        if done > most:
            raise InputError(
                f"{path}: a pipe of more than {most >> 20:,} MiB, too much for a copy in {tempfile.gettempdir()}; "
                "give the file itself (gzip and zstd are read as they are)"
            )
        target.write(piece)


@contextmanager
def naming_failure(place: Path) -> Iterator[None]:
    """In this block `place` is written: a full or broken disk is one line; other failures are others' to tell."""
    try:
        yield
    except OSError as error:
        if error.errno not in _PLACE_IS_BAD:
            raise
        raise OutputError(f"{place}: cannot be written: {_PLACE_IS_BAD[error.errno]}") from error


def _take_place(temporary: Path, target: Path, final: Path) -> None:
    # mkstemp makes files private; an output has the permissions any new file would have.
    mask = os.umask(0)
    os.umask(mask)
    try:
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    except OSError as error:
        if error.errno in _PLACE_IS_BAD:
            raise
        raise OutputError(
            f"{final}: cannot be written: its place has changed during the run ({error.strerror}); run again"
        ) from error
