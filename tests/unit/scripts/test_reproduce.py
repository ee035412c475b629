"""The claims of docs/reproduction.md: their settings are accepted, and the page has what they say."""

import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ppim
from ppim.dram.load import load_device
from ppim.systems.chosen import choose_system
from tests.conftest import ROOT
from tests.unit.scripts.load import script

PAGE = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
DOCUMENT = tomllib.loads((ROOT / "scripts" / "claims.toml").read_text(encoding="utf-8"))
CLAIMS: list[dict[str, Any]] = DOCUMENT["claims"]


@pytest.fixture(scope="module")
def reproduce() -> ModuleType:
    return script("reproduce")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim['paper']}: {claim['says']}")
def test_settings_are_accepted_and_the_page_has_the_claim(
    reproduce: ModuleType, claim: dict[str, Any]
) -> None:
    assert claim["trace"] in DOCUMENT["traces"]
    assert claim.get("low", 0) <= claim.get("high", 0)
    for run in (claim["ours"], claim["base"]):
        chosen = choose_system(run["system"], run.get("settings"), device=run.get("device"))
        memory = chosen.spec.memory
        load_device(memory.device, memory.overrides)
        assert reproduce.said(run) in " ".join(PAGE.split())
    title = f"### {claim['says'][0].upper()}{claim['says'][1:]}\n"
    rows = PAGE.split(f"## {claim['paper']}\n", 1)[1].split(title, 1)[1].split("\n### ", 1)[0]
    ours = [line for line in rows.splitlines() if line.startswith("|")][2:]
    assert len(ours) >= len(list(reproduce.variants(claim)))


def test_a_ratio_is_of_this_code(reproduce: ModuleType, tmp_path: Path) -> None:
    """If this fails and the change is meant: `make reproduce`."""
    claim = next(claim for claim in CLAIMS if claim["says"].startswith("QR-trick over bank-group PIM"))
    text = reproduce.section(claim, reproduce.Bench(DOCUMENT["traces"], tmp_path), "synthetic")
    table = [line for line in text.splitlines() if line.startswith("| as above")]
    assert len(table) == 1
    assert table[0] in PAGE


def test_facts_of_eight_ranks_over_one_bus(reproduce: ModuleType, tmp_path: Path) -> None:
    claim = next(claim for claim in CLAIMS if claim["paper"].startswith("RecNMP"))
    trace = tmp_path / "trace.parquet"
    ppim.generate_trace("synthetic", output=trace, algorithm="dense", vector_bytes=64, max_samples=8)
    bench = reproduce.Bench(DOCUMENT["traces"], tmp_path)
    ours, base = bench.runs(trace, claim["ours"]), bench.runs(trace, claim["base"])
    facts = reproduce.facts(ours, base)
    # A row takes the bus 4 cycles; of eight ranks each opens four rows in tFAW = 26: 8 * 4 / 26 * 4.
    assert facts["opened"] == "4.9"
    moved = int(base[0].counts["reads"].sum()) * 4 * 0.83
    assert facts["twice"] == f"{2 * base[0].time_ns / moved:.2f}"
    activates = int(ours[0].counts["activates"].sum())
    assert facts["even"] == f"{base[0].time_ns / (activates * 26 / 4 / 8 * 0.83):.1f}"
    text = reproduce.filled("{bus} of it", [{"bus": "1 %"}, {"bus": "3 %"}])
    assert text == "1 % to 3 % of it"
    assert reproduce.filled("{bus} of it", [{"bus": "1 %"}, {"bus": "1 %"}]) == "1 % of it"
    assert reproduce.filled("no facts", [{}]) == "no facts"


def test_facts_of_cold_rows_and_of_turns(reproduce: ModuleType, tmp_path: Path) -> None:
    claim = next(claim for claim in CLAIMS if "{cold}" in claim.get("hangs_on", ""))
    trace = tmp_path / "trace.parquet"
    ppim.generate_trace("synthetic", output=trace, algorithm="dense", vector_bytes=128, max_samples=8)
    bench = reproduce.Bench(DOCUMENT["traces"], tmp_path)
    ours, base = bench.runs(trace, claim["ours"]), bench.runs(trace, claim["base"])
    facts = reproduce.cold_facts(ours, base)
    first, second = ours[0].memories
    # Each cold row is two bursts of 64 bytes, 2 cycles each on one of eight buses.
    share = int(second.counts["accesses"].sum()) * 2 * 2 / 8 / first.cycles
    assert facts["cold"] == f"{100 * share:.0f} %"
    assert float(facts["worst"]) < reproduce.time_of(base) / reproduce.time_of(ours)
    least, most = map(float, reproduce.least_and_most(ours, base).split(", "))
    assert least <= reproduce.time_of(base) / reproduce.time_of(ours) <= most + 0.01
    parts = script("turn_parts").TurnParts(length=200, rows=4, travel=100, slots=60, sums=40)
    assert reproduce.turn_facts(parts) == {
        "turn": "200", "rows": "4.0", "each": "25", "travel": "50 %", "slots": "30 %", "sums": "20 %",
    }  # fmt: skip
