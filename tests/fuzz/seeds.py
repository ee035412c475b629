"""Small right inputs of every target, from which the fuzzer starts; written anew by `python -m tests.fuzz.seeds`."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.conftest import ROOT
from tests.fuzz.targets import right_columns, right_meta

CORPUS = Path(__file__).parent / "corpus"
SEED = "seed"


def _csv_table() -> bytes:
    return b"user,item,C1\n1,7,a\n2,7,b\n1,9,\n"


def _npz(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _parquet() -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(pa.table({"user": [1, 2, 1], "item": ["a", "b", None]}), out)
    return out.getvalue()


def _torch() -> bytes:
    """The zip that torch.save writes of (indices, offsets, lengths): one pickle, and a file for each storage."""

    def text(word: str) -> bytes:
        return b"X" + struct.pack("<I", len(word)) + word.encode()

    def numbers(*values: int) -> bytes:
        return b"(" + b"".join(b"K" + bytes([value]) for value in values) + b"t"

    def tensor(key: str, shape: tuple[int, ...], strides: tuple[int, ...], size: int) -> bytes:
        storage = b"(" + text("storage") + b"ctorch\nLongStorage\n" + text(key) + text("cpu")
        storage += b"K" + bytes([size]) + b"tQ"
        rest = b"K\0" + numbers(*shape) + numbers(*strides) + b"\x89ccollections\nOrderedDict\n)R"
        return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"tR"

    tensors = tensor("0", (4,), (1,), 4) + tensor("1", (2,), (1,), 2) + tensor("2", (1, 2), (2, 1), 2)
    values = ((1, 2, 3, 0), (0, 2), (2, 2))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("t/data.pkl", b"\x80\x02(" + tensors + b"t.")
        packed.writestr("t/byteorder", "little")
        for key, found in enumerate(values):
            packed.writestr(f"t/data/{key}", struct.pack(f"<{len(found)}q", *found))
        packed.writestr("t/version", "3\n")
    return out.getvalue()


def _criteo(dense: int) -> bytes:
    fields = [b"1", *(b"%d" % k for k in range(dense)), *(b"%08x" % (k * 77) for k in range(26))]
    return b"\n".join([b"\t".join(fields), b"\t".join([b"0", *[b""] * (dense + 26)]), b""])


def _avazu() -> bytes:
    header = (
        b"id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,"
        b"device_ip,device_model,device_type,device_conn_type,C14,C15,C16,C17,C18,C19,C20,C21\n"
    )
    row = b"1000009418151094273,0,14102100,1005,0,1fbe01fe,f3845767,28905ebd,ecad2386,7801e8d9,07d7df22,a99f214a,"
    return header + row + b"ddd2926e,44956a24,1,2,15706,320,50,1722,0,35,-1,79\n"


def _stats() -> bytes:
    """A line of replay statistics."""
    from ppim.stats.counters import ON_REPLAY_LINES, REPLAY_COLUMNS

    names = [*ON_REPLAY_LINES, *REPLAY_COLUMNS]
    return "\n".join([",".join(names), ",".join(["hbm2-4gb", *["7"] * (len(names) - 1)]), ""]).encode()


def _simulate_stats() -> bytes:
    """Two channels of a run."""
    from ppim.stats.counters import COLUMNS, IDENTITY

    texts = {"run": "r", "trace": "t", "system": "s", "settings": "a=1", "memory": "m", "mapping": "hot"}
    names = [*IDENTITY, "time_ns", *COLUMNS]
    lines = [[{**texts, "channel": str(k)}.get(name, "7") for name in names] for k in range(2)]
    return "\n".join(",".join(line) for line in (names, *lines)).encode()


_LISTING = b"""ppim-program 1
system pim-base
set barrier=table
memory channels=8 ranks=1 bankgroups=4 banks=4 rows=16384 columns=32 burst_bytes=64
units level=bankgroup frontend=per-channel vector_bursts=2 prefetch=table
"""
_LISTING_TURN = b"""turn number=0 batch=0
lookup number=0 bag=0 channel=3 unit=1 macs=32 # a comment
lookup number=1 bag=0 channel=3 unit=1 macs=8
read channel=3 unit=1 bank=2 row=100 column=8 bursts=2 lookup=0 sharers=1
"""


def _listing() -> bytes:
    """A program with a line of each word but deliver."""
    rest = b"""readout channel=5 unit=2 bank=0 row=7 column=0 bursts=2 lookup=1
