"""The compiled engine issues, cycle by cycle, the commands that the slow twin issues, on random devices and traces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings, strategies as st

from ppim.engine.host import HostReplay, HostResult, replay
from tests.reference.host_cases import (
    Case,
    cases,
    devices,
    in_plain_modes,
    starves,
    with_long_queues,
    with_overlapping_ranks,
    with_short_queues,
)
from tests.reference.host_twin import Aborted, Channel, TwinRun, run_twin

# The same examples in every run: a failure is a change of the code, and is there again in the next run.
repeatable = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=40,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
injections = st.sampled_from([1, 1, 2, 8])


def twin_of(case: Case, **options: Any) -> TwinRun:
    try:
        return run_twin(case.device, case.addresses, case.is_write, case.due_cycles, **options)
    except Aborted:
        assume(False)
        raise


def engine_of(case: Case, **options: Any) -> HostResult:
    return replay(case.device, case.addresses, case.is_write, case.due_cycles, command_trace=True, **options)


def commands_of(result: HostResult, index: int) -> list[tuple[int, ...]]:
    assert result.command_streams is not None
    stream = result.command_streams[index]
    fields = (
        stream.cycle,
        stream.command,
        stream.rank,
        stream.bankgroup,
        stream.bank,
        stream.row,
        stream.column,
    )
    return list(zip(*(field.tolist() for field in fields), strict=True))


def counts_of(result: HostResult, index: int) -> dict[str, Any]:
    return {
        "num_cycles": result.cycles,
        "num_reads_done": result.reads_done[index],
        "num_writes_done": result.writes_done[index],
        "num_ondemand_pres": result.demand_precharges[index],
        "num_read_row_hits": result.read_row_hits[index],
        "num_write_row_hits": result.write_row_hits[index],
        "hbm_dual_cmds": result.dual_commands[index],
        "all_bank_idle_cycles": result.idle_cycles[index].tolist(),
        "rank_active_cycles": result.active_cycles[index].tolist(),
        "sref_cycles": result.self_refresh_cycles[index].tolist(),
        "read_latency_sum": result.read_latency_sum[index],
        "write_latency_sum": result.write_latency_sum[index],
        "interarrival_latency_sum": result.interarrival_sum[index],
    }


def issued_by(channel: Channel) -> list[tuple[int, ...]]:
    return [tuple(int(value) for value in command) for command in channel.commands]


def assert_same(result: HostResult, twin: TwinRun) -> None:
    for index, channel in enumerate(twin.channels):
        assert commands_of(result, index) == issued_by(channel)
        counts = counts_of(result, index)
        expected = twin.stats(index)
        assert counts == {name: expected[name] for name in counts}
        assert result.merged_reads[index] == channel.counts["merged_reads"]
        assert result.merged_writes[index] == channel.counts["merged_writes"]
        assert result.forwarded[index] == channel.counts["forwarded"]
    assert result.accepted == sum(cycle is not None for cycle in twin.accepted_at)


@pytest.mark.slow
@repeatable
@given(case=cases(devices()), inject=injections, merge=st.booleans())
def test_any_mode_with_every_defect_of_dramsim3(case: Case, inject: int, merge: bool) -> None:
    options: dict[str, Any] = {"n_cycles": case.n_cycles, "inject": inject, "follow_defects": True}
    assert_same(engine_of(case, merge=merge, **options), twin_of(case, merging=merge, **options))


awkward = st.one_of(
    devices().map(with_overlapping_ranks), devices().map(with_short_queues), devices().map(with_long_queues)
)
plain_devices = (devices() | awkward).map(in_plain_modes)


@pytest.mark.slow
@repeatable
@given(case=cases(awkward, dense=True), inject=injections)
def test_lost_reads_livelocks_and_capped_rows(case: Case, inject: int) -> None:
    for follow in (True, False):
        options: dict[str, Any] = {"n_cycles": case.n_cycles, "inject": inject, "follow_defects": follow}
        assert_same(engine_of(case, **options), twin_of(case, **options))


@pytest.mark.slow
@repeatable
@given(case=cases(devices()), inject=injections, merge=st.booleans())
def test_any_mode_without_the_defects(case: Case, inject: int, merge: bool) -> None:
    options: dict[str, Any] = {"n_cycles": case.n_cycles, "inject": inject, "follow_defects": False}
    assert_same(engine_of(case, merge=merge, **options), twin_of(case, merging=merge, **options))


@repeatable
@given(case=cases(plain_devices, dense=True), inject=injections, merge=st.booleans())
def test_plain_modes_in_both_kernels(case: Case, inject: int, merge: bool) -> None:
    options: dict[str, Any] = {"n_cycles": case.n_cycles, "inject": inject, "follow_defects": False}
    twin = twin_of(case, merging=merge, **options)
    for general in (False, True):
        assert_same(engine_of(case, merge=merge, general_kernel=general, **options), twin)


@repeatable
@given(case=cases(devices(), most=60), inject=injections, merge=st.booleans(), plain=st.booleans())
def test_drained_runs_serve_everything_and_end_together(
    case: Case, inject: int, merge: bool, plain: bool
) -> None:
    if plain:
        case = Case(in_plain_modes(case.device), case.addresses, case.is_write, case.due_cycles, 0)
    assume(not starves(case.device))
    twin = twin_of(case, merging=merge, inject=inject, follow_defects=False)
    result = engine_of(case, merge=merge, inject=inject)
    assert_same(result, twin)
    assert result.accepted == len(case.addresses)


@pytest.mark.matrix(3)
@pytest.mark.parametrize("general", [False, True])
def test_chunks_of_any_size_change_nothing(general: bool) -> None:
    @settings(repeatable, max_examples=25)
    @given(case=cases(devices().map(in_plain_modes)), chunk=st.integers(1, 70), inject=injections)
    def check(case: Case, chunk: int, inject: int) -> None:
        run = HostReplay(
            case.device, inject=inject, n_cycles=case.n_cycles, command_trace=True, general_kernel=general
        )
        for start in range(0, len(case.addresses), chunk):
            part = slice(start, start + chunk)
            run.feed(case.addresses[part], case.is_write[part], case.due_cycles[part])
        twin = twin_of(case, n_cycles=case.n_cycles, inject=inject, follow_defects=False)
        assert_same(run.finish(), twin)

    check()
