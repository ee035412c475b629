"""DRAMsim3's .ini files: its defaults, its rules, and a word about what it ignores."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppim.dram.device import Device
from ppim.dram.ini import DEFAULTS
from ppim.dram.load import load_device
from ppim.errors import InputError
from tests.golden.devices import DRAMSIM3, golden_device, golden_entries

needs_golden = pytest.mark.skipif(
    not DRAMSIM3.is_dir(), reason=f"the golden cases are not at {DRAMSIM3} (set PPIM_SHARED)"
)


def read(folder: Path, text: str) -> tuple[Device, list[str]]:
    path = folder / "device.ini"
    path.write_text(text)
    warnings: list[str] = []
    return load_device(str(path), warn=warnings.append), warnings


@needs_golden
@pytest.mark.parametrize("name", sorted(golden_entries()) if DRAMSIM3.is_dir() else [])
def test_the_given_parameters_resolve_as_in_dramsim3(tmp_path: Path, name: str) -> None:
    lines = []
    for section, values in golden_entries()[name]["given"].items():
        lines.append(f"[{section}]")
        lines += [
            f"{key} = {str(value).lower() if isinstance(value, bool) else value}"
            for key, value in values.items()
        ]
    device, _ = read(tmp_path, "\n".join(lines))
    expected = golden_device(name)
    for section in ("protocol", "organization", "timing", "power", "controller"):
        assert getattr(device, section) == getattr(expected, section)


def test_an_empty_file_is_dramsim3s_default_device(tmp_path: Path) -> None:
    # 2 groups x 2 banks x 65536 rows x 1024 columns x 8 bits = 64 MiB a bank, 8 devices: 2 GiB a rank
    device, warnings = read(tmp_path, "")
    assert device.protocol == "DDR3"
    assert device.organization.ranks == 1
    assert len(warnings) == 1
    assert "one rank of 2048 MiB is used" in warnings[0]
    for name, value in DEFAULTS["timing"].items():
        assert getattr(device.timing, name) == value


def test_values_are_taken_as_dramsim3_takes_them(tmp_path: Path) -> None:
    text = """
