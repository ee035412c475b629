"""Refreshes of a channel, and banks that close for them or for their unit (host-controller.md §9)."""

from ppim.engine.codes import NEVER, NO_ROW, PRECHARGE, REFRESH
from ppim.engine.pim import state as s
from ppim.engine.pim.by_unit import cycles, state as u
from ppim.engine.pim.rules import commands, refresh
from ppim.engine.refresh import refresh_or_wait
from ppim.jit import helper


@helper(forceinline=True)
def close(p, state, a, lane, cycle):
    """PRECHARGE of a bank."""
    bank = a.bank[lane]
    bank[u.ROW] = NO_ROW
    cycles.note_closed(a, a.unit[lane >> p.bank_bits], cycle)
    bank[u.MAY_ACTIVATE] = max(bank[u.MAY_ACTIVATE], cycle + a.precharge_to_activate)
    may_refresh = a.may_refresh
    may_refresh[lane] = max(may_refresh[lane], cycle + a.precharge_to_refresh)
    commands.count_precharge(state, a.number, lane, cycle)
    cycles.paint_command(a, cycle)


@helper(forceinline=True)
def refresh_step(p, a, cycle):
    """What the refresh needs in `cycle`, as `banks.refresh_rank_step`: (command, lane, next look)."""
    precharge_at, refresh_at = NEVER, 0
    for lane in range(p.lanes):
        bank = a.bank[lane]
        if bank[u.ROW] == NO_ROW:
            refresh_at = max(refresh_at, a.may_refresh[lane])
        elif bank[u.MAY_PRECHARGE] <= cycle:
            return PRECHARGE, lane, cycle
        else:
            precharge_at = min(precharge_at, bank[u.MAY_PRECHARGE])
    command, look = refresh_or_wait(precharge_at, refresh_at, cycle)
    return command, 0, look


@helper(forceinline=True)
def issue_refresh(p, state, a, cycle):
    """REFRESH of the rank; the units are let go."""
    commands.count_refresh(state, a.number, 0, cycle)
    cycles.paint_command(a, cycle)
    cycles.paint(a, u.REFRESHING, a.channel[u.HELD_FROM], cycle + p.refresh_cycles)
    for lane in range(p.lanes):
        bank = a.bank[lane]
        bank[u.MAY_ACTIVATE] = max(bank[u.MAY_ACTIVATE], cycle + a.refresh_to_activate)
        a.may_refresh[lane] = cycle + a.refresh_to_refresh
    for number in range(p.units):
        unit = a.unit[number]
        unit[u.FREE] = max(unit[u.FREE], cycle + 1)
    refresh.serve(p, state.channel[a.number], cycle)


@helper
def hold_for_refresh(p, state, a, last):
    """Commands of the refresh that holds the units, of cycles up to `last` (host-controller.md §9)."""
    row = state.channel[a.number]
    cycle = row[s.REFRESH_LOOK]
    while cycle <= last:
        command, lane, look = refresh_step(p, a, cycle)
        if command == REFRESH:
            issue_refresh(p, state, a, cycle)
            return
        if command == PRECHARGE:
            close(p, state, a, lane, cycle)
            # What waited for the bus may be an ACTIVATE now, and come earlier.
            unit = a.unit[lane >> p.bank_bits]
            if unit[u.ACTIVE]:
                unit[u.NEXT] = min(unit[u.NEXT], cycle + 1)
                a.channel[u.NEXT_COMMAND] = min(a.channel[u.NEXT_COMMAND], cycle + 1)
        cycle = max(look, cycle + 1)
    row[s.REFRESH_LOOK] = cycle
