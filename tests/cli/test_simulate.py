"""`ppim simulate` as a user meets it: what its numbers must obey, and what it says to bad input."""

from __future__ import annotations

import json
import platform
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numba
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ppim.cli import main
from ppim.dram.device import Device
from ppim.dram.load import load_device
from ppim.systems.load import load_system, system_names
from tests.conftest import ROOT, complaints

SAMPLE = ROOT / "traces" / "sample-qr.parquet"
BURST_BYTES = 64  # of a column access; of a pseudo channel 32
BURSTS = {"hbm-pim": 32}
ROW_BYTES = 128  # of both subtables of the sample
SUMMED = ["lookups", "accesses", "reads", "cache_hits", "prefetch_reads", "bytes_dram", "bytes_external"]


def run(*arguments: object) -> int:
    """Exit status of the command line."""
    try:
        main(list(map(str, arguments)))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Outputs of every system on the sample trace: a function from its name to a folder."""
    folder = tmp_path_factory.mktemp("results")

    @cache
    def simulate(system: str) -> Path:
        place = folder / system
        place.mkdir()
        files = (
            "-o",
            place / "stats.csv",
            "--units",
            place / "units.csv",
            "--summary",
            place / "summary.json",
        )
        assert run("simulate", SAMPLE, "--system", system, *files) == 0
        return place

    return simulate


@pytest.fixture(scope="module")
def accesses() -> pd.DataFrame:
    return pd.read_parquet(SAMPLE)


HOSTS = ("cpu", "cpu-hbm", "cpu-ideal")
# Systems in which rows of one lookup lie under different units. (TRiM's hot rows hold all rows of `r` here.)
MOVERS = ("pim-base", "recnmp", "fafnir", "upmem", "hbm-pim")
# Of these, those that read a row out once and deliver it to all that need it in a turn.
ROWS_FOR_SEVERAL = ("fafnir",)
# Systems that split rows over all units: bytes that a row takes, a burst in each of four units.
SPLITTERS = {"tensordimm": 4 * BURST_BYTES}


def devices_of(name: str) -> list[Device]:
    """The device of each memory."""
    system = load_system(name)
    memories = [system.memory] if system.dimm is None else [system.memory, system.dimm.memory]
    return [load_device(memory.device, memory.overrides) for memory in memories]


@pytest.mark.parametrize("system", system_names())
class TestEverySystem:
    """Accounts that balance on every run."""

    def test_one_line_a_channel_with_its_identity(self, results: Any, system: str) -> None:
        lines = pd.read_csv(results(system) / "stats.csv")
        devices = devices_of(system)
        of_memory = [part for _, part in lines.groupby("memory", sort=False)]
        assert set(lines["trace"]) == {SAMPLE.name}
        assert set(lines["system"]) == {system}
        assert set(lines["algorithm"]) == {"qr"}
        for device, part in zip(devices, of_memory, strict=True):
            assert list(part["channel"]) == list(range(device.organization.channels))
            assert set(part["device"]) == {device.name}
            assert part["cycles"].nunique() == 1
            assert part["time_ns"].to_numpy() == pytest.approx(part["cycles"] * device.timing.tCK)

    def test_every_access_is_served_once(self, results: Any, system: str, accesses: pd.DataFrame) -> None:
        total = pd.read_csv(results(system) / "stats.csv").sum(numeric_only=True)
        assert total["accesses"] == len(accesses)
        assert total["lookups"] == len(accesses) / 2
        if system in HOSTS:
            assert total["reads"] * BURST_BYTES + total["bytes_cache"] == len(accesses) * ROW_BYTES
        else:
            demand = total["reads"] - total["prefetch_reads"]
            served = total["cache_hits"] + total["partial_sum_hits"]
            row_bytes = SPLITTERS.get(system, ROW_BYTES)
            assert demand * BURSTS.get(system, BURST_BYTES) == (total["accesses"] - served) * row_bytes
            assert total["bytes_cache"] == total["cache_hits"] * ROW_BYTES

    def test_commands_and_bytes_agree(self, results: Any, system: str) -> None:
        burst_bytes = BURSTS.get(system, BURST_BYTES)
        lines = pd.read_csv(results(system) / "stats.csv")
        assert (lines["bytes_dram"] == (lines["reads"] + lines["writes"]) * burst_bytes).all()
        assert (lines["row_hits"] + lines["row_misses"] == lines["reads"] + lines["writes"]).all()
        assert (lines["row_misses"] <= lines["activates"]).all()
        assert (lines["writes"] == 0).all()

    def test_external_bytes_are_what_crosses_the_bus(self, results: Any, system: str) -> None:
        lines = pd.read_csv(results(system) / "stats.csv")
        if system in HOSTS:
            assert (lines["bytes_external"] == lines["bytes_dram"]).all()
        else:
            delivered = lines["bytes_delivered"].sum()
            from_units = lines["bytes_external"].sum() - delivered  # rows read out, and results
            assert from_units > 0
            assert from_units % ROW_BYTES == 0
            if system not in ROWS_FOR_SEVERAL:
                assert from_units > delivered  # each is read out, then delivered
            assert (delivered > 0) == (system in MOVERS)

    def test_summary_is_the_sum_of_the_channels(self, results: Any, system: str) -> None:
        lines = pd.read_csv(results(system) / "stats.csv")
        summary = json.loads((results(system) / "summary.json").read_text())
        assert summary["cycles"] == lines["cycles"][0]
        for name in set(SUMMED) & summary["totals"].keys():
            assert summary["totals"][name] == lines[name].sum(), name
        assert summary["system"]["name"] == system
        assert summary["environment"]["python"] == platform.python_version()
        assert summary["environment"]["numba"] == numba.__version__
        assert summary["environment"]["processor"]

    def test_units_add_up_to_their_channel(self, results: Any, system: str) -> None:
        place = ["memory", "channel"]
        lines = pd.read_csv(results(system) / "stats.csv").set_index(place)
        units = pd.read_csv(results(system) / "units.csv")
        if system in HOSTS:
            assert units.empty
            return
        loads = units.groupby(place, sort=False)["accesses"]
        if system in SPLITTERS:
            assert (units["accesses"] == lines["accesses"].sum()).all()
            return
        assert units["accesses"].sum() == lines["accesses"].sum()
        if system not in MOVERS:  # there a row may be read in one channel and used in another
            assert (loads.sum() == lines["accesses"]).all()
        assert (loads.max() == lines["unit_accesses_max"]).all()
        assert (loads.mean() == lines["unit_accesses_mean"]).all()

    def test_same_run_same_bytes(self, results: Any, system: str, tmp_path: Path) -> None:
        again = tmp_path / "again.csv"
        assert run("simulate", SAMPLE, "--system", system, "-o", again) == 0
        assert again.read_bytes() == (results(system) / "stats.csv").read_bytes()


def test_stdout_gets_the_summary_or_the_csv(results: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What is asked for goes to stdout; how long it took, and warnings, to stderr."""
    expected = (results("proactivepim") / "stats.csv").read_text()
    capsys.readouterr()
    assert run("simulate", SAMPLE) == 0
    summary = capsys.readouterr()
    assert summary.out.startswith("sample-qr/proactivepim: ")
    assert "accesses/s" not in summary.out
    assert "accesses/s" in summary.err
    assert run("simulate", SAMPLE, "-o", "-") == 0
    captured = capsys.readouterr()
    assert captured.out == expected
    assert captured.err.startswith(summary.out)


