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
    # As large as a run makes it.
    room = n * ((int(row_bytes.max()) + 2 * line) // burst + 2)
    requests, cycles = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    counts, taken = np.zeros((2, llc.N_LLC_COUNTS), dtype=np.int64), np.zeros(1, dtype=np.int64)
    found = llc.filter_accesses(
        layout, llc.make_llc(host), line, 64, trace, 0, n, counts, taken, requests, cycles
    )
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
    assert found <= room
    assert requests[:found].tolist() == expected
    assert taken[0] == sizes.sum()


def test_a_burst_longer_than_a_line_is_read_once() -> None:
    """GDDR6 has bursts of 256 bytes, the cache lines of 64: a row of one burst is one read."""
    trace = small_trace("dense", {"vector_bytes": 128}, rows=(5000,), samples=30, pooling=(3, 3))
    result = simulate(trace, load_system("cpu", {"memory.device": "gddr6-8gb-x16", "llc_bytes": 0}))
    assert result.device.organization.burst_bytes == 256
    assert result.total("reads") == result.total("accesses") == 90
