"""What the arithmetic of lookups takes in a PIM unit (docs/model.md §6)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppim.mapping.placing.parts import SECOND
from ppim.mapping.placing.placement import Placement
from ppim.systems.spec import ComputeSpec, SystemSpec
from ppim.trace.schema import TraceMeta
from ppim.units import ceil_div, ns_to_cycles
from ppim.weight_sharing.base import first_product_macs, lookup_macs, second_matrices


@dataclass(frozen=True)
class Costs:
    """Memory cycles of arithmetic in one unit, and its multiply-accumulates; arrays int64, shape (tables,)."""

    compute: NDArray[np.int64]  # of a lookup
    compute_reused: NDArray[np.int64]  # of one whose first product has been made
    macs: NDArray[np.int64]
    macs_reused: NDArray[np.int64]
    has_product: NDArray[np.bool_]  # the first and second row of a lookup have a product
    kept_compute: int  # to add a vector that is kept whole
    kept_macs: int
    part_compute: NDArray[
        np.int64
    ]  # of a lookup in a unit with parts of so many pieces, shape (tables, pieces + 1)
    part_reused: NDArray[np.int64]  # and of one whose first product has been made
    part_macs: NDArray[np.int64]
    part_macs_reused: NDArray[np.int64]


def cost_arithmetic(
    meta: TraceMeta,
    system: SystemSpec,
    placement: Placement,
    slices: int,
    clock_ns: float,
) -> Costs:
    """The arithmetic of each table's lookups; nothing where the host adds up.

    Parameters
    ----------
    meta : TraceMeta
    system : SystemSpec
    placement : Placement
    slices : int
        Units that each do a part of every lookup.
    clock_ns : float
        Memory clock.
    """
    sharing = meta.sharing
    by_units = int(system.pim.consumer == "unit")
    macs = by_units * np.array([lookup_macs(sharing, table.rows) for table in meta.tables])
    first_product = by_units * np.array([first_product_macs(sharing, table.rows) for table in meta.tables])
    reused = macs - first_product * system.compute.tt_reuse
    in_unit, in_unit_reused = (
        np.array([ceil_div(int(n), slices) for n in column], np.int64) for column in (macs, reused)
    )
    most_pieces = int(placement.pieces.max())
    part_macs = np.zeros((len(meta.tables), most_pieces + 1), dtype=np.int64)
    part_macs_reused = np.zeros_like(part_macs)
    for t, table in enumerate(meta.tables):
        matrices = second_matrices(sharing, table.rows)
        if matrices is None:
            part_macs[t, 1] = part_macs_reused[t, 1] = in_unit[t]
            continue
        pieces, units = placement.pieces[t, SECOND], placement.set_units[t, SECOND]
        # A unit multiplies as many rows of each matrix as the longest run has, and all else of the vectors they give.
        run = ceil_div(matrices.rows, int(units))
        for n in range(1, int(pieces) + 1):
            product = int(first_product[t]) // matrices.rows * run * n // int(pieces)
            rest = int(macs[t] - first_product[t]) * n // int(pieces)
            part_macs[t, n] = product + rest
            part_macs_reused[t, n] = rest if system.compute.tt_reuse else product + rest

    def cycles(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        taken = [compute_cycles(int(n), system.compute, clock_ns) for n in numbers.flat]
        return np.array(taken, np.int64).reshape(numbers.shape)

    return Costs(
        compute=cycles(in_unit),
        compute_reused=cycles(in_unit_reused),
        macs=in_unit,
        macs_reused=in_unit_reused,
        has_product=first_product > 0,
        kept_compute=compute_cycles(sharing.algorithm.vector_elements, system.compute, clock_ns),
        kept_macs=sharing.algorithm.vector_elements,
        part_compute=cycles(part_macs),
        part_reused=cycles(part_macs_reused),
        part_macs=part_macs,
        part_macs_reused=part_macs_reused,
    )


def compute_cycles(macs: int, compute: ComputeSpec, clock_ns: float) -> int:
    """Memory cycles that `macs` multiply-accumulates take in one unit."""
    steps = ceil_div(macs, compute.macs)
    if compute.mac_ghz == 0:
        return steps
    return ns_to_cycles(steps / compute.mac_ghz, clock_ns)
