"""Command traces from files: which form they have, whose channel they are of, and blocks of checked commands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppim.check import commands, layout, parse
from ppim.check.form import FORMS, WORDS, Grammar
from ppim.dram.device import Device
from ppim.errors import InputError, unreadable
from ppim.requests.text import first_line, line_blocks

Ints = NDArray[np.int64]

CYCLE, NAME, CHANNEL, RANK, GROUP, BANK, ROW_WORD, COLUMN_WORD, PSEUDO, STACK, _IGNORED = range(len(WORDS))
LONGEST_QUOTE = 40
# Names of files of one channel: ours, DRAMsim3's, Ramulator's two.
_CHANNEL_IN_NAME = re.compile(
    r"^(?:(?P<memory>[a-z]+)-)?channel-(?P<ours>\d+)\.cmd$|ch_(?P<theirs>\d+)cmd\.trace$"
    r"|chan-(?P<first>\d+)-rank-(?P<rank>\d+)\.cmdtrace$|\.ch(?P<second>\d+)$",
    re.ASCII,
)
HALVES = 2  # pseudo channels of a channel
GROUPS_OF_A_STACK = 4  # bank groups of a stack id: JESD238, 16 banks in groups of 4
EMPTY = Grammar((), {}, least_words=0)


@dataclass(frozen=True)
class TraceFile:
    """One file, and what its name says."""

    path: Path
    memory: str = ""  # of a system that has two
    channel: int | None = None
    rank: int | None = None


def trace_files(path: Path) -> list[TraceFile]:
    """The command traces in a folder, by channel, or the one file.

    Raises
    ------
    InputError
        No such file, or no file in the folder has the name of a command trace.
    """
    try:
        path.stat()
    except OSError as error:  # none there, or links that lead to each other
        raise unreadable(path, error) from error
    if not path.is_dir():
        return [_named(path)]
    files = [_named(found) for found in path.iterdir() if _match(found)]
    if not files:
        raise InputError(f"{path}: holds no command trace; they are called channel-<k>.cmd")
    return sorted(files, key=lambda file: (file.memory, file.channel or 0, file.rank or 0))


def _match(path: Path) -> re.Match[str] | None:
    return _CHANNEL_IN_NAME.search(path.name.removesuffix(".gz"))


def _named(path: Path) -> TraceFile:
    match = _match(path)
    if match is None:
        return TraceFile(path)
    numbers = [match[name] for name in ("ours", "theirs", "first", "second") if match[name]]
    rank = match["rank"]
    return TraceFile(path, match["memory"] or "", int(numbers[0]), None if rank is None else int(rank))


def find_grammar(path: Path, form: str | None = None) -> tuple[str, Grammar] | None:
    """Name and grammar of a file's form, recognised from its first line; None for a file without any.

    Raises
    ------
    InputError
        The file cannot be read, the named form is unknown, or no form (not the named one) has such a line.
    """
    line = first_line(path)
    names = FORMS.names() if form is None else (FORMS.get(form).name,)
    if not line:
        return None
    for name in names:
        grammar = FORMS.get(name).grammar(line)
        if grammar is not None:
            return name, grammar
    known = "; ".join(f"{name}: `{FORMS.get(name).example}`" for name in names)
    raise InputError(f"{path}: {_quote(line)} is no line of a command trace; {known}")


def _quote(text: bytes) -> str:
    return repr(text[:LONGEST_QUOTE].decode("ascii", errors="backslashreplace"))


class CommandReader:
    """Streams the commands of one file in blocks, each checked against the device's structure.

    Parameters
    ----------
    file : TraceFile
    device : Device
    form : str, optional
        Name of the form; recognised when left out.
    """

    def __init__(self, file: TraceFile, device: Device, form: str | None = None) -> None:
        self.file, self.device = file, device
        found = find_grammar(file.path, form)
        self.form = "empty" if found is None else found[0]
        self.grammar = EMPTY if found is None else found[1]

    @property
    def channels(self) -> int:
        """Channels that the file can name: those of the device, or both halves of each."""
        return self.device.organization.channels * (HALVES if self._has("pseudochannel") else 1)

    def _has(self, word: str) -> bool:
        return word in self.grammar.words

    def blocks(self) -> Iterator[Ints]:
        """Commands as int64 of shape (commands, BLOCK_FIELDS), in the order of the file.

        Raises
        ------
        InputError
            A line that is not of the form, or names what the device does not have.
        """
        if not self.grammar.words:
            return
        words = self.grammar.words
        meanings = np.array([WORDS.index(word) for word in words], np.int64)
        spelling = _spellings(self.grammar)
        skip = self.grammar.skip_lines
        for data, first_number, n_lines in line_blocks(self.file.path):
            text, line_number = data, first_number
            while skip and len(text):
                text = text[int(np.argmax(text == parse.LINE_END)) + 1 :]
                line_number, skip = line_number + 1, skip - 1
            out = np.empty((n_lines + 1, len(WORDS)), np.int64)
            lines = np.empty(n_lines + 1, np.int64)
            n_found, status, line, start, end = parse.parse_lines(
                text, meanings, self.grammar.least_words, words.index("kind"), *spelling, out, lines
            )
            if status != parse.FINE:
                raise self._bad_line(status, line_number + line, text[start:end].tobytes())
            if n_found:
                yield self._block(out[:n_found], lines[:n_found] + line_number)

    def _bad_line(self, status: int, line: int, word: bytes) -> InputError:
        form = FORMS.get(self.form).example
        problem = {
            parse.TOO_FEW: f"the line is too short; the form is {form}",
            parse.TOO_MANY: f"{_quote(word)} is a word too many; the form is {form}",
            parse.NOT_A_NUMBER: f"{_quote(word)} is not a whole number",
            parse.TOO_LARGE: f"{_quote(word)} is larger than 2^60",
            parse.NO_COMMAND: f"{_quote(word)} is not one of the commands {', '.join(self.grammar.kinds)}",
        }[status]
        return InputError(f"{self.file.path}:{line}: {problem}")

    def _block(self, words: Ints, lines: Ints) -> Ints:
        org = self.device.organization
        kind = words[:, NAME]
        of_a_bank = kind < commands.OF_A_RANK_FROM
        if not self._has("bankgroup"):
            words[:, GROUP], words[:, BANK] = np.divmod(np.maximum(words[:, BANK], 0), org.banks_per_group)
        if not self._has("rank"):
            words[:, RANK] = self.file.rank or 0
        if self._has("stack"):
            words[:, GROUP] += np.maximum(words[:, STACK], 0) * GROUPS_OF_A_STACK
        channel = self._channel(words)
        of_a_row = (kind <= commands.ACTIVATE) & self._has("row")
        of_a_column = (kind <= commands.WRITE_P) & self._has("column")
        columns = org.bursts_per_row if self.grammar.columns_are_bursts else org.columns
        everything = np.ones(len(words), np.bool_)
        for values, count, where, what in (
            (words[:, CYCLE], parse.LARGEST, everything, "cycle"),
            (channel, self.channels, everything, "channel"),
            (words[:, RANK], org.ranks, everything, "rank"),
            (words[:, GROUP], org.bankgroups, of_a_bank, "bank group"),
            (words[:, BANK], org.banks_per_group, of_a_bank, "bank"),
            (words[:, ROW_WORD], org.rows, of_a_row, "row"),
            (words[:, COLUMN_WORD], columns, of_a_column, "column"),
        ):
            self._keep_in_range(values, count, where, lines, what)
        block = np.empty((len(words), layout.BLOCK_FIELDS), np.int64)
        block[:, layout.TIME] = words[:, CYCLE]
        block[:, layout.KIND] = kind
        in_rank = words[:, GROUP] * org.banks_per_group + words[:, BANK]
        block[:, layout.LANE] = words[:, RANK] * org.banks_per_rank + np.where(of_a_bank, in_rank, 0)
        block[:, layout.ROW] = np.where(of_a_row, words[:, ROW_WORD], -1)
        block[:, layout.COLUMN] = np.where(of_a_column, words[:, COLUMN_WORD], -1)
        block[:, layout.LINE] = lines
        block[:, layout.CHANNEL_FIELD] = channel
        return block

    def _channel(self, words: Ints) -> Ints:
        """Channel of each command: the line's, else the file's, else 0."""
        if self._has("channel"):
            channel = words[:, CHANNEL]
        else:
            channel = np.full(len(words), self.file.channel or 0, np.int64)
        if self._has("pseudochannel"):
            channel = channel * HALVES + np.maximum(words[:, PSEUDO], 0)
        return channel

    def _keep_in_range(
        self, values: Ints, count: int, where: NDArray[np.bool_], lines: Ints, what: str
    ) -> None:
        bad = where & ((values < 0) | (values >= count))
        if bad.any():
            first = int(np.argmax(bad))
            raise InputError(
                f"{self.file.path}:{lines[first]}: {what} {values[first]} is not in 0 to {count - 1:,} of "
                f"{self.device.name}; is it the trace of another device?"
            )


def _spellings(grammar: Grammar) -> tuple[NDArray[np.uint8], Ints, Ints]:
    """The grammar's names of commands as bytes, their lengths, and the numbers of their kinds."""
    names = [name.encode() for name in grammar.kinds]
    table = np.zeros((len(names), max(map(len, names))), np.uint8)
    for index, name in enumerate(names):
        table[index, : len(name)] = np.frombuffer(name, np.uint8)
    numbers = [commands.KINDS.index(kind) for kind in grammar.kinds.values()]
    return table, np.array([len(name) for name in names], np.int64), np.array(numbers, np.int64)
