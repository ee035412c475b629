"""The host's cache against a slow model of it, with lines and bursts of any size."""

from __future__ import annotations

import numpy as np
import pytest

from ppim.program import llc
from ppim.runs.simulate import simulate
from ppim.systems.load import load_system
from ppim.systems.spec import HostSpec
from tests.reference.small_traces import small_trace


def requests_of(rows: list[tuple[int, int]], line: int, burst: int, sets: int, ways: int) -> list[int]:
    """Bursts that (address, bytes) of accesses fetch: of each line that misses, none twice for one access."""
    cache: list[list[int]] = [[] for _ in range(sets)]
    found = []
    for address, size in rows:
        fetched: set[int] = set()
        for number in range(address // line, (address + size - 1) // line + 1):
            held = cache[number % sets]
            missed = number not in held
            if not missed:
                held.remove(number)
            held.insert(0, number)
            del held[ways:]
            if missed:
                bursts = range(number * line // burst, ((number + 1) * line - 1) // burst + 1)
                found += [x * burst for x in bursts if x not in fetched]
                fetched |= set(bursts)
    return found


@pytest.mark.parametrize("burst", [32, 64, 256])
@pytest.mark.parametrize("line", [1, 16, 64, 96, 160, 1024])
@pytest.mark.parametrize("ways", [1, 3])
def test_requests_are_the_missing_bursts(line: int, burst: int, ways: int) -> None:
    rng = np.random.default_rng(line + burst)
    n, sets = 300, 5
    row_bytes = burst * np.array([[1], [3]])
    table = np.sort(rng.integers(0, 2, n))
    row = rng.integers(0, 12, n)
    layout = llc.HostLayout(np.array([[0], [12 * burst]]), row_bytes, burst, 6, 1)
    host = HostSpec(llc_bytes=sets * ways * line, llc_ways=ways, llc_line_bytes=line)
    zeros = np.zeros(n, dtype=np.uint32)
    trace = small_trace("dense", {}).accesses._replace(
        batch=zeros, table=table.astype(np.uint16), sample=zeros, lookup=zeros, subtable=zeros.astype(np.uint8),
        row=row.astype(np.uint32),
    )  # fmt: skip
    room = n * 200
    addresses, bytes_of, rows = (np.empty(size, dtype=np.int64) for size in (room, room, n + 1))
    counts = np.zeros((2, llc.N_LLC_COUNTS), dtype=np.int64)
    tags = llc.make_llc(host, host.llc_bytes)
    found = llc.list_lines(layout, tags, line, trace, 0, n, counts, rows, addresses, bytes_of)
    # As large as a run makes it.
    longest = int(row_bytes.max())
    assert found <= n * (longest // line + (longest + 2 * line) // burst + 4)
    sizes = row_bytes[table, 0]
    expected = requests_of(
        [
            (int(layout.base[t, 0] + r * size), int(size))
            for t, r, size in zip(table, row, sizes, strict=True)
        ],
        line,
        burst,
        sets,
        ways,
    )
    addresses = addresses[:found]
    assert addresses[addresses != llc.FOUND].tolist() == expected
    # Each row has its own lines, and they all its bytes.
    assert rows[0] == 0
    assert rows[-1] == found
    assert (np.diff(rows) > 0).all()
    assert np.add.reduceat(bytes_of[:found], rows[:-1]).tolist() == sizes.tolist()
    in_cache = np.add.reduceat(addresses == llc.FOUND, rows[:-1], dtype=np.int64) == np.diff(rows)
    assert counts[:, llc.HITS].sum() == in_cache.sum()
    if line >= burst:  # else what an earlier line's burst brought counts to the line before it
        assert counts[:, llc.BYTES_HIT].sum() == bytes_of[:found][addresses == llc.FOUND].sum()


def test_bags_of_a_chunk() -> None:
    trace = small_trace("qr", {}, rows=(50, 60), samples=5, pooling=(1, 4)).accesses
    firsts = llc.first_accesses(trace)
    keys = list(zip(*(column.tolist() for column in (trace.batch, trace.table, trace.sample)), strict=True))
    assert firsts.tolist() == [i for i in range(len(keys)) if i == 0 or keys[i] != keys[i - 1]] + [len(keys)]
    assert len(firsts) == 5 * 2 + 1


@pytest.mark.parametrize(
    ("algorithm", "parameters", "share"), [("dense", {}, 1.0), ("qr", {"collisions": 4}, 0.25)]
)
def test_the_cache_shrinks_with_the_model(algorithm: str, parameters: dict[str, int], share: float) -> None:
    meta = small_trace(algorithm, parameters, rows=(400_000,)).meta
    host = HostSpec(llc_bytes=1 << 20, llc_ways=4, llc_line_bytes=64, llc_scale="model")
    assert llc.scaled_bytes(host, meta) == pytest.approx(share * (1 << 20), rel=0.001)
    assert llc.scaled_bytes(host, meta) % 256 == 0
    assert llc.scaled_bytes(HostSpec(llc_bytes=1 << 20), meta) == 1 << 20
    tiny = HostSpec(llc_bytes=256, llc_ways=4, llc_line_bytes=64, llc_scale="model")
    assert llc.scaled_bytes(tiny, meta) == 256, "a set is the least"
    assert llc.scaled_bytes(HostSpec(llc_bytes=0, llc_scale="model"), meta) == 0


def test_a_burst_longer_than_a_line_is_read_once() -> None:
    """GDDR6 has bursts of 256 bytes, the cache lines of 64: a row of one burst is one read."""
    trace = small_trace("dense", {"vector_bytes": 128}, rows=(5000,), samples=30, pooling=(3, 3))
    result = simulate(trace, load_system("cpu-ideal", {"memory.device": "gddr6-8gb-x16", "llc_bytes": 0}))
    assert result.device.organization.burst_bytes == 256
    assert result.total("reads") == result.total("accesses") == 90
