"""What a mapping is, and all mappings there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ppim.registry import Registry

if TYPE_CHECKING:
    from ppim.mapping.placing.geometry import UnitGeometry
    from ppim.mapping.placing.placement import Footprint, Placement
    from ppim.mapping.placing.spec import PlacementSpec
    from ppim.trace.profile import AccessProfile
    from ppim.trace.schema import TraceMeta

CountAccesses = Callable[[], "AccessProfile"]
"""Counts the accesses of the trace to each row; called by mappings that need it, since it reads the trace."""
PlaceFunction = Callable[
    ["TraceMeta", "UnitGeometry", "PlacementSpec", CountAccesses], "tuple[Placement, Footprint]"
]
SPREADING = (
    "placement",
    "placement_seed",
    "placement_page",
    "page_bytes",
    "stripe_bytes",
    "stripe_order",
)
"""Parameters of `[placement]` that act where rows are spread over units (`placing.spread`)."""


@dataclass(frozen=True)
class Mapping:
    """A way to place rows, and what others must know of it.

    Attributes
    ----------
    place : callable
        From the trace's tables, the units' geometry, the parameters of `[placement]` and a function that counts
        the accesses of the trace to each row, to where rows lie and what that takes. It raises InputError,
        with the numbers, where they do not fit.
    parameters : frozenset of str
        Those of `[placement]` that act with it and not with every mapping; with others the user is warned.
    counts_accesses : bool
        It calls the function that counts accesses, which reads the trace once more.
    learns : bool
        Rows move between units during the run, by what it has seen (`placing.learner`).
    splits_rows : bool
        Every unit has a slice of each row, so that all own every lookup.
    """

    place: PlaceFunction
    parameters: frozenset[str] = frozenset()
    counts_accesses: bool = False
    splits_rows: bool = False
    learns: bool = False

    @property
    def spreads(self) -> bool:
        """Whether rows are spread over units, by hash or in random pages."""
        return "placement" in self.parameters


MAPPINGS: Registry[Mapping] = Registry("mapping", "ppim.mapping")


def moves_rows(name: str) -> bool:
    """Whether rows move during a run with a mapping; no mapping, as of a program that is replayed, moves none."""
    return name in MAPPINGS.names() and MAPPINGS.get(name).learns


def mapping(
    name: str,
    *,
    parameters: Iterable[str] = (),
    counts_accesses: bool = False,
    splits_rows: bool = False,
    learns: bool = False,
) -> Callable[[PlaceFunction], PlaceFunction]:
    """Decorator that makes a place function a mapping; see `Mapping`."""

    def keep(place: PlaceFunction) -> PlaceFunction:
        MAPPINGS.register(name)(
            Mapping(
                place,
                frozenset(parameters),
                counts_accesses=counts_accesses,
                splits_rows=splits_rows,
                learns=learns,
            )
        )
        return place

    return keep
