"""The host engine's front door: chunks, draining, defects, limits and long runs."""

from __future__ import annotations

import dataclasses
from dataclasses import replace as changed
from typing import Any

import numba
import numpy as np
import pytest

from ppim.engine.codes import ACTIVATE, PRECHARGE, READ, REFRESH
from ppim.engine.host import CommandStream, HostReplay, HostResult, replay
from ppim.errors import InputError, PpimError
from tests.golden.committed import RECIPES, cases, requests
from tests.golden.devices import preset

needs_compilation = pytest.mark.skipif(
    numba.config.DISABLE_JIT, reason="too slow without compilation; the shorter tests run the same code"
)

Trace = tuple[np.ndarray, np.ndarray, np.ndarray]


def random_trace(seed: int, n: int, *, span: int = 1 << 22, gap: int = 6, writes: float = 0.4) -> Trace:
    """Clustered addresses (so that reads and writes meet), arrivals up to `gap` cycles apart."""
    rng = np.random.default_rng(seed)
    address = rng.integers(0, span, n) * 64
    repeat = rng.random(n) < 0.3
    address[repeat] = address[rng.integers(0, n, n)][repeat]
    return address, rng.random(n) < writes, np.cumsum(rng.integers(0, gap + 1, n))


def assert_same(left: HostResult, right: HostResult) -> None:
    for field in dataclasses.fields(HostResult):
        mine, other = getattr(left, field.name), getattr(right, field.name)
        if dataclasses.is_dataclass(mine):
            assert_same_arrays(mine, other)
        elif field.name != "command_streams":
            np.testing.assert_array_equal(mine, other, err_msg=field.name)
        elif mine is not None and other is not None:
            for one, two in zip(mine, other, strict=True):
                assert_same_arrays(one, two)


def assert_same_arrays(left: Any, right: Any) -> None:
    for field in dataclasses.fields(left):
        np.testing.assert_array_equal(
            getattr(left, field.name), getattr(right, field.name), err_msg=field.name
        )


@needs_compilation
@pytest.mark.parametrize("name", ["hbm2-4gb", "ddr4-8gb-x8-3200+unified"])
def test_chunks_give_what_one_call_gives(name):
    trace = random_trace(1, 3000)
    whole = replay(preset(name), *trace, command_trace=True)
    run = HostReplay(preset(name), command_trace=True)
    cuts = np.sort(np.random.default_rng(2).integers(0, 3000, 12))
    for parts in zip(*(np.split(column, cuts) for column in trace), strict=True):
        run.feed(*parts)
    assert_same(whole, run.finish())


@needs_compilation
def test_commands_can_be_taken_on_the_way():
    device, trace = preset("hbm2-4gb"), random_trace(3, 4000)
    whole = replay(device, *trace, command_trace=True)
    run = HostReplay(device, command_trace=True)
    taken = []
    for start in range(0, 4000, 1000):
        run.feed(*(column[start : start + 1000] for column in trace))
        taken.append(run.take_commands())
    last = run.finish().command_streams
    assert last is not None
    assert whole.command_streams is not None
    for channel, expected in enumerate(whole.command_streams):
        cycles = np.concatenate([part[channel].cycle for part in (*taken, last)])
        np.testing.assert_array_equal(cycles, expected.cycle)
        assert len(last[channel]) < len(expected)


@needs_compilation
@pytest.mark.parametrize("inject", [1, 3, 16])
@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("name", ["hbm2-4gb", "hbm2-4gb+ch4_rank2", "ddr4-8gb-x8-3200", "gddr6-8gb-x16"])
def test_both_kernels_agree(name, merge, inject):
    trace = random_trace(inject, 2500, span=1 << 12, gap=1)
    runs = [
        replay(
            preset(name),
            *trace,
            inject=inject,
            merge=merge,
            command_trace=True,
            general_kernel=general,
        )
        for general in (False, True)
    ]
    assert_same(*runs)


