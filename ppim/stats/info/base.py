"""A kind of thing that `ppim info` describes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ppim.errors import InputError
from ppim.registry import Registry


@dataclass(frozen=True)
class InfoKind:
    """How one kind of thing is told from others, and described."""

    examples: str  # for messages
    recognises: Callable[[str], bool]  # of the argument: a name or a path; must not raise for foreign files
    describe: Callable[[str], Iterable[str]]  # lines of text


KINDS: Registry[InfoKind] = Registry("kind", "ppim.stats.info")


def describe(target: str) -> Iterable[str]:
    """Lines that describe the name or file `target`.

    Raises
    ------
    InputError
        Nothing recognises it, or the kind that does finds it broken.
    """
    kinds = [KINDS.get(name) for name in KINDS.names()]
    for kind in kinds:
        if kind.recognises(target):
            return kind.describe(target)
    if Path(target).suffix and not Path(target).exists():
        raise InputError(f"{target}: no such file")
    known = "; ".join(f"{name} ({kind.examples})" for name, kind in zip(KINDS.names(), kinds, strict=True))
    raise InputError(f"{target}: neither a known name nor a file of a known kind; known kinds: {known}")
