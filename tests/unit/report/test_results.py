"""Studies from result files: axes, labels, baselines, groups of seeds, and what two files say of one run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ppim.errors import InputError
from ppim.report.parts import energy_parts, time_parts, traffic_parts
from ppim.report.results import read_study
from tests.unit.report.runs import ENERGY, channel_line, write_host, write_run, write_stats, write_sweep


def test_runs_of_no_sweep_have_their_names_and_settings_as_axes(tmp_path: Path) -> None:
    study = read_study([write_run(tmp_path, "a", 100), write_run(tmp_path, "a", 50, "macs=4")])
    assert study.axes == ["trace", "algorithm", "system", "device", "macs"]
    assert study.varying() == ["macs"]
    assert [group.label for group in study.groups()] == ["a", "a+macs=4"]
    name, times = study.baselines()
    assert name == "a"
    assert set(times.values()) == {100.0}
    assert study.results[1].commands == ["ppim simulate trace.parquet --system a --set macs=4"]


def sweep(tmp_path: Path) -> Path:
    points = [
        {"system": system, "cache_bytes": size, "seed": seed, "cycles": cycles + seed}
        for system, size, cycles in [
            ("base", 1024, 400),
            ("fast", 1024, 200),
            ("base", 4096, 400),
            ("fast", 4096, 100),
        ]
        for seed in (0, 1)
    ]
    return write_sweep(tmp_path / "sweep", points, seeds=("seed",))


@pytest.mark.parametrize("with_records", [True, False])
def test_a_sweep_is_read_with_and_without_what_lies_beside_its_table(
    tmp_path: Path, with_records: bool
) -> None:
    folder = sweep(tmp_path)
    if not with_records:
        for record in (folder / "runs").iterdir():
            record.unlink()
    study = read_study([folder])
    assert study.axes == ["system", "cache_bytes", "seed"]
    assert study.seeds == {"seed"}
    groups = study.groups()
    assert [group.label for group in groups] == [
        "base, cache_bytes 1024",
        "fast, cache_bytes 1024",
        "base, cache_bytes 4096",
        "fast, cache_bytes 4096",
    ]
    assert all(len(group.results) == 2 for group in groups)
    name, times = study.baselines()
    assert name == "base"
    assert times[groups[3].results[1].run.name] == pytest.approx(401)
    first = study.results[0].run
    assert time_parts(first) == pytest.approx(
        {**dict.fromkeys(time_parts(first), 0), "busy_cycles": 133, "idle_cycles": 267}
    )
    assert first.totals["accesses"] == 200
    if with_records:
        assert study.results[0].commands == [
            "ppim gen-trace synthetic -o traces/trace.parquet",
            "ppim simulate traces/trace.parquet --system base",
        ]
        assert study.results[0].configuration["system"]["pim"]["barrier"] == "table"
        assert first.binding_limit == "bus"


def test_where_chooses_runs(tmp_path: Path) -> None:
    study = read_study([sweep(tmp_path)])
    assert len(study.where({"cache_bytes": 4096}).results) == 4
    assert len(study.where({"cache_bytes": [1024, 4096], "system": "fast"}).results) == 4
    with pytest.raises(InputError, match="no run has system=slow; there are system: base, fast"):
        study.where({"system": "slow"})
    with pytest.raises(InputError, match="sistem"):
        study.where({"sistem": "fast"})


def test_failed_runs_are_kept_apart(tmp_path: Path) -> None:
    points = [
        {"system": "base", "vector_bytes": 64, "cycles": 10},
        {"system": "base", "vector_bytes": 512, "cycles": 1, "error": "does not fit"},
    ]
    study = read_study([write_sweep(tmp_path / "s", points)])
    assert len(study.results) == 1
    assert study.failures[0].axes == {"system": "base", "vector_bytes": 512}
    assert study.failures[0].error == "does not fit"


def test_a_summary_adds_settings_to_the_stats_of_its_run(tmp_path: Path) -> None:
    stats = write_run(tmp_path, "a", 100)
    summary = {
        "run": "trace/a",
        "trace": "x/trace.parquet",
        "command": "ppim simulate x/trace.parquet --system a",
        "trace_made_by": "",
        "system": {"name": "a"},
        "device": "hbm2-4gb",
        "cycles": 100,
        "time_ns": 100.0,
        "totals": {"accesses": 200},
        "limit_cycles": {"bus": 50},
        "binding_limit": "of the summary",
        "ppim_version": "1",
    }
    (tmp_path / "a.json").write_text(json.dumps(summary))
    for order in ([stats, tmp_path / "a.json"], [tmp_path / "a.json", stats]):
        (only,) = read_study(order).results
        assert only.run.unit_imbalance == pytest.approx(60 / 50)  # from the channels
        assert only.run.binding_limit == "bus"  # from the channels too
        assert only.commands == ["ppim simulate x/trace.parquet --system a"]
    with pytest.raises(InputError, match="is there twice"):
        read_study([stats, stats])


def test_traffic_and_energy_add_up(tmp_path: Path) -> None:
    figures = {"prefetch_reads": 10, "bytes_delivered": 128, **ENERGY}
    lines = [channel_line("a", channel, 300, **figures) for channel in (0, 1)]
    (result,) = read_study([write_stats(tmp_path / "a.csv", lines)]).results
    assert traffic_parts(result.run) == {"demand": 3840, "prefetch": 1280, "outward": 1024, "delivered": 256}
    parts = energy_parts(result.run)
    if parts:  # once the columns are counted
        assert sum(parts.values()) == pytest.approx(result.run.totals["energy_total_pj"])


def test_a_host_has_one_whole_and_no_energy(tmp_path: Path) -> None:
    (result,) = read_study([write_host(tmp_path, "cpu", 70)]).results
    assert time_parts(result.run) == {"whole": 70}
    assert energy_parts(result.run) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,a,status,error\n1,2,done,\n", "no table of a sweep's runs"),
        (
            "id,a,status,error,time_ns,trace,system\n1,2,done,,x,t,s\n",
            "runs.csv:2: column time_ns: 'x' is no number",
        ),
        (
            "id,a,status,error,time_ns,trace,system\n1,2,done,,inf,t,s\n",
            "runs.csv:2: column time_ns: 'inf' is no number",
        ),
        ("id,a,status,error,time_ns,trace,system\n1,2,done,,,t,s\n", "runs.csv:2: run 1 has no time_ns"),
        ("id,a,status,error,time_ns,trace,system\n1,2,done\n", "runs.csv:2: has not as many values"),
        ("id,a,status,error,time_ns,trace,system\n1,2,failed,too large,,,\n", "failed runs says: too large"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_study([tmp_path])


def test_a_folder_without_a_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"runs\.csv: cannot be read \(No such file"):
        read_study([tmp_path])
