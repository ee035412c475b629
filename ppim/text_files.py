"""What is UTF-8 text, what only looks like a text file, and what of a text may be shown; small text files read whole, within bounds."""

import csv
import io
import unicodedata
from pathlib import Path

from ppim.errors import InputError, unreadable

MOST_BYTES = 1 << 27
"""Of a CSV or JSON file that is read whole: the table of a sweep of 100,000 runs. What never ends stops here."""

_MOST_HEADER_BYTES = 1 << 20

# Longest first: the mark of UTF-32 begins with that of UTF-16.
_OTHER_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_BINARY = {
    b"\x93NUMPY": "a .npy array",
    b"PK\x03\x04": "a zip archive, such as .npz, .pt or .xlsx",
    b"PAR1": "a Parquet file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow file",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3": "an SQLite database",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x80\x02": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
}


def check_text(path: Path, head: bytes) -> None:
    """Refuse the beginning of what is no UTF-8 text; `head` may be of any length.

    Raises
    ------
    InputError
        UTF-16 or UTF-32, by the byte order mark or by NULs, or a known kind of binary file.
    """
    for mark, name in _OTHER_MARKS.items():
        if head.startswith(mark):
            raise InputError(f"{path}: is {name} text; {_convert(path, name)}")
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise InputError(f"{path}: is {what}, not text; name its format with --dataset")
    if b"\0" in head:
        raise InputError(
            f"{path}: is not a text file: it has NUL bytes; if it is UTF-16 text, {_convert(path, 'UTF-16')}"
        )


def _convert(path: Path, encoding: str) -> str:
    return f"convert it with `iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}`"


def printable(text: str) -> str:
    """Text as it may be shown and kept: bytes of a file's name that are no UTF-8, and control characters, become `?`."""
    if text.isprintable():
        return text
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join("?" if unicodedata.category(character) == "Cc" else character for character in plain)


def read_whole(path: Path, mend: str, most: int = MOST_BYTES) -> bytes:
    """The content of a file of at most `most` bytes.

    Raises
    ------
    InputError
        It cannot be read, or is longer; `mend` ends the message.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise unreadable(path, error, mend) from error
    if len(content) > most:
        raise InputError(f"{path}: has more than {most >> 20} MiB; {mend}")
    return content


def read_text(path: Path, mend: str, most: int = MOST_BYTES) -> str:
    """The same as UTF-8 text.

    Raises
    ------
    InputError
        As `read_whole`, and for what is no text.
    """
    try:
        return read_whole(path, mend, most).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no UTF-8 text; {mend}") from error


def csv_header(path: Path) -> list[str]:
    """Names in the first line of a CSV; none of what has no such line, or cannot be read: whoever reads it says so."""
    try:
        with path.open("rb") as stream:
            line = stream.readline(_MOST_HEADER_BYTES)
        return next(csv.reader([line.decode()]), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def csv_lines(path: Path, mend: str) -> tuple[list[str], list[dict[str, str]]]:
    """Names of the columns, and all lines by them.

    Raises
    ------
    InputError
        As `read_text`; no CSV, or a line that has not a value for each column.
    """
    return lines_of_csv(path, read_text(path, mend), mend)


def lines_of_csv(path: Path, text: str, mend: str) -> tuple[list[str], list[dict[str, str]]]:
    """The same of a file whose text is there already."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    lines: list[dict[str, str]] = []
    try:
        for line in reader:
            if None in line or None in line.values():
                raise InputError(
                    f"{path}:{reader.line_num}: has not as many values as the header; write the file again"
                )
            lines.append(line)
        return list(reader.fieldnames or ()), lines
    except csv.Error as error:
        raise InputError(f"{path}: no CSV ({error}); {mend}") from error
