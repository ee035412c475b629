"""Parquet files whose names are no UTF-8: pyarrow refuses some at opening, others where the name is asked for."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ppim.datasets.base import ReadOptions
from ppim.datasets.columns import Csv
from ppim.errors import InputError
from ppim.parquet_file import open_parquet
from ppim.trace.reader import TraceReader

REFUSAL = "not UTF-8; mend it"
NAME = b"\xff\xfe"


def _text(content: bytes) -> bytes:
    return bytes([len(content)]) + content


def _group(name: bytes, n_children: int) -> bytes:
    """A group of a Parquet schema in Thrift's compact protocol: field 3 repetition, 4 name, 5 number of children."""
    return b"\x35\x00\x18" + _text(name) + b"\x15" + bytes([2 * n_children, 0])


def _file_of_groups(*groups: bytes) -> bytes:
    """A Parquet file of no rows; pyarrow writes no group without columns."""
    schema = bytes([len(groups) << 4 | 12]) + b"".join(groups)
    footer = b"\x15\x02\x19" + schema + b"\x16\x00\x19\x0c\x00"
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def _file_of_columns(table: pa.Table, path: Path) -> bytes:
    pq.write_table(table, path, store_schema=False)
    return path.read_bytes().replace(b"abc", b"a\xffc")


@pytest.fixture(params=["group", "column", "leaf of a column"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "bad.parquet"
    match request.param:
        case "group":
            content = _file_of_groups(_group(b"schema", 1), _group(NAME, 0))
        case "column":
            content = _file_of_columns(pa.table({"x": [1], "abc": [2]}), path)
        case _:
            content = _file_of_columns(pa.table({"x": [{"abc": 1}]}), path)
    path.write_bytes(content)
    return path


def test_a_file_of_groups_is_one_that_pyarrow_reads(tmp_path: Path) -> None:
    path = tmp_path / "good.parquet"
    path.write_bytes(_file_of_groups(_group(b"schema", 1), _group(b"x", 1), _group(b"y", 0)))
    [field] = open_parquet(path, REFUSAL).schema_arrow
    assert (field.name, str(field.type)) == ("x", "struct<y: struct<> not null>")


def test_names_that_are_no_utf8_are_refused_at_opening(path: Path) -> None:
    with pytest.raises(InputError, match=f"^{path}: {REFUSAL}$"):
        open_parquet(path, REFUSAL)


def test_no_dataset_is_made_of_them(path: Path) -> None:
    with pytest.raises(InputError, match=r"damaged; get the file again$"):
        Csv().open([path], ReadOptions())


def test_no_trace_is_made_of_them(path: Path) -> None:
    with pytest.raises(InputError, match=r"damaged Parquet file; make the trace again$"):
        TraceReader(path)
