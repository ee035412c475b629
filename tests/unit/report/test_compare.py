"""Comparisons of runs whose figures, and the cause of whose difference, are known by construction."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from ppim.errors import InputError
from ppim.report.compare import compare
from ppim.report.formats import FORMATS, as_table
from ppim.report.read import read_runs, run_of_rows
from ppim.stats.counters import COLUMNS, CYCLE_CLASSES, IDENTITY

CYCLES = 1000
TCK_NS = 0.5  # so that cycles and nanoseconds are not the same number


def line(channel: int, system: str, cycles: int = CYCLES, settings: str = "", **figures: object) -> dict:
    """A line of a stats CSV in which all cycles are idle but for those given."""
    name = f"trace/{system}" + (f"+{settings}" if settings else "")
    without = {column for column in COLUMNS if column == "partial_sum_hits" or column.startswith("energy_")}
    given = {column: 0 for column in COLUMNS if column not in without} | figures
    given["idle_cycles"] = cycles - sum(int(given[each]) for each in CYCLE_CLASSES if each != "idle_cycles")
    return {
        **dict.fromkeys(IDENTITY, ""),
        **given,
        "run": name,
        "trace": "trace.parquet",
        "system": system,
        "settings": settings,
        "memory": "hbm",
        "channel": channel,
        "cycles": cycles,
        "time_ns": cycles * TCK_NS,
    }


def write(path: Path, lines: list[dict]) -> Path:
    """A stats CSV."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*IDENTITY, *COLUMNS], restval="")
        writer.writeheader()
        writer.writerows(lines)
    return path


def host_lines(system: str, cycles: int, reads: int) -> list[dict]:
    """A host's line: no classes of cycles, no units."""
    only = {"accesses": 100, "cache_hits": 40, "reads": reads, "bytes_external": 64 * reads}
    whole = line(0, system, cycles)
    keep = (*IDENTITY, "cycles", "time_ns")
    return [{name: whole[name] for name in keep} | only]


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """A base that waits for slots, and a run that needs half of its instructions."""
    base = [
        line(0, "base", 2000, instructions=600, stall_issue_cycles=1500, accesses=30, cache_hits=0,
             bytes_external=100, unit_accesses_max=10, unit_accesses_mean=5, limit_cycles=1000),
        line(1, "base", 2000, instructions=400, stall_issue_cycles=1100, accesses=10, cache_hits=0,
             bytes_external=300, unit_accesses_max=20, unit_accesses_mean=5, limit_cycles=1000),
    ]  # fmt: skip
    fast = [
        line(0, "fast", 1000, instructions=300, stall_issue_cycles=500, accesses=30, cache_hits=15,
             bytes_external=100, unit_accesses_max=6, unit_accesses_mean=5, limit_cycles=900),
        line(1, "fast", 1000, instructions=200, stall_issue_cycles=300, accesses=10, cache_hits=5,
             bytes_external=300, unit_accesses_max=5, unit_accesses_mean=5, limit_cycles=900),
    ]  # fmt: skip
    return [write(tmp_path / "base.csv", base), write(tmp_path / "fast.csv", fast)]


def test_figures_are_those_of_the_lines(two: list[Path]) -> None:
    base, fast = compare(read_runs(two)).rows()
    assert (base["time_ns"], fast["time_ns"]) == (1000.0, 500.0)
    assert (base["speed_up"], fast["speed_up"]) == (1.0, 2.0)
    assert (base["hit_share"], fast["hit_share"]) == (0.0, 0.5)
    assert base["bytes_external"] == 400
    assert (base["unit_imbalance"], fast["unit_imbalance"]) == (20 / 5, 6 / 5)
    assert (base["limit_share"], fast["limit_share"]) == (0.5, 0.9)

    assert base["issue_share"] == pytest.approx((1500 + 1100) / 4000)
    assert fast["issue_share"] == pytest.approx((500 + 300) / 2000)
    assert sum(
        base[f"{name}_share"] for name in ("busy", "refresh", "compute", "bus", "bank", "issue", "idle")
    ) == (pytest.approx(1))


