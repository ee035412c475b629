"""A rule between two commands as one row: which, how they are related, and the least distance."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Scope = Literal["bank", "group", "rank", "channel", "whole rank"]
SCOPES: tuple[Scope, ...] = ("bank", "group", "rank", "channel", "whole rank")
"""How two commands are related: same bank; another bank of its group; another group of its rank; another rank of its
channel; same rank, where one of the two acts on the whole rank."""
BANK, GROUP, RANK, CHANNEL, WHOLE_RANK = range(len(SCOPES))

Across = Literal["always", "physical", "never"]
"""Whether a rule also binds commands of two PIM units: always, with cross_unit_timing "physical", or never."""


@dataclass(frozen=True)
class Constraint:
    """`later` comes at least `distance` cycles after `earlier`, if the two are related by one of `scopes`.

    `distance` is a formula of the device's timing: its parameters, B (burst), RL and WL (latencies), sums,
    differences and `max(a, b)`. Rows of one name are counted together.
    """

    name: str
    earlier: tuple[str, ...]
    later: tuple[str, ...]
    scopes: tuple[Scope, ...]
    distance: str
    across: Across = "always"
    protocols: tuple[str, ...] = ()  # families that have it; empty: all
    strict: bool = False  # left out by DRAMsim3, and so by this project's engine


@dataclass(frozen=True)
class Window:
    """At most `most` ACTIVATEs of a rank in any `length` cycles (a timing parameter)."""

    name: str
    most: int
    length: str
    protocols: tuple[str, ...] = ()


def evaluate(formula: str, values: Mapping[str, int]) -> int:
    """A formula's value in cycles."""
    return _value(ast.parse(formula, mode="eval").body, values)


def _value(node: ast.expr, values: Mapping[str, int]) -> int:
    match node:
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left, values) + _value(right, values)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _value(left, values) - _value(right, values)
        case ast.Call(func=ast.Name(id="max"), args=arguments):
            return max(_value(argument, values) for argument in arguments)
    raise ValueError(f"a formula has names, +, - and max, not {ast.unparse(node)}")
