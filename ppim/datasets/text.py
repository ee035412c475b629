"""Delimited text files, one after the other, as chunks of values; bad rows are named by file and line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ppim.datasets import base, streams
from ppim.datasets.fields import Kind, Status, Stop, parse_rows
from ppim.errors import InputError
from ppim.text_files import check_text

_BOM = b"\xef\xbb\xbf"
_NUL = b"\0"
_CHUNK_ROWS = 1 << 12  # small enough that parsed values stay in the processor's cache
_CHUNK_VALUES = 1 << 22  # of files with thousands of columns
_MAX_LINE_BYTES = 64 << 20
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class TextLayout:
    """How a line is built.

    Parameters
    ----------
    names, kinds : tuples
        Name and kind of each field.
    kept : tuple of int
        Fields whose values are wanted, in the order wanted.
    delimiter, quote : str
        One character each; `quote` may be empty.
    min_fields : int
        Fewest fields of a line; what is missing at its end is empty.
    header : str
        "none"; "skip": the first line of each file is one; "letter": it is one if it begins with a letter.
    full_digits : int
        Digits of a whole hexadecimal field (0: unknown), by which a cut-off end of file shows.
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    kept: tuple[int, ...]
    delimiter: str
    quote: str = ""
    min_fields: int = 1
    header: str = "none"
    full_digits: int = 0

    def __post_init__(self) -> None:
        if len(set(self.kept)) < len(self.kept):
            raise ValueError("a field is kept twice, so that a table would be left without values")

    def slots(self) -> np.ndarray:
        """Row of the value array for each field, -1 for those that are not kept."""
        slots = np.full(len(self.names), -1, dtype=np.int64)
        slots[list(self.kept)] = np.arange(len(self.kept))
        return slots


class _Block:
    """A stretch of one file, with the number of its first line. The buffer is reused from block to block."""

    def __init__(self, stream: streams.ByteStream, n_bytes: int) -> None:
        self._stream = stream
        self._n_bytes = n_bytes
        self._buffer = np.empty(2 * n_bytes, dtype=np.uint8)
        self._filled = 0
        self.at = 0
        self.line = 1
        self.last = False
        while self._filled < len(_BOM) and not self.last:
            self.more()
        check_text(stream.path, self.text.tobytes())
        if self.starts_with(_BOM):
            self.at = len(_BOM)

    @property
    def text(self) -> np.ndarray:
        """The bytes at hand."""
        return self._buffer[: self._filled]

    def starts_with(self, prefix: bytes) -> bool:
        """Whether the bytes not yet consumed begin so."""
        return self.text[self.at : self.at + len(prefix)].tobytes() == prefix

    def more(self) -> None:
        """Drop what is consumed and read on."""
        rest = self._filled - self.at
        if rest > _MAX_LINE_BYTES:
            raise InputError(
                f"{self._stream.path}:{self.line}: a line of more than {_MAX_LINE_BYTES >> 20} MiB; is this a text file?"
            )
        target = self._buffer
        if rest + self._n_bytes > target.size:
            target = np.empty(2 * (rest + self._n_bytes), dtype=np.uint8)
        target[:rest] = self._buffer[self.at : self._filled]
        self._buffer = target
        self._stream.where = f"{self._stream.path}:{self.line}"
        fresh = self._stream.readinto(target.data[rest : rest + self._n_bytes])
        self.last = not fresh
        if _NUL in target.data[rest : rest + fresh].tobytes():
            check_text(self._stream.path, _NUL)
        self._filled = rest + fresh
        self.at = 0

    def next_line(self) -> None:
        """Go to the beginning of the next line."""
        while True:
            ends = np.flatnonzero(self.text[self.at :] == ord("\n"))
            if ends.size or self.last:
                break
            self.more()
        self.at = self.at + int(ends[0]) + 1 if ends.size else self._filled
        self.line += 1