hit channel=3 unit=1 lookup=0 bursts=2
transfer channel=3 unit=1 bag=0
transfer channel=0 unit=0
prefetch turn=1 channel=0 bank=3 row=5 column=0 bursts=1
turn number=1 batch=1
lookup number=0 channel=0 unit=0 macs=1
lookup number=1 channel=0 unit=1 macs=1
lookup number=2 channel=0 unit=2 macs=1
lookup number=3 channel=0 unit=3 macs=1
read channel=0 unit=* bank=0 row=0 column=0 bursts=1 lookup=0 step=1
counts channel=0 lookups=3 bytes=64
counts channel=0 unit=1 accesses=3
"""
    return _LISTING + _LISTING_TURN + rest


def _listing_in_order() -> bytes:
    """The host delivers in order, to lookups of two units."""
    header = _LISTING.replace(b"prefetch=table", b"deliver=in-order")
    rest = b"""lookup number=2 bag=1 channel=4 unit=0 macs=1
readout channel=5 unit=2 bank=0 row=7 column=0 bursts=2 lookup=1 sharers=1 step=1
deliver channel=3 unit=1 bursts=2 lookup=1
deliver channel=4 unit=0 bursts=2 lookup=2
"""
    return header + _LISTING_TURN + rest


def _accesses() -> bytes:
    return np.stack(right_columns(), axis=1).astype("<u4").tobytes()


def _table_of_sweep() -> bytes:
    names = ["id", "mapping", "status", "error", "time_ns", "cycles", "trace", "system", "speed_up_base"]
    lines = [["a", "hot", "done", "", "7.5", "9", "t", "s", "1"], ["b", "", "failed", "no", *[""] * 5]]
    return "\n".join([",".join(line) for line in (names, *lines)]).encode()


def _timeline() -> bytes:
    place = {"pid": 1, "tid": 2}
    events: list[dict[str, object]] = [
        {"ph": "M", "name": "process_name", **place, "args": {"name": "channel 0"}},
        {"ph": "M", "name": "thread_name", **place, "args": {"name": "unit 0"}},
        {"ph": "X", "name": "read", **place, "ts": 1.5, "dur": 2},
    ]
    about = {"trace": "t", "system": "s", "clock_period_ns": 1, "first_cycle": 0, "end_cycle": 9}
    content = {"displayTimeUnit": "ns", "otherData": about, "traceEvents": events}
    return json.dumps(content, separators=(",", ":")).encode()


def _summary() -> bytes:
    """What the reader of summaries needs of one."""
    content = {
        "run": "r+a=1",
        "trace": "t.parquet",
        "algorithm": "qr",
        "system": {"name": "s", "prefetch": {"prefetch": "none"}},
        "device": "d",
        "placement": {"mapping": "hot"},
        "cycles": 7,
        "time_ns": 7.0,
        "totals": {"accesses": 5, "busy_cycles": 4, "idle_cycles": 3},
        "limit_cycles": {"bus": 3},
        "binding_limit": "bus",
        "settings": {"a": 1},
    }
    return json.dumps(content).encode()


SEEDS: dict[str, list[Callable[[], bytes]]] = {
    "requests": [
        lambda: b"0x0 READ 0\n0x2000 READ 3\n0x40 WRITE 10\n",
        lambda: b"LD 0x40\nST 128\n",
        lambda: b"0x40 R\n64 W\n",
        lambda: gzip.compress(b"0x0 READ 0\n0x40 WRITE 1\n", mtime=0),
    ],
    "listing": [_listing, _listing_in_order],
    "program": [lambda: b"HBM PR 0 2 \nHBM RD 64 2 \nHBM DR 128 2 \n\nHBM TR 0 2 \n\n"],
    "commands": [
        lambda: b"10 activate 0 0 0 5 -1\n24 read 0 0 0 5 1\n44 precharge 0 0 0 -1 -1\n",
        lambda: b"10 activate 1 0 0 0 0x5 0x1\n24 read_p 1 0 0 0 0x5 0x1\n3900 refresh 1 0 -1 -1 -0x1 -0x1\n",
        lambda: (
            b"clock,command,Channel,Rank,BankGroup,Bank,Row,Column,type,source\n10,ACT,0,0,1,2,3,4,0,-1\n30,PREab,0,0,-1,-1,-1,-1,0,0\n"
        ),
        lambda: b"  ACT        123:     0     0     0     2  1234     0\n",
        lambda: b"10,ACT,5\n24,RD,5\n50,PREA\n70,REF\n",
    ],
    "device-ini": [
        lambda: (
            b"[dram_structure]\nprotocol = HBM\nbankgroups = 4\nbanks_per_group = 4\nrows = 16384\ncolumns = 64\n"
            b"device_width = 128\nBL = 4\n[timing]\ntCK = 1\nCL = 14\ntRCDRD = 14\n[system]\nchannel_size = 512\n"
            b"channels = 8\nbus_width = 128\naddress_mapping = rorabgbachco\n"
        )
    ],
    "device-toml": [lambda: (ROOT / "ppim/dram/devices/hbm2-4gb.toml").read_bytes()],
    "system-toml": [
        lambda: (ROOT / "ppim/systems/presets/proactivepim.toml").read_bytes(),
        lambda: (ROOT / "ppim/systems/presets/space.toml").read_bytes(),
    ],
    "settings": [
        lambda: b'tFAW=16\nbarrier=none\ncache_bytes=65536\nprefetch_subtables=["r"]\norganization.channels=4'
    ],
    "trace": [lambda: _small_trace()],
    "metadata": [lambda: right_meta().to_json().encode()],
    "accesses": [_accesses],
    "sweep": [
        lambda: (
            b"""seeds = ["seed"]
