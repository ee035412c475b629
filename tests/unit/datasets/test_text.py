"""Robust reading of Criteo rows: everything that real copies do, and one clear line for what they must not."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ppim.datasets.base import MISSING, ReadOptions, make_dataset, recognise
from ppim.datasets.streams import read_head
from ppim.errors import InputError

FULL = "\t".join(["1", *map(str, range(13)), *(f"{0xABC00000 + i:08x}" for i in range(26))])
VALUES = [0xABC00000 + i for i in range(26)]


def read(path: Path, **options: object) -> np.ndarray:
    """Values of a Criteo file, shape (26, rows)."""
    source = make_dataset("criteo-kaggle", {}).open([path], ReadOptions(**options))
    chunks = [np.stack(chunk.values) for chunk in source.chunks()]
    return np.concatenate(chunks, axis=1) if chunks else np.empty((26, 0), dtype=np.uint64)


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "train.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_full_row(tmp_path: Path) -> None:
    assert read(write(tmp_path, FULL + "\n"))[:, 0].tolist() == VALUES


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n\n"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    values = read(write(tmp_path, FULL + (end.strip("\n") or "") + "\n" + FULL + end))
    assert values.T.tolist() == [VALUES, VALUES]


def test_crlf_throughout(tmp_path: Path) -> None:
    short = FULL.rsplit("\t", 1)[0]
    values = read(write(tmp_path, f"{FULL}\r\n{short}\r\n{FULL}\t\r\n".replace(f"{FULL}\t", FULL)))
    assert values[:, 0].tolist() == VALUES
    assert values[:, 1].tolist() == [*VALUES[:25], int(MISSING)]


def test_byte_order_mark(tmp_path: Path) -> None:
    assert read(write(tmp_path, b"\xef\xbb\xbf" + FULL.encode() + b"\n"))[:, 0].tolist() == VALUES


def test_a_header_line_is_passed_over(tmp_path: Path) -> None:
    header = "\t".join(["label", *(f"I{i}" for i in range(13)), *(f"C{i}" for i in range(26))])
    assert read(write(tmp_path, f"{header}\n{FULL}\n")).shape == (26, 1)


def test_missing_trailing_fields_are_empty(tmp_path: Path) -> None:
    fields = FULL.split("\t")
    values = read(write(tmp_path, "\t".join(fields[:37]) + "\n" + "\t".join(fields[:14]) + "\n"))
    assert values[:, 0].tolist() == [*VALUES[:23], *[int(MISSING)] * 3]
    assert values[:, 1].tolist() == [int(MISSING)] * 26


def test_empty_fields_inside(tmp_path: Path) -> None:
    fields = FULL.split("\t")
    fields[14] = fields[20] = fields[3] = ""
    values = read(write(tmp_path, "\t".join(fields) + "\n"))[:, 0]
    assert [i for i, value in enumerate(values) if value == MISSING] == [0, 6]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (FULL + "\t00000000", "train.txt:3: more than the 40 fields"),
        (FULL.replace("abc00003", "xyz00003"), "train.txt:3: field C4 is 'xyz00003', not a hexadecimal"),
        (FULL.replace("abc00003", "abc 0003"), "train.txt:3: field C4 is 'abc 0003'"),
        (FULL.replace("\t5\t", "\tabc\t"), "train.txt:3: field I6 is 'abc', not a whole number"),
        (FULL.replace("abc00003", "0123456789abcdef0"), "train.txt:3: field C4"),
        (FULL.replace("abc00003", "abc\r0003"), "train.txt:3: field C4"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line_or_skipped(tmp_path: Path, row: str, message: str) -> None:
    path = write(tmp_path, f"{FULL}\n\n{row}\n{FULL}\n")
    with pytest.raises(InputError, match=message):
        read(path)
    source = make_dataset("criteo-kaggle", {}).open([path], ReadOptions(on_error="skip"))
    assert sum(chunk.n_samples for chunk in source.chunks()) == 2
    assert source.progress.skipped == 1
    assert message.split(",")[0] in source.progress.first_skipped


@pytest.mark.parametrize("kept", [-1, -7])
def test_a_last_line_cut_inside_a_field(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path, f"{FULL}\n{FULL[:kept]}")
    with pytest.raises(InputError, match=r"train.txt:2: the file ends inside field C26 .* cut off"):
        read(path)
    assert read(path, on_error="skip").shape == (26, 1)


def test_a_last_line_cut_inside_the_numbers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train.txt:2: the file ends inside field I3"):
        read(write(tmp_path, f"{FULL}\n1\t2\t3\t44"))


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 7, 64, 299, 300, 301, 4096])
def test_block_size_does_not_matter(tmp_path: Path, block_bytes: int) -> None:
    fields = FULL.split("\t")
    lines = [FULL, "\t".join(fields[:30]), "", FULL + "\r", "\t".join(fields[:14] + [""] * 26), FULL]
    path = write(tmp_path, "\n".join(lines))
    np.testing.assert_array_equal(read(path, block_bytes=block_bytes), read(path))


CRLF_FILES = {
    "criteo-kaggle": ({}, f"{FULL}\r\n" + "\t".join([*FULL.split("\t")[:39], ""]) + f"\r\n\r\n{FULL}\r\n"),
    "csv": ({}, 'a,"b ""x"", y",c\r\n1,,\r\n"q,""",2,\r\n\r\n,,"end"\r\n5,6,7'),
    "movielens": ({}, "1\t7\t3\t50\r\n2\t8\t4\t51\r\n\r\n1\t9\t5\t49\r\n"),
    "amazon": ({}, 'user_id,parent_asin,rating,timestamp\r\nu1,"a,""1",5.0,7\r\nu2,a2,1.0,8\r\n'),
}


