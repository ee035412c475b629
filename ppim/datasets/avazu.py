"""Avazu click-through rate prediction, `train` or `test` as published: CSV with a header line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppim.datasets import base, streams, text
from ppim.datasets.fields import Kind
from ppim.errors import InputError

TABLES = {
    "hour": (240, Kind.DECIMAL), "C1": (7, Kind.DECIMAL), "banner_pos": (7, Kind.DECIMAL),
    "site_id": (4737, Kind.HEX), "site_domain": (7745, Kind.HEX), "site_category": (26, Kind.HEX),
    "app_id": (8552, Kind.HEX), "app_domain": (559, Kind.HEX), "app_category": (36, Kind.HEX),
    "device_id": (2686408, Kind.HEX), "device_ip": (6729486, Kind.HEX), "device_model": (8251, Kind.HEX),
    "device_type": (5, Kind.DECIMAL), "device_conn_type": (4, Kind.DECIMAL), "C14": (2626, Kind.DECIMAL),
    "C15": (8, Kind.DECIMAL), "C16": (9, Kind.DECIMAL), "C17": (435, Kind.DECIMAL), "C18": (4, Kind.DECIMAL),
    "C19": (68, Kind.DECIMAL), "C20": (172, Kind.TEXT), "C21": (60, Kind.DECIMAL),
}  # fmt: skip
"""Columns, their distinct values in the training set, and how they are written (C20 has -1 among numbers)."""

_HEADERS = (b"id,click,hour,C1,", b"id,hour,C1,")


class AvazuSource(base.Source):
    """One-hot samples of 22 tables; each file says in its header where its columns are."""

    def __init__(self, paths: Sequence[Path], options: base.ReadOptions) -> None:
        super().__init__()
        self.tables = tuple(base.TableSpec(name, rows) for name, (rows, _) in TABLES.items())
        self._paths, self._options = paths, options
        self._layout = _layout(paths[0])
        for path in paths[1:]:
            if _layout(path) != self._layout:
                raise InputError(f"{path}: its columns are not those of {paths[0]}; give files of one kind")
        self.total_bytes = streams.total_size(paths)

    def chunks(self) -> Iterator[base.SampleChunk]:
        for values in text.read_values(self._paths, self._layout, self._options, self.progress):
            yield base.SampleChunk(values.shape[1], tuple(values))


def _layout(path: Path) -> text.TextLayout:
    names = streams.header_line(path).split(",")
    missing = [name for name in TABLES if name not in names]
    if missing:
        raise InputError(f"{path}:1: the header lacks column {missing[0]!r}; is this an Avazu file?")
    twice = [name for name in TABLES if names.count(name) > 1]
    if twice:
        raise InputError(f"{path}:1: the header has column {twice[0]!r} twice; rename one")
    return text.TextLayout(
        names=tuple(names),
        kinds=tuple(TABLES[name][1] if name in TABLES else Kind.SKIP for name in names),
        kept=tuple(names.index(name) for name in TABLES),
        delimiter=",",
        min_fields=len(names),
        header="skip",
    )


@base.DATASETS.register("avazu")
@dataclass(frozen=True)
class Avazu(base.Dataset):
    """40.4 million rows over 10 days."""

    summary = "Avazu train or test CSV: 22 tables, 9.4 million rows"

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        return head.removeprefix(b"\xef\xbb\xbf").startswith(_HEADERS)

    def open(self, paths: Sequence[Path], options: base.ReadOptions) -> AvazuSource:
        return AvazuSource(paths, options)
