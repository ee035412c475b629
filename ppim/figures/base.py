"""What a kind of figure is: what it is drawn from, and the function that draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ppim.registry import Registry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN_INCHES = 3.5
"""Width of one column of a paper of two columns (IEEE, ACM)."""


@dataclass(frozen=True)
class Options:
    """What the user may choose.

    Attributes
    ----------
    width : float
        Inches.
    baseline : str or None
        What speed-ups refer to.
    x, y : str or None
        Axis and figure of a sensitivity curve.
    """

    width: float = COLUMN_INCHES
    baseline: str | None = None
    x: str | None = None
    y: str | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Attributes
    ----------
    source : {"study", "front", "loads", "skew", "timeline"}
        What `ppim.figures.source` reads for it.
    draw : callable
        (source, options) -> matplotlib figure; InputError where the source has not what it needs.
    """

    source: Literal["study", "front", "loads", "skew", "timeline"]
    draw: Callable[[Any, Options], Figure]


FIGURES: Registry[Kind] = Registry("figure", "ppim.figures")