@pytest.mark.parametrize("name", CRLF_FILES)
@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_a_block_may_end_at_every_byte(tmp_path: Path, name: str, line_end: str) -> None:
    options, text = CRLF_FILES[name]
    path = write(tmp_path, text.replace("\r\n", line_end))

    def chunks(block_bytes: int) -> list[list[list[int]]]:
        source = make_dataset(name, options).open([path], ReadOptions(block_bytes=block_bytes))
        return [
            [values.tolist() for values in (*chunk.values, *(chunk.offsets or ()))]
            for chunk in source.chunks()
        ]

    whole = chunks(1 << 20)
    assert whole
    for block_bytes in range(1, len(text) + 3):
        assert chunks(block_bytes) == whole, block_bytes


def test_an_empty_last_field_whose_return_ends_a_block(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\r\n1,\r\n2,3\r\n")
    for block_bytes in range(1, 20):
        dataset = make_dataset("csv", {"values": "decimal"})
        (chunk,) = dataset.open([path], ReadOptions(block_bytes=block_bytes)).chunks()
        assert [values.tolist() for values in chunk.values] == [[1, 2], [int(MISSING), 3]]


def test_max_samples_stops_across_files(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths.append(write(tmp_path / name, f"{FULL}\n" * 5))
    source = make_dataset("criteo-kaggle", {}).open(paths, ReadOptions(max_samples=7))
    assert sum(chunk.n_samples for chunk in source.chunks()) == 7


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_compressed_files_read_the_same(tmp_path: Path, suffix: str) -> None:
    text = (FULL + "\n").encode() * 3000
    packed = gzip.compress(text) if suffix == "gz" else pa.compress(text, codec="zstd", asbytes=True)
    np.testing.assert_array_equal(read(write(tmp_path, packed)), read(write(tmp_path, text)))


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    member = gzip.compress((FULL + "\n").encode())
    assert read(write(tmp_path, member * 3)).shape == (26, 3)


@pytest.mark.parametrize("suffix", ["gz", "zst"])
@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_a_damaged_stream_is_one_clear_error(tmp_path: Path, suffix: str, damage: str) -> None:
    rng = np.random.default_rng(3)
    rows = "".join(
        "\t".join(["0", *map(str, range(13)), *(f"{v:08x}" for v in rng.integers(0, 2**32, 26))]) + "\n"
        for _ in range(3000)
    ).encode()
    packed = bytearray(
        gzip.compress(rows) if suffix == "gz" else pa.compress(rows, codec="zstd", asbytes=True)
    )
    if damage == "cut":
        packed = packed[: len(packed) // 2]
    else:
        packed[len(packed) // 2 : len(packed) // 2 + 64] = bytes(64)
    # zstd without checksums can decode damage to nonsense, which then is a row that cannot be read.
    sign = r"field .* is|more than the 40|" if (suffix, damage) == ("zst", "flip") else ""
    with pytest.raises(
        InputError, match=rf"train\.txt:\d+: ({sign}damaged compressed stream after \d+ bytes)"
    ):
        read(write(tmp_path, bytes(packed)))


def test_a_file_without_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "\n")
    assert read(path).shape == (26, 0)
    assert read(write(tmp_path, "")).shape == (26, 0)


def test_recognition_by_content(tmp_path: Path) -> None:
    path = write(tmp_path, f"{FULL}\n{FULL[:200]}")
    assert recognise(path, read_head(path)) == "criteo-kaggle"
    other = write(tmp_path, "some words\nand more\n")
    with pytest.raises(InputError, match="format not recognised; name it with --dataset"):
        recognise(other, read_head(other))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: cannot be read"):
        read_head(tmp_path / "nowhere")


def test_the_real_sample(shared: Path) -> None:
    """Against a reading of the file by plain Python, short rows included."""
    path = shared / "data" / "criteo_kaggle_999.txt"
    lines = path.read_text().split("\n")
    fields = [(line.split("\t") + [""] * 26)[14:40] for line in lines if line]
    expected = [[int(word, 16) if word else int(MISSING) for word in row] for row in fields]
    assert read(path).T.tolist() == expected
    assert read(path, block_bytes=1000).T.tolist() == expected
