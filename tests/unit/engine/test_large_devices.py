"""More banks, or longer queues, than the fast kernel's masks hold: the general kernel, against the twin."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest

from ppim.dram.device import Device
from ppim.dram.load import load_device
from ppim.engine.host.replay import has_fast_kernel, replay
from tests.reference.host_twin import run_twin

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without compilation")


def device_with(ranks: int, queue: int) -> Device:
    device = load_device("ddr4-8gb-x8-3200")
    return replace(
        device,
        organization=replace(device.organization, ranks=ranks),
        controller=replace(device.controller, cmd_queue_size=queue),
    )


@pytest.mark.parametrize(
    ("ranks", "queue", "fast"), [(4, 8, True), (8, 8, False), (1, 62, True), (1, 80, False)]
)
def test_commands_are_those_of_the_twin(ranks, queue, fast):
    device = device_with(ranks, queue)
    assert has_fast_kernel(device) == fast
    rng = np.random.default_rng(ranks)
    n = 400 if ranks == 1 else 150
    # Few banks and rows, so that long queues fill; with many ranks all of them.
    address = rng.integers(0, 1 << (17 if ranks > 1 else 13), n) * 64 | rng.integers(0, 3, n) << 28
    is_write, cycle = rng.random(n) < 0.3, np.sort(rng.integers(0, n, n))
    result = replay(device, address, is_write, cycle, n_cycles=30 * n, command_trace=True)
    twin = run_twin(device, address.tolist(), is_write.tolist(), cycle.tolist(), 30 * n)
    assert result.command_streams is not None
    stream = result.command_streams[0]
    columns = (
        stream.cycle,
        stream.command,
        stream.rank,
        stream.bankgroup,
        stream.bank,
        stream.row,
        stream.column,
    )
    mine = list(zip(*(column.tolist() for column in columns), strict=True))
    assert mine == [tuple(int(value) for value in command) for command in twin.channels[0].commands]
    assert len(mine) > n