[constants]
dataset = "synthetic"
[grid]
system = ["pim-base", "proactivepim"]
seed = [0, 1]
[[zip]]
vector_bytes = [64, 128]
pooling = [1, 10]
[[point]]
system = "cpu"
seed = 0
[[exclude]]
system = "pim-base"
vector_bytes = 64
[baselines]
base = { system = "pim-base" }
"""
        )
    ],
    "space": [
        lambda: (
            b"""objective = "time"
[constants]
trace = "t.parquet"
[space]
mapping = ["hot", "interleave"]
cache_bytes = { from = 1024, to = 65536, points = 4, scale = "log" }
"""
        )
    ],
    "stats": [_stats],
    "figure": [_simulate_stats, _table_of_sweep, _timeline],
    "compare": [_simulate_stats, _summary],
    "csv": [_csv_table, lambda: b"user_id:token\titem_id:token\n1\t2\n3\t4\n"],
    "csv-parquet": [_parquet],
    "criteo-kaggle": [lambda: _criteo(13)],
    "criteo-terabyte": [lambda: _criteo(13)],
    "avazu": [_avazu],
    "movielens": [lambda: b"1\t2\t3\t881250949\n2\t4\t5\t891717742\n", lambda: b"1::2::3::4\n2::3::4::5\n"],
    "amazon": [
        lambda: b"A1YJEY40YUW4SE,7806397051,1.0,1391040000\nA60XNB876KYML,7806397051,3.0,1397779200\n"
    ],
    "npz": [
        lambda: _npz(indices=np.array([1, 2, 3, 0]), offsets=np.array([0, 2, 4]), lengths=np.array([[2, 2]]))
    ],
    "npy": [lambda: _npy(np.arange(12).reshape(4, 3))],
    "torch": [_torch],
    "dlrm-npz": [
        lambda: _npz(
            X_cat=np.array([[1, 2], [3, 0]]), X_int=np.zeros((2, 3)), y=np.zeros(2), counts=np.array([4, 4])
        )
    ],
    "mlperf-npz": [lambda: _npz(**{"0": np.array([[1], [2]]), "1": np.array([[1, 2], [0, 0]])})],
    "torchrec-npy": [lambda: _npy(np.arange(52, dtype=np.int32).reshape(2, 26))],
    "index-matrix": [lambda: _npy(np.arange(12).reshape(4, 3))],
    "history": [
        lambda: (
            b'"user_id","item_id","rating","timestamp"\n"a","x",3.5,2020-01-01\n"b","y",2,2020-01-03\n"a","z",,2020-01-02\n'
        ),
        lambda: b"user_id:token\titem_id:token\ttimestamp:float\n1\t7\t3e5\n1\t8\t2e5\n",
    ],
}


def _small_trace() -> bytes:
    import tempfile

    from ppim.cli import main

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        main(
            [
                "gen-trace",
                "synthetic",
                "-o",
                str(path),
                "--max-samples",
                "2",
                "--pooling",
                "2",
                "--tables",
                "C1,C2",
            ]
        )
        return path.read_bytes()


def write() -> None:
    """Every seed into its target's folder of the corpus."""
    for name, makers in SEEDS.items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, make in enumerate(makers):
            (folder / f"{SEED}-{number}").write_bytes(make())


if __name__ == "__main__":
    write()
