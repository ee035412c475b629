"""How long each request took, and how many took how long: the engine against the slow twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

from ppim.dram.load import load_device
from ppim.engine.host import HostReplay, HostResult, columns as s, state
from ppim.engine.host.latencies import Latencies, RequestLatencies, bucket_of
from ppim.engine.host.latency import N_BUCKETS
from tests.reference.host_cases import Case, cases, devices, in_plain_modes, starves
from tests.reference.host_twin import TwinRun, run_twin
from tests.unit.engine_twin.test_closed_loop import requests
from tests.unit.engine_twin.test_engine_against_twin import injections, repeatable, twin_of

Taken = list[list[RequestLatencies]]


def run_of(case: Case, *, pieces: int = 1, **options: Any) -> tuple[HostResult, Taken]:
    """A run's result, and the latencies that it kept; the requests come in pieces."""
    run = HostReplay(case.device, keep_latencies=True, **options)
    taken: Taken = [[] for _ in range(case.device.organization.channels)]
    columns = (np.array(case.addresses), np.array(case.is_write, np.bool_), np.array(case.due_cycles))
    for part in zip(*(np.array_split(column, pieces) for column in columns), strict=True):
        run.feed(*part)
        taken = [before + more for before, more in zip(taken, run.take_latencies(), strict=True)]
    result = run.finish()
    return result, [before + more for before, more in zip(taken, run.take_latencies(), strict=True)]


def assert_counted(found: Latencies, channel: int, expected: list[int]) -> None:
    """Counts, sum and greatest are those of the list."""
    buckets = np.bincount(bucket_of(np.array(expected, np.int64)), minlength=N_BUCKETS)
    assert found.buckets[channel].tolist() == buckets.tolist()
    assert found.total[channel] == sum(expected)
    assert found.longest[channel] == max(expected, default=0)


def assert_same(result: HostResult, taken: Taken, twin: TwinRun) -> None:
    for channel, pieces in enumerate(taken):
        expected = twin.latencies(channel)
        rows = {
            request: (how, stamp, cycles)
            for piece in pieces
            for request, how, stamp, cycles in zip(
                piece.request.tolist(), piece.how.tolist(), piece.stamp.tolist(), piece.cycles.tolist(),
                strict=True,
            )
        }  # fmt: skip
        assert sum(map(len, pieces)) == len(rows)  # each once
        assert {request: cycles for request, (_, _, cycles) in rows.items()} == expected
        for request, (how, stamp, _) in rows.items():
            assert stamp == twin.accepted_at[request] + 1  # type: ignore[operator]
            assert twin.is_write[request] == (how in (s.OWN_WRITE, s.JOINED_WRITE))
        for found, is_write in ((result.read_latencies, False), (result.write_latencies, True)):
            of = [cycles for request, cycles in expected.items() if twin.is_write[request] == is_write]
            assert_counted(found, channel, of)


@pytest.mark.slow
@repeatable
@given(
    case=cases(devices()), inject=injections, merge=st.booleans(), follow=st.booleans(), pieces=st.integers(1, 4)
)  # fmt: skip
def test_any_mode(case: Case, inject: int, merge: bool, follow: bool, pieces: int) -> None:
    options: dict[str, Any] = {"n_cycles": case.n_cycles, "inject": inject, "follow_defects": follow}
    assert_same(*run_of(case, pieces=pieces, merge=merge, **options), twin_of(case, merging=merge, **options))


@pytest.mark.slow
@repeatable
@given(case=cases(devices().map(in_plain_modes), dense=True), inject=injections, merge=st.booleans())
def test_both_kernels(case: Case, inject: int, merge: bool) -> None:
    assume(not starves(case.device))
    twin = twin_of(case, merging=merge, inject=inject, follow_defects=False)
    for general in (False, True):
        assert_same(*run_of(case, merge=merge, inject=inject, general_kernel=general), twin)


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("outstanding", [None, 5])
def test_what_is_kept_is_taken_before_it_overflows(
    monkeypatch: pytest.MonkeyPatch, general: bool, outstanding: int | None
) -> None:
    """Many requests to few addresses, room for hardly more than come at once."""
    monkeypatch.setattr(state, "KEPT_REQUESTS", 1)
    device = load_device("hbm2-4gb", {"trans_queue_size": 4})
    address, is_write, cycle = requests(device, np.random.default_rng(3), 600, 0.3)
    case = Case(device, address.tolist(), is_write.tolist(), cycle.tolist(), 0)
    twin = run_twin(
        device, case.addresses, case.is_write, case.due_cycles, inject=4, follow_defects=False,
        outstanding=outstanding,
    )  # fmt: skip
    result, taken = run_of(case, inject=4, outstanding=outstanding, general_kernel=general)
    assert_same(result, taken, twin)
    hows = {how for pieces in taken for piece in pieces for how in piece.how.tolist()}
    assert hows == {s.OWN_READ, s.OWN_WRITE, s.JOINED_READ, s.JOINED_WRITE, s.FORWARDED_READ}


def test_without_being_asked_for_the_counts_are_the_same() -> None:
    device = load_device("ddr4-8gb-x8-3200")
    address, is_write, cycle = requests(device, np.random.default_rng(4), 3000, 0.3)
    found = []
    for keep in (False, True):
        run = HostReplay(device, keep_latencies=keep, inject=4)
        run.feed(address, is_write, cycle)
        found.append(run.finish())
        assert any(run.take_latencies()) == keep
    for one, other in (
        (found[0].read_latencies, found[1].read_latencies),
        (found[0].write_latencies, found[1].write_latencies),
    ):
        for name in ("buckets", "total", "longest"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()
        assert one.count.sum() > 0