def read_values(
    paths: Sequence[Path],
    layouts: TextLayout | Sequence[TextLayout],
    options: base.ReadOptions,
    progress: base.Progress,
) -> Iterator[np.ndarray]:
    """Yield the kept fields of all files as arrays of uint64, shape (fields kept, rows).

    `layouts` has one for each file, or is that of all of them.

    Raises
    ------
    InputError
        A row that cannot be read (unless bad rows are to be skipped), or a file that cannot.
    """
    done_bytes = 0
    left = options.max_samples
    if isinstance(layouts, TextLayout):
        layouts = [layouts] * len(paths)
    for path, layout in zip(paths, layouts, strict=True):
        stream = streams.ByteStream(path)
        try:
            for values in _read_file(stream, layout, options, progress, left):
                progress.bytes = done_bytes + stream.raw_position
                progress.rows += values.shape[1]
                if left is not None:
                    left -= values.shape[1]
                yield values
            done_bytes += stream.raw_position
        finally:
            stream.close()
        if left == 0:
            return


def _read_file(
    stream: streams.ByteStream,
    layout: TextLayout,
    options: base.ReadOptions,
    progress: base.Progress,
    limit: int | None,
) -> Iterator[np.ndarray]:
    kinds = np.array(layout.kinds, dtype=np.int64)
    slots = layout.slots()
    delimiter = ord(layout.delimiter)
    quote = ord(layout.quote) if layout.quote else -1
    block = _Block(stream, options.block_bytes)
    if layout.header == "skip" or (
        layout.header == "letter" and block.text[block.at : block.at + 1].tobytes().isalpha()
    ):
        block.next_line()
    left = limit
    most = max(1, min(_CHUNK_ROWS, _CHUNK_VALUES // max(len(layout.kept), 1)))
    while left is None or left > 0:
        capacity = most if left is None else min(left, most)
        values = np.empty((len(layout.kept), capacity), dtype=np.uint64)
        rows = 0
        while rows < capacity:
            stop = Stop(
                *parse_rows(
                    block.text,
                    block.at,
                    block.last,
                    delimiter,
                    quote,
                    kinds,
                    slots,
                    layout.min_fields,
                    layout.full_digits,
                    values,
                    rows,
                )
            )
            rows = stop.rows
            block.at = stop.position
            block.line += stop.lines
            if stop.status == Status.NEED_MORE:
                if block.last:
                    break
                block.more()
            elif stop.status != Status.FULL:
                reason = _describe(stream.path, layout, block, stop)
                if options.on_error == "fail":
                    raise InputError(f"{reason}; mend the row or give --on-error skip")
                progress.skip(reason)
                block.next_line()
        if rows == 0:
            return
        yield values[:, :rows]
        if rows < capacity:
            return
        if left is not None:
            left -= rows


def _describe(path: Path, layout: TextLayout, block: _Block, stop: Stop) -> str:
    where = f"{path}:{block.line}"
    if stop.status == Status.TOO_MANY:
        return f"{where}: more than the {len(layout.names)} fields of this format"
    if stop.status == Status.SHIFTED:
        return (
            f"{where}: {stop.field + 1} fields, and {layout.names[layout.kinds.index(Kind.HEX) - 1]} is a whole category: "
            "the first field, the label, is missing"
        )
    if stop.status == Status.TOO_FEW:
        return f"{where}: {stop.field + 1} fields, at least {layout.min_fields} are needed"
    shown = _field_text(block.text, stop.field_start, layout.delimiter)
    name = layout.names[stop.field]
    if stop.status == Status.CUT_OFF:
        return (
            f"{where}: the file ends inside field {name} ({shown!r}) without an end of line, so it is cut off"
        )
    wanted = {
        Kind.HEX: "a hexadecimal number of at most 16 digits",
        Kind.DECIMAL: "a whole number",
        Kind.NUMBER: "a whole number",
        Kind.INTEGER: "a whole number or empty",
        Kind.TEXT: "a field whose quotes match",
        Kind.SKIP: "a field whose quotes match",
    }[layout.kinds[stop.field]]
    return f"{where}: field {name} is {shown!r}, not {wanted}"


def _field_text(text: np.ndarray, start: int, delimiter: str) -> str:
    rest = text[start : start + _SHOWN_CHARACTERS].tobytes()
    for end in (delimiter.encode(), b"\n"):
        rest = rest.split(end, 1)[0]
    return rest.decode("utf-8", "replace").rstrip("\r")
