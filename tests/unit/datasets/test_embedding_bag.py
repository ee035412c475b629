"""Meta's bags in all their files; the PyTorch file is written here byte by byte, as torch.save lays it out."""

from __future__ import annotations

import gzip
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ppim.datasets import base, embedding_bag
from ppim.datasets.base import ReadOptions, make_dataset, recognise
from ppim.datasets.npy import open_arrays
from ppim.datasets.streams import read_head
from ppim.errors import InputError

N_TABLES, N_SAMPLES = 3, 7
RNG = np.random.default_rng(11)
LENGTHS = RNG.integers(0, 5, (N_TABLES, N_SAMPLES))
OFFSETS = np.concatenate(([0], np.cumsum(LENGTHS)))
INDICES = RNG.integers(0, 1000, OFFSETS[-1])
BAGS = [
    [INDICES[OFFSETS[t * N_SAMPLES + s] : OFFSETS[t * N_SAMPLES + s + 1]].tolist() for t in range(N_TABLES)]
    for s in range(N_SAMPLES)
]


class Global:
    """Pickles as a reference to a name, as torch's own classes do."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __reduce__(self) -> str:
        raise AssertionError("written by the pickler's dispatch")


class TorchPickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes global names without importing them, and storages as persistent ids."""

    def save(self, obj: object, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Global):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)

    def persistent_id(self, obj: object) -> object:
        if isinstance(obj, Storage):
            return ("storage", Global("torch", obj.kind), obj.key, "cpu", obj.n)
        return None


class Call:
    """Pickles as a function call."""

    def __init__(self, function: Global, arguments: tuple) -> None:
        self.function, self.arguments = function, arguments


class Storage:
    def __init__(self, kind: str, key: str, n: int) -> None:
        self.kind, self.key, self.n = kind, key, n


def tensor(array: np.ndarray, key: str) -> Call:
    kind = {"i8": "LongStorage", "i4": "IntStorage"}[array.dtype.str[1:]]
    strides = tuple(step // array.itemsize for step in array.strides)
    hooks = Call(Global("collections", "OrderedDict"), ())
    arguments = (Storage(kind, key, array.size), 0, array.shape, strides, False, hooks)
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), arguments)


def torch_file(path: Path, content: object, arrays: list[np.ndarray]) -> Path:
    import io

    buffer = io.BytesIO()
    TorchPickler(buffer, protocol=2).dump(content)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", buffer.getvalue())
        for key, array in enumerate(arrays):
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", "3\n")
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def three_tensors(path: Path, index_type: type = np.int64) -> Path:
    arrays = [INDICES.astype(index_type), OFFSETS, LENGTHS]
    return torch_file(path, tuple(tensor(a, str(k)) for k, a in enumerate(arrays)), arrays)


def read(*paths: Path, **options: object) -> tuple[list[list[list[int]]], list[int | None]]:
    source = make_dataset("embedding-bag", options).open(list(paths), ReadOptions())
    found = []
    for chunk in source.chunks():
        assert chunk.offsets is not None
        for s in range(chunk.n_samples):
            pairs = zip(chunk.values, chunk.offsets, strict=True)
            found.append([values[ends[s] : ends[s + 1]].tolist() for values, ends in pairs])
    return found, [table.rows for table in source.tables]


ROWS = [max(i for sample in BAGS for i in sample[t]) + 1 for t in range(N_TABLES)]


@pytest.mark.parametrize("name", ["x.pt", "x.pt.gz"])
@pytest.mark.parametrize("index_type", [np.int64, np.int32])
def test_torch_file(tmp_path: Path, name: str, index_type: type) -> None:
    path = three_tensors(tmp_path / name, index_type)
    assert read(path) == (BAGS, ROWS)
    assert recognise(path, read_head(path)) == "embedding-bag"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path: Path, save: object) -> None:
    path = tmp_path / "x.npz"
    save(path, indices=INDICES, offsets=OFFSETS, lengths=LENGTHS)  # type: ignore[operator]
    assert read(path) == (BAGS, ROWS)
    assert recognise(path, read_head(path)) == "embedding-bag"


def test_npy_files(tmp_path: Path) -> None:
    paths = []
    for name, array in (("lengths", LENGTHS), ("indices", INDICES), ("offsets", OFFSETS)):
        np.save(tmp_path / f"{name}.npy", array)
        paths.append(tmp_path / f"{name}.npy")
    assert read(*paths) == (BAGS, ROWS)


def test_several_files_follow_each_other(tmp_path: Path) -> None:
    a, b = three_tensors(tmp_path / "a.pt"), three_tensors(tmp_path / "b.pt.gz")
    assert read(a, b) == (BAGS + BAGS, ROWS)


