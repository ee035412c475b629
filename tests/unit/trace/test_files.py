"""Trace files: what is written is read back, and what is not a trace is refused in one line."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ppim.errors import InputError
from ppim.trace import reader
from ppim.trace.locality import measure_locality
from ppim.trace.profile import access_profile
from ppim.trace.reader import TraceChunk, TraceReader, read_ahead
from ppim.trace.schema import METADATA_KEY, PoolingMeta, SubtableMeta, TableMeta, TraceMeta
from ppim.trace.writer import TraceWriter
from tests.conftest import ROOT


def qr_table(rows: int) -> TableMeta:
    return TableMeta(
        rows, (SubtableMeta("q", -(-rows // 4), 128, False), SubtableMeta("r", 4, 128, True)), "C1"
    )


def qr_meta(**changes: object) -> TraceMeta:
    fields = {
        "dataset": "synthetic",
        "dataset_sha256": None,
        "algorithm": "qr",
        "parameters": {"vector_bytes": 128, "collisions": 4},
        "tables": (qr_table(100), qr_table(7)),
        "batch_size": 2,
        "pooling": PoolingMeta("pareto", (1, 1)),
        "seed": 0,
        "command_line": "ppim gen-trace synthetic",
        "ppim_version": "0.1.0",
    }
    return TraceMeta(**(fields | changes))  # type: ignore[arg-type]


def qr_chunk(first_batch: int, n_batches: int, row_type: type = np.uint32) -> TraceChunk:
    """Whole batches of 2 samples x 2 tables x 1 lookup x 2 accesses."""
    i = np.arange(8 * n_batches)
    return TraceChunk(
        (first_batch + i // 8).astype(np.uint32),
        (i // 4 % 2).astype(np.uint16),
        (i // 2 % 2).astype(np.uint32),
        np.zeros(i.size, dtype=np.uint32),
        (i % 2).astype(np.uint8),
        (i % 2).astype(row_type),
    )


def write(path: Path, chunks: list[TraceChunk], meta: TraceMeta | None = None) -> Path:
    with TraceWriter(path, meta or qr_meta()) as writer:
        for chunk in chunks:
            writer.write(chunk)
        batches = max(int(chunk.batch.max()) for chunk in chunks) + 1
        writer.close(samples=2 * batches, batches=batches, lookups=sum(len(x.row) for x in chunks) // 2)
    return path


def read(path: Path, threads: int = 1) -> list[TraceChunk]:
    with TraceReader(path) as reader:
        return list(reader.chunks(threads))


def changed(chunk: TraceChunk, column: str, at: int, value: int) -> TraceChunk:
    values = getattr(chunk, column).copy()
    values[at] = value
    return chunk._replace(**{column: values})


def test_accesses_come_back(tmp_path: Path) -> None:
    chunks = [qr_chunk(0, 5), qr_chunk(5, 3)]
    for made, found in zip(chunks, read(write(tmp_path / "t", chunks)), strict=True):
        for name in TraceChunk._fields:
            np.testing.assert_array_equal(getattr(made, name), getattr(found, name))
            assert getattr(made, name).dtype == getattr(found, name).dtype


def test_reading_ahead_brings_the_same_chunks(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [qr_chunk(3 * k, 3) for k in range(5)])
    with TraceReader(path) as one, TraceReader(path) as other:
        assert_same_chunks(list(one.chunks()), list(read_ahead(other.chunks())))


def assert_same_chunks(left: list[TraceChunk], right: list[TraceChunk]) -> None:
    assert len(left) == len(right)
    for chunk, other in zip(left, right, strict=True):
        for column, same in zip(chunk, other, strict=True):
            np.testing.assert_array_equal(column, same)


@pytest.mark.parametrize("threads", [2, 3, 99])
def test_several_threads_read_the_same_chunks(tmp_path: Path, threads: int) -> None:
    path = write(tmp_path / "t.parquet", [qr_chunk(3 * k, 3) for k in range(5)])
    with TraceReader(path) as one, TraceReader(path) as other:
        assert_same_chunks(list(one.chunks()), list(other.chunks(threads)))


@pytest.mark.parametrize("threads", [2, 5])
def test_several_threads_tell_of_the_first_fault(tmp_path: Path, threads: int) -> None:
    wrong = changed(qr_chunk(6, 1), "row", 0, 2**31)
    path = write(tmp_path / "t.parquet", [qr_chunk(3, 2), qr_chunk(5, 1), wrong, qr_chunk(0, 1)])
    with TraceReader(path) as reader:
        chunks = reader.chunks(threads)
        assert [next(chunks).batch[0], next(chunks).batch[0]] == [3, 5]
        with pytest.raises(InputError, match="row group 2, access 24: row 2147483648"):
            next(chunks)


def test_reading_ahead_tells_of_the_first_fault(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [qr_chunk(3, 2), qr_chunk(0, 1)])
    with TraceReader(path) as reader:
        chunks = read_ahead(reader.chunks())
        assert next(chunks).batch[0] == 3
        with pytest.raises(InputError, match="row group 1 begins with batch 0"):
            next(chunks)


def turns_of(chunk: TraceChunk) -> list[tuple[int, int]]:
    return list(zip(chunk.batch.tolist(), chunk.table.tolist(), strict=True))


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 8, 9, 39])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_large_row_group_comes_in_whole_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, threads: int
) -> None:
    path = write(tmp_path / "t", [qr_chunk(0, 5), qr_chunk(5, 1)])
    (first, second) = read(path)
    monkeypatch.setattr(reader, "_PIECE_ACCESSES", piece)
    chunks = read(path, threads)
    whole = TraceChunk(*(np.concatenate(columns) for columns in zip(*chunks, strict=True)))
    both = TraceChunk(*(np.concatenate(columns) for columns in zip(first, second, strict=True)))
    assert_same_chunks([whole], [both])
    turns = len(set(turns_of(whole)))
    assert len(chunks) == turns if piece < 4 else 2 < len(chunks) <= turns
    for before, after in itertools.pairwise(chunks):
        assert turns_of(before)[-1] < turns_of(after)[0]
    with TraceReader(path) as whole_batches:
        assert_same_chunks(list(whole_batches.chunks(whole_batches=True)), [first, second])


@pytest.mark.parametrize("piece", [1, 4, 7])
@pytest.mark.parametrize(
    ("order", "problem"),
    [
        ([1, 0, 2, 3], "row group 0, access 4: out of order"),
        ([2, 0, 1, 3], "row group 0, access 4: batch 0 after batch 1"),
    ],
)
def test_turns_of_a_large_row_group_are_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, order: list[int], problem: str
) -> None:
    """A chunk ends where a turn ends, so that its own check sees no other."""
    chunk = qr_chunk(0, 2)
    at = np.arange(16).reshape(4, 4)[order].ravel()
    path = write(tmp_path / "t", [TraceChunk(*(column[at] for column in chunk))])
    for size in (piece, 1 << 20):
        monkeypatch.setattr(reader, "_PIECE_ACCESSES", size)
        with pytest.raises(InputError, match=problem):
            read(path)


def test_a_fault_of_a_large_row_group_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "t", [changed(qr_chunk(0, 3), "row", 17, 2**31)])
    monkeypatch.setattr(reader, "_PIECE_ACCESSES", 3)
    with pytest.raises(InputError, match="row group 0, access 17: row 2147483648"):
        read(path)


def test_metadata_comes_back_with_totals(tmp_path: Path) -> None:
    with TraceReader(write(tmp_path / "t", [qr_chunk(0, 5)])) as reader:
        assert reader.meta == qr_meta(samples=10, batches=5, lookups=20, accesses=40)
        assert reader.n_accesses == 40


def test_pandas_reads_a_trace(tmp_path: Path) -> None:
    frame = pd.read_parquet(write(tmp_path / "t", [qr_chunk(0, 5)]))
    assert frame.dtypes.astype(str).to_dict() == {
        "batch": "uint32",
        "table": "uint16",
        "sample": "uint32",
        "lookup": "uint32",
        "subtable": "uint8",
        "row": "uint32",
    }
    assert len(frame) == 40


def test_rows_beyond_32_bits(tmp_path: Path) -> None:
    meta = qr_meta(tables=(qr_table(2**35), qr_table(7)))
    chunk = changed(qr_chunk(0, 1, np.uint64), "row", 0, 2**33 - 1)
    assert int(read(write(tmp_path / "t", [chunk], meta))[0].row[0]) == 2**33 - 1


def test_json_round_trip() -> None:
    assert TraceMeta.from_json(qr_meta().to_json()) == qr_meta()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format_version", 2, "format 2, but this ppim reads format 1"),
        ("batchsize", 4, "unknown key 'batchsize'; did you mean batch_size"),
        ("seed", "x", "seed: 'x' is not a whole number"),
        ("tables", [], "1 to 65536 tables"),
        ("batch_size", 0, "batch_size must be 1 to"),
        ("batch_size", 2**32, "batch_size must be 1 to"),
        ("samples", 2**63, "samples: .* does not fit in 64 bits"),
        ("accesses", -1, "accesses must be a count"),
    ],
)
def test_metadata_is_strict(key: str, value: object, message: str) -> None:
    content = json.loads(qr_meta().to_json()) | {key: value}
    with pytest.raises(InputError, match=message):
        TraceMeta.from_json(json.dumps(content))


@pytest.mark.parametrize(
    ("column", "at", "value", "message"),
    [
        ("table", 6, 2, "row group 1, access 46: table 2 of 2"),
        ("subtable", 3, 2, "row group 1, access 43: subtable 2 of table 0, which has 2"),
        ("row", 4, 2, "row group 1, access 44: row 2 of table 1 subtable 'q', which has 2 rows"),
        ("row", 1, 4, "row 4 of table 0 subtable 'r', which has 4 rows"),
        ("batch", 20, 9, "batch 7 after batch 9"),
        ("table", 1, 1, "row group 1, access 42: out of order"),
        ("sample", 1, 1, "out of order"),
        ("sample", 3, 2, "row group 1, access 43: sample 2 of batches of 2 samples"),
        ("sample", 3, 2**32 - 1, "sample 4294967295 of batches of 2 samples"),
        ("lookup", 3, 2**32 - 1, "lookup 4294967295 of a bag"),
        ("subtable", 2, 1, "out of order"),
    ],
)
def test_a_bad_access_is_named(tmp_path: Path, column: str, at: int, value: int, message: str) -> None:
    chunk = qr_chunk(5, 3)
    if message == "out of order" and column == "subtable":
        chunk = changed(changed(chunk, "subtable", 2, 1), "subtable", 3, 0)
    path = write(tmp_path / "t", [qr_chunk(0, 5), changed(chunk, column, at, value)])
    for threads in (1, 2, 3, 9):
        with pytest.raises(InputError, match=message):
            read(path, threads)


@pytest.mark.parametrize(
    ("chosen", "at"),
    [
        ([*range(23)], 22),
        ([*range(24), 23], 22),
        ([*range(8), *range(9, 24)], 8),
        ([*range(10), *range(9, 24)], 8),
    ],
    ids=["the last is one short", "the last is one long", "one is short", "one is long"],
)
def test_a_lookup_has_the_accesses_of_its_algorithm(tmp_path: Path, chosen: list[int], at: int) -> None:
    chunk = TraceChunk(*(column[chosen] for column in qr_chunk(0, 3)))
    path = write(tmp_path / "t", [chunk])
    for threads in (1, 2, 3, 9):
        with pytest.raises(
            InputError, match=f"row group 0, access {at}: a lookup of table . that has not the 2"
        ):
            read(path, threads)


@pytest.mark.parametrize("first", [4, 0])
def test_row_groups_must_not_split_or_repeat_batches(tmp_path: Path, first: int) -> None:
    with pytest.raises(InputError, match=f"row group 1 begins with batch {first} after batch 4"):
        read(write(tmp_path / "t", [qr_chunk(0, 5), qr_chunk(first, 2)]))


@pytest.mark.parametrize(
    "count", ["rows", "bytes_per_row", "rows of two", "accesses_per_lookup", "table rows"]
)
def test_no_sum_of_metadata_leaves_64_bits(count: str) -> None:
    """Each would wrap around, and so index outside an array, if it were not refused."""
    content = json.loads(qr_meta().to_json())
    first, second = content["tables"]
    if count == "rows":
        first["subtables"][0]["rows"] = 2**63
    if count == "bytes_per_row":
        first["subtables"][0]["bytes_per_row"] = 2**62
    if count == "rows of two":
        first["subtables"][0]["rows"] = second["subtables"][0]["rows"] = 2**62
    if count == "accesses_per_lookup":
        first["accesses_per_lookup"] = 2**62
    if count == "table rows":
        first["rows"] = 2**63
    with pytest.raises(InputError, match=r"more than|1 to|64 bits"):
        TraceMeta.from_json(json.dumps(content))


@pytest.mark.parametrize(
    ("totals", "message"),
    [
        ({"samples": 9, "batches": 6}, "6 batches of 2 for 9 samples"),
        ({"samples": 2**31, "batches": 5}, "5 batches of 2 for 2,147,483,648 samples"),
        ({"lookups": 41}, "41 lookups of 40 accesses"),
        ({"samples": 8, "batches": 4}, "batch 4, but the metadata say 4 batches"),
    ],
)
def test_totals_are_held_against_the_file(tmp_path: Path, totals: dict[str, int], message: str) -> None:
    with TraceWriter(tmp_path / "t", qr_meta()) as writer:
        writer.write(qr_chunk(0, 5))
        writer.close(**({"samples": 10, "batches": 5, "lookups": 20} | totals))
    with pytest.raises(InputError, match=message):
        read(tmp_path / "t")


def test_forged_accesses_are_refused(tmp_path: Path) -> None:
    table = pq.read_table(write(tmp_path / "t", [qr_chunk(0, 5)]))
    forged = table.schema.metadata[METADATA_KEY].replace(b'"accesses":40', b'"accesses":99')
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: forged}), tmp_path / "f")
    with pytest.raises(InputError, match="99 accesses, but the file has 40"):
        TraceReader(tmp_path / "f")


def test_rows_beyond_memory_are_refused_before_they_are_counted(tmp_path: Path) -> None:
    table = TableMeta(2**62, (SubtableMeta("q", 2**62 - 5, 1, False), SubtableMeta("r", 4, 1, True)))
    path = write(tmp_path / "t", [qr_chunk(0, 5, np.uint64)], qr_meta(tables=(table, qr_table(7))))
    for measure in (access_profile, measure_locality):
        with TraceReader(path) as reader, pytest.raises(InputError, match="too many to count each in memory"):
            measure(reader)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        TraceReader(tmp_path / "nothing")


def test_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a,b\n")
    with pytest.raises(InputError, match="not a Parquet file"):
        TraceReader(tmp_path / "t")


def test_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path / "t", [qr_chunk(0, 500)])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="cut off or damaged"):
        TraceReader(path)


def test_damaged_pages(tmp_path: Path) -> None:
    path = write(tmp_path / "t", [qr_chunk(0, 5000)])
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    with pytest.raises(InputError, match="row group 0 is damaged"):
        read(path)


def test_foreign_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"batch": [1]}), tmp_path / "t")
    with pytest.raises(InputError, match="without `ppim` metadata"):
        TraceReader(tmp_path / "t")


@pytest.mark.parametrize(
    ("columns", "message"),
    [({"batch": [1]}, "column 'batch' is int64, not uint32"), ({"x": [1]}, "column 'batch' is missing")],
)
def test_foreign_columns(tmp_path: Path, columns: dict[str, list[int]], message: str) -> None:
    table = pa.table(columns).replace_schema_metadata({METADATA_KEY: qr_meta().to_json()})
    pq.write_table(table, tmp_path / "t")
    with pytest.raises(InputError, match=message):
        TraceReader(tmp_path / "t")


def test_metadata_that_is_not_json(tmp_path: Path) -> None:
    pq.write_table(pa.table({"batch": [1]}).replace_schema_metadata({METADATA_KEY: b"{"}), tmp_path / "t")
    with pytest.raises(InputError, match="not valid JSON"):
        TraceReader(tmp_path / "t")


def test_a_trace_is_read_without_pandas() -> None:
    """Its import takes longer than a short run."""
    code = (
        "import sys; from ppim.trace.reader import TraceReader\n"
        "with TraceReader(sys.argv[1]) as reader: assert sum(len(x.row) for x in reader.chunks())\n"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(ROOT / "traces" / "sample-qr.parquet")], check=True)
