"""`--timeline` of `ppim simulate` and `ppim replay`, read as viewers do, and drawn by `ppim plot`."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ppim.cli import main

SAMPLE = Path(__file__).parents[2] / "traces" / "sample-qr.parquet"
PICOSECONDS = 1000  # in what a viewer takes for a microsecond, and we for a nanosecond

Result = tuple[int, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `ppim ...` in an empty folder: exit status and stderr."""
    monkeypatch.chdir(tmp_path)

    def ppim(*arguments: object) -> Result:
        status: Any = 0
        try:
            main(list(map(str, arguments)))
        except SystemExit as stop:
            status = stop.code or 0
        return status, capsys.readouterr().err

    return ppim


class Opened:
    """A timeline as a viewer sees it: processes with threads, each with slices in whole picoseconds."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        self.content = json.loads(content)
        processes: dict[int, str] = {}
        threads: dict[tuple[int, int], str] = {}
        self.slices: dict[tuple[str, str], list[tuple[str, int, int, dict[str, Any]]]] = defaultdict(list)
        self.as_written: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
        self.instants = 0
        for event in self.content["traceEvents"]:
            place = event["pid"], event["tid"]
            if event["ph"] == "M" and event["name"] == "process_name":
                processes[event["pid"]] = event["args"]["name"]
            elif event["ph"] == "M" and event["name"] == "thread_name":
                threads[place] = event["args"]["name"]
            elif event["ph"] == "X":
                start, length = (int(event[key] * PICOSECONDS) for key in ("ts", "dur"))
                assert length > 0
                self.as_written[place].append((event["ts"], event["ts"] + event["dur"]))
                where = processes[event["pid"]], threads[place]
                self.slices[where].append((event["name"], start, start + length, event.get("args", {})))
            elif event["ph"] == "i":
                self.instants += 1

    def assert_apart(self) -> None:
        for track, slices in self.slices.items():
            for one, other in pairwise(sorted(slices, key=lambda each: each[1])):
                assert one[2] <= other[1], (track, one, other)
        # Other viewers take the numbers as they stand.
        for spans in self.as_written.values():
            for before, after in pairwise(sorted(spans)):
                assert before[1] <= after[0], (before, after)

    def length(self, process: str, track: str) -> int:
        """Picoseconds of all slices of a track."""
        return sum(end - start for _, start, end, _ in self.slices.get((process, track), []))


@pytest.mark.slow
def test_the_sample_opens_and_adds_up(run: Any) -> None:
    """All of a run: the slices of every channel have the busy cycles of its CSV, in ns since a cycle takes one."""
    status, _ = run("simulate", SAMPLE, "-o", "stats.csv", "--timeline", "all.json", "--cycles", 1 << 20)
    assert status == 0
    opened = Opened(Path("all.json"))
    opened.assert_apart()
    with Path("stats.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert opened.content["otherData"]["end_cycle"] == int(rows[0]["cycles"])
    for row in rows:
        process = f"channel {row['channel']}"
        assert opened.length(process, "busy") == int(row["busy_cycles"]) * PICOSECONDS
        assert opened.length(process, "data bus") == int(row["transfer_cycles"]) * PICOSECONDS
        arithmetic = [opened.length(process, f"unit {unit} arithmetic") for unit in range(4)]
        assert sum(arithmetic) == int(row["compute_cycles"]) * PICOSECONDS


def test_the_default_is_two_turns_and_packed_files_are_the_same(run: Any) -> None:
    assert run("simulate", SAMPLE, "--timeline", "two.json")[0] == 0
    assert run("simulate", SAMPLE, "--timeline", "two.json.gz", "--threads", 2)[0] == 0
    opened, packed = Opened(Path("two.json")), Opened(Path("two.json.gz"))
    assert opened.content == packed.content
    turns = opened.slices["front end", "turns"]
    assert [(args["turn"], args["batch"], name) for name, _, _, args in turns] == [(0, 0, "C1"), (1, 0, "C2")]
    assert turns[-1][2] == opened.content["otherData"]["end_cycle"] * PICOSECONDS


def test_a_clock_that_is_no_whole_number_of_nanoseconds(run: Any) -> None:
    """DDR4-3200 has 0.63 ns: viewers must see no overlap, and no command without a length."""
    command = [
        "simulate",
        SAMPLE,
        "--system",
        "recnmp",
        "--timeline",
        "w.json",
        "--from-cycle",
        3000,
        "--cycles",
        700,
    ]
    assert run(*command)[0] == 0
    opened = Opened(Path("w.json"))
    opened.assert_apart()
    assert opened.content["otherData"]["clock_period_ns"] < 1
    first = min(start for slices in opened.slices.values() for _, start, _, _ in slices)
    assert first >= 3000 * opened.content["otherData"]["clock_period_ns"] * PICOSECONDS - 1


@pytest.mark.parametrize("system", ["heam", "cpu"])
def test_other_kinds_of_systems(run: Any, system: str) -> None:
    assert run("simulate", SAMPLE, "--system", system, "--timeline", "w.json", "--cycles", 3000)[0] == 0
    opened = Opened(Path("w.json"))
    opened.assert_apart()
    processes = {process for process, _ in opened.slices}
    assert ("hbm channel 0" in processes and "dimm channel 0" in processes) == (system == "heam")
    tracks = {track for _, track in opened.slices}
    assert {"data bus", "column commands"} <= tracks or {"turns", "unit 0 data"} <= tracks


def test_plain_requests(run: Any) -> None:
    requests = "".join(f"{4096 * n:#x} {'WRITE' if n % 3 else 'READ'} {9 * n}\n" for n in range(600))
    Path("r.trace").write_text(requests)
    assert (
        run(
            "replay",
            "r.trace",
            "-o",
            "stats.csv",
            "--timeline",
            "w.json",
            "--from-cycle",
            0,
            "--cycles",
            9999,
        )[0]
        == 0
    )
    opened = Opened(Path("w.json"))
    opened.assert_apart()
    with Path("stats.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        process = f"channel {row['channel']}"
        columns = [name for name, *_ in opened.slices[process, "column commands"]]
        assert (columns.count("READ"), columns.count("WRITE")) == (int(row["reads"]), int(row["writes"]))
        row_commands = [name for name, *_ in opened.slices[process, "row commands"]]
        assert row_commands.count("ACTIVATE") == int(row["activates"])
    # The length of the run, and of the window, where only that is given.
    assert run("replay", "r.trace", "--timeline", "w.json", "--cycles", 500)[0] == 0
    assert Opened(Path("w.json")).content["otherData"]["end_cycle"] == 500
    status, err = run("replay", "r.trace", "--timeline", "w.json", "--turn", 1)
    assert (status, "plain requests have no turns; use --from-cycle" in err) == (2, True)


def test_a_program(run: Any) -> None:
    assert run("simulate", SAMPLE, "--system", "proactivepim-paper", "--program", "program.txt.gz")[0] == 0
    assert run("replay", "program.txt.gz", "--timeline", "w.json", "--turn", 3)[0] == 0
    opened = Opened(Path("w.json"))
    opened.assert_apart()
    turns = [
        args["turn"] for (_, track), of in opened.slices.items() if "turns" in track for _, _, _, args in of
    ]
    assert 3 in turns
    assert len(turns) == len(set(turns))
    assert opened.slices["front end", "stream"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--turn", "3"], "--turn: is of a timeline; give --timeline FILE.json too"),
        (["--cycles", "30"], "--cycles: is of a timeline"),
        (["--timeline", "w.txt"], "w.txt: timelines are written as .json or .json.gz"),
        (
            ["--timeline", "w.json", "--turn", "3", "--cycles", "5"],
            "--turn: gives the window as --from-cycle",
        ),
        (["--timeline", "w.json", "--turn", "99999"], "--turn: the run has no turn 99,999, but 416, from 0"),
        (["--timeline", "w.json", "--cycles", "1048577"], "--cycles: 1,048,577 is not from 1 to 1,048,576"),
        (["--timeline", str(SAMPLE.with_name("none") / "w.json")], "no such folder"),
        (["--system", "cpu", "--timeline", "w.json", "--turn", "1"], "--turn: system cpu has no turns"),
        (["-o", "w.json", "--timeline", "w.json"], "w.json: is another output too"),
    ],
)
def test_wrong_windows(run: Any, options: list[str], message: str) -> None:
    status, err = run("simulate", SAMPLE, *options)
    assert status == 2
    assert message in err
    assert not Path("w.json").exists()


@pytest.mark.parametrize("name", ["w.svg", "w.png", "w.pdf"])
def test_figures(run: Any, name: str) -> None:
    assert run("simulate", SAMPLE, "--timeline", "w.json.gz", "--turn", 14)[0] == 0
    status, err = run("plot", "w.json.gz", "--where", "channel=2", "-o", name)
    assert (status, err) == (0, f"timeline -> {name}\n")
    size = Path(name).stat().st_size
    assert size > 5000
    if name == "w.svg":
        text = Path(name).read_text()
        for label in (
            "unit 3 arithmetic",
            "prefetch during transfers",
            "data bus",
            "simulated time (ns)",
            "channel 2",
        ):
            assert f"<!-- {label}" in text or label in text
        assert run("plot", "w.json.gz", "--where", "channel=2", "-o", "again.svg")[0] == 0
        assert Path("again.svg").read_bytes() == Path(name).read_bytes()


def test_what_is_no_timeline(run: Any) -> None:
    Path("w.json").write_text('{"displayTimeUnit": "ns", "traceEvents": []}')
    status, err = run("plot", "w.json", "-o", "w.svg")
    assert (status, "w.json: is no timeline of ppim simulate --timeline" in err) == (2, True)
    assert run("simulate", SAMPLE, "--timeline", "w.json", "--cycles", 50)[0] == 0
    status, err = run("plot", "w.json", "--where", "channel=77", "-o", "w.svg")
    assert (status, "--where channel=77: the window has channel 0, channel 1" in err) == (2, True)
    status, err = run("plot", "w.json", "--kind", "time", "-o", "w.svg")
    assert (status, "a figure of time is drawn from stats CSVs" in err) == (2, True)
    assert not Path("w.svg").exists()
