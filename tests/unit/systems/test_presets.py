"""Every built-in system runs and keeps its accounts; a file of the user's is a system like them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ppim.dram.load import load_device
from ppim.engine.simulate import simulate
from ppim.errors import InputError, UnknownNameError
from ppim.mapping.base import MAPPINGS
from ppim.systems.explain import DEFAULT, SECTIONS, explain_system, read_comments
from ppim.systems.load import PRESET_FOLDER, load_system, system_names
from ppim.systems.spec import PlacementSpec, SystemSpec
from tests.reference.small_traces import SmallTrace, small_trace
from tests.unit.simulate.accounts import check_run

PIM_SYSTEMS = [name for name in system_names() if load_system(name).kind == "pim"]
HOSTS = [name for name in system_names() if load_system(name).kind == "host"]
ALGORITHMS = {"dense": {}, "qr": {"collisions": 6}, "tt-rec": {"tt_rank": 4}}


def a_trace(algorithm: str) -> SmallTrace:
    return small_trace(
        algorithm,
        {"vector_bytes": 128, **ALGORITHMS[algorithm]},
        rows=(200, 31, 90),
        samples=7,
        batch_size=3,
        pooling=(0, 5),
        skew=3.0,
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", PIM_SYSTEMS)
def test_accounts(name: str, algorithm: str) -> None:
    if (name, algorithm) == ("tensordimm", "tt-rec"):
        with pytest.raises(InputError, match="multiplies matrices"):
            check_run(a_trace(algorithm), load_system(name))
        return
    check_run(a_trace(algorithm), load_system(name))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("placement", ["hash", "page"])
@pytest.mark.parametrize("mapping", MAPPINGS.names())
def test_accounts_of_mappings(mapping: str, placement: str, algorithm: str) -> None:
    choice = {"placement.placement": placement, "hot_fraction": 0.3}
    system = load_system("pim-base", {"placement.mapping": mapping, **choice})
    refused = {("table", "page"): "placement=hash", ("vertical", "page"): "placement=hash"}
    if mapping == "vertical" and algorithm == "tt-rec":
        refused["vertical", "hash"] = "multiplies matrices"
    if (mapping, placement) in refused:
        with pytest.raises(InputError, match=refused[mapping, placement]):
            check_run(a_trace(algorithm), system)
        return
    check_run(a_trace(algorithm), system)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", HOSTS)
def test_hosts_serve_every_access(name: str, algorithm: str) -> None:
    trace = a_trace(algorithm)
    result = simulate(trace, load_system(name))
    assert result.total("accesses") == result.total("cache_hits") + result.total("cache_misses")
    assert result.total("accesses") == len(trace.accesses.row)
    assert result.total("reads") > 0
    assert len(result.counts["reads"]) == result.device.organization.channels


def test_hot_rows_balance_units() -> None:
    """The same trace with copies of its hot rows: the busiest unit has less to do."""
    trace = small_trace("dense", {"vector_bytes": 128}, rows=(400,), samples=64, batch_size=64, skew=6.0)
    loads = {}
    for mapping in ("interleave", "hot"):
        system = load_system("pim-base", {"placement.mapping": mapping, "hot_by": "entries"})
        loads[mapping] = simulate(trace, system).unit_accesses
    assert loads["hot"].sum() == loads["interleave"].sum() == len(trace.accesses.row)
    assert loads["hot"].max() < loads["interleave"].max()


@pytest.mark.parametrize("name", system_names())
def test_every_preset_says_where_it_is_from(name: str) -> None:
    system = load_system(name)
    assert system.name == name
    assert system.title
    assert system.source
    device = load_device(system.memory.device, system.memory.overrides)
    assert device.organization.banks <= 64


@pytest.mark.parametrize("name", system_names())
def test_every_number_of_a_preset_has_a_source(name: str) -> None:
    for parameter in explain_system(name):
        if isinstance(parameter.value, int | float) and parameter.origin != DEFAULT:
            assert parameter.origin, f"{parameter.section}.{parameter.name} has no comment"


@pytest.mark.parametrize("kind", SECTIONS)
def test_every_parameter_has_a_meaning(kind: str) -> None:
    hints = SystemSpec.__dataclass_fields__
    for section in SECTIONS[kind]:
        for field in dataclasses.fields(hints[section].default):
            assert field.metadata["meaning"], f"{section}.{field.name}"
            assert "unit" in field.metadata


def test_hosts_differ_in_memory_alone() -> None:
    """The same bytes a ns through the same cache."""
    ddr4, hbm = load_system("cpu"), load_system("cpu-hbm")
    clocks = [load_device(system.memory.device).timing.tCK for system in (ddr4, hbm)]
    rates = [s.host.llc_bytes_per_cycle / clock for s, clock in zip((ddr4, hbm), clocks, strict=True)]
    assert rates[0] == pytest.approx(rates[1], rel=0.01)
    same = {"llc_bytes_per_cycle": 1, "requests_per_cycle": 1}
    assert dataclasses.replace(ddr4.host, **same) == dataclasses.replace(hbm.host, **same)


# Files of the user's.


def test_a_users_file_is_a_system(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text((PRESET_FOLDER / "proactivepim.toml").read_text().replace("40_960", "81_920"))
    system = load_system(str(file))
    assert system.name == "mine"
    assert system.cache.cache_bytes == 81_920
    check_run(a_trace("qr"), system)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[pim]\nlevle = 'bank'", ["mine.toml", "levle", "level"]),
        ("[pim]\nlevel = 'banks'", ["mine.toml", "pim", "level", "banks", "bankgroup"]),
        ("[placement]\nhot_fraction = 5", ["mine.toml", "placement", "hot_fraction", "5"]),
        ("[placement]\nplacement_page = 0", ["mine.toml", "placement_page", "0"]),
        ("[placement]\npage_bytes = 0", ["mine.toml", "page_bytes"]),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path: Path, line: str, words: list[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f'title = "Mine"\nsource = "me"\nkind = "pim"\n{line}\n')
    with pytest.raises(InputError) as refused:
        load_system(str(file))
    for word in words:
        assert word in str(refused.value)


def test_near_matches_of_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean recnmp"):
        load_system("recmnp")
    with pytest.raises(UnknownNameError, match="unknown mapping 'verticle'; did you mean vertical"):
        check_run(a_trace("dense"), load_system("pim-base", {"placement.mapping": "verticle"}))


# Comments of a file.


def test_comments_belong_to_the_key_below_and_beside_them() -> None:
    text = """
