"""Settings on top of a system's file: what is kept of them makes the same system again."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppim.config import parse_settings
from ppim.systems.chosen import choose_system, settings_text


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("proactivepim", [], ""),
        ("proactivepim", ["barrier=none", "cache_bytes=8192"], "barrier=none;cache_bytes=8192"),
        ("proactivepim", ["pim.barrier=none"], "barrier=none"),
        ("proactivepim", ["barrier=table", "macs=64"], ""),  # as the file has them
        ("proactivepim", ["tFAW=17", "timing.tRP=20"], "tFAW=17;tRP=20"),
        ("proactivepim", ["device=hbm2-8gb", "tRP=20"], "device=hbm2-8gb;tRP=20"),
        ("proactivepim", ["tFAW=30"], ""),  # as the device has it
        ("proactivepim", ['prefetch_subtables=["r"]'], 'prefetch_subtables=["r"]'),
        ("proactivepim", ["tt_reuse=false", "mac_ghz=1"], "mac_ghz=1.0;tt_reuse=false"),
        ("trim-bg", ["hot_fraction=0.5"], "hot_fraction=0.5"),
        ("heam", ["tiers.hot_fraction=0.5"], "tiers.hot_fraction=0.5"),  # one of two of that name
        ("heam", ["dimm.pim.level=bank", "dimm.timing.tRP=30"], "dimm.level=bank;dimm.tRP=30"),
        ("cpu", ["llc_bytes=0"], "llc_bytes=0"),
    ],
)
def test_what_differs_from_the_file_is_kept_and_makes_the_system_again(
    name: str, given: list[str], kept: str
) -> None:
    chosen = choose_system(name, parse_settings(given))
    assert settings_text(chosen.settings) == kept
    again = choose_system(name, parse_settings(kept.split(";") if kept else []))
    assert again.settings == chosen.settings
    if kept.count("=") == len(given):
        assert again.spec.pim == chosen.spec.pim
        assert again.spec.dimm is None or again.spec.dimm.pim == chosen.spec.dimm.pim


def test_options_are_settings_like_others() -> None:
    chosen = choose_system("proactivepim", {"barrier": "none"}, mapping="interleave", prefetch="none")
    assert settings_text(chosen.settings) == "barrier=none;mapping=interleave;prefetch=none"
    assert choose_system("proactivepim", chosen.settings).spec == chosen.spec
    assert choose_system("proactivepim", mapping="duplicate").settings == {}


def test_a_name_that_toml_takes_for_a_value_keeps_its_quotes() -> None:
    text = settings_text({"device": "12", "system": "true", "other": "plain"})
    assert text == 'device="12";other=plain;system="true"'
    assert parse_settings(text.split(";")) == {"device": "12", "other": "plain", "system": "true"}


def test_a_file_is_its_own_base(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('title = "t"\nsource = "s"\nkind = "pim"\n[pim]\nbarrier = "none"\n')
    assert choose_system(str(mine)).settings == {}
    assert choose_system(str(mine), {"barrier": "none"}).settings == {}
    assert choose_system(str(mine), {"barrier": "batch"}).settings == {"barrier": "batch"}
