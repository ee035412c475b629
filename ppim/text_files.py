"""What is UTF-8 text, and what only looks like a text file."""

from pathlib import Path

from ppim.errors import InputError

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
