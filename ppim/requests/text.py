"""Text files, plain or gzip, as blocks of whole lines."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from ppim.errors import InputError, unreadable

GZIP_MAGIC = b"\x1f\x8b"
BLOCK_BYTES = 1 << 18
NEWLINE = b"\n"
NUL = b"\0"
LINE_END = NEWLINE[0]


@contextmanager
def open_text(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a text file; gzip is told by its first two bytes, not by its name."""
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            raw.seek(0)
            if is_gzip:
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield cast(BinaryIO, unpacked)
            else:
                yield raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path}: the gzip file is cut short or damaged ({error}); fetch it again"
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error


def line_blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[NDArray[np.uint8], int, int]]:
    """Blocks of whole lines as bytes, each with the number of its first line (from 1) and of its lines.

    The last line gets its newline if it lacks one. Every block is a view of one buffer, valid until the
    next is asked for: what stays in the processor's cache is parsed twice as fast.

    Raises
    ------
    InputError
        The file cannot be read, a line is longer than `block_bytes`, or there are NUL bytes.
    """
    buffer = bytearray(block_bytes + 1)  # room for a newline after the last line
    view, array = memoryview(buffer), np.frombuffer(buffer, np.uint8)
    line_number, n_kept = 1, 0
    with open_text(path) as stream:
        while n_fresh := stream.readinto(view[n_kept:block_bytes]):  # type: ignore[attr-defined]
            n_filled = n_kept + n_fresh
            if (nul := buffer.find(NUL, n_kept, n_filled)) >= 0:
                raise InputError(
                    f"{path}:{line_number + count_lines(array[:nul])}: has NUL bytes, so it is no text, or was not "
                    "written to its end; get it again"
                )
            end = buffer.rfind(NEWLINE, n_kept, n_filled) + 1
            if end:
                n_lines = count_lines(array[:end])
                yield array[:end], line_number, n_lines
                line_number += n_lines
                buffer[: n_filled - end] = buffer[end:n_filled]
            n_kept = n_filled - end
            if n_kept == block_bytes:
                raise InputError(
                    f"{path}:{line_number}: a line of more than {block_bytes} bytes; is it a text file?"
                )
    if n_kept:
        buffer[n_kept] = LINE_END
        yield array[: n_kept + 1], line_number, 1


def count_lines(data: NDArray[np.uint8]) -> int:
    """Number of line ends in the bytes."""
    return int(np.count_nonzero(data == LINE_END))


def first_line(path: Path) -> bytes:
    """The first line that has a word, without blanks around it; nothing of a file without any.

    Blank lines are passed over block by block: a small gzip file may have billions.
    """
    with open_text(path) as stream:
        while block := stream.read(BLOCK_BYTES):
            if text := block.lstrip():
                line, end, _ = text.partition(NEWLINE)
                return (line if end else line + stream.readline(BLOCK_BYTES)).rstrip()
    return b""


def first_words(path: Path) -> list[bytes]:
    """Words of the first line that has any; none of an empty file."""
    return first_line(path).split()
