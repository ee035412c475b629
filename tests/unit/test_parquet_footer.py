"""What a Parquet footer promises: as pyarrow says it, and one line where it contradicts itself."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ppim.errors import InputError
from ppim.parquet_footer import ColumnPart, RowGroup, read_row_groups

MEND = "get the file again"


def _write(path: Path, **options: object) -> pq.FileMetaData:
    table = pa.table(
        {
            "id": pa.array(range(50), pa.int64()),
            "name.of": [None if n % 3 else f"n{n % 7}" for n in range(50)],
            "bag": [[n] * (n % 4) for n in range(50)],
            "pair": [{"a": n, "b": n % 2 == 0} for n in range(50)],
            "on": [n % 2 == 0 for n in range(50)],
        },
        metadata={"note": "x" * 300},
    )
    pq.write_table(table, path, row_group_size=20, **options)
    return pq.read_metadata(path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "none", "use_dictionary": False, "write_statistics": False},
        {"write_page_index": True, "store_decimal_as_integer": True, "version": "1.0"},
        {"sorting_columns": [pq.SortingColumn(0)], "write_page_checksum": True},
    ],
)
def test_sizes_are_those_that_pyarrow_says(tmp_path: Path, options: dict[str, object]) -> None:
    path = tmp_path / "t.parquet"
    metadata = _write(path, **options)
    expected = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(place) for place in range(group.num_columns)]
        expected.append(
            RowGroup(
                group.num_rows,
                tuple(
                    ColumnPart(c.num_values, c.total_compressed_size, c.total_uncompressed_size)
                    for c in columns
                ),
            )
        )
    assert len(expected) == 3
    assert read_row_groups(path, MEND) == expected


def test_a_footer_cut_or_changed_at_any_byte_is_read_or_refused(tmp_path: Path) -> None:
    path, bad = tmp_path / "t.parquet", tmp_path / "bad.parquet"
    _write(path)
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    refusals, read = [], 0
    for place in range(len(data) - 8 - length, len(data)):
        for bits in (0x01, 0x10, 0x80, 0xFF):
            bad.write_bytes(data[:place] + bytes([data[place] ^ bits]) + data[place + 1 :])
            try:
                groups = read_row_groups(bad, MEND)
            except InputError as error:
                refusals.append(str(error))
            else:
                read += 1
                parts = [part for group in groups for part in group.columns]
                assert all(type(value) is int for part in parts for value in part)
    assert read
    assert refusals
    assert all(text.endswith(f"damaged Parquet file; {MEND}") for text in refusals)


@pytest.mark.parametrize(
    "footer",
    [
        b"",
        b"\x49" + b"\xff" * 9 + b"\x01",  # field 4: a list without end
        b"\x4c" + b"\x1c" * 5000,  # structures in structures
        b"\x45" + b"\xff" * 40,  # a number without end
        b"\x45\x02\x00",  # row groups that are a number
        b"\x36\x02\x19\x1c\x36\x02\x00\x00",  # a row group without columns
        b"\x36\x01\x19\x0c\x00",  # -1 rows
        b"\x36\x04\x19\x1c\x19\x0c\x26\x02\x00\x00",  # 2 rows, and a row group of 1
        b"\x36\x00\x19\x2c\x19\x0c\x26\x03\x00\x19\x0c\x26\x04\x00\x00",  # row groups of -2 and 2 rows
    ],
)
def test_what_is_no_footer_is_refused(tmp_path: Path, footer: bytes) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(InputError, match="cut off or damaged"):
        read_row_groups(path, MEND)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1\xff\xff\xff\xffPAR1", b"PAR1\0\0\0\0PAR2"])
def test_what_ends_otherwise_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(data)
    with pytest.raises(InputError, match="cut off or damaged"):
        read_row_groups(path, MEND)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=MEND):
        read_row_groups(tmp_path / "t.parquet", MEND)


def test_rows_add_up(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    footer = b"\x36\x02\x19\x1c\x19\x0c\x26\x02\x00\x00"  # 1 row, and a row group of 1
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    assert read_row_groups(path, MEND) == [RowGroup(1, ())]