def test_offsets_without_the_last(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", indices=INDICES, offsets=OFFSETS[:-1], lengths=LENGTHS)
    assert read(tmp_path / "x.npz") == (BAGS, ROWS)


def test_tables_by_option(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", indices=INDICES, offsets=OFFSETS)
    with pytest.raises(InputError, match="--dataset-option tables=N"):
        read(tmp_path / "x.npz")
    assert read(tmp_path / "x.npz", tables=N_TABLES) == (BAGS, ROWS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lengths": LENGTHS + 1}, "contradicts"),
        ({"offsets": OFFSETS[::-1].copy()}, "does not rise"),
        ({"indices": INDICES - 1000}, "negative index"),
        ({"indices": INDICES.astype(float)}, "not whole numbers"),
        ({"offsets": OFFSETS[:-2]}, "not tables x samples"),
    ],
)
def test_arrays_that_contradict_each_other(
    tmp_path: Path, changes: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "x.npz", **({"indices": INDICES, "offsets": OFFSETS, "lengths": LENGTHS} | changes))
    with pytest.raises(InputError, match=message):
        read(tmp_path / "x.npz")


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    """The command would leave a file behind."""
    mark = tmp_path / "ran"
    attack = Call(Global("os", "system"), (f"touch {mark}",))
    for content in (attack, (attack, attack, attack), Call(Global("builtins", "eval"), ("1",))):
        with pytest.raises(
            InputError, match=r"its pickle asks for (os.system|builtins.eval); only plain tensors"
        ):
            read(torch_file(tmp_path / "x.pt", content, []))
    assert not mark.exists()


@pytest.mark.parametrize(
    "allowed", ["torch._utils:_rebuild_tensor", "torch:load", "torch.storage:_load_from_bytes"]
)
def test_other_names_of_torch_are_refused(tmp_path: Path, allowed: str) -> None:
    module, name = allowed.split(":")
    with pytest.raises(InputError, match="its pickle asks for"):
        read(torch_file(tmp_path / "x.pt", Call(Global(module, name), ()), []))


@pytest.mark.parametrize(
    "end", [b"}h\x3cK\x01s.", b"}(h\x3cK\x01u.", b"ccollections\nOrderedDict\n]h\x3cK\x01\x86a\x85R."]
)
def test_keys_that_take_for_ever_are_refused_at_once(tmp_path: Path, end: bytes) -> None:
    """A tuple of two of a tuple of two ..., sixty deep: hashing it takes 2^60 steps, and Python's unpickler does."""
    twice = b"".join(b"h" + bytes([k]) + b"h" + bytes([k]) + b"\x86q" + bytes([k + 1]) for k in range(60))
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("t/data.pkl", b"\x80\x02)q\x00" + twice + end)
    with pytest.raises(InputError, match="its pickle has a dictionary"):
        read(tmp_path / "x.pt")


@pytest.mark.parametrize("end", [b"K\x01s.", b"u.", b"K\x01R.", b"h\x07.", b"\x85", b"Q.", b"(."])
def test_operations_without_their_values_are_refused(tmp_path: Path, end: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("t/data.pkl", b"\x80\x02" + end)
    with pytest.raises(InputError, match="its pickle"):
        read(tmp_path / "x.pt")


def test_one_bag_of_everything_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MOST_LOOKUPS", 100)
    np.savez(tmp_path / "x.npz", indices=np.zeros(101, int), offsets=np.array([0]))
    with pytest.raises(InputError, match="sample 0 has 101 lookups, more than 100"):
        read(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", indices=np.zeros(100, int), offsets=np.array([0]))
    assert read(tmp_path / "y.npz")[0] == [[[0] * 100]]


@pytest.mark.parametrize("bags", [1, 2, 3, 5])
@pytest.mark.parametrize("lookups", [1, 7])
@pytest.mark.parametrize("last", [True, False])
def test_bags_are_the_same_in_parts_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bags: int, lookups: int, last: bool
) -> None:
    monkeypatch.setattr(embedding_bag, "_SCAN_BAGS", bags)
    monkeypatch.setattr(embedding_bag, "_CHUNK_LOOKUPS", lookups)
    offsets = OFFSETS if last else OFFSETS[:-1]
    np.savez(tmp_path / "x.npz", indices=INDICES, offsets=offsets, lengths=LENGTHS)
    assert read(tmp_path / "x.npz") == (BAGS, ROWS)


def test_arrays_of_an_archive_share_a_descriptor(tmp_path: Path) -> None:
    """As many arrays as there are tables are no reason to run out of descriptors."""
    np.savez_compressed(tmp_path / "x.npz", **{str(k): np.arange(2) for k in range(40)})
    before = len(list(Path("/proc/self/fd").iterdir()))
    arrays = open_arrays(tmp_path / "x.npz")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
    assert [array.read(0, 2).tolist() for array in arrays.values()] == [[0, 1]] * 40


def test_other_contents_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds int, not a tuple of tensors"):
        read(torch_file(tmp_path / "x.pt", 5, []))
    arrays = [INDICES]
    with pytest.raises(InputError, match="1 tensors, not"):
        read(torch_file(tmp_path / "y.pt", (tensor(INDICES, "0"),), arrays))
    with pytest.raises(InputError, match="too short for its tensor"):
        read(torch_file(tmp_path / "z.pt", tuple(tensor(OFFSETS, "0") for _ in range(3)), [OFFSETS[:3]]))


def test_old_torch_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
    with pytest.raises(InputError, match=r"since PyTorch 1\.6"):
        read(tmp_path / "x.pt")


def test_a_view_is_refused(tmp_path: Path) -> None:
    view = np.asfortranarray(LENGTHS)
    arrays = [INDICES, OFFSETS, view]
    with pytest.raises(InputError, match="not contiguous"):
        read(torch_file(tmp_path / "x.pt", tuple(tensor(a, str(k)) for k, a in enumerate(arrays)), arrays))
