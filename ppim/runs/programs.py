"""Formats of program files: which one a name asks for, what replays a file of each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ppim.dram.device import Device
from ppim.engine.commands import CommandSink
from ppim.errors import InputError
from ppim.program.listing.form import FORMAT as LISTING, SUFFIXES
from ppim.program.listing.header import read_header
from ppim.stats.result import SimulationResult
from ppim.systems.spec import SystemSpec

AUTHORS = "authors"
FORMATS = (LISTING, AUTHORS)
"""Names of the formats that `ppim simulate` writes."""


class Survey(Protocol):
    """What a file holds."""

    @property
    def instructions(self) -> int: ...


class Replay(Protocol):
    """A program file on the PIM units of a system; all of the file is checked."""

    path: Path
    device: Device

    @property
    def survey(self) -> Survey: ...

    def run(
        self, advance: Callable[[int], object] = ..., commands: CommandSink | None = None
    ) -> SimulationResult:
        """Replay all of it."""


def format_of_name(path: Path) -> str:
    """The format in which a program of this name is written."""
    return LISTING if path.name.lower().endswith(SUFFIXES) else AUTHORS


def open_replay(path: Path, system: SystemSpec, format_name: str) -> Replay:
    """What replays a program file of a format.

    Raises
    ------
    InputError
        A file that is not of the format, or a system that cannot replay it.
    """
    if format_name == LISTING:
        from ppim.runs.replay_listing import ListingReplay

        return ListingReplay(path, system)
    from ppim.runs.replay_program import ProgramReplay

    return ProgramReplay(path, system)


def made_for(path: Path, format_name: str) -> tuple[str, dict[str, Any]]:
    """Name and settings of the system that a program names; ("", {}) where it names none.

    Raises
    ------
    InputError
        A header that cannot be read.
    """
    from ppim.config import parse_settings

    if format_name != LISTING:
        return "", {}
    header = read_header(path)
    try:
        return header.system, parse_settings(header.settings) if header.system else {}
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
