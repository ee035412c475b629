"""A kind of thing that `ppim info` describes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ppim.errors import InputError, near_names, unreadable
from ppim.registry import Registry
from ppim.tables import Description


@dataclass(frozen=True)
class InfoKind:
    """How one kind of thing is told from others, and described."""

    examples: str  # for messages
    recognises: Callable[[str], bool]  # of the argument: a name or a path; must not raise for foreign files
    describe: Callable[[str], Description]
    names: Callable[[], Iterable[str]] = tuple  # that it knows, to offer where one is mistyped
    is_general: bool = False  # it recognises what others do, too, and comes behind them


KINDS: Registry[InfoKind] = Registry("kind", "ppim.stats.info")


def describe(target: str) -> Description:
    """What the name or file `target` is.

    Raises
    ------
    InputError
        Nothing recognises it, or the kind that does finds it broken.
    """
    kinds = [KINDS.get(name) for name in KINDS.names()]
    for kind in sorted(kinds, key=lambda kind: kind.is_general):
        if kind.recognises(target):
            return kind.describe(target)
    if Path(target).is_symlink():
        try:
            Path(target).stat()
        except OSError as error:  # it leads nowhere, or to itself
            raise unreadable(target, error) from error
    if Path(target).suffix and not Path(target).exists():
        raise InputError(f"{target}: no such file")
    near = near_names(target, [name for kind in kinds for name in kind.names()])
    if near:
        raise InputError(f"{target}: neither a known name nor a file of a known kind; {near}")
    known = "; ".join(f"{name} ({kind.examples})" for name, kind in zip(KINDS.names(), kinds, strict=True))
    if Path(target).exists():
        known += "; --dataset names the format of a dataset"
    raise InputError(f"{target}: neither a known name nor a file of a known kind; known kinds: {known}")
