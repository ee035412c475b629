"""What a check found, as text, CSV or JSON."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from typing import TextIO

from ppim.check.judge import CheckResult, Issued, RuleCount, Violation
from ppim.tables import Table, as_lines

PLACE = tuple(field.name for field in fields(Issued))
COLUMNS = (
    *("memory", "channel", "constraint", "distance", "margin", "cycle"),
    *(f"later_{name}" for name in PLACE if name != "cycle"),
    *(f"earlier_{name}" for name in PLACE),
)
HEADINGS = ("constraint", "checked", "at limit", "least", "violations", "rule")


def write_text(
    results: Sequence[CheckResult], most_listed: int, out: TextIO, width: int | None = None
) -> None:
    """Violations, then what was checked, for people; lines of at most `width` characters."""
    out.writelines(f"{line}\n" for line in as_lines(_text(results, most_listed), width))


def _text(results: Sequence[CheckResult], most_listed: int) -> Iterator[str | Table]:
    for result in results:
        title = f"{result.memory}: " if len(results) > 1 else ""
        yield from (f"{title}{_sentence(violation)}" for violation in result.violations[:most_listed])
        unsaid = result.n_violations - min(most_listed, len(result.violations))
        if unsaid:
            yield f"{title}... and {unsaid:,} more"
        if result.n_violations:
            yield ""
        yield from _summary(result, title)


def _sentence(violation: Violation) -> str:
    where = f"channel {violation.channel}, cycle {violation.cycle:,}"
    later = "the trace ends" if violation.later is None else _command(violation.later)
    earlier = (
        ""
        if violation.earlier is None
        else f" after {_command(violation.earlier)} at {violation.earlier.cycle:,}"
    )
    if violation.margin is None:
        return f"{where}: {violation.constraint}: {later}{earlier}"
    asked = "" if violation.distance is None else f" of {violation.distance} cycles"
    return f"{where}: {violation.constraint}{asked}, margin {violation.margin}: {later}{earlier}"


def _command(command: Issued) -> str:
    place = [f"rank {command.rank}"]
    if command.bankgroup >= 0:
        place.append(f"bank {command.bankgroup}.{command.bank}")
    if command.row >= 0:
        place.append(f"row {command.row}")
    return f"{command.command} ({', '.join(place)}; line {command.line})"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _summary(result: CheckResult, title: str) -> Iterator[str | Table]:
    verdict = _count(result.n_violations, "violation") if result.n_violations else "legal"
    commands, channels = _count(result.commands, "command"), _count(result.channels, "channel")
    yield (
        f"{title}{verdict if result.commands else 'nothing to check'}: {commands} of {channels} up to cycle "
        f"{result.last_cycle:,}, {result.device} ({', '.join(result.forms)})"
    )
    rows = (
        (
            rule.constraint,
            f"{rule.checked:,}",
            f"{rule.tight:,}" if rule.least_margin is not None else None,
            None if rule.least_margin is None else f"{rule.least_margin:,}",
            f"{rule.violations:,}",
            _formula(rule),
        )
        for rule in result.rules
        if rule.checked
    )
    yield Table("rules", HEADINGS, tuple(rows))
    untried = [rule.constraint for rule in result.rules if not rule.checked]
    if untried:
        yield f"never came up: {'; '.join(untried)}"


def _formula(rule: RuleCount) -> str:
    cycles = "/".join(map(str, rule.cycles))
    return rule.formula if not cycles else f"{rule.formula} = {cycles}"


def write_csv(results: Iterable[CheckResult], out: TextIO) -> None:
    """One row a violation."""
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for result in results:
        for violation in result.violations:
            head = (
                violation.memory,
                violation.channel,
                violation.constraint,
                violation.distance,
                violation.margin,
            )
            later, earlier = _fields(violation.later), _fields(violation.earlier)
            table.writerow((*head, violation.cycle, *later[1:], *earlier))


def _fields(command: Issued | None) -> tuple[object, ...]:
    if command is None:
        return (None,) * len(PLACE)
    return tuple(getattr(command, name) for name in PLACE)


def write_json(results: Iterable[CheckResult], out: TextIO) -> None:
    """Everything, one object a memory."""
    json.dump([asdict(result) for result in results], out, indent=1)
    out.write("\n")