def test_a_drained_run_serves_everything_and_ends_with_the_last_completion():
    device = preset("hbm2-4gb")
    address, is_write, cycle = random_trace(7, 500)
    result = replay(device, address, is_write, cycle)
    fixed = replay(device, address, is_write, cycle, n_cycles=result.cycles + 1000)
    assert result.reads_done.sum() == (~is_write).sum()
    served = result.column_commands + result.merged_reads + result.merged_writes + result.forwarded
    assert served.sum() == 500
    assert fixed.column_commands.sum() < result.column_commands.sum()
    ends = max(
        int(result.last_read_cycle.max()) + device.timing.read_delay,
        int(result.last_write_cycle.max()) + device.timing.write_delay,
    )
    assert result.cycles == ends + 1
    assert np.all(result.active_cycles + result.idle_cycles == result.cycles)


def test_a_single_read_takes_the_documented_time():
    device = preset("hbm2-4gb")
    result = replay(device, [0], [False], [100], command_trace=True)
    assert result.command_streams is not None
    stream = result.command_streams[0]
    assert stream.command.tolist() == [ACTIVATE, READ]
    assert stream.cycle.tolist() == [102, 102 + device.timing.tRCDRD]
    assert result.average_read_latency[0] == 1 + device.timing.tRCDRD + device.timing.read_delay


@needs_compilation
@pytest.mark.parametrize("name", ["gddr6, stands still", "hbm2, two ranks, lost reads"])
@pytest.mark.parametrize("general", [False, True])
def test_what_dramsim3_never_finishes_is_finished(name, general):
    recipe, answers = RECIPES[name], cases()[name]
    address, is_write, cycle = zip(*requests(recipe), strict=True)
    result = replay(recipe.device, address, is_write, cycle, general_kernel=general)
    reads_done = sum(channel["stats"]["num_reads_done"] for channel in answers)
    assert result.reads_done.sum() == is_write.count(False) > reads_done
    assert result.writes_done.sum() == is_write.count(True)


@needs_compilation
def test_lost_reads_may_be_many():
    device = preset("hbm2-4gb+ch4_rank2")
    trace = random_trace(5, 30000, span=1 << 14, gap=2)
    result = replay(device, *trace, n_cycles=200_000, follow_defects=True)
    served = result.column_commands + result.merged_reads + result.merged_writes + result.forwarded
    lost = (result.reads + result.writes - served).sum()
    assert lost > 2 * device.controller.trans_queue_size + 2  # so the slots had to grow


@needs_compilation
@pytest.mark.parametrize("name", ["hbm2-4gb", "ddr4-8gb-x8-3200", "ddr4-8gb-x8-3200+simul_refresh"])
@pytest.mark.parametrize("general", [False, True])
def test_idle_refreshes_are_counted_as_if_they_were_issued(name, general):
    """With a command trace every refresh is issued; without one, idle stretches are skipped."""
    device = preset(name)
    address, is_write, cycle = random_trace(8, 60, gap=700)
    cycle[30:] += 1_234_567
    kwargs = {"n_cycles": int(cycle[-1]) + 777_777, "general_kernel": general}
    traced = replay(device, address, is_write, cycle, command_trace=True, **kwargs)
    skipped = replay(device, address, is_write, cycle, **kwargs)
    assert_same(traced, skipped)
    assert traced.commands[:, REFRESH].sum() > 100 * device.organization.channels


