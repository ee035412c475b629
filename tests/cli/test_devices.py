"""`ppim devices` and `ppim info` of devices."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppim.cli import main
from ppim.dram.load import PRESET_FOLDER, device_names


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of one command."""
    try:
        main(list(arguments))
        status = 0
    except SystemExit as exit_:
        status = exit_.code or 0
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_devices_lists_every_preset_and_its_validation(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "devices")
    assert (status, err) == (0, "")
    rows = {line.split()[0]: line for line in out.splitlines()[1:]}
    assert set(rows) == set(device_names())
    assert rows["hbm2-4gb"].split() == [
        "hbm2-4gb",
        "HBM",
        "8x128",
        "1",
        "4x4",
        "4",
        "256.0",
        "1",
        "validated",
    ]
    for name in ("ddr5-16gb-x8-4800", "hbm3-16gb-6400"):
        assert rows[name].endswith("not validated")


@pytest.mark.parametrize("name", device_names())
def test_info_shows_every_device(capsys: pytest.CaptureFixture[str], name: str) -> None:
    status, out, _ = run(capsys, "info", name)
    assert status == 0
    assert out.startswith(f"{name}: ")
    assert "peak bandwidth" in out
    assert "tRFC " in out


def test_info_shows_derived_values(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "info", "hbm2-4gb")[1]
    lines = [line.split("  ") for line in out.splitlines() if line.startswith("  ")]
    values = {words[1].strip(): words[-1].split() for words in lines}
    assert values["capacity"] == ["4", "GiB"]
    assert values["energy per activate"] == ["828.0", "pJ"]
    assert "co 6..10, " not in out
    assert "ch 11..13, ra none, bg 16..17, ba 14..15, ro 18..31, co 6..10" in out


def test_info_reads_device_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    toml = tmp_path / "mine.toml"
    toml.write_text((PRESET_FOLDER / "hbm2-4gb.toml").read_text())
    assert run(capsys, "info", str(toml))[1].startswith("mine: HBM memory, validated")
    ini = tmp_path / "theirs.ini"
    ini.write_text("[timing]\ntRFCC = 3\ntRP = 11\n")
    status, out, err = run(capsys, "info", str(ini))
    assert status == 0
    assert out.startswith("theirs: DDR3 memory, not validated")
    assert f"{ini}:2: [timing] tRFCC: is no parameter of DRAMsim3" in err


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("hbm9", "neither a known name nor a file of a known kind"),
        ("gone.toml", "gone.toml: no such file"),
        ("gone.ini", "gone.ini: cannot be read"),
    ],
)
def test_info_of_nothing_is_one_line(capsys: pytest.CaptureFixture[str], target: str, message: str) -> None:
    status, out, err = run(capsys, "info", target)
    assert (status, out) == (2, "")
    assert err.startswith("ppim: ")
    assert message in err
    assert err.count("\n") == 1