def test_sentence_names_what_was_built_in(two: list[Path]) -> None:
    [text] = compare(read_runs(two)).sentences()
    # 1300 - 400 of the 1000 cycles saved, mean of the channels, are waits for slots.
    assert text == (
        "fast takes 1/2.00 of the time of base; 90% of the difference is time waiting for instruction slots "
        "(500 instructions instead of 1,000)."
    )


@pytest.mark.parametrize(
    ("column", "count", "words"),
    [
        ("busy_cycles", "reads", "with commands or data on the move (700 DRAM reads instead of 900)"),
        ("stall_refresh_cycles", "refreshes", "held back by refreshes (700 refreshes instead of 900)"),
        (
            "stall_compute_cycles",
            "compute_cycles",
            "waiting for arithmetic (700 cycles of arithmetic instead of 900)",
        ),
        ("stall_bus_cycles", "bytes_external", "external bus (700 bytes on the external bus instead of 900)"),
        ("stall_bank_cycles", "activates", "waiting for banks (700 activates instead of 900)"),
        ("stall_issue_cycles", "instructions", "instruction slots (700 instructions instead of 900)"),
    ],
)
def test_each_cause_is_found(tmp_path: Path, column: str, count: str, words: str) -> None:
    """Runs that differ by 200 cycles of one class, and by the count that belongs to it."""
    slow = write(tmp_path / "a.csv", [line(0, "slow", 1000, **{column: 800, count: 900})])
    fast = write(tmp_path / "b.csv", [line(0, "fast", 800, **{column: 600, count: 700})])
    [text] = compare(read_runs([slow, fast])).sentences()
    assert text.startswith("fast takes 1/1.25 of the time of slow; 100% of the difference is time ")
    assert words in text


def test_idling_is_explained_by_the_busiest_unit(tmp_path: Path) -> None:
    even = write(tmp_path / "a.csv", [line(0, "even", 1000, unit_accesses_max=10, unit_accesses_mean=10)])
    odd = write(tmp_path / "b.csv", [line(0, "odd", 1500, unit_accesses_max=30, unit_accesses_mean=10)])
    [text] = compare(read_runs([even, odd])).sentences()
    assert text == (
        "odd takes 1.50 times as long as even; 100% of the difference is time idle at barriers, or for lack of "
        "work (the busiest unit has 3.00 times the mean, instead of 1.00)."
    )


def test_what_worked_against_the_whole_is_said(tmp_path: Path) -> None:
    slow = write(tmp_path / "a.csv", [line(0, "slow", 1000, stall_issue_cycles=800)])
    fast = write(tmp_path / "b.csv", [line(0, "fast", 800, stall_issue_cycles=100, stall_bank_cycles=500)])
    [text] = compare(read_runs([slow, fast])).sentences()
    assert "100% of the difference is time waiting for instruction slots" in text
    assert text.endswith("and other causes grew against it.")