def test_options_override_the_recipe(results: Any, tmp_path: Path) -> None:
    """The base system is the full one without mapping, prefetch and adder in the base die."""
    out = tmp_path / "stats.csv"
    options = ["--mapping", "interleave", "--prefetch", "none", "--set", "collect=host"]
    assert run("simulate", SAMPLE, *options, "-o", out) == 0
    ours = pd.read_csv(out).drop(columns=["run", "system", "settings"])
    base = pd.read_csv(results("pim-base") / "stats.csv").drop(columns=["run", "system", "settings"])
    # The base has no scratchpad, the full system one that nothing fills.
    assert (ours.pop("energy_cache_pj") == 0).all()
    assert base.pop("energy_cache_pj").isna().all()
    pd.testing.assert_frame_equal(ours, base)


def test_a_run_keeps_its_settings(results: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a column, in the summary, in the run's name, which tells two settings apart, and in what info says."""
    kept = "barrier=none;mapping=interleave;prefetch=none;tFAW=17"
    out, summary, units = tmp_path / "s.csv", tmp_path / "s.json", tmp_path / "u.csv"
    options = (
        "--mapping",
        "interleave",
        "--prefetch",
        "none",
        "--set",
        "tFAW=17",
        "--set",
        "pim.barrier=none",
    )
    assert run("simulate", SAMPLE, *options, "-o", out, "--summary", summary, "--units", units) == 0
    lines = pd.read_csv(out)
    name = f"sample-qr/proactivepim+{kept}"
    assert set(lines["settings"]) == {kept}
    assert set(lines["run"]) == set(pd.read_csv(units)["run"]) == {name}
    kept_as_values = {"barrier": "none", "mapping": "interleave", "prefetch": "none", "tFAW": 17}
    assert json.loads(summary.read_text())["settings"] == kept_as_values
    capsys.readouterr()
    assert run("info", out) == 0
    assert f"settings: {kept}" in capsys.readouterr().out.splitlines()
    usual = pd.read_csv(results("proactivepim") / "stats.csv", keep_default_na=False)
    assert set(usual["settings"]) == {""}
    assert set(usual["run"]) == {"sample-qr/proactivepim"}
    assert list(lines)[:10] == [
        "run",
        "trace",
        "algorithm",
        "system",
        "mapping",
        "prefetch",
        "device",
        "settings",
        "memory",
        "channel",
    ]


def test_settings_reach_system_and_device(results: Any, tmp_path: Path) -> None:
    usual = pd.read_csv(results("proactivepim") / "stats.csv")["cycles"][0]
    for setting in ("barrier=none", "pim.collect=host"):
        out = tmp_path / "stats.csv"
        assert run("simulate", SAMPLE, "--set", setting, "-o", out) == 0
        assert pd.read_csv(out)["cycles"][0] < usual, setting
    assert run("simulate", SAMPLE, "--set", "tRCDRD=40", "-o", out) == 0
    assert pd.read_csv(out)["cycles"][0] > usual


@pytest.mark.parametrize(
    ("options", "said", "pages"),
    [
        ([], "mapping interleave (pages of 1 row), ", {"placement": "hash", "placement_page_rows": 1}),
        (["placement_page=8"], "(pages of 8 rows), ", {"placement": "hash", "placement_page_rows": 8}),
        (
            ["placement.placement=page"],
            "(random pages of 4,096 bytes), ",
            {"placement": "page", "placement_page_bytes": 4096},
        ),
        (["mapping=table"], "mapping table, ", {}),
    ],
)
def test_the_placement_is_said(
    options: list[str],
    said: str,
    pages: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = [word for option in options for word in ("--set", option)]
    assert run("simulate", SAMPLE, "--system", "pim-base", *settings, "--summary", tmp_path / "s.json") == 0
    assert said in capsys.readouterr().out
    placement = json.loads((tmp_path / "s.json").read_text())["placement"]
    found = {name: value for name, value in placement.items() if name.startswith("placement")}
    assert found == pages


def test_prefetch_serves_the_shared_rows_from_the_scratchpad(results: Any) -> None:
    total = pd.read_csv(results("proactivepim") / "stats.csv").sum(numeric_only=True)
    assert total["cache_hits"] == total["accesses"] / 2  # every lookup has one row of q and one of r
    assert total["prefetch_reads"] > 0
    without = pd.read_csv(results("proactivepim-map") / "stats.csv").sum(numeric_only=True)
    assert without["cache_hits"] == without["prefetch_reads"] == 0


def test_system_from_a_file(results: Any, tmp_path: Path) -> None:
    """The system that docs/adding.md writes out runs, and is another one than the preset it resembles."""
    text = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(text.split("```toml\n")[1].split("```")[0])
    assert run("simulate", SAMPLE, "--system", tmp_path / "mine.toml", "-o", tmp_path / "stats.csv") == 0
    lines = pd.read_csv(tmp_path / "stats.csv")
    assert set(lines["system"]) == {"mine"}
    assert lines["cycles"][0] != pd.read_csv(results("proactivepim") / "stats.csv")["cycles"][0]


@pytest.mark.parametrize("option", ["--mapping", "--prefetch"])
def test_what_only_pim_units_have_is_refused_for_a_host(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "stats.csv"
    assert run("simulate", SAMPLE, "--system", "cpu", option, "none", "-o", out) == 2
    assert f"{option} none has no meaning" in capsys.readouterr().err
    assert not out.exists()


def test_ratio_of_the_authors_simulator(shared: Path, tmp_path: Path) -> None:
    """QR, 100 real samples, as the authors simulate it: mapping and prefetch gain 2.22 (2.23 in their simulator).

    An issue-bound front end executes 134.75 and 60 instructions a table and batch, a ratio of 2.25; what
    is lost against it is the start and end of the run, and hot rows that make some partners local.
    """
    trace = tmp_path / "criteo.parquet"
    sample = shared / "data" / "criteo_kaggle_999.txt"
    options = (
        "--collisions",
        4,
        "--vector-bytes",
        128,
        "--batch-size",
        4,
        "--pooling",
        10,
        "--max-samples",
        100,
    )
    assert run("gen-trace", sample, "-o", trace, *options) == 0
    cycles = []
    for choice in (("--mapping", "interleave", "--prefetch", "none"), ()):
        out = tmp_path / "stats.csv"
        assert run("simulate", trace, "--system", "proactivepim-paper", *choice, "-o", out) == 0
        cycles.append(int(pd.read_csv(out)["cycles"][0]))
    assert 2.1 <= cycles[0] / cycles[1] <= 2.4
    page = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8")
    assert all(f"{number:,}" in page for number in cycles), cycles


@pytest.mark.parametrize(
    "system", ["pim-base", "proactivepim", "proactivepim-tiers", "heam", "space", "trim-bg", "fafnir"]
)
def test_the_documented_cycles_are_those_of_this_code(results: Any, system: str) -> None:
    text = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    lines = pd.read_csv(results(system) / "stats.csv")
    assert f"{lines['cycles'][0]:,}" in text


# --- bad input ---------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: object) -> str:
    """The one line with which the command refuses; the folder's files stay as they are."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = complaints(captured.err)
    assert len(lines) == 1, captured.err
    assert captured.err.endswith(f"{lines[0]}\n"), "nothing comes after the refusal"
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return lines[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--device", "hbm2-4gv"], ["unknown device", "hbm2-4gv", "hbm2-4gb"]),
        (["--system", "proactivpim"], ["unknown system", "proactivpim", "proactivepim"]),
        (["--mapping", "duplicated"], ["duplicated", "duplicate"]),
        (["--prefetch", "tables"], ["tables", "table"]),
        (["--set", "barier=none"], ["barier", "barrier"]),
        (["--set", "barrier=tables"], ["barrier", "tables", "table"]),
        (["--set", "pim.unit_window=soon"], ["unit_window", "soon", "whole number"]),
        (["--set", "barrier"], ["barrier", "key=value"]),
        (["--set", "tFAV=16"], ["tFAV", "tFAW"]),
        (["--mapping", "interleave"], ["interleave", "--prefetch none"]),
        (["--units", "-"], ["-:", "only the stats"]),
        (["--summary", "-"], ["-:", "only the stats"]),
        (["--set", "tREFI=260"], ["tREFI = 260 leaves no time", "tRFC"]),
        (["--set", "tREFI=280"], ["tREFI = 280 leaves no time", "shorten tRFC"]),
        (["--set", "tRCDRD=3800"], ["tREFI = 3900 leaves no time", "shorten tRCDRD"]),
        (["--set", "tRP=2000", "--set", "tRCDRD=2000"], ["tREFI = 3900 leaves no time", "tRP = 2000"]),
        (["--set", "tRRD_S=3900"], ["tREFI = 3900 leaves no time", "shorten tRRD_S"]),
        (["--set", "tCCD_L=268435456"], ["tCCD_L = 268435456", "65536"]),
        (["--system", "heam", "--set", "tCK=1e-6"], ["tCK", "1000 times apart"]),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    options: list[str], words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = refused(capsys, tmp_path, "simulate", SAMPLE, *options, "-o", tmp_path / "stats.csv")
    for word in words:
        assert word in line


def rewrite(source: Path, target: Path, column: str, index: int, value: int) -> None:
    """A copy of a trace with one number changed."""
    table = pq.read_table(source)
    numbers = table[column].to_numpy().copy()
    numbers[index] = value
    place = table.column_names.index(column)
    table = table.set_column(
        place, table.schema.field(column), pa.array(numbers, table.schema.field(column).type)
    )
    pq.write_table(table, target)


class TestBadTraces:
    """Each is named, and leaves no output."""

    def line(self, capsys: pytest.CaptureFixture[str], folder: Path, trace: Path) -> str:
        line = refused(
            capsys, folder, "simulate", trace, "-o", folder / "stats.csv", "--units", folder / "units.csv"
        )
        assert str(trace) in line
        return line

    def test_missing(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        assert "no such file" in self.line(capsys, tmp_path, tmp_path / "nothing.parquet").lower()

    def test_truncated(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        whole = SAMPLE.read_bytes()
        for size in (len(whole) - 1, len(whole) // 2, 3, 0):
            trace = tmp_path / "cut.parquet"
            trace.write_bytes(whole[:size])
            self.line(capsys, tmp_path, trace)

    def test_damaged_in_the_middle(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        whole = bytearray(SAMPLE.read_bytes())
        whole[200:1200] = bytes(1000)
        trace = tmp_path / "damaged.parquet"
        trace.write_bytes(whole)
        self.line(capsys, tmp_path, trace)

    def test_parquet_of_something_else(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        trace = tmp_path / "other.parquet"
        pq.write_table(pa.table({"row": [1, 2, 3]}), trace)
        assert "gen-trace" in self.line(capsys, tmp_path, trace)

    def test_no_parquet(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        trace = tmp_path / "text.parquet"
        trace.write_text("0x0 READ 0\n" * 100)
        self.line(capsys, tmp_path, trace)

    def test_row_outside_its_table(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        trace = tmp_path / "outside.parquet"
        rewrite(SAMPLE, trace, "row", 1, 4)  # the second access is of r, which has 4 rows
        line = self.line(capsys, tmp_path, trace)
        assert "row 4" in line
        assert "r" in line

    def test_table_that_is_not_there(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        trace = tmp_path / "outside.parquet"
        rewrite(SAMPLE, trace, "table", 13311, 26)
        assert "table 26" in self.line(capsys, tmp_path, trace)


def test_folder_of_the_output_must_exist(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = refused(capsys, tmp_path, "simulate", SAMPLE, "-o", tmp_path / "absent" / "stats.csv")
    assert "absent" in line


@pytest.mark.parametrize("option", ["-o", "--units", "--summary", "--program"])
def test_no_output_takes_the_place_of_the_trace_or_of_another(
    option: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trace = tmp_path / "trace.parquet"
    shutil.copy(SAMPLE, trace)
    (tmp_path / "folder").mkdir()
    line = refused(capsys, tmp_path, "simulate", trace, option, tmp_path / "folder" / ".." / "trace.parquet")
    assert "trace.parquet: is an input too" in line
    other = "--units" if option != "--units" else "--summary"
    line = refused(capsys, tmp_path, "simulate", trace, option, tmp_path / "x", other, tmp_path / "x")
    assert "x: is another output too" in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tiers]\nhot_fraction = 0.5\n", ["tiers", "[dimm]"]),
        ("dimm = 3\n", ["dimm", "a table is needed"]),
    ],
)
def test_a_second_memory_is_a_table(
    text: str, words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    system = tmp_path / "own.toml"
    system.write_text(f'title = "a"\nsource = "b"\nkind = "pim"\n{text}')
    line = refused(capsys, tmp_path, "simulate", SAMPLE, "--system", system)
    for word in words:
        assert word in line


def test_failure_keeps_an_earlier_result(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "stats.csv"
    out.write_text("earlier\n")
    trace = tmp_path / "outside.parquet"
    shutil.copy(SAMPLE, trace)
    rewrite(SAMPLE, trace, "row", 13311, 1_000_000)
    refused(capsys, tmp_path, "simulate", trace, "-o", out)
    assert out.read_text() == "earlier\n"


def test_more_fields_than_the_dataset_has(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = tmp_path / "train.txt"
    good = "\t".join(["0", *["1"] * 13, *["0123abcd"] * 26])
    data.write_text(f"{good}\n{good}\t0123abcd\n")
    line = refused(
        capsys, tmp_path, "gen-trace", data, "--dataset", "criteo-kaggle", "-o", tmp_path / "t.parquet"
    )
    assert f"{data}:2" in line
    assert "40" in line


def test_a_prefetch_without_scratchpad_is_warned_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("simulate", SAMPLE, "--system", "proactivepim-map", "--prefetch", "table") == 0
    assert "no scratchpad to fill" in capsys.readouterr().err
