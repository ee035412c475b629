"""Lower bounds that physics sets for the work of a run (docs/model.md §10).

Work between two barriers cannot overlap other work that waits for them, so each bound is summed over the
barriers, of each the worst channel. Prefetches are free to overlap; they count in the bounds of the whole
run, which hold as well. `tally` counts per bank, per set of banks that share a column path, per rank and
per unit and link; `peaks` has the greatest count of each kind since the last barrier; `bounds` adds them up.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ppim.engine.activate_window import SHORT_WINDOW
from ppim.engine.pim import state as s
from ppim.engine.pim.board import JOINT_BUS, PEAKS, line_of
from ppim.engine.pim.state import Parameters, PimState
from ppim.jit import helper, njit
from ppim.program import state as r
from ppim.program.state import Rings

# Kinds of bound, also columns of `peaks`.
BANK_OCCUPANCY = 0
COLUMN_RATE = 1
ACTIVATE_RATE = 2
INSTRUCTION_RATE = 3
DATA_BUS = 4
COMPUTE = 5
RANK_BUS = 6  # or a unit's link, where sums go to their collector on links of their own
N_LIMITS = 7
NAMES = (
    "bank-occupancy",
    "column-rate",
    "activate-rate",
    "instruction-rate",
    "data-bus",
    "compute",
    "rank-bus",
)

# Columns of `tally`.
TALLY_BARRIER = 0  # number of the barrier that `TALLY_SINCE` counts from
TALLY_SINCE = 1  # demand since that barrier
TALLY_ALL = 2  # all of the run, prefetches included
TALLY_COLUMNS = 3

# Positions in `bounds` behind the kinds.
BARRIERS = N_LIMITS  # that have opened
BOUNDS_SIZE = N_LIMITS + 1


@helper(forceinline=True)
def rows_before(p, kind):
    """First row of a kind's counts in `tally`: banks, column sets, ranks, units, links (by their first unit)."""
    if kind == BANK_OCCUPANCY:
        return 0
    columns = p.lanes
    ranks = columns + (p.lanes >> p.column_set_bits)
    if kind == COLUMN_RATE:
        return columns
    if kind == ACTIVATE_RATE:
        return ranks
    units = ranks + p.ranks
    return units if kind == COMPUTE else units + p.units


@helper(forceinline=True)
def tally(p, state, channel, kind, index, amount, is_demand):
    """Count work of a bank, column set, rank, unit or link."""
    row = state.tally[channel, rows_before(p, kind) + index]
    row[TALLY_ALL] += amount
    if is_demand:
        # A branch could not be foreseen.
        row[TALLY_SINCE] *= row[TALLY_BARRIER] == state.bounds[BARRIERS]
        row[TALLY_BARRIER] = state.bounds[BARRIERS]
        row[TALLY_SINCE] += amount
        state.peaks[channel, kind] = max(state.peaks[channel, kind], row[TALLY_SINCE])


@helper(forceinline=True)
def tally_activate(p, state, channel, lane, is_demand):
    """Count an ACTIVATE of a bank and its rank."""
    tally(p, state, channel, BANK_OCCUPANCY, lane, 1, is_demand)
    tally(p, state, channel, ACTIVATE_RATE, lane >> p.rank_bits, 1, is_demand)


@helper(forceinline=True)
def tally_reads(p, state, channel, lane, reads, is_demand):
    """Count READs, or WRITEs, of a column set."""
    tally(p, state, channel, COLUMN_RATE, lane >> p.column_set_bits, reads, is_demand)


@helper
def least_cycles(p, kind, count):
    """Cycles that `count` pieces of work of one kind take at least."""
    if count == 0:
        return 0
    if kind == BANK_OCCUPANCY:
        return (count - 1) * p.row_cycles
    if kind == COLUMN_RATE:
        return (count - 1) * p.column_cycles
    if kind == ACTIVATE_RATE:
        windows = (count - 1) // SHORT_WINDOW
        spaced = (count - 1) * p.activate_spacing
        return max(
            spaced,
            windows * max(p.activate_window, SHORT_WINDOW * p.activate_spacing),
        )
    if kind == INSTRUCTION_RATE:
        parts = (count - 1) * (p.interval * p.interval_parts + p.interval_part)
        return parts // p.interval_parts + s.ACTS_AFTER
    return count


@helper
def add_barrier(p, state, board, barrier):
    """At a barrier that opens: add the worst channel's bound of each kind, and begin to count anew."""
    for kind in range(N_LIMITS):
        worst = 0
        for part in range(p.parts):
            worst = max(worst, board[line_of(part, barrier) + PEAKS + kind])
        if kind == DATA_BUS:
            worst = max(worst, board[line_of(p.part, barrier) + JOINT_BUS])
        for channel in range(p.channels):
            state.peaks[channel, kind] = 0
        state.bounds[kind] += least_cycles(p, kind, worst)
    state.bounds[BARRIERS] = barrier


@njit
def bound(p: Parameters, kind: int, count: int) -> int:
    """`least_cycles` for Python."""
    return least_cycles(p, kind, count)


def limit_cycles(p: Parameters, rings: Sequence[Rings], states: Sequence[PimState]) -> dict[str, int]:
    """Lower bound of the run's cycles by what sets it, after the run; docs/model.md §10.

    `rings` and `states` are those of all its parts, which have passed the same barriers.
    """
    parts = list(zip(rings, states, strict=True))
    return {
        NAMES[kind]: max(
            int(states[0].bounds[kind]) + bound(p, kind, max(int(x.peaks[:, kind].max()) for x in states)),
            bound(p, kind, max(int(_whole_run(p, *part, kind).max()) for part in parts)),
        )
        for kind in range(N_LIMITS)
        if kind != RANK_BUS or p.link_units
    }


def _whole_run(p: Parameters, rings: Rings, state: PimState, kind: int) -> NDArray[np.int64]:
    """Counts of a kind over the whole run, prefetches and empty transfers included."""
    if kind == INSTRUCTION_RATE:
        return rings.stream[:, r.SLOTS]
    if kind == DATA_BUS:
        channel = state.channel
        bursts = channel[:, s.READ_OUT_BURSTS] + channel[:, s.DELIVER_BURSTS] + channel[:, s.WRITES]
        return bursts * p.bus_burst_cycles + channel[:, s.TRANSFER_CYCLES]
    sizes = {
        BANK_OCCUPANCY: p.lanes,
        COLUMN_RATE: p.lanes >> p.column_set_bits,
        ACTIVATE_RATE: p.ranks,
        COMPUTE: p.units,
        RANK_BUS: p.units,
    }
    first = sum(size for other, size in sizes.items() if other < kind)
    return state.tally[:, first : first + sizes[kind], TALLY_ALL]