@needs_compilation
@pytest.mark.parametrize("name", ["hbm2-4gb", "hbm2-4gb+close_page", "hbm2-4gb+sref"])
def test_a_gigantic_arrival_cycle_costs_nothing(name):
    device = preset(name)
    at = 1 << 40
    result = replay(device, [0, 64, 0], [False] * 3, [0, at, at + 5])
    assert result.cycles > at
    assert result.column_commands[0] == 3
    expected = at // device.timing.tREFI
    assert result.commands[0, REFRESH] == pytest.approx(expected, abs=1)
    assert result.commands[1, REFRESH] == (0 if "sref" in name else result.cycles // device.timing.tREFI)


@needs_compilation
def test_cycles_beyond_32_bits_change_nothing():
    """The same burst after a whole number of refresh rounds beyond 2^31 gives the same commands, later."""
    device = preset("ddr4-8gb-x8-3200")
    trace = random_trace(9, 2000)
    round_cycles = device.timing.tREFI // device.organization.ranks * device.organization.ranks
    begin = 3 * round_cycles
    shift = ((1 << 31) // round_cycles + 1) * round_cycles

    def burst(offset: int) -> CommandStream:
        address, is_write, cycle = trace
        streams = replay(device, address, is_write, cycle + offset, command_trace=True).command_streams
        assert streams is not None
        keep = streams[0].cycle >= offset
        return CommandStream(*(getattr(streams[0], f.name)[keep] for f in dataclasses.fields(CommandStream)))

    early, late = burst(begin), burst(begin + shift)
    assert_same_arrays(changed(early, cycle=early.cycle + shift), late)


@needs_compilation
def test_injecting_more_uses_the_idle_channels():
    device = preset("hbm2-4gb")
    address = np.random.default_rng(0).permutation(40000) * 64
    nothing = np.zeros(40000, np.int64)
    cycles = [replay(device, address, nothing, nothing, inject=n).cycles for n in (1, 2, 8)]
    assert cycles[0] > 40000
    assert cycles[0] > 1.5 * cycles[1] > 1.5 * cycles[2]


def test_at_most_inject_requests_enter_per_cycle():
    device = preset("hbm2-4gb")
    channel_stride = 1 << 11
    address = np.arange(6) * channel_stride
    result = replay(device, address, np.zeros(6), np.zeros(6), inject=2, command_trace=True)
    assert result.command_streams is not None
    first = [stream.cycle[0] for stream in result.command_streams[:6]]
    assert first == [2, 2, 3, 3, 4, 4]


def test_without_merging_every_read_has_its_own_command():
    device = preset("hbm2-4gb")
    address = np.full(50, 4096)
    nothing = np.zeros(50, np.int64)
    merged = replay(device, address, nothing, nothing)
    single = replay(device, address, nothing, nothing, merge=False)
    assert merged.merged_reads.sum() > 0
    assert merged.column_commands.sum() + merged.merged_reads.sum() == 50
    assert single.column_commands.sum() == 50
    assert single.merged_reads.sum() == 0


def test_runs_without_requests():
    device = preset("hbm2-4gb")
    none = np.zeros(0, np.int64)
    empty = replay(device, none, none, none)
    assert empty.cycles == 0
    assert empty.commands.sum() == 0
    assert replay(device, [0], [False], [0], n_cycles=0).accepted == 0
    idle = replay(device, none, none, none, n_cycles=10_000)
    assert idle.idle_cycles.sum() == 8 * 10_000
    assert idle.commands[:, REFRESH].tolist() == [2] * 8


def test_requests_after_the_last_cycle_are_not_offered():
    device = preset("hbm2-4gb")
    run = HostReplay(device, n_cycles=100)
    run.feed([0, 64], [False, False], [10, 5000])
    run.feed([128], [False], [0])
    assert run.finish().accepted == 1


def test_open_rows_are_closed_before_a_refresh():
    device = preset("hbm2-4gb")
    result = replay(device, [0], [False], [0], n_cycles=5000, command_trace=True)
    assert result.command_streams is not None
    assert result.command_streams[0].command.tolist() == [ACTIVATE, READ, PRECHARGE, REFRESH]
    assert result.demand_precharges.sum() == 0


@needs_compilation
def test_a_memory_that_only_refreshes_is_given_up():
    device = preset("hbm2-4gb")
    hopeless = changed(device)
    # Past the device's own checks, which refuse it.
    object.__setattr__(hopeless, "timing", changed(device.timing, tRFC=10 * device.timing.tREFI))
    with pytest.raises(PpimError, match="tRFC"):
        replay(hopeless, np.arange(20000) * 64, np.zeros(20000), np.zeros(20000))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0], [False], [-1]), {}, "cycle"),
        (([0], [False], [1 << 62]), {}, "cycle"),
        (([0, 64], [False], [0]), {}, "equal length"),
        (([0], [False], [0]), {"inject": 0}, "inject"),
        (([0], [False], [0]), {"n_cycles": -1}, "cycles"),
        (([0], [False], [0]), {"follow_defects": True}, "number of cycles"),
    ],
)
def test_bad_input_is_refused(arguments, options, message):
    with pytest.raises(InputError, match=message):
        replay(preset("hbm2-4gb"), *arguments, **options)


def test_a_finished_run_takes_no_more():
    run = HostReplay(preset("hbm2-4gb"))
    run.finish()
    with pytest.raises(InputError, match="finished"):
        run.feed([0], [False], [0])
