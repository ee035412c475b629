"""Columns of delimited text as strings, for readers that do more with a field than hash it whole."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pyarrow import csv

from ppim.datasets import base, streams
from ppim.errors import InputError
from ppim.text_files import check_text

_DELIMITERS = "\t,;|"
_LEAST_BLOCK_BYTES = 1 << 12  # pyarrow refuses a row that is longer than two blocks
_TAB = "\t"


class Columns(NamedTuple):
    """How one file is cut into columns."""

    path: Path
    delimiter: str
    names: tuple[str, ...]
    """Of all columns; numbers where the file has no header line."""
    has_header: bool


def find_columns(path: Path, delimiter: str, has_header: bool) -> Columns:
    """The columns of a file; an empty `delimiter` is found from the first line.

    Raises
    ------
    InputError
        No text, or no delimiter that the first line shows.
    """
    line = streams.header_line(path)
    if not delimiter:
        counts = {candidate: line.count(candidate) for candidate in _DELIMITERS}
        delimiter = max(counts, key=lambda candidate: counts[candidate])
        if not counts[delimiter]:
            raise InputError(
                f"{path}:1: no delimiter (tab, comma, semicolon or bar) in the first line; give delimiter="
            )
    names = streams.split_header(path, line, delimiter)
    if not has_header:
        names = tuple(map(str, range(len(names))))
    return Columns(path, delimiter, names, has_header)


def read_strings(
    columns: Columns, chosen: Sequence[int], options: base.ReadOptions, progress: base.Progress
) -> Iterator[pa.RecordBatch]:
    """Yield the chosen columns of a file as binary arrays, in the order chosen.

    Raises
    ------
    InputError
        A row with another number of fields (unless bad rows are to be skipped), or a damaged file.
    """
    path = columns.path
    check_text(path, streams.read_head(path))
    names = [f"column {number}" for number in range(len(columns.names))]
    bad: list[str] = []

    def on_bad_row(row: csv.InvalidRow) -> str:
        where = path if row.number is None else f"{path}:{row.number}"
        bad.append(f"{where}: {row.actual_columns} fields, not {row.expected_columns}")
        if options.on_error == "skip":
            progress.skip(bad[-1])
            return "skip"
        return "error"

    stream = streams.ByteStream(path)
    try:
        reader = csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            csv.ReadOptions(
                use_threads=False,
                block_size=max(options.block_bytes, _LEAST_BLOCK_BYTES),
                column_names=names,
                skip_rows=int(columns.has_header),
            ),
            csv.ParseOptions(
                delimiter=columns.delimiter,
                quote_char='"' if columns.delimiter != _TAB else False,
                newlines_in_values=columns.delimiter != _TAB,
                invalid_row_handler=on_bad_row,
            ),
            csv.ConvertOptions(
                include_columns=[names[number] for number in chosen],
                column_types={name: pa.large_binary() for name in names},
            ),
        )
        for batch in reader:
            progress.bytes = stream.raw_position
            yield batch
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            return
        reason = bad[-1] if bad else f"{path}: {str(error).splitlines()[0]}"
        raise InputError(f"{reason}; mend the row or give --on-error skip") from error
    finally:
        stream.close()
