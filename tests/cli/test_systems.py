"""`ppim systems`, `ppim systems show`, and `ppim info` of systems and results."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from operator import attrgetter
from pathlib import Path

import pytest

from ppim.cli import main
from ppim.systems.effect import acts, sections_of
from ppim.systems.load import PRESET_FOLDER, load_system, system_names
from tests.conftest import ROOT

SAMPLE = ROOT / "traces" / "sample-qr.parquet"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of one command."""
    try:
        main(list(arguments))
        status = 0
    except SystemExit as exit_:
        status = exit_.code or 0
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_systems_lists_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "systems")
    assert (status, err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
    assert set(rows) == set(system_names())
    assert rows["proactivepim"] == [
        "pim",
        "bankgroup",
        "hbm2-4gb",
        "duplicate",
        "table",
        "arXiv",
        "2402.04032",
    ]
    assert rows["cpu"][:5] == ["host", "-", "ddr4-8gb-x8-3200", "-", "-"]
    assert rows["trim-bank"][:5] == ["pim", "bank", "ddr5-16gb-x8-4800", "hot", "none"]


@pytest.mark.parametrize("name", system_names())
def test_show_explains_every_parameter_that_acts(capsys: pytest.CaptureFixture[str], name: str) -> None:
    status, out, _ = run(capsys, "systems", "show", name)
    assert status == 0
    system = load_system(name)
    assert f"source: {system.source}" in out.splitlines()
    sections = out.split("\n[")[1:]
    assert [section.split("]")[0] for section in sections] == list(sections_of(system))
    for section, text in zip(sections_of(system), sections, strict=True):
        lines = {line.split()[0]: line for line in text.splitlines()[1:] if line.startswith("  ")}
        for field in dataclasses.fields(attrgetter(section)(system)):
            if not acts(system, section, field.name):
                assert field.name not in lines
                continue
            assert field.metadata["meaning"] in lines[field.name]
            assert field.metadata["unit"] in lines[field.name]


def test_show_gives_values_units_and_where_they_are_from(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "systems", "show", "proactivepim")[1]
    lines = out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  cache_bytes"))
    assert lines[at].split()[1:3] == ["40960", "bytes"]
    assert lines[at + 1].strip() == "= authors' trace generator: SRAM of a unit"
    assert next(line for line in lines if line.startswith("  unit_window")).endswith("(default)")
    assert next(line for line in lines if line.startswith("  barrier")).endswith("[table | batch | none]")
    assert "without effect in a pim system: [host]" in lines
    assert "organization.ranks = 8" in run(capsys, "systems", "show", "recnmp")[1]


@pytest.mark.parametrize("name", system_names())
def test_info_of_a_system_is_the_same(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(capsys, "info", name) == run(capsys, "systems", "show", name)


def test_a_users_file_is_shown_and_simulated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text((PRESET_FOLDER / "recnmp.toml").read_text())
    for command in (("systems", "show"), ("info",)):
        status, out, _ = run(capsys, *command, str(file))
        assert status == 0
        assert out.startswith("mine: RecNMP")
    assert run(capsys, "simulate", str(SAMPLE), "--system", str(file))[0] == 0


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("recmnp", ["unknown system 'recmnp'", "did you mean recnmp"]),
        ("gone.toml", ["gone.toml", "cannot be read"]),
    ],
)
def test_show_of_nothing_is_one_line(
    capsys: pytest.CaptureFixture[str], target: str, words: list[str]
) -> None:
    status, out, err = run(capsys, "systems", "show", target)
    assert (status, out, err.count("\n")) == (2, "", 1)
    for word in words:
        assert word in err


