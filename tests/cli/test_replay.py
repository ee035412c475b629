"""`ppim replay`: its files, its summary, and one line for every wrong input."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ppim.cli import main
from ppim.dram.load import PRESET_FOLDER, device_names
from ppim.stats.replay import COLUMNS
from tests.golden.devices import DRAMSIM3, golden_device

CASES = (
    {case["id"]: case for case in json.loads((DRAMSIM3 / "cases.json").read_text())["cases"]}
    if DRAMSIM3.is_dir()
    else {}
)
needs_golden = pytest.mark.skipif(
    not CASES, reason=f"the golden cases are not at {DRAMSIM3} (set PPIM_SHARED)"
)
PRESETS = {
    "HBM2_4Gb_x128": "hbm2-4gb",
    "DDR4_8Gb_x8_3200": "ddr4-8gb-x8-3200",
    "LPDDR4_8Gb_x16_2400": "lpddr4-8gb-x16-2400",
}
HBM2_BYTES = 4 * 2**30

Result = tuple[int, str, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `ppim replay ...` in an empty folder: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def replay(*arguments: str) -> Result:
        try:
            main(["replay", *arguments])
            status: Any = 0
        except SystemExit as exit_:
            status = exit_.code or 0
        captured = capsys.readouterr()
        return status, captured.out, without_compilation(captured.err)

    return replay


def without_compilation(err: str) -> str:
    """stderr without the lines that tell of compiling, which come only once."""
    return "".join(line for line in err.splitlines(keepends=True) if "compil" not in line)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def write(content: str | bytes, name: str = "r.trace") -> str:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


# ------------------------------------------------------------------------------------------ golden


def golden_arguments(case: dict[str, Any]) -> list[str]:
    base, _, _ = case["config"].partition("+")
    return [
        str(DRAMSIM3 / case["trace"]),
        "--device", PRESETS[base], "--cycles", str(case["cycles"]),
    ]  # fmt: skip


def sample(*, with_commands: bool) -> list[str]:
    """Cases of unmodified devices that end as a normal run does."""
    return sorted(
        name
        for name, case in CASES.items()
        if case["config"] in PRESETS
        and case["end_of_trace"] == "sentinel"
        and case["unfinished"] is None
        and ("command_trace" in case) == with_commands
    )[:6]


@needs_golden
@pytest.mark.parametrize("name", sample(with_commands=False) + sample(with_commands=True))
def test_the_csv_has_dramsim3s_figures(run: Any, name: str) -> None:
    case = CASES[name]
    status, out, _ = run(*golden_arguments(case), "-o", "-")
    assert status == 0
    rows = rows_of(out)
    assert list(rows[0]) == list(COLUMNS)
    period_ns = golden_device(case["config"]).timing.tCK
    for row, expected in zip(rows, case["channels"], strict=True):
        stats = expected["stats"]
        last = expected["last_rw_cycle"]
        assert row["last_command_cycle"] == ("" if last is None else str(last))
        for column, figure in (
            ("cycles", stats["num_cycles"]),
            ("reads", stats["num_read_cmds"]),
            ("writes", stats["num_write_cmds"]),
            ("activates", stats["num_act_cmds"]),
            ("precharges", stats["num_pre_cmds"]),
            ("refreshes", stats["num_ref_cmds"] + stats["num_refb_cmds"]),
            ("row_hits", stats["num_read_row_hits"] + stats["num_write_row_hits"]),
        ):
            assert int(row[column]) == figure, (column, expected["channel"])
        assert float(row["average_read_latency_cycles"]) == pytest.approx(
            stats["average_read_latency"], rel=1e-12
        )
        for column, key in (("activate", "act"), ("read", "read"), ("write", "write"), ("total", "total")):
            assert float(row[f"energy_{column}_pj"]) == pytest.approx(
                stats[f"{key}_energy"] * period_ns, rel=1e-12
            )


@needs_golden
@pytest.mark.parametrize("name", sample(with_commands=True))
def test_the_command_trace_is_dramsim3s(run: Any, name: str) -> None:
    case = CASES[name]
    assert run(*golden_arguments(case), "--command-trace", "commands")[0] == 0
    expected: dict[str, list[str]] = {str(channel["channel"]): [] for channel in case["channels"]}
    with gzip.open(DRAMSIM3 / case["command_trace"], "rt") as stream:
        for line in stream:
            cycle, command, channel, *place = line.split()
            expected[channel].append(" ".join([cycle, command, *place]))
    for channel, lines in expected.items():
        assert Path("commands", f"channel-{channel}.cmd").read_text().splitlines() == lines


# ----------------------------------------------------------------------------------------- summary


def test_a_drained_run_conserves_and_says_so(run: Any) -> None:
    text = "".join(f"{64 * (i % 40):#x} {'WRITE' if i % 5 == 0 else 'READ'} 0\n" for i in range(200))
    status, out, err = run(write(text), "-o", "stats.csv")
    assert (status, err) == (0, "")
    rows = rows_of(Path("stats.csv").read_text())
    assert len(rows) == 8
    for row in rows:
        assert int(row["requests"]) == sum(
            int(row[key]) for key in ("reads", "writes", "merged", "forwarded")
        )
        assert int(row["bytes_dram"]) == 64 * (int(row["reads"]) + int(row["writes"]))
        parts = ("activate", "read", "write", "refresh", "background")
        assert float(row["energy_total_pj"]) == pytest.approx(
            sum(float(row[f"energy_{p}_pj"]) for p in parts)
        )
    merged = sum(int(row["merged"]) for row in rows)
    forwarded = sum(int(row["forwarded"]) for row in rows)
    assert merged > 0
    assert "r.trace: 200 requests, format dramsim3" in out
    assert f"+ {merged:,} merged + {forwarded:,} forwarded" in out
    assert "served: 200 = " in out


@pytest.mark.parametrize("name", device_names())
def test_every_preset_serves_every_request(run: Any, name: str) -> None:
    text = "".join(
        f"{(i * 7919 * 64) % 2**29:#x} {'WRITE' if i % 3 == 0 else 'READ'} {2 * i}\n" for i in range(600)
    )
    status, out, err = run(write(text), "-o", "-", "--device", name)
    assert status == 0
    assert sum(int(row["requests"]) for row in rows_of(out)) == 600
    assert "served: 600 = " in err
    assert "at the end" not in err


def test_without_merging_every_read_has_its_command(run: Any) -> None:
    text = "".join("0x40 READ 0\n" for _ in range(10))
    merged = rows_of(run(write(text), "-o", "-")[1])
    apart, err = run(write(text), "-o", "-", "--no-merge")[1:]
    assert sum(int(row["reads"]) for row in merged) < 10
    assert sum(int(row["reads"]) for row in rows_of(apart)) == 10
    assert "0 merged (merging is off)" in err


@pytest.mark.parametrize(
    ("lines", "arguments", "binds"),
    [
        ([f"{64 * i:#x} READ 0" for i in range(4000)], [], "bound by: injection ("),
        (
            [f"{64 * i:#x} READ 0" for i in range(4000)],
            ["--device", "ddr4-8gb-x8-3200"],
            "bound by: memory (",
        ),
        ([f"{2**18 * i:#x} READ 0" for i in range(400)], [], "bound by: memory ("),
        ([f"{64 * i:#x} READ {50 * i}" for i in range(400)], [], "bound by: the trace's arrival cycles ("),
        (
            [f"{64 * i:#x} READ 0" for i in range(400)],
            ["--outstanding", "2"],
            "bound by: the 2 requests that may be under way, or the trace's arrival cycles (",
        ),
    ],
    ids=["spread over channels", "one slow channel", "one bank", "sparse", "few under way"],
)
def test_the_summary_says_what_binds(run: Any, lines: list[str], arguments: list[str], binds: str) -> None:
    out = run(write("\n".join(lines)), *arguments)[1]
    assert binds in out


def test_more_injection_gives_more_bandwidth(run: Any) -> None:
    trace = write("".join(f"{64 * i:#x} READ 0\n" for i in range(8000)))
    one, eight = (rows_of(run(trace, "-o", "-", "--inject", str(n))[1])[0]["cycles"] for n in (1, 8))
    assert int(eight) < int(one) / 3


def test_outstanding_requests_divide_latency(run: Any) -> None:
    """One request under way: the latency of each in turn. Twice as many on as many channels: half the time."""
    trace = write("".join(f"{64 * i:#x} READ 0\n" for i in range(4000)))
    one, two, many = (rows_of(run(trace, "-o", "-", "--outstanding", str(n))[1]) for n in (1, 2, 4000))
    channels = [(int(row["requests"]), float(row["average_read_latency_cycles"])) for row in one]
    # A latency is counted from the cycle after the acceptance.
    assert int(one[0]["cycles"]) == round(sum(n * (latency + 1) for n, latency in channels)) + 1
    assert 1.7 < int(one[0]["cycles"]) / int(two[0]["cycles"]) <= 2
    assert many == rows_of(run(trace, "-o", "-")[1])


def test_addresses_beyond_the_device_alias_and_are_counted(run: Any) -> None:
    inside = rows_of(run(write("0x40 READ 0\n0x80 READ 0\n"), "-o", "-")[1])
    text = f"{HBM2_BYTES + 0x40:#x} READ 0\n0xFFFFFFFF00000080 READ 0\n"
    status, out, err = run(write(text), "-o", "-")
    assert status == 0
    assert rows_of(out) == inside
    assert "2 addresses lie beyond the 4 GiB of the device and alias lower ones" in err


def test_ramulator_gzip_and_crlf(run: Any) -> None:
    status, out, err = run(write(gzip.compress(b"LD 0x40\r\nST 128\r\n")), "-o", "-")
    assert status == 0
    assert "format ramulator" in err
    assert sum(int(row["requests"]) for row in rows_of(out)) == 2


def test_an_empty_file_is_a_run_of_no_cycles(run: Any) -> None:
    status, out, err = run(write(""), "-o", "-")
    assert status == 0
    assert "r.trace: 0 requests, format empty" in err
    assert [(row["cycles"], row["requests"], row["last_command_cycle"]) for row in rows_of(out)] == [
        ("0", "0", "")
    ] * 8


def test_a_late_request_costs_no_time(run: Any) -> None:
    """Cycles far beyond 2^31 stay exact: ACTIVATE two cycles after arrival, READ tRCD later."""
    refreshes = 300_000_000
    cycle = 3900 * refreshes + 1000  # well after one refresh, well before the next
    out = run(write(f"0x40 READ {cycle}\n"), "-o", "-")[1]
    assert rows_of(out)[0]["refreshes"] == str(refreshes)
    last = [row["last_command_cycle"] for row in rows_of(out) if row["last_command_cycle"]]
    assert last == [str(cycle + 2 + 14)]


def test_exactly_the_cycles_asked_for(run: Any) -> None:
    text = "".join(f"{64 * i:#x} READ 0\n" for i in range(100))
    status, out, err = run(write(text), "-o", "-", "--cycles", "50")
    assert status == 0
    rows = rows_of(out)
    assert {row["cycles"] for row in rows} == {"50"}
    taken = sum(int(row["requests"]) for row in rows)
    served = sum(int(row[key]) for row in rows for key in ("reads", "writes", "merged", "forwarded"))
    assert f"at the end {taken - served:,} under way, {100 - taken:,} not taken in" in err


def test_set_and_device_files_reach_the_run(run: Any) -> None:
    trace = write("0x40 READ 0\n")
    slow = rows_of(run(trace, "-o", "-", "--set", "timing.tRCDRD=30", "--set", "CL=20")[1])
    assert [row["last_command_cycle"] for row in slow if row["last_command_cycle"]] == ["32"]
    Path("mine.toml").write_text((PRESET_FOLDER / "ddr3-8gb-x8-1600.toml").read_text())
    assert rows_of(run(trace, "-o", "-", "--device", "mine.toml")[1])[0]["device"] == "mine"
    Path("theirs.ini").write_text("[system]\nchannel_size = 2048\n[timing]\ntRFCC = 3\n")
    status, out, err = run(trace, "-o", "-", "--device", "theirs.ini")
    assert status == 0
    assert rows_of(out)[0]["device"] == "theirs"
    assert "theirs.ini:4: [timing] tRFCC: is no parameter of DRAMsim3" in err


def test_the_same_run_gives_the_same_bytes(run: Any) -> None:
    trace = write("".join(f"{97 * 64 * i:#x} READ {i // 3}\n" for i in range(3000)))
    assert run(trace, "-o", "a.csv")[0] == run(trace, "-o", "b.csv")[0] == 0
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()


def test_every_latency_is_written(run: Any) -> None:
    """Reads of one row, of a row that is open elsewhere, to one address, from a waiting write, and writes."""
    trace = write(
        "0x0 READ 0\n0x0 READ 0\n0x0 WRITE 100\n0x0 WRITE 100\n0x0 READ 100\n0x800 READ 0\n0x1000 READ 0\n"
    )
    status, out, err = run(trace, "-o", "-", "--latencies", "each.csv")
    assert status == 0
    rows = {int(row["request"]): row for row in rows_of(Path("each.csv").read_text())}
    # HBM2: ACTIVATE 2 cycles after acceptance, READ 14 after it, data 16 after that; the stamp is a cycle after acceptance.
    first = {"channel": "0", "accepted_cycle": "0", "done_cycle": "32", "latency_cycles": "31"}
    assert rows[0] == {"request": "0", "kind": "read", "served": "command", **first}
    assert (rows[1]["served"], rows[1]["done_cycle"], rows[1]["latency_cycles"]) == ("merged", "32", "30")
    assert (rows[4]["served"], rows[4]["latency_cycles"]) == ("forwarded", "1")
    assert [rows[n]["kind"] for n in (2, 3)] == ["write", "write"]
    assert [rows[n]["served"] for n in (2, 3)] == ["command", "merged"]
    assert rows[2]["done_cycle"] == rows[3]["done_cycle"]
    assert (rows[5]["channel"], rows[6]["channel"]) == ("1", "2")
    assert sorted(rows) == list(range(7))
    status, _, _ = run(trace, "--latencies", "each.parquet")
    assert status == 0
    assert [str(one) for one in pd.read_parquet("each.parquet").sort_values("request")["latency_cycles"]] == [
        rows[n]["latency_cycles"] for n in range(7)
    ]
    of_reads = [int(rows[n]["latency_cycles"]) for n in (0, 1, 4)]
    assert rows_of(out)[0]["read_latency_max_cycles"] == str(max(of_reads))
    assert float(rows_of(out)[0]["average_read_latency_cycles"]) == pytest.approx(sum(of_reads) / 3)
    assert "read latency in cycles: mean" in err


def test_latencies_stay_whole_over_many_requests(run: Any) -> None:
    """More than a channel keeps at a time, of which many share commands."""
    rng = np.random.default_rng(9)
    address = rng.integers(0, 700, 70_000) * 64
    text = "".join(
        f"{a:#x} {'WRITE' if w else 'READ'} 0\n"
        for a, w in zip(address, rng.random(70_000) < 0.2, strict=True)
    )
    status, out, _ = run(
        write(text), "--device", "ddr4-8gb-x8-3200", "-o", "-", "--latencies", "each.parquet", "--inject", "4"
    )
    assert status == 0
    frame = pd.read_parquet("each.parquet")
    assert sorted(frame["request"]) == list(range(70_000))
    assert frame.groupby("served", observed=True).size().to_dict().keys() == {
        "command",
        "merged",
        "forwarded",
    }
    assert (frame["latency_cycles"] == frame["done_cycle"] - frame["accepted_cycle"] - 1).all()
    for row in rows_of(out):
        reads = frame[(frame["channel"] == int(row["channel"])) & (frame["kind"] == "read")]["latency_cycles"]
        assert float(row["average_read_latency_cycles"]) == pytest.approx(reads.mean(), rel=1e-12)
        assert int(row["read_latency_max_cycles"]) == reads.max()
        for percent in (50, 95, 99):
            exact = int(np.percentile(reads, percent, method="inverted_cdf"))
            assert exact <= int(row[f"read_latency_{percent}_cycles"]) <= exact * (1 + 1 / 64)


def test_latencies_appear_whole_or_not_at_all(run: Any) -> None:
    status, _, err = run(write("0x0 READ 0\n0x40 REED 0\n"), "--latencies", "each.csv")
    assert (status, Path("each.csv").exists()) == (2, False)
    status, _, err = run(write("0x0 READ 0\n"), "--latencies", "each.txt")
    assert (status, err.count("\n")) == (2, 1)
    assert "each.txt: latencies are written as .csv or .parquet" in err
    status, _, err = run(write("HBM RD 0 2 \n"), "--latencies", "each.csv")
    assert (status, Path("each.csv").exists()) == (2, False)
    assert "--latencies: for plain requests, but r.trace is a PIM program" in err


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("0x40 READ 0\n0x40 REED 0\n", [], "r.trace:2: an unknown operation"),
        ("0x40 READ 0\n0x40 READ\n", [], "r.trace:2: no cycle"),
        ("0x40 READ 0\n0x40 READ -4\n", [], "r.trace:2: no cycle"),
        ("0x40 READ 9999999999999999999\n", [], "r.trace:1: a cycle is above 2^60"),
        ("what is this\n", [], "r.trace: first line 'what is this' is of no known format"),
        ("0x40 READ 0\n", ["--format", "dramsim"], "unknown request format 'dramsim'; did you mean dramsim3"),
        ("LD 0x40\n", ["--format", "dramsim3"], "r.trace:1: no hexadecimal address"),
        ("0x40 READ 0\n", ["--device", "hbm9"], "unknown device 'hbm9'; did you mean"),
        ("0x40 READ 0\n", ["--device", "gone.toml"], "gone.toml: cannot be read"),
        ("0x40 READ 0\n", ["--set", "tRFCC=3"], "unknown device parameter 'tRFCC'; did you mean tRFC"),
        ("0x40 READ 0\n", ["--set", "tRFC"], "--set tRFC: write it as key=value"),
        ("0x40 READ 0\n", ["--set", "tRFC=ten"], "tRFC: 'ten' is not a whole number"),
        ("0x40 READ 0\n", ["-o", "gone/stats.csv"], "gone: no such folder for the output stats.csv"),
        ("0x40 READ 0\n", ["--command-trace", "gone/commands"], "gone/commands: cannot make this folder"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run: Any, content: str, arguments: list[str], message: str
) -> None:
    write(content)
    outputs = (
        [] if {"-o", "--command-trace"} & set(arguments) else ["-o", "s.csv", "--command-trace", "commands"]
    )
    status, out, err = run("r.trace", *arguments, *outputs)
    assert (status, out) == (2, "")
    assert err.startswith("ppim: ")
    assert message in err
    assert err.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["r.trace"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--inject", "0"],
        ["--outstanding", "0"],
        ["--outstanding", "65537"],
        ["--cycles", "0"],
        ["--cycles", "many"],
        ["--bogus"],
        [],
    ],
)
def test_wrong_usage_exits_2(run: Any, arguments: list[str]) -> None:
    write("0x40 READ 0\n")
    status, out, err = run(*(["r.trace", *arguments] if arguments else []))
    assert (status, out) == (2, "")
    assert "Error: " in err


def test_a_missing_trace_is_named(run: Any) -> None:
    status, _, err = run("nowhere.trace")
    assert status == 2
    assert err == "ppim: nowhere.trace: cannot be read (No such file or directory)\n"


def test_a_command_folder_of_a_larger_run_is_refused(run: Any) -> None:
    trace = write("0x40 READ 0\n")
    assert run(trace, "--command-trace", "commands")[0] == 0
    assert run(trace, "--command-trace", "commands")[0] == 0
    status, _, err = run(trace, "--command-trace", "commands", "--device", "ddr4-8gb-x8-3200")
    assert status == 2
    assert "channel-1.cmd: is of another run with other channels" in err


def test_requests_smaller_than_a_burst_are_told(run: Any, shared: Path) -> None:
    status, out, _ = run(str(shared / "cases" / "25_unaligned.trace"))
    assert status == 0
    assert "asked for: 16 bytes at most, since addresses are multiples of 8 bytes only" in out
    assert "served in whole bursts of 64 bytes" in out


def test_whole_bursts_are_not_told(run: Any) -> None:
    assert "asked for" not in run(write("0x40 READ 0\n0x80 READ 0\n"))[1]
