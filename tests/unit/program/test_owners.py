"""What channels have to do, as judged from the owners of lookups."""

from __future__ import annotations

import numpy as np
import pytest

from ppim.dram.load import load_device
from ppim.program.builder import recipe as b
from ppim.program.feed import as_accesses
from ppim.program.owners import WORK_OF_TURN, Owners, loads_of_channels
from ppim.program.prepare import prepare
from ppim.systems.load import load_system
from ppim.trace.profile import access_profile
from ppim.trace.reader import no_accesses
from tests.reference.small_traces import small_trace
from tests.reference.whole_program import build_whole


@pytest.mark.parametrize("shares", [1, 2, 5])
@pytest.mark.parametrize("algorithm", ["qr", "tt-rec", "dense"])
@pytest.mark.parametrize("name", ["proactivepim", "pim-base", "trim-bank"])
def test_channels_are_loaded_with_their_lookups(algorithm: str, name: str, shares: int) -> None:
    trace = small_trace(algorithm, samples=30, batch_size=4, pooling=(1, 9))
    system = load_system(name)
    device = load_device(system.memory.device)
    program = build_whole(trace, device, system)
    prepared = prepare(trace.meta, device, system, lambda: access_profile(trace))
    nothing = as_accesses(no_accesses(trace.meta.wide_rows), 0)
    accesses, jobs = Owners(prepared, shares, nothing).jobs(
        as_accesses(trace.accesses, len(trace.accesses.row))
    )
    for job in jobs:
        job()
    turns = len(program.turn_batch)
    owned = np.array(loads_of_channels(prepared.recipe, accesses)) - WORK_OF_TURN * turns
    lookups = program.counts[:, b.LOOKUPS]
    if prepared.placement.copy_mask:
        # Lookups of copied rows go where there is least to do, which is known only when turns are built.
        assert (owned <= lookups).all()
        assert owned.sum() < lookups.sum()
    else:
        assert owned.tolist() == lookups.tolist()
