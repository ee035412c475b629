"""`--command-trace` of PIM and host runs: what the files hold is what the run did, and keeps the rules."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ppim.cli import main
from ppim.config import parse_settings
from ppim.dram.device import Device
from ppim.dram.load import load_device
from ppim.engine import commands as engine_commands
from ppim.program.instruction import Program
from ppim.systems.chosen import choose_system
from ppim.systems.spec import SystemSpec
from ppim.trace.writer import TraceWriter
from tests.conftest import ROOT, complaints
from tests.reference import pim_twin
from tests.reference.pim_check import violations
from tests.reference.pim_twin import Command
from tests.reference.pim_words import order
from tests.reference.small_traces import SmallTrace, small_trace
from tests.reference.whole_program import build_whole

SAMPLE = ROOT / "traces" / "sample-qr.parquet"
COUNTED = {"read": "reads", "activate": "activates", "precharge": "precharges", "refresh": "refreshes"}


def run(*arguments: object) -> int:
    """Exit status of the command line."""
    try:
        main(list(map(str, arguments)))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def commands_in(folder: Path, channels: int) -> list[list[Command]]:
    """The commands of every channel; the folder holds nothing else."""
    names = [f"channel-{channel}.cmd" for channel in range(channels)]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    return [commands_of(folder / name) for name in names]


def commands_of(file: Path) -> list[Command]:
    """The commands of one channel."""
    words = [line.split(" ") for line in file.read_text().splitlines()]
    return [Command(int(w[0]), w[1], *map(int, w[2:])) for w in words]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallTrace, Path]:
    """A trace long enough for refreshes, and its file."""
    small = small_trace("qr", {"collisions": 4, "vector_bytes": 128}, samples=16, pooling=(4, 12))
    path = tmp_path_factory.mktemp("trace") / "small.parquet"
    with TraceWriter(path, small.meta) as writer:
        for chunk in small.chunks():
            writer.write(chunk)
        lookups = sum(len(ids) for bags in small.bags for ids in bags)
        writer.close(samples=len(small.bags), batches=4, lookups=lookups)
    return small, path


def system_of(name: str, settings: list[str]) -> tuple[SystemSpec, Device]:
    system = choose_system(name, parse_settings(settings)).spec
    return system, load_device(system.memory.device, system.memory.overrides)


def options_of(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def check(system: SystemSpec, device: Device, commands: list[list[Command]], stats: pd.DataFrame) -> None:
    """Timing, order and counts of the commands of all channels."""
    cycles = int(stats["cycles"][0])
    for channel, found in enumerate(commands):
        assert violations(device, system.pim, found, cycles) == []
        counts = Counter(command.command for command in found)
        assert counts.keys() <= COUNTED.keys()
        for name, column in COUNTED.items():
            assert counts[name] == stats[column][channel], (channel, name)


# Systems in which no row travels through the host: there the twin needs no order between the streams.
@pytest.mark.matrix(5)
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("proactivepim", ["tREFI=700"]),
        ("proactivepim", ["prefetch=next", "level=bank"]),
        ("proactivepim-paper", []),
        ("proactivepim-paper", ["mapping=interleave", "prefetch=none"]),
    ],
)
def test_commands_are_those_of_the_twin(
    trace: tuple[SmallTrace, Path], tmp_path: Path, name: str, settings: list[str]
) -> None:
    small, path = trace
    system, device = system_of(name, settings)
    options = ["--system", name, *options_of(settings), "-o", tmp_path / "stats.csv"]
    assert run("simulate", path, *options, "--command-trace", tmp_path / "commands") == 0
    found = commands_in(tmp_path / "commands", device.organization.channels)
    whole = build_whole(small, device, system)
    program = Program(np.concatenate(whole.streams), whole.lookups, whole.sums, whole.turn_batch)
    twin = pim_twin.simulate(device, system, program)
    assert [sorted(channel, key=order) for channel in found] == [
        sorted(channel.commands, key=order) for channel in twin.channels
    ]
    check(system, device, found, pd.read_csv(tmp_path / "stats.csv"))
    assert any(command.command == "refresh" for channel in found for command in channel) == bool(
        twin.cycles > device.refresh_interval_cycles
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_commands_in_pieces(
    trace: tuple[SmallTrace, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """However often the engine's log is emptied, and by however many threads it is filled."""
    path = trace[1]
    command = ["simulate", path, "--threads", threads, "--command-trace"]
    assert run(*command, tmp_path / "whole") == 0
    calls = []
    hand_on = engine_commands.TracedPimEngine.hand_on
    monkeypatch.setattr(engine_commands, "KEPT_COMMANDS", 20)
    monkeypatch.setattr(
        engine_commands.TracedPimEngine, "hand_on", lambda engine: (calls.append(1), hand_on(engine))
    )
    assert run(*command, tmp_path / "pieces") == 0
    assert len(calls) > 5
    assert commands_in(tmp_path / "pieces", 8) == commands_in(tmp_path / "whole", 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pim-base", "recnmp", "trim-bank"])
def test_commands_of_a_longer_run_keep_the_rules(tmp_path: Path, name: str) -> None:
    """With rows that travel, units of every level, several ranks, and refreshes."""
    system, device = system_of(name, [])
    stats = tmp_path / "stats.csv"
    assert run("simulate", SAMPLE, "--system", name, "-o", stats, "--command-trace", tmp_path / "c") == 0
    found = commands_in(tmp_path / "c", device.organization.channels)
    assert sum(len(channel) for channel in found) > 10_000
    check(system, device, found, pd.read_csv(stats))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["proactivepim-tiers", "space"])
