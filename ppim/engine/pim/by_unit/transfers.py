"""Transfers over the channel's bus, with what the count of cycles notes of them."""

from ppim.engine.pim.by_unit import cycles, state as u
from ppim.engine.pim.rules import transfers, turns
from ppim.jit import helper
from ppim.program import instruction as ins


@helper(forceinline=True)
def serve_transfers(p, rings, state, a, last):
    """Transfers that are ready by `last` take the bus."""
    while transfers.is_ready(state, a.number, last):
        number, ready, since = transfers.take_ready(state, a.number)
        cycles.paint(a, u.COMPUTES, since, ready)
        row = rings.sums[number & rings.sum_mask]
        start, end = transfers.use_bus(p, state, a.number, row, ready)
        cycles.note_bus(a, ready, start, end)
        row[ins.SUM_READY] = end
        turns.complete_one(rings, state, a.number, row[ins.SUM_TURN], end)
