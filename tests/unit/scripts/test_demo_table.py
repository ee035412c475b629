"""The demo's two tables, from runs whose figures are known."""

from types import ModuleType

import pandas as pd
import pytest

from tests.unit.scripts.load import script


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    return script("demo_table")


def a_run(time_ns: float, algorithm: str = "qr") -> pd.DataFrame:
    """Two channels, as a CSV has them: text."""
    columns = {
        "algorithm": [algorithm] * 2,
        "time_ns": [str(time_ns)] * 2,
        "cache_hits": ["10", "30"],
        "accesses": ["60", "100"],
        "bytes_external": ["3000000", "4000000"],
    }
    return pd.DataFrame(columns)


def test_speed_ups_stand_beside_the_papers(demo: ModuleType) -> None:
    runs = {
        name: {"pim-base": a_run(9e6), "proactivepim": a_run(time)}
        for name, time in (("qr", 4e6), ("tt-rec", 3e6))
    }
    lines = demo.paper_table(runs).splitlines()
    assert lines[-2].split() == ["QR-trick", "9,000", "4,000", "2.25", "2.22"]
    assert lines[-1].split() == ["TT-Rec", "9,000", "3,000", "3.00", "2.15"]


def test_kinds_are_compared_with_the_cpu(demo: ModuleType) -> None:
    runs = {name: a_run(time) for name, time in (("cpu", 6e6), ("recnmp", 3e6), ("proactivepim", 2e6))}
    cpu, recnmp, full = (line.split() for line in demo.kinds_table(runs).splitlines()[-3:])
    assert (cpu[0], cpu[-5:]) == ("cpu", ["6,000", "1.00", "25", "%", "7"])
    assert (recnmp[0], recnmp[-4]) == ("recnmp*", "2.00"), "its units do no products in its paper"
    assert (full[0], full[-4]) == ("proactivepim", "3.00")


def test_tables_fit_a_terminal(demo: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    for time in (1e7, 1e12):
        runs = {name: a_run(time) for name in demo.WHAT}
        lines = demo.kinds_table(runs).splitlines()
        assert max(map(len, lines)) <= 80
        assert (len(lines) == 2 + len(runs)) == (time == 1e7), "a line a system, as long as there is room"