@pytest.fixture(scope="module")
def stats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stats CSV of the default system."""
    path = tmp_path_factory.mktemp("stats") / "stats.csv"
    main(["simulate", str(SAMPLE), "-o", str(path)])
    return path


def cut_in_fifth_line(text: str) -> str:
    """The file as far as the middle of its fifth line."""
    lines = text.split("\n")[:5]
    return "\n".join([*lines[:4], lines[4][: len(lines[4]) // 2]])


class TestInfoOfResults:
    """`ppim info STATS.csv` says whose it is, and its totals."""

    def test_totals(self, capsys: pytest.CaptureFixture[str], stats: Path) -> None:
        status, out, _ = run(capsys, "info", str(stats))
        assert status == 0
        lines = out.splitlines()
        assert lines[0] == "stats of ppim simulate: 1 run"
        for line in ("system: proactivepim", "mapping: duplicate", "device: hbm2-4gb", "channels: 8"):
            assert line in lines
        values = {line.split()[0]: line.split()[1] for line in lines if line.startswith("  ")}
        assert (values["accesses"], values["lookups"], values["batches"]) == ("13,312", "6,656", "16")
        assert values["cycles"] == values["time_ns"]
        assert "unit_accesses_mean" not in values

    def test_shares_and_limits(self, capsys: pytest.CaptureFixture[str], stats: Path) -> None:
        """What is a part of something says in percent of what; the limit is named."""
        with stats.open() as stream:
            rows = list(csv.DictReader(stream))
        out = run(capsys, "info", str(stats))[1]
        assert f"binding_limit: {rows[0]['binding_limit']}" in out.splitlines()
        found = (re.match(r"  (\w+) .* (\d+) %( |$)", line) for line in out.splitlines())
        shown = {match[1]: int(match[2]) for match in found if match}

        def total(column: str) -> float:
            return sum(float(row[column]) for row in rows)

        by_hand = {
            "cache_hits": total("cache_hits") / total("accesses"),
            "row_hits": total("row_hits") / total("reads"),
            "idle_cycles": total("idle_cycles") / (8 * float(rows[0]["cycles"])),
            "limit_cycles": float(rows[0]["limit_cycles"]) / float(rows[0]["cycles"]),
            "energy_read_pj": total("energy_read_pj") / total("energy_total_pj"),
            "unit_accesses_max": 8
            * max(float(row["unit_accesses_max"]) for row in rows)
            / total("unit_accesses_mean"),
        }
        for column, share in by_hand.items():
            assert abs(shown[column] - 100 * share) <= 0.5, column
        classes = [shown[name] for name in shown if name.startswith(("busy_", "stall_", "idle_"))]
        assert abs(sum(classes) - 100) <= len(classes) / 2
        records = json.loads(run(capsys, "info", str(stats), "--format", "json")[1])
        (hits,) = (each for each in records["totals"] if each["column"] == "cache_hits")
        assert (hits["share"], hits["of"]) == (pytest.approx(by_hand["cache_hits"]), "accesses")

    def test_several_runs_in_one_file(
        self, capsys: pytest.CaptureFixture[str], stats: Path, tmp_path: Path
    ) -> None:
        both, base = tmp_path / "both.csv", tmp_path / "base.csv"
        run(capsys, "simulate", str(SAMPLE), "--system", "pim-base", "-o", str(base))
        both.write_text(stats.read_text() + base.read_text().split("\n", 1)[1])
        out = run(capsys, "info", str(both))[1]
        assert out.startswith("stats of ppim simulate: 2 runs\n")
        assert out.count("channels: 8") == 2

    def test_two_memories_are_one_run(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        stats = tmp_path / "heam.csv"
        run(capsys, "simulate", str(SAMPLE), "--system", "heam", "-o", str(stats))
        out = run(capsys, "info", str(stats))[1]
        assert out.startswith("stats of ppim simulate: 1 run\n")
        lines = out.splitlines()
        assert [line for line in lines if line.startswith("memory")] == ["memory: hbm", "memory: dimm"]
        assert [line for line in lines if line.startswith("channels")] == ["channels: 8", "channels: 2"]

    def test_of_replay(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        requests, stats = tmp_path / "requests.trace", tmp_path / "replay.csv"
        requests.write_text("0x0 READ 0\n0x40 READ 1\n0x2000 WRITE 5\n")
        assert run(capsys, "replay", str(requests), "-o", str(stats))[0] == 0
        out = run(capsys, "info", str(stats))[1]
        assert out.startswith("stats of ppim replay: 1 run\n")
        values = {line.split()[0]: line.split()[1] for line in out.splitlines() if line.startswith("  ")}
        assert (values["requests"], values["reads"], values["writes"]) == ("3", "2", "1")
        records = json.loads(run(capsys, "info", str(stats), "--format", "json")[1])
        (hits,) = (each for each in records["totals"] if each["column"] == "row_hits")
        assert (hits["share"], hits["of"]) == (pytest.approx(hits["total"] / 3), "reads + writes")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda text: text.split("\n")[0] + "\n", ["no channel"]),
            (cut_in_fifth_line, [":5", "as many values"]),
            (lambda text: text.replace(",13312,", ",many,").replace(",1664,", ",many,"), ["column", "many"]),
        ],
        ids=["empty", "cut", "words"],
    )
    def test_broken_files_are_one_line(
        self,
        change: object,
        words: list[str],
        capsys: pytest.CaptureFixture[str],
        stats: Path,
        tmp_path: Path,
    ) -> None:
        broken = tmp_path / "broken.csv"
        broken.write_text(change(stats.read_text()))  # type: ignore[operator]
        status, _, err = run(capsys, "info", str(broken))
        assert (status, err.count("\n")) == (2, 1)
        assert str(broken) in err
        for word in words:
            assert word in err
