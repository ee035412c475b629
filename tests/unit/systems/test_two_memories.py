"""Files and settings of systems with two memories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ppim.dram.load import load_device
from ppim.errors import InputError
from ppim.systems.explain import explain_system
from ppim.systems.load import load_system

ONE = 'title = "Mine"\nsource = "me"\nkind = "pim"\n'
TWO = ONE + '[pim]\nbarrier = "batch"\n[dimm.pim]\nlevel = "rank"\n'


def a_file(tmp_path: Path, text: str) -> str:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    return str(file)


def test_a_users_file_with_two_memories(tmp_path: Path) -> None:
    system = load_system(a_file(tmp_path, TWO))
    assert system.dimm is not None
    assert system.dimm.memory.device == "ddr4-8gb-x8-3200"
    second = system.second
    assert second.dimm is None
    assert (second.pim.level, system.pim.level) == ("rank", "bankgroup")
    assert second.pim.barrier == system.pim.barrier == "batch"
    assert second.prefetch.prefetch == "none"


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"dimm.pim.level": "bank"}, lambda s: s.dimm.pim.level == "bank" and s.pim.level == "bankgroup"),
        ({"dimm.level": "bank"}, lambda s: s.dimm.pim.level == "bank" and s.pim.level == "bankgroup"),
        ({"level": "bank"}, lambda s: s.dimm.pim.level == "rank" and s.pim.level == "bank"),
        ({"tiers.hot_fraction": 0.25}, lambda s: s.tiers.hot_fraction == 0.25),
        (
            {"placement.hot_fraction": 0.25},
            lambda s: s.placement.hot_fraction == 0.25 and s.tiers.hot_fraction == 0.952,
        ),
        ({"dimm.hot_fraction": 0.25}, lambda s: s.dimm.placement.hot_fraction == 0.25),
        ({"dimm.memory.device": "hbm2-8gb"}, lambda s: s.dimm.memory.device == "hbm2-8gb"),
    ],
    ids=lambda part: str(part) if isinstance(part, dict) else "holds",
)
def test_settings_reach_both(tmp_path: Path, settings: dict[str, Any], value: Any) -> None:
    assert value(load_system(a_file(tmp_path, TWO), settings))


@pytest.mark.parametrize("name", ["dimm.tRFC", "dimm.timing.tRFC"])
def test_settings_reach_the_second_device(tmp_path: Path, name: str) -> None:
    system = load_system(a_file(tmp_path, TWO), {name: 77})
    assert system.dimm is not None
    devices = [load_device(x.device, x.overrides) for x in (system.memory, system.dimm.memory)]
    assert [device.timing.tRFC for device in devices] == [260, 77]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hot_fraction": 0.5}, ["placement.hot_fraction or tiers.hot_fraction"]),
        ({"hot_by": "accesses"}, ["placement.hot_by or tiers.hot_by"]),
        ({"dimm.levle": "rank"}, ["dimm.levle", "level"]),
        ({"dimm.pim.levle": "rank"}, ["dimm.pim.levle", "pim.level"]),
        ({"dimm.pim": "rank"}, ["dimm.pim"]),
        ({"tiers.hot": 0.5}, ["tiers.hot"]),
        ({"tiers.hot_fraction": 2}, ["tiers", "hot_fraction", "2"]),
        ({"tiers.hot_by": "entries"}, ["tiers", "hot_by", "capacity"]),
        ({"dimm.pim.barrier": "none"}, ["dimm", "barrier", "[pim]"]),
        ({"dimm.placement.partial_sum_fraction": 0.1}, ["dimm", "partial_sum_fraction", "first memory"]),
        ({"dimm.prefetch": "table"}, ["dimm.prefetch"]),
        ({"partial_sum_fraction": -1}, ["partial_sum_fraction", "-1"]),
    ],
    ids=str,
)
def test_mistaken_settings_are_named(tmp_path: Path, settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as refused:
        load_system(a_file(tmp_path, TWO), settings)
    for word in words:
        assert word in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_leaf_means_what_it_did_where_there_is_one_memory() -> None:
    system = load_system("trim-bg", {"hot_fraction": 0.25, "hot_by": "accesses"})
    assert (system.placement.hot_fraction, system.placement.hot_by) == (0.25, "accesses")


@pytest.mark.parametrize("name", ["tiers.hot_fraction", "dimm.level", "dimm.memory.device"])
def test_what_needs_a_second_memory_is_refused_without(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: the system has one memory"):
        load_system("proactivepim", {name: 0.5})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ONE + "dimm = 3\n", ["mine.toml", "dimm", "3"]),
        (ONE + "[dimm.pim]\nlevle = 'rank'\n", ["mine.toml", "dimm", "pim", "levle", "level"]),
        (ONE + "[dimm.prefetch]\nprefetch = 'table'\n", ["mine.toml", "dimm", "prefetch"]),
        (ONE + "[dimm.pim]\nbarrier = 'none'\n", ["mine.toml", "barrier", "[pim]"]),
        (ONE.replace("pim", "host") + "[dimm.pim]\nlevel = 'rank'\n", ["mine.toml", "dimm", "host"]),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as refused:
        load_system(a_file(tmp_path, text))
    for word in words:
        assert word in str(refused.value)


def test_what_is_explained_acts(tmp_path: Path) -> None:
    """Of a host only the cache that keeps shared subtables; the barrier once."""
    for_host = TWO + '[dimm.cache]\npolicy = "none"\n'
    names = {(x.section, x.name) for x in explain_system(a_file(tmp_path, for_host))}
    assert ("dimm.pim", "level") in names
    assert ("tiers", "hot_fraction") in names
    assert not any(section == "host" for section, _ in names)
    assert [section for section, name in names if name == "barrier"] == ["pim"]
    names = {(x.section, x.name) for x in explain_system("heam")}
    assert [name for section, name in names if section == "host"] == ["llc_bytes"]
