"""Every format against a plain reading of the same small file."""

from __future__ import annotations

import csv
import gzip
import io
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ppim.datasets import histories
from ppim.datasets.avazu import TABLES
from ppim.datasets.base import DATASETS, MISSING, ReadOptions, Source, make_dataset, recognise
from ppim.datasets.criteo_terabyte import ROWS
from ppim.datasets.fields import Kind
from ppim.datasets.streams import read_head
from ppim.datasets.text import TextLayout
from ppim.errors import InputError

CRITEO = "\t".join(
    ["0", *"123456789abcd".replace("a", "1").replace("b", "2").replace("c", "").replace("d", "-1")]
)
CRITEO_ROW = CRITEO + "".join(f"\t{i:08x}" for i in range(26))


def opened(name: str, *paths: Path, read: dict[str, object] | None = None, **options: object) -> Source:
    return make_dataset(name, options).open(list(paths), ReadOptions(**(read or {})))  # type: ignore[arg-type]


def bags(source: Source) -> list[list[list[int]]]:
    """All bags, [sample][table]."""
    found = []
    for chunk in source.chunks():
        for s in range(chunk.n_samples):
            if chunk.offsets is None:
                found.append([[int(values[s])] for values in chunk.values])
            else:
                found.append(
                    [
                        values[ends[s] : ends[s + 1]].tolist()
                        for values, ends in zip(chunk.values, chunk.offsets, strict=True)
                    ]
                )
    return found


def fnv1a(text: str) -> int:
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def test_fnv1a_of_the_published_vectors() -> None:
    assert fnv1a("") == 0xCBF29CE484222325
    assert fnv1a("a") == 0xAF63DC4C8601EC8C
    assert fnv1a("foobar") == 0x85944171F73967E8


def test_days_are_read_in_their_order(tmp_path: Path) -> None:
    paths = []
    for day in (10, 2, 0):
        path = tmp_path / f"day_{day}.gz"
        path.write_bytes(gzip.compress(CRITEO_ROW.replace("00000000", f"{day:08x}").encode() + b"\n"))
        paths.append(path)
    dataset = make_dataset("criteo-terabyte", {})
    ordered = dataset.order(paths)
    assert [path.name for path in ordered] == ["day_0.gz", "day_2.gz", "day_10.gz"]
    assert [sample[0] for sample in bags(dataset.open(ordered, ReadOptions()))] == [[0], [2], [10]]
    assert recognise(paths[0], read_head(paths[0])) == "criteo-terabyte"


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("dlrmv2", 204_184_588),
        ("mlperf-40m", 187_767_399),
        ("mlperf-10m", 49_126_297),
        ("torchrec", 177_944_275),
    ],
)
def test_table_sizes_of_criteo_terabyte(name: str, total: int) -> None:
    assert len(ROWS[name]) == 26
    assert sum(ROWS[name]) == total


def avazu_file(folder: Path, with_click: bool = True) -> tuple[Path, list[dict[str, str]]]:
    names = ["id", *(["click"] if with_click else []), *TABLES]
    rows = [
        {
            "id": str(i),
            "click": "0",
            **{name: "1fbe01fe" if "i" in name else str(i + 3) for name in TABLES},
            "C20": "-1",
        }
        for i in range(5)
    ]
    for row in rows:
        row |= {name: "2" for name in ("banner_pos", "device_type", "device_conn_type")}
    path = folder / "train.csv"
    with path.open("w") as stream:
        writer = csv.DictWriter(stream, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path, rows


@pytest.mark.parametrize("with_click", [True, False])
def test_avazu(tmp_path: Path, with_click: bool) -> None:
    path, rows = avazu_file(tmp_path, with_click)
    source = opened("avazu", path)
    hexadecimal = [
        name
        for name in TABLES
        if name.split("_")[0] in ("site", "app") or name in ("device_id", "device_ip", "device_model")
    ]
    for row, sample in zip(rows, bags(source), strict=True):
        for name, bag in zip(TABLES, sample, strict=True):
            word = row[name]
            expected = fnv1a(word) if name == "C20" else int(word, 16 if name in hexadecimal else 10)
            assert bag == [expected]
    assert sum(table.rows or 0 for table in source.tables) == 9_449_205 + 240
    assert recognise(path, read_head(path)) == "avazu"


def test_avazu_without_a_column(tmp_path: Path) -> None:
    path, _ = avazu_file(tmp_path)
    path.write_text(path.read_text().replace("C17", "C99"))
    with pytest.raises(InputError, match=r"train.csv:1: the header lacks column 'C17'"):
        opened("avazu", path)


RATINGS = [
    (3, 50, "4.5", 900),
    (1, 20, "3", 700),
    (3, 10, "1", 100),
    (1, 5, "5", 800),
    (3, 11, "2", 900),
    (2, 7, "4", 5),
]
EXPECTED = [[[20, 5]], [[7]], [[10, 50, 11]]]


def ratings_file(folder: Path, style: str) -> Path:
    lines = {
        "u.data": ["\t".join(map(str, (u, i, int(float(r)), t))) for u, i, r, t in RATINGS],
        "ratings.dat": ["::".join(map(str, row)) for row in RATINGS],
        "ratings.csv": ["userId,movieId,rating,timestamp", *(",".join(map(str, row)) for row in RATINGS)],
    }[style]
    path = folder / style
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("style", "rows"), [("u.data", 1682), ("ratings.dat", 3952), ("ratings.csv", None)])
def test_movielens_histories(tmp_path: Path, style: str, rows: int | None) -> None:
    path = ratings_file(tmp_path, style)
    source = opened("movielens", path)
    assert bags(source) == EXPECTED
    assert bags(source) == EXPECTED, "a second pass must give the same"
    assert source.tables[0].rows == rows
    assert recognise(path, read_head(path)) == "movielens"


