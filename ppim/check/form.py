"""What a text form of command traces has to say of itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ppim.registry import Registry

WORDS = (
    "cycle",
    "kind",
    "channel",
    "rank",
    "bankgroup",
    "bank",
    "row",
    "column",
    "pseudochannel",
    "stack",
    "ignored",
)
"""What a word of a line can mean; a `bank` without a `bankgroup` in the line counts through all groups of its rank.
A `stack` id is a bit of the bank group, above those of the group in its stack."""


@dataclass(frozen=True)
class Grammar:
    """Lines of one form: words divided by blanks, tabs, commas or colons."""

    words: tuple[str, ...]  # meanings, from `WORDS`
    kinds: Mapping[str, str]  # spelling of a command -> one of `KINDS`
    least_words: int  # the others may be missing
    skip_lines: int = 0  # lines of a header
    columns_are_bursts: bool = False  # else column addresses, of which a burst takes several


@dataclass(frozen=True)
class TraceForm:
    """One simulator's text form."""

    name: str
    example: str  # one line, for messages
    # The grammar, from the first line that has words (as bytes, without its line end); None: not this form.
    grammar: Callable[[bytes], Grammar | None]


FORMS: Registry[TraceForm] = Registry("form of command traces", "ppim.check.forms")
