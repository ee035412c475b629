"""Options that several commands have, or that need more than click gives."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ppim.cli.words import coloured
from ppim.numbers import real_number, whole_number
from ppim.tables import WRITERS, Description, as_lines, as_text, terminal_width
from ppim.text_files import printable

SIZES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
PACKAGE = Path(__file__).parent.parent


def registered_names(folder: str, register: str) -> list[str]:
    """Names under which the files of a folder register something, sorted; the files are not imported.

    Parameters
    ----------
    folder : str
        Of this package.
    register : str
        What they call with the name, at the start of a line: "MAPPINGS.register".
    """
    call = re.compile(rf'^@?(?:\w+\.)?{re.escape(register)}\(\s*"([^"]+)"', re.MULTILINE)
    return sorted(
        name
        for file in (PACKAGE / folder).glob("*.py")
        for name in call.findall(file.read_text(encoding="utf-8"))
    )


class NamesOption(click.Option):
    """An option that takes a registered name; `{names}` in its help stands for those there are.

    Help may not import what registers them: it would take a second.
    """

    def __init__(self, *arguments: Any, folder: str, register: str, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.folder, self.register = folder, register

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option and its help, names filled in."""
        record = super().get_help_record(ctx)
        *first, last = registered_names(self.folder, self.register)
        return record and (record[0], record[1].replace("{names}", f"{', '.join(first)} or {last}"))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's
        """Registered names that begin so."""
        return _names_and_files(registered_names(self.folder, self.register), incomplete, with_files=False)


def complete_systems(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's
    """Built-in systems that begin so, or files."""
    return _names_and_files(_stems("systems/presets"), incomplete)


def complete_devices(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's
    """Built-in devices that begin so, or files."""
    return _names_and_files(_stems("dram/devices"), incomplete)


def complete_targets(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's
    """Built-in systems and devices that begin so, or files."""
    return _names_and_files([*_stems("systems/presets"), *_stems("dram/devices")], incomplete)


def _stems(folder: str) -> list[str]:
    return sorted(file.stem for file in (PACKAGE / folder).glob("*.toml"))


def _names_and_files(names: list[str], incomplete: str, *, with_files: bool = True) -> list[CompletionItem]:
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return [*found, CompletionItem(incomplete, type="file")] if with_files else found


class Whole(click.IntRange):
    """A whole number in digits 0 to 9."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        if isinstance(value, str):
            try:
                value = whole_number(value)
            except ValueError as error:
                self.fail(str(error), param, ctx)
        return super().convert(value, param, ctx)


class Real(click.FloatRange):
    """A number in digits 0 to 9, with a point and an exponent or not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        if isinstance(value, str):
            try:
                value = real_number(value)
            except ValueError as error:
                self.fail(str(error), param, ctx)
        return super().convert(value, param, ctx)


class InputPath(click.Path):
    """A file or folder that is read; of a pipe (a process substitution) its copy, since files are opened several times."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Where it can be read."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        return path if ctx is None or ctx.resilient_parsing else readable(path, ctx)


def readable(path: Path, ctx: click.Context) -> Path:
    """The same path, or of a pipe that of its copy, which is there as long as the command runs."""
    from ppim.files import rereadable

    (found,) = ctx.with_resource(rereadable([path]))
    return found


class Size(Whole):
    """A number of bytes, written with a unit if you like: 128, 64KiB, 1MiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Bytes."""
        number: Any = value
        for unit, size in SIZES.items():
            if isinstance(number, str) and number.endswith(unit):
                try:
                    number = whole_number(number.removesuffix(unit).rstrip(" ")) * size
                except ValueError:
                    self.fail(f"{value!r} is no number of bytes; write it as 64KiB", param, ctx)
                break
        return super().convert(number, param, ctx)


FORMATS = ("table", "csv", "json", "md")


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--format` and `--wide` of commands that print a table (`form`, `wide`)."""
    wide = click.option("--wide", is_flag=True, help="A line a row, however wide the terminal is.")
    form = click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        default=FORMATS[0],
        show_default=True,
        help="How to write it; table fits the terminal.",
    )
    return form(wide(command))


def show(description: Description, form: str, wide: bool) -> None:
    """Print a description: in lines that fit the terminal, or for programs."""
    click.echo(WRITERS[form](description) if form in WRITERS else as_text(description, width(wide)), nl=False)


def width(wide: bool) -> int | None:
    """Characters of a line; None where lines may be as long as they are."""
    return None if wide else terminal_width()


def print_lines(lines: Iterable[str], *, to_stderr: bool = False, wide: bool = False) -> None:
    """Print lines, those too long for the terminal wrapped."""
    for line in map(printable, as_lines(lines, width(wide))):
        click.echo(coloured(line) if to_stderr else line, err=to_stderr)


def tell(line: str) -> None:
    """A line on stderr."""
    click.echo(printable(line), err=True)


def timeline_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--timeline` and where its window begins; how long it is, is each command's `--cycles`."""
    options = [
        click.option(
            "--timeline",
            type=click.Path(path_type=Path),
            metavar="FILE.json",
            help="Write a window of the run for Perfetto (ui.perfetto.dev) and `ppim plot`; .json or .json.gz. It is "
            "the first two turns, if nothing else is said.",
        ),
        click.option(
            "--from-cycle",
            type=Whole(min=0),
            metavar="A",
            help="First cycle of the timeline's window.",
        ),
        click.option(
            "--turn",
            type=Whole(min=0),
            metavar="K",
            help="Turn that is the timeline's window, from 0: one table's part of one batch.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def pool_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--jobs` and `--scheduler` of commands that do many runs."""
    scheduler = click.option(
        "--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers do the runs instead."
    )
    jobs = click.option(
        "--jobs",
        type=Whole(min=1, max=1024),
        metavar="N",
        help="Processes of this machine; one for each of its processors without it.",
    )
    return jobs(scheduler(command))
