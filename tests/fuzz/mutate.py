"""Mutation that knows a container: what is inside is changed, and sizes and checksums around it are made right again.

Bytes that are changed anywhere mostly break a checksum, and what lies behind it is never reached.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable

import atheris

_MOST_UNPACKED = 1 << 16
_FOOTER_END = 8  # of a Parquet file: length of the footer, and its magic word

Mutator = Callable[[bytes, int, int], bytes]


def _mutate_archive(data: bytes, most: int, seed: int) -> bytes:
    """One member of a zip archive, or one name; half of the time, bytes anywhere."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        return bytes(atheris.Mutate(data, most))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MOST_UNPACKED:
                return bytes(atheris.Mutate(data, most))
            members = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    except Exception:  # noqa: BLE001 - no archive any more
        return bytes(atheris.Mutate(data, most))
    if not members:
        return bytes(atheris.Mutate(data, most))
    at = rng.randrange(len(members))
    name, content = members[at]
    members[at] = name, bytes(atheris.Mutate(content, max(64, len(content) + 64)))
    kind = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()[:most]


def _mutate_packed(data: bytes, most: int, seed: int) -> bytes:
    """The content of a gzip file, which is packed again; text that is not packed is packed once in a while."""
    rng = random.Random(seed)
    if data[:2] != b"\x1f\x8b":
        changed = bytes(atheris.Mutate(data, most))
        return _gzip(changed)[:most] if rng.random() < 0.02 else changed
    if rng.random() < 0.3:
        return bytes(atheris.Mutate(data, most))
    try:
        content = zlib.decompressobj(31).decompress(data, _MOST_UNPACKED)
    except zlib.error:
        return bytes(atheris.Mutate(data, most))
    return _gzip(bytes(atheris.Mutate(content, max(64, len(content) + 64))))[:most]


def _gzip(content: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(content) + packer.flush()


def _mutate_parquet(data: bytes, most: int, seed: int) -> bytes:
    """The footer of a Parquet file, its length made right; half of the time, bytes anywhere."""
    rng = random.Random(seed)
    length = int.from_bytes(data[-_FOOTER_END:-4], "little")
    if rng.random() < 0.4 or data[-4:] != b"PAR1" or not 0 < length <= len(data) - _FOOTER_END - 4:
        return bytes(atheris.Mutate(data, most))
    start = len(data) - _FOOTER_END - length
    footer = bytes(atheris.Mutate(data[start:-_FOOTER_END], length + 32))
    return (data[:start] + footer + struct.pack("<I", len(footer)) + b"PAR1")[:most]


MUTATORS: dict[str, Mutator] = {
    ".npz": _mutate_archive,
    ".pt": _mutate_archive,
    ".parquet": _mutate_parquet,
    ".trace": _mutate_packed,
    ".csv": _mutate_packed,
}
"""Ending of a target's files -> its mutation; files of other endings are changed anywhere."""
