"""Where the threads of one run meet between rounds: a gate of atomic counters, without a lock.

A round takes a few microseconds, less than waking a thread through the operating system; so threads spin,
and give their processor away when another needs it.
"""

from __future__ import annotations

from typing import Any

import numba
from numba.core import types
from numba.extending import intrinsic

from ppim.jit import helper
from ppim.tables import Table

# Positions in a gate, a cache line apart.
GATE_ARRIVED = 0
GATE_ROUND = 8
GATE_LEFT = 16  # 1: a thread has returned to Python; the others are to do so too
GATE_RELEASED = 24  # whether the last round released a turn
GATE_SIZE = 32

SPINS_BEFORE_YIELD = 2000

if numba.config.DISABLE_JIT:

    def add_atomically(table: Any, index: int, value: int) -> int:
        """Add to an element; what it was before."""
        before = int(table[index])
        table[index] = before + value
        return before

    def load_atomically(table: Any, index: int) -> int:
        """Read an element that another thread writes."""
        return int(table[index])

    def yield_processor() -> int:
        """Let another thread run."""
        return 0

else:
    yield_processor = types.ExternalFunction("sched_yield", types.int32())

    def _place(builder: Any, table: Any, index: Any) -> Any:
        return builder.gep(builder.extract_value(table, 0), [index])

    @intrinsic
    def add_atomically(_context, table, index, value):  # noqa: ARG001 - typed by numba
        """Add to an element of a one-dimensional table of int64; what it was before."""
        if not isinstance(table, Table) or table.ndim != 1:
            return None

        def codegen(_context, builder, _signature, args):
            return builder.atomic_rmw("add", _place(builder, args[0], args[1]), args[2], "acq_rel")

        return types.int64(table, types.intp, types.int64), codegen

    @intrinsic
    def load_atomically(_context, table, index):  # noqa: ARG001 - typed by numba
        """Read an element of a one-dimensional table of int64 that another thread writes."""
        if not isinstance(table, Table) or table.ndim != 1:
            return None

        def codegen(_context, builder, _signature, args):
            return builder.load_atomic(_place(builder, args[0], args[1]), "acquire", 8)

        return types.int64(table, types.intp), codegen


@helper(forceinline=True)
def meet(gate, n_threads):
    """Wait until all threads are here; False when one has returned to Python instead."""
    if n_threads == 1:
        return True
    before = load_atomically(gate, GATE_ROUND)
    if add_atomically(gate, GATE_ARRIVED, 1) == n_threads - 1:
        add_atomically(gate, GATE_ARRIVED, -n_threads)
        add_atomically(gate, GATE_ROUND, 1)
        return load_atomically(gate, GATE_LEFT) == 0
    spins = 0
    while load_atomically(gate, GATE_ROUND) == before:
        if load_atomically(gate, GATE_LEFT) != 0:
            return False
        spins += 1
        if spins > SPINS_BEFORE_YIELD:
            yield_processor()
    return load_atomically(gate, GATE_LEFT) == 0


@helper(forceinline=True)
def leave_gate(gate):
    """This thread returns to Python: the others must not wait for it."""
    add_atomically(gate, GATE_LEFT, 1)