def test_equal_times_have_no_cause(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", [line(0, "one", 1000)])
    other = write(tmp_path / "b.csv", [line(0, "other", 1009, stall_issue_cycles=900)])
    assert compare(read_runs([one, other])).sentences() == ["other and one take the same time, within 1%."]


def test_hosts_are_compared_by_their_counts(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", host_lines("cpu", 1000, 10))
    other = write(tmp_path / "b.csv", host_lines("cpu-hbm", 500, 8))
    comparison = compare(read_runs([one, other]))
    assert comparison.rows()[0]["idle_share"] is None
    [text] = comparison.sentences()
    assert text == (
        "cpu-hbm takes 1/2.00 of the time of cpu: 8 DRAM reads instead of 10, 512 bytes on the external bus "
        "instead of 640."
    )


def test_baseline_by_run_system_or_settings(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "a.csv", [line(0, "base", 1000)]),
        write(tmp_path / "b.csv", [line(0, "base", 500, settings="barrier=none")]),
    ]
    runs = read_runs(files)
    assert compare(runs).baseline is runs[0]
    assert compare(runs, "trace/base+barrier=none").baseline is runs[1]
    assert compare(runs, "base+barrier=none").baseline is runs[1]
    assert compare(runs, "base").baseline is runs[0]
    with pytest.raises(InputError, match=r"no run 'bse'; did you mean base\?"):
        compare(runs, "bse")
    with pytest.raises(InputError, match=r"no run 'xyz'; there are: base, base\+barrier=none"):
        compare(runs, "xyz")


@pytest.mark.parametrize("energy", [{}, {"energy_total_pj": 123.4e9}], ids=["no energy", "energy"])
@pytest.mark.parametrize("width", [80, 100])
def test_a_table_fits_its_width_and_drops_what_nobody_has(
    two: list[Path], tmp_path: Path, energy: dict[str, float], width: int
) -> None:
    long = write(
        tmp_path / "c.csv",
        [
            line(
                0,
                "proactivepim-paper",
                123_456_789,
                settings="barrier=none;cache_bytes=65536;frontend=global",
                **energy,
            )
        ],
    )
    comparison = compare(read_runs([*two, long]))
    text = as_table(comparison, width)
    table = text.rsplit("\n\n", 1)[0]
    assert max(map(len, text.splitlines())) <= width
    assert as_table(comparison) == FORMATS["table"](comparison)
    assert ("energy" in text) == bool(energy)
    assert ("123 mJ" in text) == bool(energy)
    assert "61,728.4" in table  # us
    assert "50 % " in table


def test_machines_get_plain_units(two: list[Path]) -> None:
    comparison = compare(read_runs(two))
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](comparison))))
    assert [row["time_ns"] for row in rows] == ["1000", "500"]
    assert rows[0]["energy_total_pj"] == ""
    content = json.loads(FORMATS["json"](comparison))
    assert content["baseline"] == "trace/base"
    assert content["runs"][1]["speed_up"] == 2.0
    assert len(content["differences"]) == 1
    markdown = FORMATS["md"](comparison).splitlines()
    assert markdown[1] == "| " + " | ".join(["---"] * (markdown[0].count("|") - 1)) + " |"
    assert markdown[-1].startswith("* fast takes")


def test_what_is_no_result_is_refused(tmp_path: Path, two: list[Path]) -> None:
    for name, content, words in [
        ("empty.csv", "", "no column run"),
        ("other.csv", "a,b\n1,2\n", "no column run"),
        ("list.json", "[]", "no column run"),
        ("other.json", '{"totals": 3}', "no summary of ppim simulate"),
    ]:
        path = tmp_path / name
        path.write_text(content)
        with pytest.raises(InputError, match=words):
            read_runs([path])
    text = two[0].read_text()
    for wrong in ("nan", "-1", "inf", "x"):
        path = tmp_path / "wrong.csv"
        path.write_text(text.replace(",600,", f",{wrong},", 1))
        with pytest.raises(InputError, match=r"wrong\.csv:2: column \w+: '.*' is no number"):
            read_runs([path])
    with pytest.raises(InputError, match=r"is in .*base\.csv too"):
        read_runs([two[0], two[0]])


@pytest.mark.parametrize(
    ("algorithm", "said"), [("qr", True), ("tt-rec", True), ("dense", False), ("", False)]
)
def test_what_the_units_of_a_paper_cannot_do_is_said(algorithm: str, said: bool, tmp_path: Path) -> None:
    lines = [line(0, name) | {"algorithm": algorithm} for name in ("proactivepim", "recnmp", "mine")]
    sentences = compare(read_runs([write(tmp_path / "stats.csv", lines)])).sentences()
    expected = [f"recnmp: {algorithm} is an extension of ours: the units of its paper have no such product"]
    assert sentences[2:] == expected * said


def test_the_limits_have_names() -> None:
    """A run's limit is that of the memory whose limit is nearest; one line under the table says whose is which."""
    runs = [
        run_of_rows([line(0, system, 100, limit_cycles=50, binding_limit=limit)], f"t/{system}")
        for system, limit in (("a", "bus"), ("b", "compute"), ("c", "bus"))
    ]
    assert "limits: bus (a, c), compute (b)\n" in as_table(compare(runs), 80)
    assert "limits: bus (a, c)\n" in as_table(compare(runs[::2]), 80)
    two = [
        {**line(0, "d", 100, limit_cycles=50, binding_limit="bus"), "memory": "hbm"},
        {**line(0, "d", 100, limit_cycles=80, binding_limit="compute"), "memory": "dimm"},
    ]
    assert run_of_rows(two, "t/d").binding_limit == "compute"
