"""Files and settings are checked once, and every message names its place and the mend."""

from __future__ import annotations

import time
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


def test_lists_on_the_command_line_need_no_quotes() -> None:
    def words(text: str) -> Any:
        return build(Outer, {**GOOD, **parse_settings([f"words={text}"])}, "f.toml").words

    assert words("p,q") == words("p, q") == words('["p", "q"]') == ("p", "q")
    assert words("p") == ("p",)
    assert words("p,1") == ("p", "1")
    assert all(type(word) is str for word in words("p,q"))


@dataclass(frozen=True)
class Lists:
    rows: tuple[int, ...] = ()
    name: str = ""


def test_lists_of_numbers_on_the_command_line() -> None:
    for text, expected in (("20", (20,)), ("20,30", (20, 30)), ("[20, 30]", (20, 30))):
        assert build(Lists, parse_settings([f"rows={text}"]), "x").rows == expected
    with pytest.raises(InputError, match="'two' is not a whole number"):
        build(Lists, parse_settings(["rows=1,two"]), "x")
    assert build(Lists, parse_settings(["name=a,b"]), "x").name == "a,b"


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


NUMBERS = [
    ("i", 2**63),
    ("i", -(2**63)),
    ("i", 10**4000),
    ("x", float("inf")),
    ("x", float("nan")),
    ("x", 10**30),
    ("many", [1, 2**64]),
]


@dataclass(frozen=True)
class Numbers:
    i: int = 0
    x: float = 0.0
    many: tuple[int, ...] = ()
    cache_bytes: int = 0
    text: str = ""


@pytest.mark.parametrize(("key", "value"), NUMBERS)
def test_numbers_beyond_any_word(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"f\.toml: {key}: .* (64 bits|finite)") as caught:
        build(Numbers, {key: value}, "f.toml")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("text", "expected"), [("64KiB", 65536), ("2 MiB", 2 << 20), ("1GiB", 1 << 30)])
def test_bytes_may_have_a_unit(text: str, expected: int) -> None:
    assert build(Numbers, {"cache_bytes": text}, "f.toml").cache_bytes == expected
    with pytest.raises(InputError, match="'64KiB' is not a whole number"):
        build(Numbers, {"i": "64KiB"}, "f.toml")


@pytest.mark.parametrize("text", ["64kB", "KiB", "-1KiB", "²KiB", "1e3KiB", "64KiBs"])
def test_other_units_are_none(text: str) -> None:
    with pytest.raises(InputError, match=r"cache_bytes: .* nor one with KiB, MiB or GiB"):
        build(Numbers, {"cache_bytes": text}, "f.toml")


@pytest.mark.parametrize("text", ["\x1b[31m", "a\nb", "\ud800", "\x9b"])
def test_text_that_speaks_to_a_terminal(text: str) -> None:
    with pytest.raises(InputError, match="control characters") as caught:
        build(Numbers, {"text": text}, "f.toml")
    assert str(caught.value).isprintable()


def test_a_name_is_said_once() -> None:
    with pytest.raises(InputError) as caught:
        build(Numbers, {"text": 5}, "system x: text")
    assert str(caught.value) == "system x: text: 5 is not a string"


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a = " + "9" * 5000, "a = 1\n[a]\nb = 2", "a" + ".a" * 5000 + " = 1"]
)
def test_toml_that_has_no_end(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        build(Numbers, read_toml(tmp_path / "x.toml"), "x.toml")
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 5000, "9" * 5000])
def test_settings_that_have_no_end(text: str) -> None:
    with pytest.raises(InputError, match="--set a: "):
        parse_settings([f"a={text}"])


@pytest.mark.parametrize("text", ["a" + ".a" * 100_000 + " = 1\n", "[" + '"a" . ' * 100_000 + "a]\n"])
def test_a_name_of_many_parts_takes_no_time(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    start = time.process_time()
    with pytest.raises(InputError, match="nested too deeply"):
        read_toml(tmp_path / "x.toml")
    assert time.process_time() - start < 10


def test_dots_in_values_are_no_name(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(f'a.b.c = "{"." * 1000}"\nd = [{"1.5, " * 1000}]\n')
    found = read_toml(tmp_path / "x.toml")
    assert len(found["d"]) == 1000
    assert found["a"]["b"]["c"] == "." * 1000
