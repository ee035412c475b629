"""Search files: values of parameters, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppim.errors import InputError
from ppim.search.costs import sram_bytes
from ppim.search.designs import Designs
from ppim.search.space import Space, read_space
from ppim.systems.load import load_system

KIB = 1024


def space_of(tmp_path: Path, text: str) -> Space:
    path = tmp_path / "search.toml"
    path.write_text(text)
    return read_space(path)


def values_of(tmp_path: Path, value: str) -> list[object]:
    (parameter,) = space_of(tmp_path, f"[space]\nx = {value}\n").parameters
    return list(parameter.values)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("[4, 1, 2]", [1, 2, 4]),
        ("['b', 'a']", ["b", "a"]),
        ("[true, false]", [True, False]),
        ("{from = 1, to = 3, points = 3}", [1, 2, 3]),
        ("{from = 1, to = 64, points = 7, scale = 'log'}", [1, 2, 4, 8, 16, 32, 64]),
        ("{from = 1, to = 3, points = 9}", [1, 2, 3]),
        ("{from = 0.0, to = 1, points = 3}", [0.0, 0.5, 1.0]),
        ("{from = 0.01, to = 1.0, points = 3, scale = 'log'}", [0.01, 0.1, 1.0]),
    ],
)
def test_values(tmp_path: Path, value: str, expected: list[object]) -> None:
    found = values_of(tmp_path, value)
    assert found == expected
    assert [type(each) for each in found] == [type(each) for each in expected]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing varies"),
        ("[space]\n", "nothing varies"),
        ("[space]\nmacs = [4]\n", "nothing varies"),
        ("[space]\nmacs = []\n", "space.macs: has no value"),
        ("[space]\nmacs = 4\n", "space.macs: takes a list of values, or a range"),
        ("[space]\nmacs = [4, 4]\n", "space.macs: has a value twice"),
        ("[space]\nmacs = [4, [1]]\n", "space.macs: [1] is no number, text or switch"),
        ("[space]\nmacs = [4, nan]\n", "space.macs: nan is no number"),
        ("[space]\nmacs = {}\n", "space.macs: from: None is no number"),
        ("[space]\nmacs = {from = 1, to = 4}\n", "space.macs: points: None"),
        (
            "[space]\nmacs = {from = 1, to = 4, points = 1}\n",
            "space.macs: points: 1 is no whole number from 2",
        ),
        ("[space]\nmacs = {from = 4, to = 1, points = 2}\n", "space.macs: from 4 is not below to 1"),
        ("[space]\nmacs = {from = 'a', to = 1, points = 2}\n", "space.macs: from: 'a' is no number"),
        ("[space]\nmacs = {from = 0, to = 1, points = 2, scale = 'log'}\n", "begins above 0"),
        ("[space]\nmacs = {from = 1, to = 4, points = 2, scale = 'lin'}\n", "did you mean linear?"),
        ("[space]\nmacs = {from = 1, to = 4, point = 2}\n", "did you mean points?"),
        ("[spaces]\nmacs = [1, 2]\n", "did you mean space?"),
        ("space = 3\n", "space: is a table, written as [space]"),
        (
            "objective = 'tiem'\n[space]\nmacs = [1, 2]\n",
            "objective: unknown objective 'tiem'; did you mean time?",
        ),
        ("objective = 3\n[space]\nmacs = [1, 2]\n", "unknown objective '3'"),
        ("[constants]\nmacs = 4\n[space]\nmacs = [1, 2]\n", "space.macs: is in constants too"),
        ("[constants]\nmacs = {from = 1, to = 2}\n[space]\nmacs = [1, 2]\n", "constants.macs: has one value"),
        ("[space\n", "not valid TOML"),
    ],
)
def test_files_that_are_no_search(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as found:
        space_of(tmp_path, text)
    assert words in str(found.value)
    assert "search.toml" in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[space]\nmac = [4, 8]\n", "space.mac: unknown parameter 'mac'; did you mean macs"),
        ("[space]\nmacs = [4, 'eight']\n", "space.macs: "),
        ("[space]\nmacs = [4, -8]\n", "macs: -8 is not in 1 to"),
        ("[space]\nmapping = ['duplicate', 'dupliacte']\n", "space.mapping: unknown mapping 'dupliacte'"),
        ("[space]\nprefetch = ['none', 'tabel']\n", "space.prefetch: "),
        ("[space]\nsystem = ['cpu', 'gpu']\n", "space.system: unknown system 'gpu'"),
        ("[space]\nsystem = [1, 2]\n", "space.system: system: 1 is no name"),
        ("[space]\ndevice = ['hbm2-4gb', 'hbm2']\n", "space.device: "),
        ("[constants]\nsystem = 'gpu'\n[space]\nmacs = [1, 2]\n", "constants: unknown system 'gpu'"),
        ("[space]\nunit_accumulators = [0, 4]\n", "0 stands for no bound"),
        ("[space]\nllc_bytes = [1024, 2048]\n", "space.llc_bytes: "),
        ("[space]\ntrace.seed = [1, 2]\n", "space.trace.seed: "),
    ],
)
def test_names_and_values_that_no_system_has(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as found:
        Designs(space_of(tmp_path, text))
    assert words in str(found.value)
    assert "search.toml" in str(found.value)
    assert "\n" not in str(found.value)


SEARCH = """
[space]
mapping = ["duplicate", "duplicate-hot"]
hot_fraction = [0.1, 0.2]
cache_bytes = [1024, 2048, 32768]
prefetch = ["none", "table"]
prefetch_used = [false, true]
"""


def test_what_does_not_act_tells_no_designs_apart(tmp_path: Path) -> None:
    designs = Designs(space_of(tmp_path, SEARCH))
    assert designs.space.size == 48
    plain = designs.design((0, 0, 1, 1, 0))
    assert plain.axes == {
        "mapping": "duplicate",
        "cache_bytes": 2048,
        "prefetch": "table",
        "prefetch_used": False,
    }
    assert designs.design((0, 1, 1, 1, 0)).key == plain.key
    hot = [designs.design((1, place, 1, 1, 0)) for place in (0, 1)]
    assert hot[0].key != hot[1].key != plain.key
    # Nothing is fetched into the scratchpad, so its size does not matter.
    assert designs.design((0, 0, 0, 0, 0)).key == designs.design((0, 0, 2, 0, 0)).key
    with pytest.raises(InputError, match="prefetch_used"):
        designs.design((0, 0, 0, 0, 1))


def test_the_search_starts_beside_the_system_as_it_is(tmp_path: Path) -> None:
    designs = Designs(space_of(tmp_path, SEARCH))
    assert designs.start.axes == {
        "mapping": "duplicate",
        "cache_bytes": 40_960,
        "prefetch": "table",
        "prefetch_used": False,
    }
    assert designs.at(designs.near_start()) == {
        "mapping": "duplicate",
        "hot_fraction": 0.1,
        "cache_bytes": 32_768,
        "prefetch": "table",
        "prefetch_used": False,
    }


@pytest.mark.parametrize(
    ("system", "settings", "expected"),
    [
        ("proactivepim", {}, 32 * 40_960),  # 8 channels of 4 bank groups
        ("proactivepim", {"prefetch": "none"}, 0),
        ("proactivepim", {"policy": "lru", "prefetch": "none", "cache_bytes": KIB}, 32 * KIB),
        ("proactivepim", {"cache_bytes": 0, "unit_accumulators": 4}, 32 * 4 * 128),
        ("proactivepim", {"cache_bytes": 0, "unit_buffer_bursts": 3}, 32 * 3 * 64),
        ("proactivepim", {"level": "channel", "cache_bytes": KIB}, 8 * KIB),
        ("pim-base", {}, 0),
        ("cpu", {"llc_bytes": 64 * KIB}, 64 * KIB),
    ],
)
def test_sram_of_all_units(system: str, settings: dict[str, object], expected: int) -> None:
    assert sram_bytes(load_system(system, settings), vector_bytes=128) == expected


def test_sram_of_two_memories() -> None:
    system = load_system("heam")
    assert system.dimm is not None
    first = sram_bytes(load_system("heam", {"dimm.policy": "none"}), vector_bytes=128)
    with_cache = load_system("heam", {"dimm.policy": "lru", "dimm.cache_bytes": 4 * KIB})
    ddr4_units = (sram_bytes(with_cache, vector_bytes=128) - first) / (4 * KIB)
    assert ddr4_units >= 1
    assert ddr4_units.is_integer()