def test_latest_items_only(tmp_path: Path) -> None:
    assert bags(opened("movielens", ratings_file(tmp_path, "u.data"), history=2)) == [
        [[20, 5]],
        [[7]],
        [[50, 11]],
    ]


def test_max_samples_counts_users(tmp_path: Path) -> None:
    assert (
        bags(opened("movielens", ratings_file(tmp_path, "u.data"), read={"max_samples": 2})) == EXPECTED[:2]
    )


@pytest.mark.parametrize("events", [1, 2, 4])
def test_ranges_of_users_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: int) -> None:
    monkeypatch.setattr(histories, "_RANGE_EVENTS", events)
    monkeypatch.setattr(histories, "_CHUNK_USERS", 1)
    assert bags(opened("movielens", ratings_file(tmp_path, "u.data"))) == EXPECTED


def test_a_rating_without_user_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "u.data"
    path.write_text("1\t2\t3\t4\n\t2\t3\t4\n")
    with pytest.raises(InputError, match=r"u.data:2: field user is '', not a whole number"):
        bags(opened("movielens", path))


def test_real_movielens_sample(shared: Path) -> None:
    path = shared / "data" / "movielens_100k_u.data.gz"
    by_user = defaultdict(list)
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        user, item, _, time = map(int, line.split("\t")[:4])
        by_user[user].append((time, item))
    expected = [[[item for _, item in sorted(by_user[user], key=lambda e: e[0])]] for user in sorted(by_user)]
    assert bags(opened("movielens", path)) == expected
    assert recognise(path, read_head(path)) == "movielens"


AMAZON = [("A1B2C3D4E5F6G7", "0000031887", "5.0", 1400000000), ("A9999999999ZZ", "B000000001", "1.0", 1300000000),
          ("A1B2C3D4E5F6G7", "B000000002", "2.0", 1350000000)]  # fmt: skip


@pytest.mark.parametrize("style", ["2014", "2018", "2023"])
def test_amazon_histories(tmp_path: Path, style: str) -> None:
    lines = [",".join(map(str, (i, u, r, t) if style == "2018" else (u, i, r, t))) for u, i, r, t in AMAZON]
    if style == "2023":
        lines.insert(0, "user_id,parent_asin,rating,timestamp")
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join(lines) + "\n")
    first, second = "A1B2C3D4E5F6G7", "A9999999999ZZ"
    histories_of = {first: ["B000000002", "0000031887"], second: ["B000000001"]}
    expected = [[[fnv1a(item) for item in histories_of[user]]] for user in sorted((first, second), key=fnv1a)]
    assert bags(opened("amazon", path)) == expected
    assert recognise(path, read_head(path)) == "amazon"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("with_counts", [True, False])
def test_dlrm_npz(tmp_path: Path, order: str, compressed: bool, with_counts: bool) -> None:
    matrix = np.asarray(np.random.default_rng(2).integers(0, 9, (50, 4), dtype=np.int32), order=order)  # type: ignore[call-overload]
    arrays = {"X_cat": matrix, "X_int": np.zeros((50, 13))} | (
        {"counts": np.array([9, 10, 11, 12])} if with_counts else {}
    )
    path = tmp_path / "day.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    source = opened("dlrm-npz", path)
    assert bags(source) == matrix[:, :, None].tolist()
    expected = [9, 10, 11, 12] if with_counts else (matrix.max(axis=0) + 1).tolist()
    assert [table.rows for table in source.tables] == expected
    assert recognise(path, read_head(path)) == "dlrm-npz"


def test_dlrm_npz_with_counts_of_its_own(tmp_path: Path) -> None:
    np.savez(tmp_path / "day.npz", X_cat=np.zeros((3, 2), dtype=np.int64))
    np.savez(tmp_path / "day_fea_count.npz", counts=np.array([5, 6]))
    source = opened("dlrm-npz", tmp_path / "day.npz", counts=str(tmp_path / "day_fea_count.npz"))
    assert [table.rows for table in source.tables] == [5, 6]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"PK\x03\x04 nothing"), "not a .npz or .npy file"),
        (lambda path: np.savez(path, y=np.zeros(3)), "called X_cat"),
        (lambda path: np.savez(path, X_cat=np.zeros((3, 2))), "whole numbers called X_cat"),
        (lambda path: np.savez(path, X_cat=np.array([[{}]], dtype=object)), "Python objects"),
    ],
)
def test_bad_npz(tmp_path: Path, make: object, message: str) -> None:
    path = tmp_path / "day.npz"
    make(path)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        opened("dlrm-npz", path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def test_cut_off_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X_cat=np.zeros((300, 2), dtype=np.int64))
    cut(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"a.npz"):
        opened("dlrm-npz", tmp_path / "a.npz")


