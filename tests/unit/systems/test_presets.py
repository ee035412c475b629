"""Every built-in system runs and keeps its accounts; a file of the user's is a system like them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ppim.config import parse_settings
from ppim.dram.load import PRESET_FOLDER as DEVICES, load_device
from ppim.engine.lane_masks import MOST_LANES
from ppim.errors import InputError, UnknownNameError
from ppim.mapping.base import MAPPINGS
from ppim.runs.simulate import simulate
from ppim.stats.info.system import describe_system
from ppim.systems.chosen import choose_system
from ppim.systems.effect import ONLY_WITH, SECTIONS, SOME, conditions, settings_without_effect
from ppim.systems.explain import DEFAULT, explain_system, read_comments
from ppim.systems.load import PRESET_FOLDER, load_system, system_names
from ppim.systems.spec import PlacementSpec, SystemSpec
from ppim.weight_sharing.base import ALGORITHMS as WEIGHT_SHARING
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


@pytest.mark.matrix(5)
@pytest.mark.parametrize(
    "changes", [{}, {"deliver": "in-order"}, {"collect": "tree"}, {"frontend": "global"}]
)
@pytest.mark.parametrize("granularity", ["slice", "matrix"])
@pytest.mark.parametrize("split", ["none", "bankgroups", "all"])
@pytest.mark.parametrize("name", ["pim-base", "proactivepim", "proactivepim-cache"])
def test_accounts_of_parts(name: str, split: str, granularity: str, changes: dict[str, str]) -> None:
    check_run(
        a_trace("tt-rec"),
        load_system(name, {"tt_split": split, "tt_granularity": granularity, **changes}),
    )


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
    assert device.organization.banks <= MOST_LANES


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


# What does not act.


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("cpu", {"pim.level": "bank"}, ["system cpu: pim.level", "a host has no PIM units", "leave it out"]),
        ("cpu", {"cache_bytes": 0}, ["system cpu: cache.cache_bytes", "a host has no PIM units"]),
        ("cpu", {"mapping": "table"}, ["system cpu: placement.mapping", "a host has no PIM units"]),
        ("cpu", {"prefetch": "none"}, ["system cpu: prefetch.prefetch", "a host has no PIM units"]),
        ("pim-base", {"llc_bytes": 0}, ["system pim-base: host.llc_bytes", "PIM units"]),
        ("heam", {"llc_ways": 2}, ["system heam: host.llc_ways", "PIM units"]),
        ("proactivepim", {"dimm": 3}, ["dimm: the system has one memory"]),
        ("proactivepim", {"pim": 3}, ["pim: is a table", "for example pim.level"]),
        ("heam", {"dimm": 3}, ["dimm: is a table", "for example dimm.memory.device"]),
        ("heam", {"dimm.pim": 3}, ["dimm.pim: is a table", "for example dimm.pim.level"]),
        ("proactivepim", {"xyz": 3}, ["unknown parameter 'xyz'; `ppim systems show NAME` lists"]),
    ],
    ids=str,
)
def test_settings_that_cannot_act_are_refused(
    name: str, settings: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(InputError) as refused:
        load_system(name, settings)
    assert all(word in str(refused.value) for word in words), refused.value
    assert len(str(refused.value)) < 160


@pytest.mark.parametrize(
    ("kind", "text", "word"),
    [
        ("host", '[pim]\nlevel = "bank"', "pim.level"),
        ("host", "[compute]\nmacs = 3", "compute.macs"),
        ("host", "[tiers]\nhot_fraction = 0.5", "tiers.hot_fraction"),
        ("pim", "[host]\nllc_bytes = 0", "host.llc_bytes"),
        ("pim", "[dimm.pim]\n[host]\nllc_bytes = 0", "host.llc_bytes"),
        ("pim", '[dimm.pim]\nconsumer = "host"\n[host]\nllc_ways = 2', "host.llc_ways"),
    ],
)
def test_a_file_says_nothing_that_cannot_act(kind: str, text: str, word: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f'title = "Mine"\nsource = "me"\nkind = "{kind}"\n{text}\n')
    with pytest.raises(InputError, match=f"mine.toml: {word}: has no effect"):
        load_system(str(file))


def test_a_path_takes_no_more_instructions_than_it_has_pins_for() -> None:
    assert (
        load_system("pim-base", {"instruction_bits": 1, "command_bits_per_cycle": 16}).pim.instruction_bits
        == 1
    )
    with pytest.raises(
        InputError, match=r"17 are more than 16 instructions of 1 bits in a cycle; give 16 or less"
    ):
        load_system("pim-base", {"instruction_bits": 1, "command_bits_per_cycle": 17})


@pytest.mark.parametrize("section", ["pim", "dimm.pim"])
def test_the_older_name_of_a_slots_length_is_explained(section: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        f'title = "Mine"\nsource = "me"\nkind = "pim"\n[pim]\nlevel = "rank"\n[{section}]\ninstruction_interval = 4\n'
        if section != "pim"
        else 'title = "Mine"\nsource = "me"\nkind = "pim"\n[pim]\ninstruction_interval = 4\n'
    )
    needed = "instruction_interval: .* give instruction_bits=N and command_bits_per_cycle=1"
    with pytest.raises(InputError, match=f"mine.toml: {needed}"):
        load_system(str(file))
    with pytest.raises(InputError, match=f"^{section}.{needed}"):
        load_system("heam", {f"{section}.instruction_interval": 4})


@pytest.mark.parametrize("name", PIM_SYSTEMS)
def test_one_rule_for_all_command_paths(name: str) -> None:
    """HBM2 systems have one path, DIMMs another; both are the files' own numbers, with their sources.

    HBM-PIM has no instructions of its own, but the READs of a host on a pseudo channel's share of the pins.
    """
    system = load_system(name)
    if system.pim.frontend == "global":
        assert system.pim.instruction_interval == 1
        return
    given = {x.name: x.origin for x in explain_system(name) if x.section == "pim"}
    assert all(given[x] not in ("", DEFAULT) for x in ("instruction_bits", "command_bits_per_cycle"))
    pim = system.pim
    if name == "hbm-pim":
        assert (pim.instruction_bits, pim.command_bits_per_cycle, pim.instruction_pins) == (64, 8, "command")
    elif system.memory.device == "hbm2-4gb":
        assert (pim.instruction_bits, pim.command_bits_per_cycle, pim.instruction_pins) == (85, 28, "command")
    else:
        assert pim.instruction_pins == "command-and-data"


def test_what_is_beyond_a_systems_paper_is_shown() -> None:
    rivals = {"recnmp", "trim-bg", "trim-bank", "fafnir", "space", "tensordimm", "upmem", "hbm-pim"}
    assert {name for name in PIM_SYSTEMS if load_system(name).paper_algorithms} == rivals
    for name in PIM_SYSTEMS:
        assert set(load_system(name).paper_algorithms) <= set(WEIGHT_SHARING.names())
        assert any("extension of ours" in text for text in describe_system(name)) == (name in rivals)


def test_the_host_of_a_second_memory_has_a_cache() -> None:
    assert load_system("heam", {"llc_bytes": 1 << 20}).host.llc_bytes == 1 << 20


@pytest.mark.parametrize(
    ("name", "setting", "needed"),
    [
        ("proactivepim-paper", "instruction_bits=4", "frontend=per-channel"),
        ("proactivepim", "hot_fraction=0.5", "mapping=duplicate-hot|hot"),
        (
            "proactivepim",
            "page_bytes=8192",
            "placement=page and mapping=adaptive|duplicate|duplicate-hot|hot|interleave|oracle|updlrm",
        ),
        ("trim-bg", "cache_bytes=4096", "policy=lru, or policy=scratchpad and prefetch=all|next|table|used"),
        ("proactivepim", "cache_ways=4", "policy=lru"),
        ("pim-base", 'prefetch_subtables=["r"]', "prefetch=all|next|table|used"),
        ("heam", "dimm.macs=4", "consumer=unit"),
    ],
)
def test_settings_that_another_puts_out_of_action_are_warned_of(name: str, setting: str, needed: str) -> None:
    (warning,) = choose_system(name, parse_settings([setting])).warnings
    leaf = setting.split("=")[0].split(".")[-1]
    assert f"{leaf} has no effect here: it acts with {needed}" in warning


CONDITIONAL = sorted(
    {f"placement.{p}" for m in MAPPINGS.names() for p in MAPPINGS.get(m).parameters} | set(ONLY_WITH)
)


@pytest.mark.parametrize("name", CONDITIONAL)
def test_conditions_are_of_parameters_and_their_values(name: str) -> None:
    """The other parameter can have the values; the default of some system that has them changes its results."""
    section, leaf = name.split(".")
    record = getattr(load_system("proactivepim"), section)
    assert leaf in {parameter.name for parameter in dataclasses.fields(record)}
    for condition in conditions(name):
        of_host = any(other == "kind" or other.startswith("host.") for other in condition)
        settings = {
            other: ["core3"] if values is SOME else values[-1]
            for other, values in condition.items()
            if other != "kind"
        }
        system = load_system("cpu" if of_host else "proactivepim", settings)
        assert settings_without_effect(system, [name]) == []


def test_what_is_warned_of_has_no_effect() -> None:
    """Nothing that a warning names changes a count."""
    trace = a_trace("qr")
    others = {
        "pim.instruction_bits": 40,
        "pim.instruction_pins": "command-and-data",
        "placement.stripe_order": "unit-channel",
        "placement.hot_by": "entries",
        "placement.partial_sum_candidates": 4,
        "placement.tt_split": "all",
        "placement.tt_granularity": "matrix",
        "cache.cache_subtables": "shared",
        "cache.demand_subtables": ["core3"],
    }
    tried = 0
    for name in ("proactivepim", "proactivepim-paper", "trim-bg", "pim-base", "cpu-ideal"):
        plain = simulate(trace, load_system(name))
        for parameter in CONDITIONAL:
            if parameter.startswith("host.") != (plain.system.kind == "host"):
                continue
            if parameter in ("placement.placement", "prefetch.prefetch_subtables"):
                continue
            value = others.get(parameter, 1)
            system = load_system(name, {parameter: value})
            if settings_without_effect(system, [parameter]):
                tried += 1
                changed = simulate(trace, system)
                assert changed.cycles == plain.cycles, (name, parameter)
                assert all((changed.counts[x] == plain.counts[x]).all() for x in plain.counts), (
                    name,
                    parameter,
                )
    assert tried > 30


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


def test_a_device_lies_beside_the_system_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "mine.toml").write_text((DEVICES / "hbm2-4gb.toml").read_text())
    text = (PRESET_FOLDER / "proactivepim.toml").read_text().replace('"hbm2-4gb"', '"mine.toml"')
    (tmp_path / "system.toml").write_text(text)
    for name in ("../system.toml", str(tmp_path / "system.toml")):
        memory = load_system(name, {"tRFC": 300}).memory
        assert load_device(memory.device, memory.overrides).timing.tRFC == 300
    (tmp_path / "here" / "mine.toml").write_text("")
    assert load_device(load_system("../system.toml").memory.device).timing.tRFC != 0


@pytest.mark.parametrize("value", ["5", "[]", '"x"'])
@pytest.mark.parametrize("section", ["pim", "memory"])
def test_a_table_that_is_none(tmp_path: Path, section: str, value: str) -> None:
    (tmp_path / "s.toml").write_text(f'kind = "pim"\nsource = "s"\n{section} = {value}\n')
    key = {"pim": "pim.barrier", "memory": "tRFC"}[section]
    with pytest.raises(InputError, match="a table is needed"):
        load_system(str(tmp_path / "s.toml"), {key: 1})
    with pytest.raises(InputError, match=r"a table is needed|is not"):
        load_system(str(tmp_path / "s.toml"))
