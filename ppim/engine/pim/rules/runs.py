"""Runs: the parts of an access that lie in one DRAM row each (docs/model.md §3)."""

from ppim.jit import helper


@helper(forceinline=True)
def count_runs(p, address, bursts):
    """DRAM rows that an access touches."""
    column = address & (p.bursts_per_row - 1)
    return (column + bursts + p.bursts_per_row - 1) >> p.column_bits


@helper(forceinline=True)
def lane_of_run(p, unit, address, run):
    """(lane, DRAM row) of the run-th row that an access touches: next bank of the unit, then next row."""
    place = (address >> p.column_bits) + run
    bank = place & (p.banks_per_unit - 1)
    return (unit << p.bank_bits) + bank, place >> p.bank_bits


@helper(forceinline=True)
def bursts_of_run(p, address, bursts, run):
    """(column, bursts) of the run-th run of an access."""
    start = ((address >> p.column_bits) + run) << p.column_bits
    first = max(address, start)
    return first - start, min(address + bursts, start + p.bursts_per_row) - first
