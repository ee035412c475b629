"""The text format `ppim-program`: its words, and what each line must and may say.

A header, then lines of a word and `key=value` pairs in any order; `#` begins a comment. docs/formats.md says what
the words mean.
"""

from dataclasses import dataclass

import numpy as np

from ppim.program import instruction as i
from ppim.program.builder import recipe as b
from ppim.requests.formats.ppim_program import NAME

FORMAT = NAME
VERSION = 1
SUFFIXES = (".ppim", ".ppim.gz")
"""Ends of names for which a program is written in this format."""

# What a line is, and the first column of a parsed line.
TURN_LINE = 0
LOOKUP_LINE = 1
READ_LINE = 2
READ_OUT_LINE = 3
HIT_LINE = 4
DELIVER_LINE = 5
TRANSFER_LINE = 6
PREFETCH_LINE = 7
COUNTS_LINE = 8
RECEIVER_LINE = 9
WORDS = ("turn", "lookup", "read", "readout", "hit", "deliver", "transfer", "prefetch", "counts", "receiver")
"""First words of lines behind the header, by number; at most eight letters, as keys."""
INSTRUCTIONS = range(READ_LINE, PREFETCH_LINE + 1)

KIND_OF_LINE = np.full(len(WORDS), i.NONE, dtype=np.int64)
KIND_OF_LINE[READ_LINE] = i.READ
KIND_OF_LINE[READ_OUT_LINE] = i.READ_OUT
KIND_OF_LINE[HIT_LINE] = i.HIT
KIND_OF_LINE[DELIVER_LINE] = i.DELIVER
KIND_OF_LINE[TRANSFER_LINE] = i.TRANSFER
KIND_OF_LINE[PREFETCH_LINE] = i.PREFETCH
LINE_OF_KIND = np.full(i.N_KINDS, i.NONE, dtype=np.int64)
LINE_OF_KIND[KIND_OF_LINE[INSTRUCTIONS.start : COUNTS_LINE]] = INSTRUCTIONS

# Columns of a parsed line; its values follow, a column a key.
LINE_WORD = 0
LINE_NUMBER = 1  # in the file, from 1
LINE_GIVEN = 2  # a bit for each key that it has
FIRST_KEY = 3
KEYS = (
    "number",
    "batch",
    "bag",
    "channel",
    "unit",
    "bank",
    "row",
    "column",
    "bursts",
    "lookup",
    "sharers",
    "step",
    "macs",
    "turn",
    "lookups",
    "accesses",
    "hits",
    "misses",
    "bytes",
    "loads",
    "fills",
)
LINE_COLUMNS = FIRST_KEY + len(KEYS)
(
    NUMBER,
    BATCH,
    BAG,
    CHANNEL,
    UNIT,
    BANK,
    ROW,
    COLUMN,
    BURSTS,
    LOOKUP,
    SHARERS,
    STEP,
    MACS,
    TURN,
    LOOKUPS,
    ACCESSES,
    HITS,
    MISSES,
    BYTES,
    LOADS,
    FILLS,
) = range(FIRST_KEY, LINE_COLUMNS)

_PLACE = ("channel", "unit", "bank", "row", "column", "bursts")
MUST = (
    ("number",),
    ("number", "channel", "unit", "macs"),
    (*_PLACE, "lookup"),
    (*_PLACE, "lookup"),
    ("channel", "unit", "lookup"),
    ("channel", "unit", "bursts", "lookup"),
    ("channel", "unit"),
    ("turn", "channel", "bank", "row", "column", "bursts"),
    ("channel",),
    ("number", "lookup"),
)
"""Keys that a line of each word has,"""
MAY = (
    ("batch",),
    ("bag",),
    ("sharers", "step"),
    ("sharers", "step"),
    ("bursts", "sharers", "step"),
    ("sharers",),
    ("bag",),
    (),
    ("unit", "lookups", "accesses", "hits", "misses", "bytes", "loads", "fills"),
    ("sharers",),
)
"""and that it may have; 0 without them."""

STARS = {
    CHANNEL: (READ_LINE, HIT_LINE, TRANSFER_LINE, PREFETCH_LINE),
    UNIT: (READ_LINE, HIT_LINE),
    STEP: (READ_OUT_LINE,),
}
"""Keys whose value may be * (all), and on which lines."""
MAY_BE_ALL = np.zeros((len(WORDS), len(KEYS)), dtype=np.bool_)
for _column, _words in STARS.items():
    MAY_BE_ALL[_words, _column - FIRST_KEY] = True

MOST_BURSTS = 1 << 20  # 64 MiB in one instruction is no row of a subtable
LARGEST_NUMBER = (1 << 31) - 1  # of a turn, lookup, batch or bag
LARGEST_WORK = 1 << 40  # multiply-accumulates of one lookup; what a line counts


def mask_of(keys: tuple[str, ...]) -> int:
    """Bits of some keys."""
    return sum(1 << KEYS.index(key) for key in keys)


MUST_MASK = np.array([mask_of(keys) for keys in MUST], dtype=np.int64)
MAY_MASK = np.array([mask_of(keys) for keys in MAY], dtype=np.int64) | MUST_MASK


def form_of(word: int) -> str:
    """What a line looks like, for messages."""
    must, may = (" ".join(f"{key}=" for key in keys[word]) for keys in (MUST, MAY))
    return f"{WORDS[word]} {must}" + (f" [{may}]" if may else "")


# ------------------------------------------------------------------------------------------ the header

MEMORY_WORD, UNITS_WORD, SYSTEM_WORD, SET_WORD = "memory", "units", "system", "set"
HEADER_WORDS = (FORMAT, SYSTEM_WORD, SET_WORD, MEMORY_WORD, UNITS_WORD)


@dataclass(frozen=True)
class Memory:
    """Geometry of the memory that a program was made for."""

    channels: int
    ranks: int
    bankgroups: int
    banks: int  # of a bank group
    rows: int
    columns: int  # bursts of a row
    burst_bytes: int


@dataclass(frozen=True)
class Units:
    """What a program was made with, of the system's parameters."""

    level: str
    frontend: str
    vector_bursts: int  # of a partial sum
    mapping: str = ""
    prefetch: str = "none"
    consumer: str = "unit"
    deliver: str = "ahead"
    unit_accumulators: int = 0


@dataclass(frozen=True)
class Header:
    """What stands before the first instruction.

    Attributes
    ----------
    system : str
        Name or file of the system that the program was made for; "" if it does not say.
    settings : tuple of str
        Its settings, `key=value` as `--set` takes them.
    lines : int
        Lines of the file that it takes.
    """

    memory: Memory
    units: Units
    system: str
    settings: tuple[str, ...]
    lines: int


COUNTED = (
    (LOOKUPS, b.LOOKUPS),
    (ACCESSES, b.ACCESSES),
    (HITS, b.CACHE_HITS),
    (MISSES, b.CACHE_MISSES),
    (BYTES, b.BYTES_CACHE),
    (LOADS, b.SRAM_READS),
    (FILLS, b.SRAM_FILLS),
)
"""Column of a line of `counts`, and of what the program builder counts."""
