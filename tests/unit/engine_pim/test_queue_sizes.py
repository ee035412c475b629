"""The shortest queues that take every access of a program."""

from __future__ import annotations

import pytest

from ppim.errors import InputError
from ppim.runs.simulate import simulate
from ppim.stats.result import SimulationResult
from ppim.systems.chosen import choose_system
from tests.reference.small_traces import small_trace


def run(vector_bytes: int, entries: int) -> SimulationResult:
    """On banks of HBM2, whose rows hold 32 bursts of 64 bytes."""
    settings = {"level": "bank", "unit_queue": entries}
    system = choose_system("proactivepim", settings, mapping="interleave", prefetch="none").spec
    return simulate(small_trace("dense", {"vector_bytes": vector_bytes}), system)


@pytest.mark.parametrize(
    ("vector_bytes", "dram_rows"), [(32, 1), (64, 1), (68, 2), (128, 2), (2112, 2), (2116, 3)]
)
def test_a_queue_takes_the_dram_rows_that_an_access_may_lie_in(vector_bytes: int, dram_rows: int) -> None:
    trace = small_trace("dense", {"vector_bytes": vector_bytes})
    lookups = sum(len(ids) for bags in trace.bags for ids in bags)
    assert run(vector_bytes, dram_rows).total("accesses") == lookups
    if dram_rows > 1:
        with pytest.raises(InputError, match=f"may need {dram_rows} in one bank; give {dram_rows} or more"):
            run(vector_bytes, dram_rows - 1)
