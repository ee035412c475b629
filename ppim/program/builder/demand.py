"""Rows that units keep in their scratchpads when a turn has read them (`demand_subtables`; docs/model.md §1)."""

from ppim.jit import helper
from ppim.program.builder import recipe as b


@helper
def place_of_row(recipe, table, subtable, row):
    """Column of `kept` for a row, among all rows of a table that may be kept."""
    place = b.KEPT_FIRST_ROW + row
    for earlier in range(subtable):
        place += recipe.demanded[table, earlier]
    return place


@helper
def is_kept(recipe, state, unit, table, subtable, row, turn):
    """Whether a unit keeps a row that the turn has read before."""
    return state.kept[unit, place_of_row(recipe, table, subtable, row)] == turn + 1


@helper
def keep(recipe, state, unit, table, subtable, row, turn):
    """Let a unit keep a row that it reads, if there is room; whether there was."""
    kept = state.kept[unit]
    if kept[b.KEPT_TURN] != turn + 1:
        kept[b.KEPT_TURN] = turn + 1
        kept[b.KEPT_FREE] = state.free[turn & 1] if recipe.only_used else recipe.room[table]
    if recipe.line_bytes[table, subtable] > kept[b.KEPT_FREE]:
        return False
    kept[b.KEPT_FREE] -= recipe.line_bytes[table, subtable]
    kept[place_of_row(recipe, table, subtable, row)] = turn + 1
    return True
