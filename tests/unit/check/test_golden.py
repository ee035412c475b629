"""DRAMsim3's own command traces: the tables are its tables, its commands are legal, and what breaks them is found."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from ppim.check.commands import KINDS, OF_A_RANK
from ppim.check.constraint import SCOPES
from ppim.check.judge import Memory, check_files
from ppim.check.read import TraceFile
from ppim.check.resolve import all_windows, rule_book
from tests.conftest import SHARED
from tests.golden.devices import DRAMSIM3, golden_device, golden_entries
from tests.reference.host_check import Command, too_close, wrong_states

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared development data is not there")
TRACES = sorted((DRAMSIM3 / "commands").glob("*.cmd.gz")) if SHARED.is_dir() else []
TABLE_SCOPES = dict(
    zip(
        SCOPES,
        ("same_bank", "same_bankgroup_other_bank", "other_bankgroup_same_rank", "other_rank"),
        strict=False,
    )
)
WHOLE_RANK = ("same_bank", "same_bankgroup_other_bank", "other_bankgroup_same_rank")
MOVES = 30  # of each trace
HEAD = 400  # commands of a channel that are moved about: the pairwise check is slow


@pytest.mark.parametrize("name", golden_entries() if SHARED.is_dir() else [])
def test_distances_are_those_of_the_golden_data(name: str) -> None:
    """Every cell of the table that the golden data were checked with, and no cell more."""
    found: dict[tuple[str, str, str], int] = {}
    for rule in rule_book(golden_device(name)).rules:
        earlier, later, scope = KINDS[rule.earlier], KINDS[rule.later], SCOPES[rule.scope]
        if scope != "whole rank":
            cells = [TABLE_SCOPES[scope]]
        elif earlier in OF_A_RANK:
            cells = list(WHOLE_RANK)
        else:  # a bank's command to one of the rank is found at that bank
            cells = ["same_bank"]
        for cell in cells:
            assert (earlier, cell, later) not in found
            found[earlier, cell, later] = rule.cycles
    table = golden_entries()[name]["timing_table"]
    assert found == {
        (earlier, scope, later): cycles
        for earlier, scopes in table.items()
        for scope, laters in scopes.items()
        for later, cycles in laters.items()
    }


def test_distances_are_strict_where_dramsim3_has_none() -> None:
    """tRC = 48, tRFC = 260 and tRFCb = 20 of the device, spelt out: no table has these."""
    device = golden_device("HBM2_4Gb_x128")
    known = set(rule_book(device).rules)
    found = {
        (KINDS[rule.earlier], KINDS[rule.later], SCOPES[rule.scope]): rule.cycles
        for rule in rule_book(device, strict=True).rules
        if rule not in known
    }
    assert found == {
        ("activate", "refresh_bank", "bank"): 48,
        ("activate", "refresh", "whole rank"): 48,
        ("refresh", "refresh_bank", "whole rank"): 260,
        ("refresh_bank", "activate", "bank"): 20,
        ("refresh_bank", "refresh_bank", "bank"): 20,
        ("refresh_bank", "refresh", "whole rank"): 20,
    }


def test_windows_are_those_of_the_golden_data() -> None:
    assert [(window.name, window.most) for window in all_windows()] == [("tFAW", 4), ("t32AW", 32)]


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.name)
def test_golden_traces_are_legal(path: Path) -> None:
    result = check_files([TraceFile(path)], Memory(golden_device(path.name.split("__")[0])))
    assert result.violations == ()
    assert result.commands > 5000
    assert result.forms == ("dramsim3",)
    assert sum(rule.tight for rule in result.rules) > 1000


def busiest_channel(path: Path) -> list[Command]:
    """The first commands of the channel that has most."""
    channels: dict[int, list[Command]] = {}
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        cycle, command, channel, *place = line.split()
        channels.setdefault(int(channel), []).append(Command(int(cycle), command, *map(int, place)))
    return max(channels.values(), key=len)[:HEAD]


@pytest.mark.matrix(5)
@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.name)
def test_moved_commands_are_judged_as_pair_by_pair(path: Path, tmp_path: Path) -> None:
    """Some command, some cycles earlier or later: both checks blame the same commands."""
    name = path.name.split("__")[0]
    device, entry = golden_device(name), golden_entries()[name]
    commands = busiest_channel(path)
    assert too_close(entry, commands) | wrong_states(commands) == set()
    rng = np.random.default_rng(0)
    n_broken = 0
    file = tmp_path / "channel-0.cmd"
    for _ in range(MOVES):
        moved = list(commands)
        at = int(rng.integers(1, len(moved)))
        shift = int(rng.choice([-3, -1, -1, 1, 2, 40]))
        moved[at] = moved[at]._replace(cycle=max(0, moved[at].cycle + shift))
        moved.sort(key=lambda command: command.cycle)
        file.write_text("".join(" ".join(map(str, command)) + "\n" for command in moved))
        result = check_files([TraceFile(file)], Memory(device))
        ignored = {"command bus", "data bus", "refresh early", "refresh late"}
        blamed = {
            violation.later.line - 1
            for violation in result.violations
            if violation.constraint not in ignored and violation.later is not None
        }
        expected = too_close(entry, moved) | wrong_states(moved)
        assert blamed == expected
        n_broken += bool(expected)
    assert n_broken > MOVES // 6