def csv_file(folder: Path) -> Path:
    path = folder / "x.csv"
    path.write_text('user,"item name",price\nu1,"a, ""b""",3\n,plain,4\r\nu1,"two\nlines",5')
    return path


def test_csv_by_column_names(tmp_path: Path) -> None:
    found = bags(opened("csv", csv_file(tmp_path), columns=["item name", "user"]))
    assert found == [
        [[fnv1a('a, "b"')], [fnv1a("u1")]],
        [[fnv1a("plain")], [int(MISSING)]],
        [[fnv1a("two\nlines")], [fnv1a("u1")]],
    ]


def test_csv_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a;b\n10;ff\n11;\n")
    assert bags(opened("csv", path, delimiter=";", values="hex")) == [[[16], [255]], [[17], [int(MISSING)]]]


def test_csv_matches_the_standard_library(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    alphabet = list('ab,"\n ')
    rows = [["".join(rng.choice(alphabet, rng.integers(1, 6))) for _ in range(3)] for _ in range(300)]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([["x", "y", "z"], *rows])
    path = tmp_path / "x.csv"
    path.write_text(buffer.getvalue())
    for block in (1 << 20, 50, 3):
        found = bags(opened("csv", path, read={"block_bytes": block}))
        assert found == [[[fnv1a(word)] for word in row] for row in rows]


def test_csv_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown column 'users'; did you mean user"):
        opened("csv", csv_file(tmp_path), columns=["users"])


@pytest.mark.parametrize("text", ["user,item,user\n1,2,3\n", "5,7,5\n1,2,3\n"])
def test_a_column_named_twice_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    name = text.split(",")[0]
    with pytest.raises(InputError, match=f"column '{name}' is there 2 times"):
        opened("csv", tmp_path / "t.csv")
    with pytest.raises(InputError, match=f"column '{name}' is there 2 times"):
        opened("csv", tmp_path / "t.csv", columns=[name])
    pq.write_table(
        pa.Table.from_arrays(
            [pa.array([1]), pa.array([2]), pa.array([3])], names=text.split("\n")[0].split(",")
        ),
        tmp_path / "t.parquet",
    )
    with pytest.raises(InputError, match=f"column '{name}' is there 2 times"):
        opened("csv", tmp_path / "t.parquet")


def test_a_column_chosen_twice_is_refused(tmp_path: Path) -> None:
    for write in (
        lambda path: path.write_text("user,item\n1,2\n"),
        lambda path: pq.write_table(pa.table({"user": [1]}), path),
    ):
        write(tmp_path / "t")
        with pytest.raises(InputError, match="column 'user' is chosen twice"):
            opened("csv", tmp_path / "t", columns=["user", "user"])


def test_a_field_kept_twice_is_no_layout() -> None:
    with pytest.raises(ValueError, match="kept twice"):
        TextLayout(("a", "b"), (Kind.TEXT, Kind.TEXT), (0, 0), ",")


def test_parquet_columns(tmp_path: Path) -> None:
    table = pa.table(
        {
            "n": pa.array([5, None, 7], pa.int32()),
            "s": pa.array(["x", "", None]),
            "d": pa.array(["p", "q", "p"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    assert bags(opened("csv", tmp_path / "x.parquet")) == [
        [[5], [fnv1a("x")], [fnv1a("p")]],
        [[int(MISSING)], [fnv1a("")], [fnv1a("q")]],
        [[7], [int(MISSING)], [fnv1a("p")]],
    ]
    assert recognise(tmp_path / "x.parquet", read_head(tmp_path / "x.parquet")) == "csv"


def test_parquet_lists_are_bags(tmp_path: Path) -> None:
    table = pa.table({"user": [1, 2, 3], "items": [[7, 8], [], None]})
    pq.write_table(table, tmp_path / "x.parquet")
    source = opened("csv", tmp_path / "x.parquet")
    assert not source.one_hot
    assert bags(source) == [[[1], [7, 8]], [[2], []], [[3], []]]


def test_parquet_of_a_type_without_values(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.5]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="a column of type double"):
        bags(opened("csv", tmp_path / "x.parquet"))


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_dataset_has_a_summary_and_refuses_unknown_options(name: str) -> None:
    assert DATASETS.get(name).summary
    with pytest.raises(InputError, match="unknown key 'nonsense'"):
        make_dataset(name, {"nonsense": 1})


@pytest.mark.parametrize("name", [name for name in DATASETS.names() if DATASETS.get(name).needs_path])
def test_every_dataset_names_a_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="nowhere"):
        list(opened(name, tmp_path / "nowhere").chunks())
