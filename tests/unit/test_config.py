"""Files and settings are checked once, and every message names its place and the mend."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from ppim.config import build, parse_settings, read_toml
from ppim.errors import InputError


@dataclass(frozen=True)
class Inner:
    size: int
    speed: float = 1.0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError("size is at least 1")


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    kind: Literal["a", "b"] = "a"
    words: tuple[str, ...] = ()
    limit: int | None = None
    on: bool = False
    free: dict[str, Any] = field(default_factory=dict)


GOOD = {"name": "x", "inner": {"size": 2}}


def test_every_type_is_built() -> None:
    table = {
        **GOOD,
        "inner": {"size": 2, "speed": 3},
        "kind": "b",
        "words": ["p", "q"],
        "limit": 7,
        "on": True,
        "free": {"any": 1},
    }
    assert build(Outer, table, "f.toml") == Outer("x", Inner(2, 3.0), "b", ("p", "q"), 7, True, {"any": 1})
    assert isinstance(build(Outer, table, "f.toml").inner.speed, float)
    assert build(Outer, GOOD, "f.toml") == Outer("x", Inner(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inne": 1}, "f.toml: unknown key 'inne'; did you mean inner or name or kind?"),
        ({"inner": {"size": 2, "sped": 1}}, "f.toml: inner: unknown key 'sped'; did you mean speed or size?"),
        ({"inner": {}}, "f.toml: inner: missing key 'size'"),
        ({"inner": {"size": 0}}, "f.toml: inner: size is at least 1"),
        ({"inner": 3}, "f.toml: inner: a table is needed, not 3"),
        ({"inner": {"size": 2.0}}, "f.toml: inner: size: 2.0 is not a whole number"),
        ({"inner": {"size": True}}, "f.toml: inner: size: True is not a whole number"),
        ({"inner": {"size": 2, "speed": "fast"}}, "f.toml: inner: speed: 'fast' is not a number"),
        ({"inner": {"size": 2, "speed": False}}, "f.toml: inner: speed: False is not a number"),
        ({"name": 3}, "f.toml: name: 3 is not a string"),
        ({"kind": "c"}, "f.toml: kind: 'c' is not one of 'a', 'b'"),
        ({"words": "p"}, "f.toml: words: a list is needed, not 'p'"),
        ({"words": ["p", 1]}, "f.toml: words: 1 is not a string"),
        ({"on": 1}, "f.toml: on: 1 is not true or false"),
        ({"free": 1}, "f.toml: free: a table is needed, not 1"),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        build(Outer, {**GOOD, **change}, "f.toml")
    assert str(error.value) == message


def test_value_of_none_of_the_allowed_types() -> None:
    with pytest.raises(InputError, match="limit: 'many' is not"):
        build(Outer, {**GOOD, "limit": "many"}, "f.toml")


def test_missing_key_at_the_top() -> None:
    with pytest.raises(InputError, match=r"f\.toml: missing key 'name'"):
        build(Outer, {"inner": {"size": 1}}, "f.toml")


def test_files_that_are_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    with pytest.raises(InputError, match=r"x\.toml: cannot be read \(No such file"):
        read_toml(path)
    for content in (b"a = \n", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"x\.toml: not valid TOML"):
            read_toml(path)
    path.write_text("a = 1\n[b]\nc = 'd'\n")
    assert read_toml(path) == {"a": 1, "b": {"c": "d"}}


def test_settings_are_written_as_in_toml() -> None:
    words = ["a=1", "b.c = 2.5", "d=table", "e=true", 'f=["r", "core1"]', "g='1'", "h=x=y"]
    assert parse_settings(words) == {
        "a": 1,
        "b.c": 2.5,
        "d": "table",
        "e": True,
        "f": ["r", "core1"],
        "g": "1",
        "h": "x=y",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["barrier"], "--set barrier: write it as key=value"),
        (["=3"], "--set =3: write it as key=value"),
        (["a=1", "a=2"], "--set a=2: a is given twice"),
    ],
)
def test_settings_that_say_nothing(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_settings(words)