[System]
CHANNEL_SIZE = 2048
[timing]
tRP = 1; a comment without a space
tRAS = 0x20 ; hexadecimal
tRCD : 12
tRFC =
tCK = .5
"""
    device, warnings = read(tmp_path, text)
    timing = device.timing
    assert (timing.tRP, timing.tRAS, timing.tRCD, timing.tRFC, timing.tCK) == (1, 32, 12, 74, 0.5)
    assert warnings == []


def test_bankgroup_enable_false_merges_the_groups(tmp_path: Path) -> None:
    text = "[dram_structure]\nbankgroups = 4\nbanks_per_group = 4\nbankgroup_enable = no\n[system]\nchannel_size = 8192\n"
    organization = read(tmp_path, text)[0].organization
    assert (organization.bankgroups, organization.banks_per_group) == (1, 16)


@pytest.mark.parametrize(
    ("protocol", "burst_length", "columns", "burst_cycles"),
    [
        ("GDDR5", 8, 512, 2),
        ("GDDR5X", 16, 1024, 2),
        ("GDDR6", 16, 1024, 1),
        ("HBM", 4, 128, 2),
        ("DDR4", 8, 64, 4),
    ],
)
def test_columns_and_bursts_follow_the_family(
    tmp_path: Path, protocol: str, burst_length: int, columns: int, burst_cycles: int
) -> None:
    text = f"[dram_structure]\nprotocol = {protocol}\nBL = {burst_length}\ncolumns = 64\n[system]\nchannel_size = 1\n"
    device = read(tmp_path, text)[0]
    assert (device.organization.columns, device.timing.burst_cycles) == (columns, burst_cycles)


def test_burst_length_zero_is_an_ideal_bus(tmp_path: Path) -> None:
    device = read(tmp_path, "[dram_structure]\nprotocol = HBM\nBL = 0\n[system]\nchannel_size = 1\n")[0]
    assert (device.organization.burst_length, device.timing.burst_cycles) == (4, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[timing]\ntRFCC = 3\n",
            "device.ini:2: [timing] tRFCC: is no parameter of DRAMsim3 (did you mean tRFC",
        ),
        ("[timing]\nchannels = 3\n", "belongs to [system]; DRAMsim3 ignores it here"),
        ("[timing]\ntXP = 3\n", "tXP influence nothing in DRAMsim3"),
        ("[timing]\ntRTP_L = 6\n", "DRAMsim3 reads tRTP only: 5 cycles"),
        ("[timing]\ntRP = 3.7\n", "of '3.7' DRAMsim3 takes 3"),
        ("[timing]\ntRP = 3\n  tRAS = 20\n", "device.ini:3: an indented line"),
    ],
)
def test_what_dramsim3_ignores_is_reported(tmp_path: Path, text: str, expected: str) -> None:
    warnings = read(tmp_path, text + "[system]\nchannel_size = 2048\n")[1]
    assert [line for line in warnings if expected in line]


def test_an_indented_line_is_ignored_as_in_dramsim3(tmp_path: Path) -> None:
    assert read(tmp_path, "[timing]\ntRP = 3\n  tRAS = 20\n")[0].timing.tRAS == DEFAULTS["timing"]["tRAS"]


def test_sections_about_output_are_passed_over(tmp_path: Path) -> None:
    text = "[system]\nchannel_size = 2048\n[other]\nepoch_period = 5\n[thermal]\nmat_dim_x = 512\n"
    assert read(tmp_path, text)[1] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[dram_structure]\nprotocol = HMC\n", "HMC devices are not modelled"),
        ("[dram_structure]\nprotocol = SDRAM\n", "protocol: 'SDRAM' is not one of"),
        ("[timing]\ntRP = many\n", r"device.ini:2: \[timing\] tRP: 'many' is not a number"),
        ("[timing]\ntRP = 3\ntRP = 4\n", r"device.ini:3: \[timing\] tRP: given twice \(first in line 2\)"),
        ("[timing\ntRP = 3\n", "device.ini:1: a section needs its closing bracket"),
        ("[timing]\ntRP\n", "device.ini:2: neither"),
        ("[timing]\ntRP = 08\n", "octal"),
        ("[system]\nchannel_size = 3000\n", "channel_size = 3000 MiB is no multiple of a rank's 2048 MiB"),
        ("[system]\nchannel_size = 6144\n", "ranks = 3 is not a power of two"),
        ("[system]\nunified_queue = maybe\n", "'maybe' is not true or false"),
        ("[system]\nrefresh_policy = NEVER\n", "refresh_policy: 'NEVER' is not one of"),
        ("[dram_structure]\nbanks_per_group = 3\n", "banks_per_group = 3 is not a power of two"),
        ("[dram_structure]\nrows = 512\n", "less than 1 MiB"),
        ("[dram_structure]\nrows = 0\n", "rows = 0 is less than 1"),
    ],
)
def test_contradictions_and_nonsense_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.ini").write_bytes(b"\x00\xff\xfe\x80")
    with pytest.raises(InputError, match="is not a text file"):
        load_device(str(tmp_path / "x.ini"))


OTHERS = {
    "DRAMSim2": "NUM_BANKS=8\nNUM_ROWS=32768\ntCK=1.5\nCL=10\n",
    "DRAMSim2 system": "; COPY THIS FILE\nNUM_CHANS=1\nJEDEC_DATA_BUS_BITS=64\nTRANS_QUEUE_DEPTH=32\n",
    "Ramulator": "standard = DDR4\nchannels = 1\nranks = 1\nspeed = DDR4_2400R\norg = DDR4_4Gb_x8\n",
    "USIMM": "NUM_CHANNELS = 1\nNUM_RANKS = 2\nNUM_BANKS = 8\n",
    "gem5": "[system.mem_ctrl]\ndevice_size = 1073741824\ndevice_bus_width = 8\n",
}


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_other_simulators_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        InputError, match=f"none of its keys is one that DRAMsim3 reads.*those of {name.split()[0]}"
    ):
        read(tmp_path, OTHERS[name])


def test_the_case_of_another_simulator(shared: Path) -> None:
    with pytest.raises(InputError, match="those of DRAMSim2"):
        load_device(str(shared / "cases" / "08_dramsim2_device.ini"))


@pytest.mark.parametrize(
    "text", ["[thermal]\nmat_dim_x = 512\n", "a = 1\n", "tRCD = 10\ntRP = 10\n", "[timing]\nfoo = 1\n"]
)
def test_a_file_without_any_known_key_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="none of its keys"):
        read(tmp_path, text)


def test_lines_of_nvmain_are_no_keys(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"device.ini:2: neither .*of DRAMsim3\?"):
        read(tmp_path, "; NVMain\nCLK 667\nBANKS 8\n")


def test_utf16_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.ini").write_bytes("[timing]\ntRP = 3\n".encode("utf-16"))
    with pytest.raises(InputError, match="is UTF-16 text; convert it"):
        load_device(str(tmp_path / "x.ini"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[power]\nVDD = 1e999\n", "VDD: 1e999 is no finite number"),
        ("[power]\nVDD = -1\n", "VDD = -1.0 V is not between"),
        ("[power]\nIDD0 = -5\n", "IDD0 = -5.0 mA is not between"),
        ("[power]\nVDD = nan\n", "'nan' is not a number"),
        ("[timing]\ntCK = 1e300\n", "tCK = 1e.300 ns is not positive, or more"),
        ("[timing]\ntRP = " + "9" * 5000 + "\n", "tRP: a number of 5000 digits"),
        ("[timing]\ntRP = " + "9" * 19 + "\n", "tRP: 9+ does not fit in 64 bits"),
        ("[dram_structure]\nBL = 1\n", "burst_length = 1 is less than the 2 beats"),
        ("[system]\nchannels = 65536\n", "channels = 65,536 is more than"),
        ("[system]\ncmd_queue_size = 1000000000\n", "cmd_queue_size = 1,000,000,000 is more than"),
        ("[system]\ntrans_queue_size = 1000000000\n", "trans_queue_size = 1,000,000,000 is more than"),
        ("[dram_structure]\nbankgroups = 1048576\n", "is more than"),
        ("[timing]\ntRFC = 7800\n", "tREFI = 7800 leaves no time .* tRFC = 7800"),
        ("[timing]\ntRCD = 7800\n", "tREFI = 7800 leaves no time .* shorten tRCD"),
        ("[timing]\ntRP = 7750\n", "tREFI = 7800 leaves no time .* shorten tRP"),
        ("[timing]\ntRRD_S = 7800\n", "tREFI = 7800 leaves no time for the next activate .* shorten tRRD_S"),
        ("[timing]\ntRP = 65537\n", "tRP = 65537 cycles is not between 0 and 65536"),
        (
            "[timing]\ntREFIb = 1\n[system]\nrefresh_policy = BANK_LEVEL_STAGGERED\n",
            "tREFIb = 1 leaves no time .* tRFCb",
        ),
        (
            "[timing]\ntREFI = 268435456\n[system]\nrefresh_policy = BANK_LEVEL_STAGGERED\n",
            "tREFI = 268435456 stands for a memory that is not refreshed; .* another refresh_policy",
        ),
    ],
)
def test_numbers_that_no_memory_has(tmp_path: Path, text: str, message: str) -> None:
    if "[system]" not in text:
        text += "[system]\n"
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text + "channel_size = 8192\n")
    assert len(str(caught.value)) < 400


def test_a_line_of_a_megabyte_is_read_in_no_time(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a number"):
        read(tmp_path, f"[timing]\ntRP = {' ' * 900_000}x\n")
    with pytest.raises(InputError, match="neither"):
        read(tmp_path, f"[timing]\n{'a ' * 450_000}\n")
