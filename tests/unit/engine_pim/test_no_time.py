"""Memories whose refreshes come so often that rows are opened and closed unused, for ever or for a while.

HBM2: tRFC 260, tRCD 14, tRAS 34, tRP 14. A refresh that is 34 cycles late ends 294 cycles after it fell due. With
tREFI = 308 the next one falls due 14 cycles later, just when the row that was opened could be read; it is closed at
tRAS, and tRP later, 34 cycles late again, comes the REFRESH.
"""

from __future__ import annotations

import pytest

from ppim.engine.pim import state as s
from ppim.engine.pim.rules.refresh import MOST_FRUITLESS
from ppim.errors import InputError
from tests.reference.pim_programs import Case, ProgramBuilder, make_device, make_system
from tests.reference.pim_twin import TwinStuckError, simulate
from tests.unit.engine_pim.compare import assert_same, run_on_both
from tests.unit.engine_pim.feed import by_cycle, run_program
from tests.unit.engine_pim.test_by_hand import BANK_1, ROW_1

RL_AND_B = 16  # from a READ to its data
TWIN_CYCLES = 60_000  # more than any run takes that ends


def case(interval: int, **parameters: object) -> Case:
    """Ten rows of two banks of each unit, which take longer to send than from one refresh to the next."""
    builder = ProgramBuilder()
    builder.turn()
    for row in range(10):
        for unit in range(4):
            builder.lone_read(0, unit, row * ROW_1)
            builder.lone_read(0, unit, row * ROW_1 + BANK_1)
    return Case(0, make_device(tREFI=interval), make_system(**parameters), builder.build())


@pytest.mark.parametrize("interval", [291, 307, 319, 320])
def test_reads_that_come_at_last(interval: int) -> None:
    """Rows are opened in vain for up to a hundred refreshes; as the twin has it, cycle by cycle."""
    rare = case(interval)
    assert_same(
        rare, simulate(rare.device, rare.system, rare.program, most_cycles=TWIN_CYCLES), run_on_both(rare)[0]
    )


@pytest.mark.parametrize("interval", [289, 308, 318])
def test_reads_that_never_come(interval: int) -> None:
    """Both engines give up, naming the two times; the twin has no end either."""
    never = case(interval)
    said = f"tiny-hbm2: .*tRFC = 260 cycles every tREFI = {interval} leave no time; lengthen tREFI"
    with pytest.raises(InputError, match=said):
        run_program(never.device, never.system, never.program)
    with by_cycle(), pytest.raises(InputError, match=said):
        run_program(never.device, never.system, never.program)
    with pytest.raises(TwinStuckError):
        simulate(never.device, never.system, never.program, most_cycles=TWIN_CYCLES)


def test_rows_that_wait_for_arithmetic_are_not_given_up() -> None:
    """A full buffer holds a READ; each refresh closes its row, which is opened again, more often than is given up."""
    builder, interval = ProgramBuilder(), 340
    long = (MOST_FRUITLESS + 1000) * interval
    builder.turn()
    builder.lone_read(0, 0, 0, compute=long)
    builder.lone_read(0, 0, ROW_1)
    device, system = make_device(tREFI=interval), make_system(unit_buffer_bursts=1)
    result = run_program(device, system, builder.build())
    # READ 16, complete at 32; then the row is open, or will be when a refresh is over.
    assert long + 32 + RL_AND_B <= result.cycles <= long + 32 + 2 * interval
    assert result.counters[0, s.ACTIVATES] > MOST_FRUITLESS
