"""Small text files: read whole within bounds, and refused in one line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ppim import config
from ppim.errors import InputError
from ppim.figures import timeline
from ppim.report.read import read_runs
from ppim.report.results import read_study
from ppim.stats.info.base import describe
from ppim.text_files import csv_header, csv_lines, read_text

ENDLESS = Path("/dev/zero")
TIMELINE = {
    "displayTimeUnit": "ns",
    "otherData": {"clock_period_ns": 1, "first_cycle": 0, "end_cycle": 9},
    "traceEvents": [
        {"ph": "M", "name": "process_name", "pid": 1, "tid": 2, "args": {"name": "channel 0"}},
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": 2, "args": {"name": "unit 0"}},
        {"ph": "X", "name": "read", "pid": 1, "tid": 2, "ts": 1.5, "dur": 2},
    ],
}


@pytest.mark.skipif(not ENDLESS.exists(), reason="no /dev/zero here")
@pytest.mark.parametrize(
    "read", [lambda: read_runs([ENDLESS]), lambda: read_study([ENDLESS]), lambda: config.read_toml(ENDLESS)]
)
def test_what_never_ends_is_refused(read: object) -> None:
    with pytest.raises(InputError, match="/dev/zero: has more than"):
        read()  # type: ignore[operator]


def test_limits_are_those_that_are_said(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("a" * 8)
    assert read_text(path, "", 8) == "a" * 8
    with pytest.raises(InputError, match="has more than"):
        read_text(path, "", 7)
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match="no UTF-8 text; give another"):
        read_text(path, "give another")


def test_a_line_without_end_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('a,"b,c"\n1,2\n')
    assert csv_header(path) == ["a", "b,c"]
    assert csv_lines(path, "") == (["a", "b,c"], [{"a": "1", "b,c": "2"}])
    path.write_text("a" * (1 << 21))
    assert csv_header(path) == []
    with pytest.raises(InputError, match="neither a known name nor a file of a known kind"):
        describe(str(path))


@pytest.mark.parametrize("text", ["a,b\n1\n", "a,b\n1,2,3\n", "a,b\n" + "x" * 200_000 + ",2\n"])
def test_lines_that_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"x\.csv(:2: has not as many values|: no CSV \(field larger)"):
        csv_lines(path, "give another")


def test_a_timeline_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(json.dumps(TIMELINE).encode()))
    assert timeline.looks_like(path)
    (line,) = timeline.read_timeline([path]).lines
    assert [(bar.name, bar.start, bar.end) for bar in line.bars] == [("read", 1.5, 3.5)]


def test_a_timeline_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(b'{"displayTimeUnit": ' + b" " * (70 << 20)))
    with pytest.raises(InputError, match="more than 64 MiB"):
        timeline.read_timeline([path])


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("otherData", "clock_period_ns"), float("nan")),
        (("otherData", "end_cycle"), float("inf")),
        (("otherData", "first_cycle"), -1),
        (("traceEvents", 2, "ts"), 10**400),
        (("traceEvents", 2, "dur"), -1),
        (("traceEvents", 2, "args"), 7),
        (("traceEvents",), {"a": 1}),
        (("otherData",), []),
    ],
)
def test_a_timeline_of_nonsense_is_refused(tmp_path: Path, where: tuple[object, ...], value: object) -> None:
    content = json.loads(json.dumps(TIMELINE))
    *above, last = where
    part = content
    for key in above:
        part = part[key]
    part[last] = value
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="is no timeline of"):
        timeline.read_timeline([path])


@pytest.mark.parametrize("content", [b"[" * 200_000, b"\x1f\x8b\x08\0\0\0\0\0\0\0abc", b"\x1f\x8b"])
def test_a_timeline_that_is_damaged_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    assert not timeline.looks_like(tmp_path / "x.json")
    with pytest.raises(InputError, match="is no timeline of"):
        timeline.read_timeline([tmp_path / "x.json"])