# Of the whole file.
title = "A # in a string"  # beside

[one]
# above
# and above
key = 1
other = "#"
# of nothing

last = 2  # too
[two]
key = 3 # another
"quoted.key" = 4   # q
"""
    assert read_comments(text) == {
        ("", "title"): "Of the whole file. beside",
        ("one", "key"): "above and above",
        ("one", "other"): "",
        ("one", "last"): "too",
        ("two", "key"): "another",
        ("two", "quoted.key"): "q",
    }


def test_origins_are_the_files_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'title = "Mine"\nsource = "me"\nkind = "pim"\n[pim]\n# measured\nunit_window = 4\nlevel = "rank"\n'
    )
    found = {parameter.name: parameter for parameter in explain_system(str(file))}
    assert (found["unit_window"].value, found["unit_window"].origin) == (4, "measured")
    assert found["level"].origin == ""
    assert found["mapping"].origin == DEFAULT
    assert found["mapping"].value == PlacementSpec().mapping


NUMBERS = [
    (name, f"{section}.{parameter.name}", *parameter.metadata["range"])
    for name, sections in (("proactivepim", ("pim", "placement", "cache", "compute")), ("cpu", ("host",)))
    for section in sections
    for parameter in dataclasses.fields(getattr(load_system(name), section))
    if parameter.metadata["range"][0] is not None
]


@pytest.mark.parametrize(("name", "key", "least", "most"), NUMBERS, ids=[key for _, key, _, _ in NUMBERS])
def test_numbers_beyond_their_range_are_refused(name: str, key: str, least: float, most: float) -> None:
    for value in (least - 1, most + 1, 1 << 63):
        with pytest.raises(InputError, match=f"{key.split('.')[1]}: .* is not in {least}"):
            load_system(name, {key: value})


def test_every_number_of_a_system_but_the_seed_has_a_range() -> None:
    without = {
        field.name
        for section in ("host", "pim", "placement", "cache", "compute", "tiers")
        for field in dataclasses.fields(getattr(load_system("proactivepim"), section))
        if type(field.default) in (int, float) and field.metadata["range"][0] is None
    }
    assert without == {"placement_seed"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e-300])
def test_a_clock_of_the_arithmetic_is_a_number_of_gigahertz(value: float) -> None:
    with pytest.raises(InputError, match="mac_ghz"):
        load_system("proactivepim", {"mac_ghz": value})
