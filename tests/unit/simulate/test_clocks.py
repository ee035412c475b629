"""Times in ns become cycles of the memory's clock, and cycles become ns: worked out by hand where a cycle is not 1 ns."""

from __future__ import annotations

import csv
import io

import pytest

from ppim.runs.simulate import simulate
from ppim.systems.load import load_system
from tests.reference.small_traces import small_trace
from tests.unit.simulate.accounts import csv_of

# 12 lookups of one row of 128 bytes.
TRACE = small_trace("dense", {"vector_bytes": 128}, rows=(50,), samples=6, batch_size=3, pooling=(2, 2))


@pytest.mark.parametrize(
    ("device", "clock_ns", "settings", "cycles_of_lookup"),
    [
        # 32 elements of 4 bytes are 32 multiply-accumulates.
        ("ddr4-8gb-x8-3200", 0.63, {"macs": 8, "mac_ghz": 0.5}, 13),  # 4 steps of 2 ns are 12.7 cycles
        ("ddr4-8gb-x8-3200", 0.63, {"macs": 8, "mac_ghz": 0}, 4),  # 4 steps of the memory clock
        ("ddr4-8gb-x8-2400", 0.83, {"macs": 32, "mac_ghz": 0.3}, 5),  # 1 step of 3.33 ns is 4.02 cycles
        ("hbm2-4gb", 1.0, {"macs": 5, "mac_ghz": 2}, 4),  # 7 steps of 0.5 ns are 3.5 cycles
    ],
)
def test_arithmetic_and_length(
    device: str, clock_ns: float, settings: dict[str, float], cycles_of_lookup: int
) -> None:
    system = load_system("pim-base", {"memory.device": device, **settings})
    lines = list(csv.DictReader(io.StringIO(csv_of(simulate(TRACE, system)))))
    assert sum(int(line["lookups"]) for line in lines) == 12
    assert sum(int(line["compute_cycles"]) for line in lines) == 12 * cycles_of_lookup
    for line in lines:
        assert float(line["time_ns"]) == pytest.approx(int(line["cycles"]) * clock_ns, rel=1e-9)


def test_the_same_work_on_a_clock_half_as_fast_takes_the_same_cycles_and_twice_the_time() -> None:
    fast = simulate(TRACE, load_system("pim-base", {"tCK": 1.0}))
    slow = simulate(TRACE, load_system("pim-base", {"tCK": 2.0}))
    assert slow.cycles == fast.cycles
    assert slow.time_ns == 2 * fast.time_ns
    assert fast.speedup_over(slow) == 2.0
