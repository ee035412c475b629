"""A legal trace with one command a cycle earlier is caught, and the rule is named: for every rule of every family."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ppim.check.commands import KINDS
from ppim.check.constraint import SCOPES
from ppim.check.judge import Memory
from ppim.check.resolve import Rule, Units, all_constraints, all_windows, rule_book
from ppim.dram.device import Device
from tests.unit.check.traces import COLUMN_COMMANDS, Line, judged, names, quiet_device

APART = 40_000  # cycles between commands that shall not matter to each other
NO_INTERVALS = {"refresh_slack": 8}
DEVICES = (
    "ddr4-8gb-x8-3200",
    "ddr3-8gb-x8-1600",
    "lpddr4-8gb-x16-2400",
    "gddr6-8gb-x16",
    "hbm2-4gb",
    "hbm3-16gb-6400",
)
VARIANTS = {"gddr6-8gb-x16": {"tPPD": 2}, "hbm2-4gb": {"organization.ranks": 2}}


@cache
def device_of(name: str) -> Device:
    return quiet_device(name, **VARIANTS.get(name, {}))


def lanes_of(device: Device, scope: str) -> tuple[int, int]:
    """Two banks that stand in a relation."""
    org = device.organization
    return {
        "bank": (0, 0),
        "group": (0, 1),
        "rank": (0, org.banks_per_group),
        "channel": (0, org.banks_per_rank),
        "whole rank": (0, 0),
    }[scope]


def has_scope(device: Device, scope: str) -> bool:
    org = device.organization
    return {"rank": org.bankgroups > 1, "channel": org.ranks > 1, "group": org.banks_per_group > 1}.get(
        scope, True
    )


def tight_trace(device: Device, earlier: str, later: str, scope: str, cycles: int) -> list[Line]:
    """A trace that ends in two commands at exactly the distance, all else far apart; legal but for that."""
    first, second = lanes_of(device, scope)
    lines: list[Line] = []
    begun = 0

    def prepare(command: str, lane: int) -> None:
        nonlocal begun
        lines.append(Line(begun, command, lane))
        begun += APART

    needs_row = (*COLUMN_COMMANDS, "precharge")
    if earlier in needs_row:
        prepare("activate", first)
    if earlier == "self_refresh_exit":
        prepare("self_refresh_enter", first)
    if later in needs_row and second != first:
        prepare("activate", second)
    lines.append(Line(begun, earlier, first))
    closes = later in ("activate", "refresh", "refresh_bank", "self_refresh_enter")
    if earlier == "activate" and closes and second == first:
        lines.append(Line(begun + device.timing.tRAS, "precharge", first))
    lines.append(Line(begun + cycles, later, second))
    return lines


def cases() -> Iterator[tuple[str, Rule]]:
    for name in DEVICES:
        device = device_of(name)
        seen = set()
        for rule in rule_book(device, strict=True).rules:
            if rule.cycles > 0 and has_scope(device, SCOPES[rule.scope]) and rule[1:4] not in seen:
                seen.add(rule[1:4])
                yield name, rule


CASES = list(cases())


def label(case: object) -> str:
    if isinstance(case, Rule):
        return f"{KINDS[case.earlier]}-{KINDS[case.later]}-{SCOPES[case.scope]}".replace(" ", "_")
    return str(case)


@pytest.mark.parametrize(("name", "rule"), CASES, ids=label)
def test_a_cycle_too_early(tmp_path: Path, name: str, rule: Rule) -> None:
    device = device_of(name)
    earlier, later = KINDS[rule.earlier], KINDS[rule.later]
    lines = tight_trace(device, earlier, later, SCOPES[rule.scope], rule.cycles)
    strict = {"strict": True, **NO_INTERVALS}
    legal = judged(tmp_path, device, lines, **strict)
    assert legal.violations == ()
    assert next(count for count in legal.rules if count.constraint == rule.name).tight >= 1
    broken = judged(tmp_path, device, [*lines[:-1], lines[-1].moved(-1)], **strict)
    found = [violation for violation in broken.violations if violation.constraint == rule.name]
    assert [(v.margin, v.distance, v.cycle) for v in found] == [(-1, rule.cycles, lines[-1].cycle - 1)]
    assert found[0].later is not None
    assert found[0].earlier is not None
    assert (found[0].earlier.command, found[0].later.command) == (earlier, later)
    assert found[0].earlier.cycle == found[0].cycle - rule.cycles + 1


def test_every_rule_is_among_the_cases() -> None:
    """By name and family of devices; what no device of the cases has cannot be tried."""
    tried = {rule.name for _, rule in CASES}
    assert tried == {row.name for row in all_constraints()}


@pytest.mark.parametrize("window", all_windows(), ids=lambda window: window.name)
def test_an_activate_too_many(tmp_path: Path, window: object) -> None:
    most, name = window.most, window.name  # type: ignore[attr-defined]
    # One bank after the other and again from the first: so far apart that only this window matters.
    step = 400
    length = step * most + 7
    other = {"tFAW": 4, "t32AW": 4} | {name: length}
    device = quiet_device("gddr6-8gb-x16", tRAS=30, tRP=20, **other)
    lines = []
    for number in range(most):
        lane = number % device.organization.banks
        lines += [Line(number * step, "activate", lane), Line(number * step + 200, "precharge", lane)]
    lines.append(Line(length, "activate", device.organization.banks - 1))
    assert judged(tmp_path, device, lines, **NO_INTERVALS).violations == ()
    broken = judged(tmp_path, device, [*lines[:-1], lines[-1].moved(-1)], **NO_INTERVALS)
    assert [(v.constraint, v.margin) for v in broken.violations] == [(name, -1)]
    assert broken.violations[0].earlier is not None
    assert broken.violations[0].earlier.cycle == 0


# --- rules about states ------------------------------------------------------------------------

DDR4 = "ddr4-8gb-x8-3200"
OPEN = Line(0, "activate", 0, row=5)
READ = Line(APART, "read", 0, row=5)
CLOSE = Line(2 * APART, "precharge", 0)


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ([READ], "closed bank"),
        ([CLOSE], "closed bank"),
        ([OPEN, CLOSE, READ.moved(2 * APART)], "closed bank"),
        ([OPEN, Line(APART, "read_p", 0, row=5), READ.moved(APART)], "closed bank"),
        ([OPEN, Line(APART, "write_p", 0, row=5), READ.moved(APART)], "closed bank"),
        ([OPEN, READ._replace(row=6)], "other row"),
        ([OPEN, Line(APART, "write", 0, row=4)], "other row"),
        ([OPEN, READ, OPEN.moved(3 * APART)], "open bank"),
        ([OPEN, Line(APART, "refresh_bank", 0)], "open bank"),
        ([OPEN, Line(APART, "refresh", 0)], "open rows"),
        ([OPEN, Line(APART, "self_refresh_enter", 0)], "open rows"),
        ([Line(0, "self_refresh_enter", 0), OPEN.moved(APART)], "self refresh"),
        ([Line(0, "self_refresh_enter", 0), Line(APART, "refresh", 0)], "self refresh"),
        ([Line(0, "self_refresh_exit", 0)], "self refresh"),
        ([OPEN, OPEN._replace(lane=16)], "command bus"),
    ],
)
def test_what_a_command_may_not_find(tmp_path: Path, lines: list[Line], name: str) -> None:
    found = judged(tmp_path, quiet_device(DDR4), lines, **NO_INTERVALS)
    assert [violation.constraint for violation in found.violations] == [name]


def test_what_is_right_in_states(tmp_path: Path) -> None:
    sleep = [Line(3 * APART, "self_refresh_enter", 0), Line(4 * APART, "self_refresh_exit", 0)]
    lines = [OPEN, READ, CLOSE, *sleep, *(line.moved(5 * APART) for line in (OPEN, READ, CLOSE))]
    other_rank = [Line(3 * APART + 9, "activate", 16), Line(4 * APART - 9, "write_p", 16)]
    result = judged(tmp_path, quiet_device(DDR4), [*lines, *other_rank], **NO_INTERVALS)
    assert result.violations == ()
    assert result.commands == 10


def test_a_refreshed_bank_may_activate_at_once(tmp_path: Path) -> None:
    """As DRAMsim3 has it: the others wait, the refreshed one does not; strictly it waits as well."""
    lines = [Line(0, "refresh_bank", 0), OPEN.moved(5)]
    device = quiet_device(DDR4)
    assert judged(tmp_path, device, lines, **NO_INTERVALS).violations == ()
    assert names(judged(tmp_path, device, lines, strict=True, **NO_INTERVALS)) == {"tRFCb"}
    others = [lines[0], OPEN.moved(5)._replace(lane=1)]
    assert names(judged(tmp_path, device, others, **NO_INTERVALS)) == {"bank refresh to activate"}


def test_commands_out_of_order(tmp_path: Path) -> None:
    path = tmp_path / "channel-0.cmd"
    device = quiet_device(DDR4)
    judged(tmp_path, device, [OPEN, READ, CLOSE])
    first, second, third = path.read_text().splitlines(keepends=True)
    path.write_text(first + third + second)
    from ppim.check.judge import Options, check_trace

    (result,) = check_trace(path, {"hbm": Memory(device)}, Options())
    assert "order" in names(result)


def test_two_buses_for_commands(tmp_path: Path) -> None:
    """HBM takes a row and a column command in one cycle, unless told not to; never two of a kind."""
    lines = [OPEN, READ, Line(APART, "activate", 4)]
    assert judged(tmp_path, quiet_device("hbm2-4gb"), lines).violations == ()
    assert names(judged(tmp_path, quiet_device("hbm2-4gb", hbm_dual_cmd=False), lines)) == {"command bus"}
    two_rows = [OPEN, Line(APART, "activate", 4), Line(APART, "precharge", 0)]
    assert names(judged(tmp_path, quiet_device("hbm2-4gb"), two_rows)) == {"command bus"}


def test_bursts_that_overlap(tmp_path: Path) -> None:
    """Distances forbid that as well; the bus is watched by itself."""
    device = quiet_device(DDR4)
    t = device.timing
    lines = [OPEN, Line(APART, "activate", 16, row=7), READ.moved(APART)]
    end = READ.cycle + APART + t.CL + t.burst_cycles - t.CWL
    beside = Line(end, "write", 16, row=7)
    assert "data bus" not in names(judged(tmp_path, device, [*lines, beside]))
    found = judged(tmp_path, device, [*lines, beside.moved(-1)])
    assert [(v.constraint, v.margin) for v in found.violations if v.constraint == "data bus"] == [
        ("data bus", -1)
    ]
    # The write's data would come and go before those of the read.
    before = Line(READ.cycle + APART + 1, "write", 16, row=7)
    free = quiet_device(DDR4, CL=60)
    assert names(judged(tmp_path, free, [*lines, before])) == {"read-write"}


# --- refresh intervals -------------------------------------------------------------------------


def refreshed(device: Device, count: int) -> list[Line]:
    """Refreshes as they fall due."""
    interval, per_rank = device.refresh_interval_cycles, device.organization.banks_per_rank
    return [
        Line((k + 1) * interval, "refresh", k % device.organization.ranks * per_rank) for k in range(count)
    ]


@pytest.mark.parametrize("name", ["hbm2-4gb", DDR4])
def test_refreshes_in_time(tmp_path: Path, name: str) -> None:
    from ppim.dram.load import load_device

    device = load_device(name)
    period = device.refresh_interval_cycles * device.organization.ranks
    lines = refreshed(device, 8)
    assert judged(tmp_path, device, lines).violations == ()
    latest = [line.moved(period - 1) for line in lines]
    assert judged(tmp_path, device, latest).violations == ()
    for at, line in enumerate(lines):
        early = judged(tmp_path, device, [*lines[:at], line.moved(-1), *lines[at + 1 :]])
        assert [(v.constraint, v.margin) for v in early.violations if v.constraint != "refresh late"] == [
            ("refresh early", -1)
        ]
        if at < len(lines) - device.organization.ranks:
            missing = judged(tmp_path, device, [*lines[:at], *lines[at + 1 :]])
            assert [violation.constraint for violation in missing.violations] == ["refresh late"]
            # One before its time is none of those that are due: the one that is due is missing.
            assert names(early) == {"refresh early", "refresh late"}
        late = [*latest[:at], latest[at].moved(1), *latest[at + 1 :]]
        first = judged(tmp_path, device, late).violations[0]
        assert (first.constraint, first.margin, first.cycle) == ("refresh late", -1, late[at].cycle)
    once_more = [*lines, lines[-1].moved(1000)]
    assert names(judged(tmp_path, device, once_more)) == {"refresh early"}
    slack = judged(
        tmp_path, device, [line for at, line in enumerate(lines) if at not in (2, 3)], refresh_slack=8
    )
    assert slack.violations == ()


def test_refreshes_that_never_come(tmp_path: Path) -> None:
    from ppim.dram.load import load_device

    device = load_device("hbm2-4gb")
    interval = device.refresh_interval_cycles
    lines = [OPEN, READ._replace(cycle=2 * interval - 1)]
    assert judged(tmp_path, device, lines).violations == ()
    (found,) = judged(tmp_path, device, [OPEN, READ._replace(cycle=2 * interval)]).violations
    assert (found.constraint, found.margin, found.later) == ("refresh late", -1, None)
    assert found.cycle == 2 * interval


def test_a_sleeping_rank_refreshes_itself(tmp_path: Path) -> None:
    from ppim.dram.load import load_device

    device = load_device("hbm2-4gb")
    interval = device.refresh_interval_cycles
    sleep = [Line(10, "self_refresh_enter", 0), Line(7 * interval + 9, "self_refresh_exit", 0)]
    after = [Line(8 * interval, "refresh", 0), Line(9 * interval, "refresh", 0)]
    assert judged(tmp_path, device, [*sleep, *after]).violations == ()
    assert names(judged(tmp_path, device, [*sleep, after[1]])) == {"refresh late"}


# --- PIM units ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "timing", "later_lane", "name"),
    [
        ("bankgroup", "physical", 4, "tRRD_S"),
        ("bankgroup", "physical", 1, "tRRD_L"),
        ("bankgroup", "faw-only", 4, None),
        ("bankgroup", "none", 1, "tRRD_L"),
        ("bank", "none", 1, "tRRD_L"),
        ("bank", "faw-only", 4, None),
        ("rank", "none", 4, "tRRD_S"),
        ("channel", "none", 4, "tRRD_S"),
        ("rank", "physical", 16, None),
    ],
)
def test_rules_between_units(
    tmp_path: Path, level: str, timing: str, later_lane: int, name: str | None
) -> None:
    device = quiet_device("hbm2-4gb", **{"organization.ranks": 2})
    memory = Memory(device, Units(level, timing))  # type: ignore[arg-type]
    lines = [OPEN, Line(1, "activate", later_lane)]
    assert names(judged(tmp_path, memory, lines)) == ({name} if name else set())


@pytest.mark.parametrize(
    ("level", "later_lane", "expected"),
    [
        ("bank", 4, set()),
        ("bankgroup", 4, set()),
        ("bankgroup", 1, {"command bus", "tCCD_L read-read"}),
        ("bank", 1, {"tCCD_L read-read"}),
        ("rank", 4, {"command bus", "tCCD_S read-read"}),
    ],
)
def test_units_read_beside_each_other(
    tmp_path: Path, level: str, later_lane: int, expected: set[str]
) -> None:
    device = quiet_device("hbm2-4gb")
    memory = Memory(device, Units(level, "physical"))  # type: ignore[arg-type]
    lines = [
        OPEN,
        Line(APART, "activate", later_lane, row=5),
        READ.moved(APART),
        READ.moved(APART)._replace(lane=later_lane),
    ]
    assert names(judged(tmp_path, memory, lines)) == expected


@pytest.mark.parametrize(
    ("timing", "level", "is_kept"),
    [
        ("physical", "bank", True),
        ("faw-only", "bankgroup", True),
        ("none", "bankgroup", False),
        ("none", "rank", True),
    ],
)
def test_the_window_between_units(tmp_path: Path, timing: str, level: str, is_kept: bool) -> None:
    device = quiet_device("hbm2-4gb", tFAW=100)
    memory = Memory(device, Units(level, timing))  # type: ignore[arg-type]
    lines = [Line(20 * k, "activate", 4 * (k % 4) + k // 4) for k in range(5)]
    assert names(judged(tmp_path, memory, lines)) == ({"tFAW"} if is_kept else set())
