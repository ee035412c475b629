"""Pickles as data: the operations that a list of plain tensors needs, done on values alone.

Python's own unpickler imports what a file names, hashes what it puts into dictionaries (which for tuples of tuples takes
for ever) and grows its memo to the greatest index. Here names become what the caller says, keys are texts or numbers,
and each operation costs a fixed amount of memory.
"""

import pickletools
from collections.abc import Callable, Mapping
from typing import Any

_MARK = object()
_CONSTANTS: Mapping[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_WITH_VALUE = frozenset(["BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE"])
_PUT = frozenset(["BINPUT", "LONG_BINPUT"])
_GET = frozenset(["BINGET", "LONG_BINGET"])
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NOTHING_TO_DO = frozenset(["PROTO", "FRAME"])


class UnreadableError(Exception):
    """What the file's pickle does that a list of tensors does not need; the text follows "its pickle"."""


def read(content: bytes, named: Callable[[str, str], Any], persistent: Callable[[Any], Any]) -> Any:
    """The value that a pickle describes.

    Parameters
    ----------
    content : bytes
    named : function of (module, name)
        What stands for a name; a function is called where the pickle calls it, with the pickle's arguments.
    persistent : function of (id)
        What stands for an object that lies outside the pickle.

    Raises
    ------
    UnreadableError
        Other operations than these, values that are not what an operation takes, or an end before `STOP`.
    """
    machine = _Machine(named, persistent)
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "STOP":
                return machine.pop()
            machine.do(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        # Of genops, or of an operation without its values.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableError(f"is damaged ({reason:.80})") from error
    raise UnreadableError("has no end")


class _Machine:
    """A stack and a memo."""

    def __init__(self, named: Callable[[str, str], Any], persistent: Callable[[Any], Any]) -> None:
        self._named, self._persistent = named, persistent
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def pop(self) -> Any:
        """The value on top."""
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark in place of a value")
        return value

    def do(self, name: str, argument: Any) -> None:
        """One operation."""
        push = self._stack.append
        if name in _CONSTANTS:
            push(_CONSTANTS[name])
        elif name in _WITH_VALUE:
            push(argument)
        elif name in _PUT:
            self._memo[argument] = self._top()
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._top()
        elif name in _GET:
            push(self._memo[argument])
        elif name == "MARK":
            push(_MARK)
        elif name == "POP":
            self._stack.pop()
        elif name == "POP_MARK":
            self._since_mark()
        elif name == "EMPTY_LIST":
            push([])
        elif name == "EMPTY_DICT":
            push({})
        elif name == "TUPLE":
            push(tuple(self._since_mark()))
        elif name in _TUPLES:
            push(tuple(reversed([self.pop() for _ in range(_TUPLES[name])])))
        elif name == "APPEND":
            self._extend([self.pop()])
        elif name == "APPENDS":
            self._extend(self._since_mark())
        elif name == "SETITEM":
            self._set([self.pop(), self.pop()][::-1])
        elif name == "SETITEMS":
            self._set(self._since_mark())
        elif name == "GLOBAL":
            push(self._named(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            self._push_global()
        elif name == "REDUCE":
            self._call()
        elif name == "BINPERSID":
            push(self._persistent(self.pop()))
        elif name not in _NOTHING_TO_DO:
            raise UnreadableError(f"does more than a list of tensors needs ({name})")

    def _top(self) -> Any:
        value = self.pop()
        self._stack.append(value)
        return value

    def _since_mark(self) -> list[Any]:
        """Values above the last mark, which goes too."""
        values = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _extend(self, values: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise UnreadableError("appends to what is no list")
        target += values

    def _set(self, pairs: list[Any]) -> None:
        target = self._top()
        keys = pairs[::2]
        if not isinstance(target, dict) or not all(isinstance(key, str | int) for key in keys):
            raise UnreadableError("has a dictionary whose keys are no texts or numbers")
        target.update(zip(keys, pairs[1::2], strict=True))

    def _push_global(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise UnreadableError("asks for a name that is no text")
        self._stack.append(self._named(module, name))

    def _call(self) -> None:
        arguments, function = self.pop(), self.pop()
        if not callable(function) or not isinstance(arguments, tuple):
            raise UnreadableError("calls what is no function")
        self._stack.append(function(*arguments))
