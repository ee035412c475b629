"""Files as people report them, read as what they are or refused with the mend; the cases themselves, and their kind."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ppim.datasets import base, columns, text as text_reader
from ppim.datasets.base import DATASETS, ReadOptions, Source, make_dataset, recognise
from ppim.datasets.streams import read_head
from ppim.errors import InputError
from tests.unit.datasets.test_formats import fnv1a


def opened(
    name: str | None, *paths: Path, read: dict[str, object] | None = None, **options: object
) -> Source:
    """A source; without a name, of the format that is recognised."""
    if name is None:
        name = recognise(paths[0], read_head(paths[0]))
    dataset = make_dataset(name, options)
    return dataset.open(dataset.order(paths), ReadOptions(**(read or {})))  # type: ignore[arg-type]


def bags(source: Source) -> list[list[list[int]]]:
    """All bags, [sample][table]; a one-hot value is a bag of one."""
    found = []
    for chunk in source.chunks():
        for s in range(chunk.n_samples):
            ends = chunk.offsets or [np.arange(chunk.n_samples + 1)] * len(chunk.values)
            found.append([v[e[s] : e[s + 1]].tolist() for v, e in zip(chunk.values, ends, strict=True)])
    return found


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def cases(shared: Path) -> Path:
    return shared / "cases"


# --- ids beyond the size that a look stands for


def test_ids_above_1682(cases: Path) -> None:
    source = opened(None, cases / "02_tab_ids_above_1682.data")
    assert source.tables[0].rows == 1684
    assert bags(source) == [[[1, 1683]]]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1\t1682\t5\t1\n1\t1\t5\t2\n", 1682),
        ("1\t1682\t5\t1\n1\t0\t5\t2\n", 1683),
        ("1\t1683\t5\t1\n", 1684),
        ("1::3952::5::1\n", 3952),
        ("1::65133::0.5::1\n", 65134),
        (f"1\t{2**41}\t5\t1\n", None),
    ],
)
def test_as_many_rows_as_the_greatest_id_says(tmp_path: Path, text: str, rows: int | None) -> None:
    assert opened("movielens", file(tmp_path, "u.data", text)).tables[0].rows == rows


def test_several_files_of_ids_share_the_greatest(tmp_path: Path) -> None:
    paths = [file(tmp_path, name, f"1\t{n}\t5\t1\n") for name, n in (("a", 7), ("b", 5000), ("c", 8))]
    assert opened("movielens", *paths).tables[0].rows == 5001


# --- arrays of ids from other programs


def test_negative_ids(cases: Path) -> None:
    with pytest.raises(InputError, match="sample 1, column C1: -1 is no row"):
        opened(None, cases / "03_negative_ids.npz")


@pytest.mark.parametrize("order", ["C", "F"])
def test_ids_at_or_above_counts(tmp_path: Path, order: str) -> None:
    ids = np.array([[0, 1], [4, 6], [5, 0]], order=order)
    np.savez(tmp_path / "x.npz", X_cat=ids, counts=np.array([6, 7]))
    assert bags(opened(None, tmp_path / "x.npz")) == [[[0], [1]], [[4], [6]], [[5], [0]]]
    np.savez(tmp_path / "x.npz", X_cat=ids, counts=np.array([6, 6]))
    with pytest.raises(InputError, match="sample 1, column C2: 6 is no row of a table of 6 rows"):
        bags(opened(None, tmp_path / "x.npz"))


@pytest.mark.parametrize(
    "counts", [[0.5, 2.0], [np.nan, 2.0], [np.inf, 1.0], [-3, 2], [0, 2], [2**63, 2], [1]]
)
def test_counts_that_are_none(tmp_path: Path, counts: list[float]) -> None:
    np.savez(tmp_path / "x.npz", X_cat=np.array([[0, 1]]), counts=np.array(counts))
    with pytest.raises(InputError, match="counts"):
        opened(None, tmp_path / "x.npz")


def test_negative_numbers_of_a_parquet_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": [3, -1, 2]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"column 'user': -1 is no category.*a missing value is null"):
        bags(opened("csv", tmp_path / "x.parquet"))


# --- columns named twice, in another order, of another kind


def test_columns_named_twice(cases: Path) -> None:
    for name, column in (("05_column_twice.csv", "i"), ("13_column_twice.parquet", "a")):
        with pytest.raises(InputError, match=f"column '{column}' is there 2 times"):
            opened("csv", cases / name)


def test_files_in_another_order(cases: Path) -> None:
    source = opened("csv", cases / "06_first.csv", cases / "06_other_order.csv", values="decimal")
    assert bags(source) == [[[1], [10]], [[2], [20]]] * 2


@pytest.mark.parametrize("text", ["1,10\n2,20\n", "u\n1\n", "u;i\n1;2\n", "u,i,x\n1,2,3\n", "u,i,u\n1,2,3\n"])
def test_files_of_another_layout(tmp_path: Path, text: str) -> None:
    first = file(tmp_path, "a.csv", "u,i\n1,10\n")
    with pytest.raises(InputError, match=r"b\.csv: column .* give files of one kind"):
        opened("csv", first, file(tmp_path, "b.csv", text))


def test_chosen_columns_of_files_with_others(tmp_path: Path) -> None:
    paths = file(tmp_path, "a.csv", "u,i\n1,10\n"), file(tmp_path, "b.csv", "x,u\n7,2\n")
    assert bags(opened("csv", *paths, columns=["u"], values="decimal")) == [[[1]], [[2]]]


@pytest.mark.parametrize(
    "second",
    [{"v": [5]}, {"i": [5], "u": ["5"]}, {"i": [[5]], "u": [5]}, {"i": [5], "u": [5], "x": [1]}],
    ids=["missing", "text", "lists", "more"],
)
def test_parquet_files_of_another_kind(tmp_path: Path, second: dict[str, list[object]]) -> None:
    pq.write_table(pa.table({"u": [1], "i": [2]}), tmp_path / "a")
    pq.write_table(pa.table(second), tmp_path / "b")
    with pytest.raises(InputError, match="give files of one kind"):
        opened("csv", tmp_path / "a", tmp_path / "b")


def test_parquet_files_in_another_order(tmp_path: Path) -> None:
    pq.write_table(pa.table({"u": [1], "i": [2]}), tmp_path / "a")
    pq.write_table(pa.table({"i": [4], "u": [3]}), tmp_path / "b")
    assert bags(opened("csv", tmp_path / "a", tmp_path / "b")) == [[[1], [2]], [[3], [4]]]


def test_histories_in_another_order(tmp_path: Path) -> None:
    first = file(tmp_path, "a.csv", "user,item,rating,timestamp\nA1,x,5,1\n")
    second = file(tmp_path, "b.csv", "item,user,rating,timestamp\ny,A1,5,2\n")
    assert bags(opened("amazon", first, second)) == [[[fnv1a("x"), fnv1a("y")]]]


def test_movielens_files_of_two_looks(tmp_path: Path) -> None:
    tabs, commas = (
        file(tmp_path, "a", "1\t5\t3\t2\n"),
        file(tmp_path, "b", "userId,movieId,rating,timestamp\n1,6,3,1\n"),
    )
    assert bags(opened("movielens", tabs, commas)) == [[[6, 5]]]


def test_a_header_with_quotes(tmp_path: Path) -> None:
    source = opened("csv", file(tmp_path, "x.csv", '"a,b",c\n1,2\n'), values="decimal")
    assert [table.name for table in source.tables] == ["a,b", "c"]
    assert bags(source) == [[[1], [2]]]
    with pytest.raises(InputError, match=r"x\.csv:1: the header cannot be read"):
        opened("csv", file(tmp_path, "x.csv", '"a,b\n1,2\n'))


# --- no text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("name", [None, "csv", "criteo-kaggle", "movielens", "amazon", "avazu", "history"])
def test_other_encodings(tmp_path: Path, encoding: str, name: str | None) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("user,item,timestamp\n1,2,3\n".encode(encoding))
    with pytest.raises(InputError, match=r"iconv -f UTF-(16|32) -t UTF-8"):
        bags(opened(name, path))


def test_the_case_of_utf16(cases: Path) -> None:
    for name in (None, "csv"):
        with pytest.raises(InputError, match="UTF-16"):
            opened(name, cases / "09_utf16.csv")


def test_nuls_far_inside(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 400_000 + b"1,\0\n")
    with pytest.raises(InputError, match="NUL bytes"):
        bags(opened("csv", path))


@pytest.mark.parametrize("name", ["csv", "criteo-kaggle", "movielens", "amazon", "avazu", "history"])
def test_arrays_are_no_text(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "x.npy", np.arange(10))
    with pytest.raises(InputError, match=r"is a \.npy array, not text"):
        bags(opened(name, tmp_path / "x.npy"))


def test_line_ends_of_old(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="carriage return alone"):
        opened("csv", file(tmp_path, "x.csv", "a,b\r1,2\r3,4\r"))


# --- Criteo in other forms

INTEGERS = [str(i) for i in range(13)]
CATEGORIES = [f"{0xABC00000 + i:08x}" for i in range(26)]
VALUES = [[0xABC00000 + i] for i in range(26)]


def test_criteo_with_commas_and_a_header(cases: Path) -> None:
    source = opened(None, cases / "10_comma_criteo.csv")
    assert [(table.name, table.rows) for table in source.tables] == [("C1", 1460)]
    assert bags(source) == [[[0x05DB9164]], [[0x68FD1E64]]]


@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("label", [True, False])
@pytest.mark.parametrize("name", ["train.txt", "day_0"])
def test_every_form_of_criteo(tmp_path: Path, delimiter: str, header: bool, label: bool, name: str) -> None:
    integers = ["260.0", "", *INTEGERS[2:]] if delimiter == "," else INTEGERS
    names = [
        *(["label"] if label else []),
        *(f"I{i + 1}" for i in range(13)),
        *(f"C{i + 1}" for i in range(26)),
    ]
    row = [*(["0"] if label else []), *integers, *CATEGORIES]
    lines = [names] * header + [row, row]
    path = file(tmp_path, name, "".join(delimiter.join(line) + "\n" for line in lines))
    source = opened(None, path)
    assert [table.name for table in source.tables] == [f"C{i + 1}" for i in range(26)]
    assert bags(source) == [VALUES, VALUES]


def test_a_header_in_another_order(tmp_path: Path) -> None:
    path = file(tmp_path, "x.csv", "C2,label,I1,C1\nabcdef01,1,2,00000005\n")
    assert bags(opened(None, path)) == [[[5], [0xABCDEF01]]]


@pytest.mark.parametrize("category", ["12345678", "05db9164"])
def test_a_row_without_label_is_never_shifted(tmp_path: Path, category: str) -> None:
    whole, short = ["1", *INTEGERS, *CATEGORIES], [*INTEGERS, category, *CATEGORIES[1:]]
    path = file(tmp_path, "train.txt", "".join("\t".join(row) + "\n" for row in (whole, short, whole)))
    with pytest.raises(InputError, match=r"train\.txt:2: "):
        bags(opened("criteo-kaggle", path))
    source = opened("criteo-kaggle", path, read={"on_error": "skip"})
    assert bags(source) == [VALUES, VALUES]
    assert source.progress.skipped == 1


# --- bags of other programs


def test_offsets_of_an_embedding_bag(cases: Path) -> None:
    for options in ({}, {"tables": 1}):
        assert bags(opened(None, cases / "15_embeddingbag_offsets.npz", **options)) == [
            [[0, 2]], [[0, 1, 5]], [[3]]
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [("auto", [[[1, 2]], [[3]]]), ("yes", [[[1, 2]], [[3]]]), ("no", [[[1, 2]], [[3]], [[]]])],
)
def test_the_last_offset(tmp_path: Path, chosen: str, expected: list[list[list[int]]]) -> None:
    np.savez(tmp_path / "x.npz", indices=np.array([1, 2, 3]), offsets=np.array([0, 2, 3]))
    assert bags(opened(None, tmp_path / "x.npz", tables=1, include_last_offset=chosen)) == expected


def test_tables_that_lengths_contradict(tmp_path: Path) -> None:
    arrays = {"indices": np.arange(6), "offsets": np.arange(7), "lengths": np.ones((2, 3), dtype=int)}
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InputError, match="`lengths` has 2 tables, not 3"):
        opened(None, tmp_path / "x.npz", tables=3)


def test_mlperf_multi_hot(cases: Path) -> None:
    source = opened(None, cases / "16_day_0_sparse_multi_hot.npz")
    assert [table.rows for table in source.tables] == [5, 9]
    assert bags(source) == [[[1, 2], [7]], [[3, 4], [8]]]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_days_of_multi_hot(tmp_path: Path, save: object) -> None:
    rng = np.random.default_rng(1)
    days = {day: [rng.integers(0, 30, (4, 1 + t % 3)) for t in range(26)] for day in (2, 10)}
    paths = [tmp_path / f"day_{day}_sparse_multi_hot.npz" for day in (10, 2)]
    for path, day in zip(paths, (10, 2), strict=True):
        save(path, **{str(t): matrix for t, matrix in enumerate(days[day])})  # type: ignore[operator]
    expected = [[matrix[s].tolist() for matrix in days[day]] for day in (2, 10) for s in range(4)]
    assert bags(opened("mlperf-multi-hot", *paths)) == expected
    assert bags(opened("mlperf-multi-hot", *paths, read={"max_samples": 5})) == expected[:5]
    with pytest.raises(InputError, match="is no row of a table of 3 rows"):
        bags(opened("mlperf-multi-hot", *paths, cardinalities="dlrmv2"))


@pytest.mark.parametrize(
    "arrays", [{"0": [[1]], "2": [[1]]}, {"0": [[1.5]]}, {"0": [[1], [2]], "1": [[1]]}, {"0": [[-1]]}]
)
def test_multi_hot_that_is_none(tmp_path: Path, arrays: dict[str, list[list[float]]]) -> None:
    np.savez(tmp_path / "x.npz", **{name: np.array(rows) for name, rows in arrays.items()})
    with pytest.raises(InputError, match=r"x\.npz"):
        bags(opened("mlperf-multi-hot", tmp_path / "x.npz"))


@pytest.mark.parametrize("order", ["C", "F"])
def test_torchrec_days(tmp_path: Path, order: str) -> None:
    ids = np.random.default_rng(2).integers(0, 99, (5, 26)).astype(np.int32)
    for day in (10, 9):
        np.save(tmp_path / f"day_{day}_sparse.npy", np.asarray(ids + day, order=order))
    source = opened(None, tmp_path / "day_10_sparse.npy", tmp_path / "day_9_sparse.npy")
    assert bags(source) == [[[n] for n in row] for row in [*(ids + 9).tolist(), *(ids + 10).tolist()]]
    assert [table.rows for table in source.tables] == (ids.max(axis=0) + 11).tolist()


def test_torchrec_files_that_were_not_made_contiguous(tmp_path: Path) -> None:
    path = tmp_path / "day_0_sparse.npy"
    np.save(path, np.full((1, 26), -5, dtype=np.int32))
    with pytest.raises(InputError, match="sample 0, column C1: -5 is no row"):
        opened(None, path)
    source = opened(None, path, cardinalities="dlrmv2", hashed=True)
    assert bags(source) == [
        [[table.rows - 5 if table.rows > 5 else -5 % table.rows] for table in source.tables]
    ]


def test_index_matrices(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[1, 2], [3, 0]]))
    tables = opened(None, tmp_path / "x.npy")
    assert ([table.rows for table in tables.tables], bags(tables)) == ([4, 3], [[[1], [2]], [[3], [0]]])
    bag = opened(None, tmp_path / "x.npy", columns="bag")
    assert ([table.rows for table in bag.tables], bags(bag)) == ([4], [[[1, 2]], [[3, 0]]])
    with pytest.raises(InputError, match="sample 1, column t0: 3 is no row of a table of 3 rows"):
        bags(opened(None, tmp_path / "x.npy", rows=[3, 3]))
    np.save(tmp_path / "y.npy", np.array([4, 5]))
    assert bags(opened(None, tmp_path / "y.npy")) == [[[4]], [[5]]]


@pytest.mark.parametrize(
    "lists",
    [
        pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2)),
        pa.array([[1, 2], [3, 4]], pa.large_list(pa.int64())),
        pa.array([[1, 2], [3, 4]], pa.list_(pa.uint8())),
    ],
)
def test_lists_of_every_kind(tmp_path: Path, lists: pa.Array) -> None:
    pq.write_table(pa.table({"x": lists}), tmp_path / "x.parquet")
    assert bags(opened(None, tmp_path / "x.parquet")) == [[[1, 2]], [[3, 4]]]


def test_columns_that_unpack_without_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_MOST_UNPACKED", 1 << 16)
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": ["x" * (1 << 20)], "b": ["y"]}), path, compression="zstd")
    with pytest.raises(InputError, match=r"row group 0, column 'a': .* unpack to"):
        bags(opened("csv", path))
    assert len(bags(opened("csv", path, columns=["b"]))) == 1


def test_a_list_of_millions_is_no_bag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MOST_LOOKUPS", 100)
    pq.write_table(pa.table({"a": [[1] * 100]}), tmp_path / "x.parquet")
    assert len(bags(opened("csv", tmp_path / "x.parquet"))) == 1
    pq.write_table(pa.table({"a": [[1] * 101]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="has 101 lookups, more than 100"):
        bags(opened("csv", tmp_path / "x.parquet"))


def test_a_list_that_unpacks_without_bounds_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a.b": [[1] * 5000, [2]], "c": [1, 2]}), path)
    assert path.stat().st_size < 5000
    assert len(bags(opened("csv", path))) == 2
    monkeypatch.setattr(columns, "_MOST_VALUES", 1 << 10)
    monkeypatch.setattr(columns, "_VALUES_PER_BYTE", 1)
    with pytest.raises(
        InputError, match=r"row group 0, column 'a\.b\.list.*unpack to 5,001 values; write it"
    ):
        opened("csv", path)
    assert len(bags(opened("csv", path, columns=["c"]))) == 2


def test_rows_with_many_values_are_read_in_small_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, text = tmp_path / "x.parquet", tmp_path / "x.csv"
    pq.write_table(pa.table({"a": [[n] * 30 for n in range(100)], "b": [[1]] * 100}), path)
    text.write_text("".join(f"{n},{n + 1},{n + 2}\n" for n in range(100)).replace("0,1,2", "a,b,c", 1))
    whole = [bags(opened("csv", each)) for each in (path, text)]
    monkeypatch.setattr(columns, "_CHUNK_VALUES", 62)
    monkeypatch.setattr(text_reader, "_CHUNK_VALUES", 6)
    assert [bags(opened("csv", each)) for each in (path, text)] == whole
    sizes = [[chunk.n_samples for chunk in opened("csv", each).chunks()] for each in (path, text)]
    assert [sum(each) for each in sizes] == [100, 99]
    assert [max(each) for each in sizes] == [2, 2]


def test_fixed_size_lists_with_nulls(tmp_path: Path) -> None:
    lists = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int32(), 2))
    pq.write_table(pa.table({"x": lists}), tmp_path / "x.parquet")
    assert bags(opened(None, tmp_path / "x.parquet")) == [[[1, 2]], [[]], [[3, 4]]]


# --- several values in a field


def test_several_values_in_a_field(cases: Path) -> None:
    source = opened("csv", cases / "24_multivalue.csv", separator="|")
    a, b = fnv1a("A"), fnv1a("B")
    assert bags(source) == [[[fnv1a("1")], [a, b]], [[fnv1a("2")], [a]]]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", ["^", ";", "||"])
def test_separators(tmp_path: Path, separator: str, end: str) -> None:
    rows = [["x", separator.join("123")], ["y", ""], ["z", separator.join(["4", "", "5"])]]
    path = file(tmp_path, "x.csv", end.join(["a,b", *(",".join(row) for row in rows)]))
    for block_bytes in (1, 4096):
        source = opened(
            "csv",
            path,
            columns=["b"],
            separator=separator,
            values="decimal",
            read={"block_bytes": block_bytes},
        )
        assert bags(source) == [[[1, 2, 3]], [[]], [[4, 5]]]


def test_separated_values_that_are_none(tmp_path: Path) -> None:
    path = file(tmp_path, "x.csv", "a\n1|²\n")
    with pytest.raises(InputError, match="column a: '²' is no whole number of base 10"):
        bags(opened("csv", path, separator="|", values="decimal"))
    path = file(tmp_path, "x.csv", "a,b\n1,2\n3\n")
    with pytest.raises(InputError, match=r"x\.csv:3: 1 fields, not 2; mend the row"):
        bags(opened("csv", path, separator="|"))
    source = opened("csv", path, separator="|", read={"on_error": "skip"})
    assert (len(bags(source)), source.progress.skipped) == (1, 1)


# --- histories of any file

KAGGLE = '"userId","movieId","rating","timestamp"\n1,"2",3.5,"2005-04-02 23:53:47"\n1,"29",3.5,"2005-04-02 23:31:16"\n'
TAOBAO = "1,2268318,2520377,pv,1511561733\n1,2333346,2520771,pv,1511544070\n"
KUAIREC = (
    "user_id,video_id,play_duration,time,timestamp\n"
    "1,148,4381,2020-07-05 05:27:48.378,1593898068.378\n1,149,4067,2020-07-05 05:27:47.378,1593898067.378\n"
)
SEMICOLONS = 'User-ID;"ISBN";Date\n1;"b";2004-01-02\n1;"a";2004-01-01\n'


def test_recbole(cases: Path) -> None:
    assert bags(opened(None, cases / "21_recbole.inter")) == [[[fnv1a("2")]]]


@pytest.mark.parametrize(
    ("text", "options", "items"),
    [
        (KAGGLE, {}, ["29", "2"]),
        (TAOBAO, {"user": 0, "item": 1, "time": 4}, ["2333346", "2268318"]),
        (TAOBAO, {"user": 0, "item": 2, "time": 4}, ["2520771", "2520377"]),
        (TAOBAO, {"user": 0, "item": 1}, ["2268318", "2333346"]),
        (KUAIREC, {}, ["149", "148"]),
        (KUAIREC, {"time": "time"}, ["149", "148"]),
        (SEMICOLONS, {"user": "User-ID", "item": "ISBN", "time": "Date"}, ["a", "b"]),
        (KAGGLE, {"user": 0, "item": 1, "time": 3, "header": "yes"}, ["29", "2"]),
        (KAGGLE.replace(",", "|"), {}, ["29", "2"]),
        (
            "u\ti\tt\n1\ta\t-1\n1\tb\t-2.5\n1\tc\t1e3\n",
            {"user": "u", "item": "i", "time": "t"},
            ["b", "a", "c"],
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_histories(
    tmp_path: Path, text: str, options: dict[str, object], items: list[str], packed: bool
) -> None:
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert bags(opened("history", path, **options)) == [[[fnv1a(item) for item in items]]]


@pytest.mark.parametrize(
    "text", [KAGGLE, KUAIREC, "user_id:token\titem_id:token\ttimestamp:float\n1\t2\t3\n"]
)
def test_histories_that_are_recognised(tmp_path: Path, text: str) -> None:
    path = file(tmp_path, "x", text)
    assert recognise(path, read_head(path)) == "history"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("foo,bar,t\n1,2,3\n", {}, "which column is the user"),
        ("user,item,time\n1,2,3\n", {"user": 0, "item": 1, "time": 2}, "looks like a header line"),
        ("u,i,t\n1,2,3\n", {"user": 0, "item": 1}, "looks like a header line"),
        ("u,i,t\n1,2,3\n", {"user": 0, "item": 1, "time": 2}, "header"),
        ("user,item,time\n1,2,x\n", {}, "row 1 has no time that is a date"),
        ("user,item,time\n1,2,3\n1,2,nan\n", {}, "row 2 has no time that is a number"),
        ("user,item,time\n,2,3\n", {}, "row 1 has no user"),
        ("user,item,time\n1,,3\n", {}, "row 1 has no item"),
        ("user,item,time\n1,2\n", {}, r"x:2: 2 fields, not 3"),
        ("user,item,time\n1,2,3\n", {"user": "who"}, "unknown column 'who'"),
        ("user,item,time\n1,2,3\n", {"user": 7, "header": "yes"}, "columns 0 to 2"),
        ("user,item,time\n1,2,3\n", {"user": "item"}, "different columns"),
        ("user,user,item\n1,2,3\n", {}, "column 'user' is there 2 times"),
        ("user,item\n1,2\n", {"value": "rating", "least_value": 1.0}, "unknown column 'rating'"),
    ],
)
def test_histories_that_are_none(tmp_path: Path, text: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        bags(opened("history", file(tmp_path, "x", text), **options))


def test_values_and_broken_rows_of_a_history(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "x",
        "user,item,rating,time\n1,2,5,10\n1,3,1,9\n,4,5,12\n1,,5,13\n1,7,5,x\n1,8\n1,9,5,nan\n1,5,4,8\n",
    )
    source = opened("history", path, value="rating", least_value=3.0, read={"on_error": "skip"})
    assert bags(source) == [[[fnv1a("5"), fnv1a("2")]]]
    assert source.progress.skipped == 5


def test_a_history_in_blocks_of_any_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = "".join(f"{u},{i},{t}\r\n" for u, i, t in rng.integers(0, 50, (3000, 3)))
    path = file(tmp_path, "x", "user,item,time\r\n" + rows)
    whole = bags(opened("history", path))
    assert bags(opened("history", path, read={"block_bytes": 1})) == whole
    assert sum(len(bag) for sample in whole for bag in sample) == 3000


@pytest.mark.parametrize("name", [name for name in DATASETS.names() if DATASETS.get(name).needs_path])
@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\0", b"\x93NUMPY", b"PK\x03\x04", b"PAR1PAR1", b"\x1f\x8b", b"(\xb5/\xfd"]
)
def test_what_is_nothing_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    said, found = "", []
    try:
        found = bags(opened(name, path))
    except InputError as error:
        said = str(error)
    assert "\n" not in said
    assert found == []
