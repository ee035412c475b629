"""What the command line says on stderr, in colour where that is a terminal and NO_COLOR is not set."""

import os
import sys

import click

from ppim.text_files import printable

COLOURS = {"ppim:": "red", "warning:": "yellow", "note:": "cyan"}
"""First word of a line -> its colour."""


def coloured(line: str) -> str:
    """A line with its first word in colour, if anybody sees it (no-color.org)."""
    word = line.partition(" ")[0]
    if word not in COLOURS or os.environ.get("NO_COLOR") or not sys.stderr.isatty():
        return line
    return click.style(word, fg=COLOURS[word], bold=True) + line[len(word) :]


def complain(message: str) -> None:
    """The one line of an error."""
    click.echo(coloured(f"ppim: {printable(message)}"), err=True)
