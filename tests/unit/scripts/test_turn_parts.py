"""What turns are taken apart into, of a timeline whose slots are written out, and of a run."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ppim
from tests.unit.scripts.load import script


@pytest.fixture(scope="module")
def turn_parts() -> ModuleType:
    return script("turn_parts")


def slot(name: str, channel: int, at: float, lookup: int) -> dict[str, Any]:
    said = {"turn": 0, "batch": 0, "table": "C1", "lookup": lookup}
    return {"name": name, "pid": channel, "tid": 3, "ts": at, "ph": "X", "dur": 4, "args": said}


def test_two_rows_of_which_one_waits_for_the_other(turn_parts: ModuleType, tmp_path: Path) -> None:
    """Channel 1 stands from 4 to 32; the read-out behind it has slot 36, and the row is with the host at 60."""
    events: list[dict[str, Any]] = [
        {"name": "C1", "pid": 0, "tid": 1, "ts": 0, "ph": "X", "dur": 100, "args": {"turn": 0, "batch": 0, "table": "C1"}},
        slot("READ", 1, 0, 0),
        slot("READ_OUT", 2, 0, 0),
        slot("DELIVER", 1, 32, 0),
        slot("READ", 2, 4, 1),
        slot("READ_OUT", 1, 36, 1),
        slot("DELIVER", 2, 60, 1),
        slot("READ", 2, 64, 2),
    ]  # fmt: skip
    path = tmp_path / "timeline.json"
    path.write_text(json.dumps({"traceEvents": events}))
    # From the deliver at 60 to its read-out at 36, back to the slot at 32, from there to the read-out at 0.
    parts = turn_parts.parts_of_turns(path)
    assert parts == turn_parts.TurnParts(length=100, rows=2, travel=24 + 32, slots=4, sums=40)


def test_the_parts_of_a_run_add_up(turn_parts: ModuleType, tmp_path: Path) -> None:
    trace, timeline = tmp_path / "trace.parquet", tmp_path / "timeline.json"
    ppim.generate_trace("synthetic", output=trace, algorithm="qr", pooling=3, max_samples=8)
    settings = {"deliver": "in-order"}
    ppim.simulate(trace, "pim-base", settings=settings, timeline=timeline, from_cycle=0, cycles=100_000)
    parts = turn_parts.parts_of_turns(timeline)
    assert parts.travel + parts.slots + parts.sums == pytest.approx(parts.length)
    assert parts.travel / parts.rows > 2 + 16, "a row takes so long at least, from its slot to the host"
