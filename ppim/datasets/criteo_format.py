"""The rows of both Criteo datasets: label, 13 integers, 26 hexadecimal categories.

As published, fields are parted by tabs, without names; the Kaggle test file lacks the label. Samples that go with
model libraries have commas, and a first line that names some or all of the columns.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ppim.datasets import base, streams, text
from ppim.datasets.fields import Kind
from ppim.errors import InputError
from ppim.text_files import check_text

N_INTEGERS = 13
N_CATEGORIES = 26
INTEGERS = tuple(f"I{i}" for i in range(1, N_INTEGERS + 1))
CATEGORIES = tuple(f"C{i}" for i in range(1, N_CATEGORIES + 1))
CATEGORY_DIGITS = 8
_OTHERS = ("label", "id")

LAYOUT = text.TextLayout(
    names=("label", *INTEGERS, *CATEGORIES),
    kinds=(Kind.INTEGER,) * (1 + N_INTEGERS) + (Kind.HEX,) * N_CATEGORIES,
    kept=tuple(range(1 + N_INTEGERS, 1 + N_INTEGERS + N_CATEGORIES)),
    delimiter="\t",
    header="letter",
    full_digits=CATEGORY_DIGITS,
)

_LOOKED_AT = 100
_DELIMITERS = ("\t", ",")
_INTEGER = re.compile(r"-?[0-9]*(\.[0-9]*)?")
_CATEGORY = re.compile(r"[0-9a-fA-F]{0,8}")
_WHOLE_CATEGORY = re.compile(r"[0-9a-fA-F]{8}")
_LABEL = re.compile(r"[0-9]?(\.0*)?")


def looks_like_criteo(head: bytes) -> bool:
    """Whether the first line names this format's columns, or one of the first lines is a row of it."""
    lines = _lines(head)
    if not lines:
        return False
    return any(
        _named(lines[0].split(delimiter)) is not None
        or any(_is_row(fields) or _is_unlabelled(fields) for fields in _rows(lines, delimiter))
        for delimiter in _DELIMITERS
    )


def _lines(head: bytes) -> list[str]:
    lines = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    whole = lines[:-1] or lines  # the last may be cut
    return [line.decode("utf-8", "replace").removesuffix("\r") for line in whole if line.strip()][:_LOOKED_AT]


def _rows(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    return (line.split(delimiter) for line in lines)


def _named(names: Sequence[str]) -> tuple[str, ...] | None:
    """The names of a header line as they are written here; None for what is no header of this format."""
    known = {name.lower(): name for name in LAYOUT.names} | {name: name for name in _OTHERS}
    found = [known.get(name.strip().strip('"').lower()) for name in names]
    if None in found or not any(name in CATEGORIES for name in found) or all(n in CATEGORIES for n in found):
        return None
    return tuple(name for name in found if name is not None)


def _is_row(fields: Sequence[str]) -> bool:
    """Whether the fields are a row with its label; trailing ones may be missing."""
    n_before = 1 + N_INTEGERS
    return (
        n_before < len(fields) <= n_before + N_CATEGORIES
        and _LABEL.fullmatch(fields[0]) is not None
        and all(_INTEGER.fullmatch(field) for field in fields[1:n_before])
        and all(_CATEGORY.fullmatch(field) for field in fields[n_before:])
        and not _is_unlabelled(fields)
    )


def _is_unlabelled(fields: Sequence[str]) -> bool:
    """Whether the fields are a whole row but for the label, as in the Kaggle test file."""
    return (
        len(fields) == N_INTEGERS + N_CATEGORIES
        and all(_INTEGER.fullmatch(field) for field in fields[:N_INTEGERS])
        and _WHOLE_CATEGORY.fullmatch(fields[N_INTEGERS]) is not None
        and all(_CATEGORY.fullmatch(field) for field in fields[N_INTEGERS:])
    )


def find_layout(path: Path) -> text.TextLayout:
    """The layout of one file, from its first lines.

    Raises
    ------
    InputError
        A header that names a column twice, or no text.
    """
    head = streams.read_head(path)
    check_text(path, head)
    lines = _lines(head)
    for delimiter in _DELIMITERS:
        names = _named(lines[0].split(delimiter)) if lines else None
        if names is not None and (delimiter, names) != (LAYOUT.delimiter, LAYOUT.names):
            return _by_header(path, streams.split_header(path, lines[0], delimiter), delimiter)
    layout = LAYOUT
    if not any(_is_row(fields) for fields in _rows(lines, "\t")) and any(
        _is_row(fields) or _is_unlabelled(fields) for fields in _rows(lines, ",")
    ):
        layout = _loose(replace(LAYOUT, delimiter=","))
    rows = list(_rows(lines, layout.delimiter))
    # One whole row that is labelled decides: then the others are broken.
    if any(map(_is_unlabelled, rows)) and not any(len(fields) == len(LAYOUT.names) for fields in rows):
        layout = _without_label(layout)
    return layout


def _by_header(path: Path, header: Sequence[str], delimiter: str) -> text.TextLayout:
    names = _named(header)
    assert names is not None
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}:1: the header has column {name!r} twice; rename one")
    return _loose(
        text.TextLayout(
            names=names,
            kinds=tuple(Kind.HEX if name in CATEGORIES else Kind.SKIP for name in names),
            kept=tuple(names.index(name) for name in CATEGORIES if name in names),
            delimiter=delimiter,
            min_fields=len(names),
            header="skip",
        )
    )


def _loose(layout: text.TextLayout) -> text.TextLayout:
    """Numbers as they come: samples of model libraries have them with decimals, or normalised."""
    kinds = tuple(Kind.SKIP if kind == Kind.INTEGER else kind for kind in layout.kinds)
    return replace(layout, kinds=kinds, quote='"')


def _without_label(layout: text.TextLayout) -> text.TextLayout:
    return replace(
        layout,
        names=layout.names[1:],
        kinds=layout.kinds[1:],
        kept=tuple(field - 1 for field in layout.kept),
        min_fields=N_INTEGERS,
    )


class CriteoSource(base.Source):
    """One-hot samples of 26 tables (or those that a header names) from one or several files, in order."""

    def __init__(self, paths: Sequence[Path], rows: Sequence[int], options: base.ReadOptions) -> None:
        super().__init__()
        self._layouts = [find_layout(path) for path in paths]
        found = [[layout.names[field] for field in layout.kept] for layout in self._layouts]
        for path, names in zip(paths, found, strict=True):
            if names != found[0]:
                raise InputError(
                    f"{path}: its categories are not those of {paths[0]}; give files of one kind"
                )
        sizes = dict(zip(CATEGORIES, rows, strict=True))
        self.tables = tuple(base.TableSpec(name, sizes[name]) for name in found[0])
        self._paths = paths
        self._options = options
        self.total_bytes = streams.total_size(paths)
        self.total_samples = options.max_samples

    def chunks(self) -> Iterator[base.SampleChunk]:
        for values in text.read_values(self._paths, self._layouts, self._options, self.progress):
            yield base.SampleChunk(values.shape[1], tuple(values))
