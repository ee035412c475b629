"""Numbers in text are digits 0 to 9, whatever Python reads besides."""

from __future__ import annotations

import math

import pytest

from ppim.numbers import real_number, whole_number


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("-0", 0), ("007", 7), ("-12", -12), ("9" * 20, int("9" * 20))]
)
def test_whole_numbers(text: str, value: int) -> None:
    assert whole_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "+5",
        "1_000",
        " 5",
        "5 ",
        "5\n",
        "0x10",
        "1e3",
        "5.0",
        "\u0665",
        "\uff15",
        "\u00b2",
        "nan",
        "9" * 21,
        "--1",
    ],
)
def test_what_is_no_whole_number(text: str) -> None:
    with pytest.raises(ValueError, match="no whole number") as caught:
        whole_number(text)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0),
        ("-1.5", -1.5),
        ("+2", 2.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e-3", 0.001),
        ("2E+2", 200.0),
        ("1e999", math.inf),
    ],
)
def test_real_numbers(text: str, value: float) -> None:
    assert real_number(text) == value


@pytest.mark.parametrize(
    "text",
    ["", ".", "1_0", " 1", "1\n", "nan", "inf", "-infinity", "0x1p3", "\u0665.0", "1e", "1e_3", "9" * 401],
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        real_number(text)