def test_commands_of_two_memories(tmp_path: Path, name: str) -> None:
    """Each memory's files carry its name, its own cycles and its own rules."""
    stats = tmp_path / "stats.csv"
    assert run("simulate", SAMPLE, "--system", name, "-o", stats, "--command-trace", tmp_path / "c") == 0
    lines = pd.read_csv(stats)
    names = {
        f"{memory}-channel-{channel}.cmd" for memory, channel in zip(lines.memory, lines.channel, strict=True)
    }
    assert {path.name for path in (tmp_path / "c").iterdir()} == names
    system = choose_system(name).spec
    for memory, part in (("hbm", system), ("dimm", system.second)):
        device = load_device(part.memory.device, part.memory.overrides)
        found = [
            commands_of(tmp_path / "c" / f"{memory}-channel-{channel}.cmd")
            for channel in range(device.organization.channels)
        ]
        assert sum(len(channel) for channel in found) > 500
        check(part, device, found, lines[lines.memory == memory].reset_index())


def test_commands_of_a_host(tmp_path: Path) -> None:
    """One column command for every read that was counted, none before its row is open; same without a trace."""
    stats, again = tmp_path / "stats.csv", tmp_path / "again.csv"
    command = ["simulate", SAMPLE, "--system", "cpu", "--set", "llc_bytes=65536"]
    assert run(*command, "-o", stats, "--command-trace", tmp_path / "c") == 0
    assert run(*command, "-o", again) == 0
    assert stats.read_bytes() == again.read_bytes()
    lines = pd.read_csv(stats)
    for channel, found in enumerate(commands_in(tmp_path / "c", 2)):
        assert [command.cycle for command in found] == sorted(command.cycle for command in found)
        counts = Counter(command.command for command in found)
        assert all(counts[name] == lines[column][channel] for name, column in COUNTED.items())
        open_rows: dict[tuple[int, int, int], int] = {}
        for c in found:
            if c.command == "activate":
                open_rows[c.rank, c.bankgroup, c.bank] = c.row
            elif c.command == "read":
                assert open_rows[c.rank, c.bankgroup, c.bank] == c.row


def test_commands_of_a_replayed_program(tmp_path: Path) -> None:
    """The authors' format says all that these commands depend on."""
    program = tmp_path / "program.txt"
    options = ["--system", "proactivepim-paper"]
    assert (
        run("simulate", SAMPLE, *options, "--program", program, "--command-trace", tmp_path / "simulated")
        == 0
    )
    assert run("replay", program, *options, "--command-trace", tmp_path / "replayed") == 0
    assert commands_in(tmp_path / "replayed", 8) == commands_in(tmp_path / "simulated", 8)


# --- nothing half-written ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda folder: folder.write_text("a file"), "cannot make this folder"),
        (lambda folder: (folder.mkdir(), (folder / "channel-8.cmd").touch()), "is of another run"),
        (lambda folder: (folder.mkdir(), (folder / "dimm-channel-0.cmd").touch()), "is of another run"),
    ],
)
def test_a_folder_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, prepare: object, words: str
) -> None:
    prepare(tmp_path / "c")  # type: ignore[operator]
    before = sorted(tmp_path.rglob("*"))
    assert run("simulate", SAMPLE, "-o", tmp_path / "stats.csv", "--command-trace", tmp_path / "c") == 2
    lines = complaints(capsys.readouterr().err)
    assert len(lines) == 1
    assert words in lines[0]
    assert str(tmp_path / "c") in lines[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_that_fails_leaves_no_commands(tmp_path: Path) -> None:
    """A trace that is cut off fails when its commands have been written in part."""
    whole = SAMPLE.read_bytes()
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole[:200] + bytes(1000) + whole[1200:])
    assert run("simulate", cut, "--command-trace", tmp_path / "commands") == 2
    assert not (tmp_path / "commands").exists()
