"""The Parquet writer against pyarrow's reader, page by page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from ppim.trace import parquet
from ppim.trace.parquet import (
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    ColumnType,
    EncodedColumn,
    ParquetFile,
    encode_plain,
    encode_runs,
    encode_split,
)

TYPES = {UINT8: np.uint8, UINT16: np.uint16, UINT32: np.uint32, UINT64: np.uint64}


def write(path: Path, columns: list[tuple[str, ColumnType, EncodedColumn]], times: int = 1) -> pq.ParquetFile:
    file = ParquetFile(path, [(name, kind) for name, kind, _ in columns])
    for _ in range(times):
        file.write_group([column for *_, column in columns])
    file.finish({"key": "text", "ü": "µ"}, "ppim version 1.2.3")
    return pq.ParquetFile(path)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("page", [1, 7, 1000])
def test_plain_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: ColumnType, page: int) -> None:
    monkeypatch.setattr(parquet, "PAGE_VALUES", page)
    values = np.random.default_rng(0).integers(0, 2**kind.bits, 50, dtype=TYPES[kind])
    found = write(tmp_path / "x", [("x", kind, encode_plain(values, kind))]).read()
    assert found.schema.field("x").type == f"uint{kind.bits}"
    assert not found.schema.field("x").nullable
    assert found["x"].to_pylist() == values.tolist()


@pytest.mark.parametrize("kind", [UINT32, UINT64])
@pytest.mark.parametrize("page", [1, 7, 1000])
def test_split_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: ColumnType, page: int) -> None:
    monkeypatch.setattr(parquet, "PAGE_VALUES", page)
    values = np.random.default_rng(0).integers(0, 2**kind.bits, 50, dtype=TYPES[kind])
    assert (
        write(tmp_path / "x", [("x", kind, encode_split(values, kind))]).read()["x"].to_pylist()
        == values.tolist()
    )


@given(st.lists(st.integers(0, 300), min_size=1, max_size=400).filter(any))
def test_runs(tmp_path_factory: pytest.TempPathFactory, lengths: list[int]) -> None:
    values = np.arange(5, 5 + len(lengths))
    column = encode_runs(values, np.array(lengths), UINT32)
    file = write(tmp_path_factory.mktemp("runs") / "x", [("x", UINT32, column)])
    assert file.read()["x"].to_pylist() == np.repeat(values, lengths).tolist()


def test_long_runs(tmp_path: Path) -> None:
    """Run lengths of several varint bytes, indices of two and three bytes."""
    lengths = np.ones(70_000, dtype=np.int64)
    lengths[[0, 300, 69_999]] = (127, 20_000, 2_200_000)
    column = encode_runs(np.arange(70_000), lengths, UINT32)
    found = write(tmp_path / "x", [("x", UINT32, column)]).read()["x"].to_numpy()
    np.testing.assert_array_equal(found, np.repeat(np.arange(70_000), lengths))


def test_bounds_metadata_and_an_encoded_column_used_again(tmp_path: Path) -> None:
    runs = encode_runs(np.array([4, 9]), np.array([3, 2]), UINT32)
    plain = encode_plain(np.arange(5, dtype=np.uint8), UINT8)
    file = write(tmp_path / "x", [("a", UINT32, runs), ("b", UINT8, plain)], times=20)
    assert file.read().to_pydict() == {"a": [4, 4, 4, 9, 9] * 20, "b": [0, 1, 2, 3, 4] * 20}
    assert file.num_row_groups == 20
    assert file.metadata.metadata == {b"key": b"text", "ü".encode(): "µ".encode()}
    assert file.metadata.created_by == "ppim version 1.2.3"
    chunk = file.metadata.row_group(19).column(0)
    assert (chunk.statistics.min, chunk.statistics.max, chunk.compression) == (4, 9, "ZSTD")
    assert chunk.has_dictionary_page
    raw = (tmp_path / "x").read_bytes()
    assert raw[chunk.dictionary_page_offset :][: chunk.total_compressed_size] == b"".join(runs.pages)
    assert file.metadata.row_group(0).total_byte_size == runs.raw_bytes + plain.raw_bytes


def test_sizes_are_those_that_pyarrow_counts(tmp_path: Path) -> None:
    """total_uncompressed_size covers headers and contents; a reader may allocate by it."""
    values = np.zeros(100_000, dtype=np.uint32)
    column = encode_plain(values, UINT32)
    write(tmp_path / "x", [("x", UINT32, column)])
    pq.write_table(
        pq.read_table(tmp_path / "x"),
        tmp_path / "y",
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
    )
    other = pq.ParquetFile(tmp_path / "y").metadata.row_group(0).column(0)
    ours = pq.ParquetFile(tmp_path / "x").metadata.row_group(0).column(0)
    assert abs(ours.total_uncompressed_size - other.total_uncompressed_size) < 500
    assert ours.total_compressed_size == column.n_bytes
