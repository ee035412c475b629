"""The claims of docs/reproduction.md: their settings are accepted, and the page has what they say."""

import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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
