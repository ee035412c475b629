"""Presets: well formed, sourced, and equal to what the golden cases were run on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ppim import config
from ppim.dram.address import ADDRESS_FIELDS, address_map
from ppim.dram.device import Device
from ppim.dram.energy import energy_table
from ppim.dram.ini import DEFAULTS
from ppim.dram.load import DEFAULT_DEVICE, PRESET_FOLDER, device_names, load_device
from ppim.errors import InputError, UnknownNameError
from tests.golden.devices import DRAMSIM3, golden_device, golden_entries

needs_golden = pytest.mark.skipif(
    not DRAMSIM3.is_dir(), reason=f"the golden cases are not at {DRAMSIM3} (set PPIM_SHARED)"
)
GOLDEN = sorted(golden_entries()) if DRAMSIM3.is_dir() else []
UNCHANGED = [name for name in GOLDEN if "+" not in name]
SECTIONS = ("protocol", "organization", "timing", "power", "controller")


def preset_name(golden: str) -> str:
    return golden.lower().replace("_", "-").removesuffix("-x128")


def assert_same_parameters(one: Device, other: Device) -> None:
    for section in SECTIONS:
        assert getattr(one, section) == getattr(other, section)


@pytest.mark.parametrize("name", device_names())
def test_every_preset_loads_and_names_its_sources(name: str) -> None:
    device = load_device(name)
    assert device.name == name
    assert device.source
    for section in (device.organization, device.timing, device.power, device.controller):
        assert section.source
    assert device.timing.burst_cycles >= 1


@pytest.mark.parametrize("name", device_names())
def test_a_preset_states_every_parameter(name: str) -> None:
    table = config.read_toml(PRESET_FOLDER / f"{name}.toml")
    assert isinstance(table["validated"], bool)
    loaded = load_device(name)
    derived = {"devices_per_rank", "burst_cycles"}
    for section in SECTIONS[1:]:
        assert set(vars(getattr(loaded, section))) - derived == set(table[section])


# DRAMsim3's files spell tREFI as REFI, which it does not read; the presets have what the files mean.
REFRESH_US = {
    "ddr3-4gb-x8-1600": 7.8,
    "ddr3-8gb-x8-1600": 7.8,
    "ddr3-8gb-x16-1866": 7.8,
    "lpddr3-8gb-x32-1333": 3.9,
    "lpddr3-8gb-x32-1600": 3.9,
    "lpddr3-8gb-x32-1866": 3.9,
}


def as_dramsim3_reads_it(preset: Device) -> Device:
    if preset.name not in REFRESH_US:
        return preset
    return replace(preset, timing=replace(preset.timing, tREFI=DEFAULTS["timing"]["tREFI"]))


@pytest.mark.parametrize(("name", "microseconds"), REFRESH_US.items())
def test_refresh_intervals_are_those_of_the_standard(name: str, microseconds: float) -> None:
    timing = load_device(name).timing
    assert timing.tREFI * timing.tCK == pytest.approx(1000 * microseconds, abs=timing.tCK)


@needs_golden
@pytest.mark.parametrize("name", UNCHANGED)
def test_preset_equals_the_device_of_the_golden_cases(name: str) -> None:
    preset = load_device(preset_name(name))
    assert preset.validated
    assert_same_parameters(as_dramsim3_reads_it(preset), golden_device(name))


@needs_golden
@pytest.mark.parametrize("name", GOLDEN)
def test_variants_are_overrides_of_a_preset(name: str) -> None:
    entry = golden_entries()[name]
    overrides = {key: value for part in entry["overrides"].values() for key, value in part.items()}
    if overrides.pop("channel_size", None):
        overrides["ranks"] = entry["derived"]["ranks"]
    device = as_dramsim3_reads_it(load_device(preset_name(entry["base"]), overrides))
    assert_same_parameters(device, golden_device(name))
    assert device.validated == (not overrides)


@needs_golden
@pytest.mark.parametrize("name", GOLDEN)
def test_derived_values_are_those_of_dramsim3(name: str) -> None:
    device, derived = golden_device(name), golden_entries()[name]["derived"]
    org, timing, places = device.organization, device.timing, address_map(device)
    assert {key: getattr(org, key) for key in ("ranks", "bankgroups", "columns", "devices_per_rank")} == {
        key: derived[key] for key in ("ranks", "bankgroups", "columns", "devices_per_rank")
    }
    assert org.banks_per_rank == derived["banks"]
    assert org.burst_bytes == derived["request_size_bytes"]
    assert places.burst_bits == derived["shift_bits"]
    assert dict(zip(ADDRESS_FIELDS, places.widths, strict=True)) == derived["field_bits"]
    assert {
        field: at - places.burst_bits for field, at in zip(ADDRESS_FIELDS, places.positions, strict=True)
    } == derived["field_pos"]
    assert timing.burst_cycles == derived["burst_cycle"]
    assert (timing.read_latency, timing.write_latency, timing.tRC) == tuple(
        derived[k] for k in ("RL", "WL", "tRC")
    )
    assert (timing.read_delay, timing.write_delay) == (derived["read_delay"], derived["write_delay"])
    assert device.controller.hbm_dual_cmd == derived["hbm_dual_cmd"]
    assert device.refresh_interval_cycles == derived["refresh_interval"]
    assert vars(energy_table(device)) == derived["energy_per"]


def test_the_default_device_exists() -> None:
    assert DEFAULT_DEVICE in device_names()


def test_peak_bandwidth_of_hbm2() -> None:
    # 8 channels x 16 bytes x 2 beats per ns
    assert load_device("hbm2-4gb").peak_gb_per_s == 256.0


def test_names_are_forgiving_about_case_and_underscores() -> None:
    assert load_device("HBM2_4GB").name == "hbm2-4gb"


def test_unknown_preset_offers_near_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean hbm2-4gb"):
        load_device("hbm2-4g")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("tRFCC", 3, "did you mean tRFC"),
        ("timing.tRFX", 3, "did you mean timing.tRFC"),
        ("timing.tRFC", "long", "not a whole number"),
        ("timing.tRFC", -1, "tRFC = -1"),
        ("tCK", 0, "tCK = 0"),
        ("tREFI", 0, "refresh interval"),
        ("ranks", 3, "not a power of two"),
        ("bus_width", 96, "bus_width = 96 is not"),
        ("columns", 2, "less than one burst"),
        ("cmd_queue_size", 0, "cmd_queue_size = 0"),
        ("address_mapping", "rorabgbachcoxx", "does not name each"),
        ("address_mapping", "rorabgbachch", "does not name each"),
        ("queue_structure", "PER_CHIP", "not one of 'PER_BANK', 'PER_RANK'"),
    ],
)
def test_bad_overrides_say_what_is_wrong(key: str, value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_device("hbm2-4gb", {key: value})


def test_a_dual_command_bus_is_for_hbm_only() -> None:
    with pytest.raises(InputError, match="DDR4 has one command bus"):
        load_device("ddr4-8gb-x8-3200", {"hbm_dual_cmd": True})


def test_the_burst_follows_an_overridden_burst_length() -> None:
    assert load_device("hbm2-4gb", {"burst_length": 8}).timing.burst_cycles == 4


def test_a_device_file_is_read_like_a_preset(tmp_path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text((PRESET_FOLDER / "gddr6-8gb-x16.toml").read_text())
    device = load_device(str(file))
    assert device.name == "mine"
    assert_same_parameters(device, load_device("gddr6-8gb-x16"))


def test_a_missing_parameter_is_no_default(tmp_path) -> None:
    file = tmp_path / "mine.toml"
    text = (PRESET_FOLDER / "gddr6-8gb-x16.toml").read_text()
    file.write_text("\n".join(line for line in text.splitlines() if not line.startswith("tRFC ")))
    with pytest.raises(InputError, match=r"mine.toml: timing: missing key 'tRFC'"):
        load_device(str(file))
