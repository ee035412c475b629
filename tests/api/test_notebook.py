"""`import ppim` as a notebook uses it: traces, runs, frames, speed-ups; the command line gives the same."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import ppim
from ppim.cli import main
from ppim.errors import InputError
from tests.conftest import ROOT

SAMPLE = ROOT / "traces" / "sample-qr.parquet"


def run(*arguments: object) -> int:
    """Exit status of the command line."""
    try:
        main(list(map(str, arguments)))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def base() -> ppim.stats.result.SimulationResult:
    return ppim.simulate(SAMPLE, system="pim-base")


@pytest.fixture(scope="module")
def free() -> ppim.stats.result.SimulationResult:
    return ppim.simulate(SAMPLE, settings={"barrier": "none"})


def test_two_runs_a_frame_and_a_speedup(base, free) -> None:  # type: ignore[no-untyped-def]
    assert base.cycles > free.cycles
    assert free.speedup_over(base) == pytest.approx(base.time_ns / free.time_ns)
    both = pd.concat([base.channels, free.channels])
    assert len(both) == 16
    assert both.groupby("run")["accesses"].sum().to_dict() == {
        "sample-qr/pim-base": 13_312,
        "sample-qr/proactivepim+barrier=none": 13_312,
    }
    assert free.totals["accesses"] == free.channels["accesses"].sum() == 13_312
    assert set(free.channels["settings"]) == {"barrier=none"}
    assert len(free.units) == 32
    assert free.units["accesses"].sum() == 13_312
    assert 0 < max(free.limits.values()) <= free.cycles
    assert free.configuration["system"]["pim"]["barrier"] == "none"
    assert free.configuration["devices"]["hbm"]["timing"]["tFAW"] == 30


def test_a_frame_has_the_columns_and_values_of_the_csv(free, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    free.write_csv(tmp_path / "s.csv")
    free.write_units_csv(tmp_path / "u.csv")
    read = pd.read_csv(tmp_path / "s.csv", keep_default_na=False, na_values=[""])
    frame = free.channels.assign(partial_sum_hits=float("nan"))
    pd.testing.assert_frame_equal(frame, read, check_dtype=False)
    pd.testing.assert_frame_equal(free.units, pd.read_csv(tmp_path / "u.csv"))
    assert run("simulate", SAMPLE, "--set", "barrier=none", "-o", tmp_path / "cli.csv") == 0
    assert (tmp_path / "cli.csv").read_bytes() == (tmp_path / "s.csv").read_bytes()


def test_results_cannot_be_changed(free) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AttributeError):
        free.cycles = 1


def test_a_run_is_repeated_from_its_summary(tmp_path: Path) -> None:
    """The command of the summary gives the same bytes, whatever was set how."""
    first, again, summary = tmp_path / "1.csv", tmp_path / "2.csv", tmp_path / "s.json"
    ppim.simulate(
        SAMPLE,
        mapping="interleave",
        prefetch="none",
        device="hbm2-8gb",
        settings={"pim.barrier": "batch", "tRCDRD": 20, "placement_seed": 7},
        output=first,
        summary=summary,
    )
    command = shlex.split(json.loads(summary.read_text())["command"])
    assert command[:2] == ["ppim", "simulate"]
    assert run(*command[1:], "-o", again) == 0
    assert again.read_bytes() == first.read_bytes()


def test_a_host_has_no_units_and_leaves_out_what_does_not_apply() -> None:
    cpu = ppim.simulate(SAMPLE, "cpu")
    assert cpu.units.empty
    assert cpu.limits == {}
    assert cpu.channels["busy_cycles"].isna().all()
    assert cpu.channels["cache_hits"].sum() == cpu.totals["cache_hits"]


def test_a_trace_from_the_generator(tmp_path: Path) -> None:
    options = {"algorithm": "dense", "max_samples": 8, "tables": [0, 3], "pooling_list": [2, 5], "seed": 4}
    made = ppim.generate_trace("synthetic", tmp_path / "a.parquet", **options)
    assert made.meta.lookups == 8 * 7
    assert made.size_bytes == (tmp_path / "a.parquet").stat().st_size
    words = (
        "--algorithm",
        "dense",
        "--max-samples",
        8,
        "--tables",
        "0,3",
        "--pooling-list",
        "2,5",
        "--seed",
        4,
    )
    assert run("gen-trace", "synthetic", "-o", tmp_path / "b.parquet", *words) == 0
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_replay_has_a_row_a_channel(tmp_path: Path) -> None:
    requests = tmp_path / "requests.trace"
    requests.write_text("0x0 READ 0\n0x2000 READ 3\n0x40 WRITE 10\n")
    result = ppim.replay(requests, device="ddr4-8gb-x8-3200", settings={"tRP": 30}, output=tmp_path / "a.csv")
    assert len(result.channels) == result.device.organization.channels
    assert result.totals["requests"] == result.channels["requests"].sum() == 3
    assert result.configuration["device"]["timing"]["tRP"] == 30
    result.write_csv(tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    result.write_json(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["totals"]["writes"] == 1


def test_names_of_systems_and_devices() -> None:
    assert "proactivepim" in ppim.systems()
    assert ppim.systems()["cpu"].kind == "host"
    assert ppim.devices()["hbm2-4gb"].organization.channels == 8
    assert all(name == spec.name for name, spec in ppim.systems().items())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda _: ppim.simulate(SAMPLE, "proactivpim"), "did you mean"),
        (lambda _: ppim.simulate(SAMPLE, settings={"barier": "none"}), "barrier"),
        (lambda _: ppim.simulate(SAMPLE, threads=0), "threads: 0 is no whole number"),
        (lambda out: ppim.simulate(out / "none.parquet"), "cannot be read"),
        (lambda _: ppim.simulate(SAMPLE, output=SAMPLE), "is an input too"),
        (lambda out: ppim.replay(out / "none.trace"), "none.trace"),
        (lambda out: ppim.generate_trace("synthetic", out / "t", pooling=0), "pooling: 0 is no whole number"),
        (lambda out: ppim.generate_trace("synthetic", out / "t", on_error="stop"), "on_error: 'stop'"),
        (lambda out: ppim.generate_trace([], out / "t"), "dataset: no file"),
    ],
)
def test_what_cannot_be_used_is_said(call, said: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=said):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_importing_costs_no_compiler_and_no_frames() -> None:
    code = (
        "import sys, ppim, ppim.api; ppim.systems(); ppim.devices()\n"
        "heavy = {'numba', 'pandas', 'pyarrow', 'scipy', 'matplotlib'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
        "assert {'simulate', 'replay', 'generate_trace', 'systems', 'devices'} <= set(dir(ppim))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_systems_is_a_package_that_can_be_called_in_any_order_of_imports() -> None:
    for first in ("import ppim.systems.load", "import ppim.systems", "from ppim import systems"):
        code = (
            f"{first}\nimport ppim\nassert 'cpu' in ppim.systems()\nimport ppim.systems.spec\nppim.systems()"
        )
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
