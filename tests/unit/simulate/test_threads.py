"""Runs on several threads: what fails ends all of them, with its own message."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from ppim.config import parse_settings
from ppim.engine.pim.board import LINE, give_up
from ppim.engine.pim.parts import GivenUp, divide
from ppim.errors import InputError, PpimError
from ppim.runs.crew import Crew
from ppim.runs.program_run import ProgramRun
from ppim.runs.simulate import simulate
from ppim.systems.chosen import choose_system
from ppim.systems.load import load_system
from tests.reference.small_traces import SmallTrace, small_trace

# Channels meet only at barriers.
APART = {"collect": "host"}


@pytest.mark.parametrize(("channels", "parts"), [(8, 1), (8, 2), (8, 3), (8, 8), (8, 99), (1, 4)])
def test_every_channel_is_in_one_part(channels: int, parts: int) -> None:
    found = divide([5] * channels, parts)
    assert len(found) == min(channels, parts)
    assert sorted(channel for part in found for channel in part.channels) == list(range(channels))
    sizes = [len(part.channels) for part in found]
    assert max(sizes) - min(sizes) <= 1
    assert [(part.number, part.of) for part in found] == [(n, len(found)) for n in range(len(found))]


def test_parts_have_about_the_same_load() -> None:
    assert [part.channels for part in divide([9, 1, 1, 1, 8, 4, 0, 0], 3)] == [(0,), (4,), (1, 2, 3, 5, 6, 7)]
    # Channels without work are dealt out, too.
    assert [part.channels for part in divide([0, 0, 0, 0], 2)] == [(0, 2), (1, 3)]


def a_trace() -> SmallTrace:
    return small_trace(
        "qr", {"collisions": 4, "vector_bytes": 128}, samples=60, batches_per_chunk=3, pooling=(1, 9)
    )


@pytest.mark.parametrize(
    ("mapping", "split", "granularity"),
    [
        ("duplicate", "none", "slice"),
        ("hot", "none", "slice"),
        ("duplicate", "bankgroups", "slice"),
        ("duplicate", "bankgroups", "matrix"),
        ("duplicate", "all", "slice"),
    ],
)
@pytest.mark.parametrize("reorder", ["true", "false"])
def test_products_are_reused_in_parts_as_in_the_whole(
    mapping: str, split: str, granularity: str, reorder: str
) -> None:
    """What a lookup finds of the one before it may hang on a lookup of a unit in another part."""
    trace = small_trace(
        "tt-rec", {"tt_rank": 2}, rows=(60, 300), samples=40, batches_per_chunk=3, pooling=(20, 30)
    )
    settings = [f"mapping={mapping}", f"tt_reorder={reorder}", "hot_fraction=0.5", "prefetch=none"]
    settings += [f"tt_split={split}", f"tt_granularity={granularity}", "collect=host"]
    system = choose_system("proactivepim", parse_settings(settings)).spec
    whole, *divided = (simulate(trace, system, threads=threads) for threads in (1, 2, 3, 8))
    for result in divided:
        assert result.cycles == whole.cycles
        for name, counts in whole.counts.items():
            np.testing.assert_array_equal(result.counts[name], counts, err_msg=name)


@pytest.mark.parametrize("prefetch", ["table", "next"])
def test_a_single_turn_runs_on_several_threads(prefetch: str) -> None:
    """With `next` the only turn waits for the end of the trace, so that nothing is known of loads before."""
    trace = small_trace("qr", {"collisions": 4}, rows=(300,), samples=1, batch_size=1, pooling=(9, 9))
    system = choose_system("proactivepim", APART, prefetch=prefetch).spec
    alone, together = (simulate(trace, system, threads=threads) for threads in (1, 2))
    assert together.cycles == alone.cycles
    assert together.total("lookups") == 9


class BrokenTrace(SmallTrace):
    """Ends in the middle with the message of a damaged file."""

    def chunks(self, threads: int = 1) -> Iterator[Any]:
        yield from list(super().chunks(threads))[:3]
        raise InputError("trace: row group 3 is damaged")


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_damaged_trace_ends_all_threads(threads: int) -> None:
    trace = a_trace()
    before = threading.active_count()
    with pytest.raises(InputError, match="row group 3"):
        simulate(
            BrokenTrace(trace.meta, trace.schemes, trace.bags, 3),
            load_system("proactivepim", APART),
            threads=threads,
        )
    assert threading.active_count() == before


@pytest.mark.parametrize("failing", [0, 2])
def test_a_fault_in_one_part_ends_those_that_wait_for_it(
    failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other parts stand at a barrier that the failing one never reaches."""
    monkeypatch.setattr(ProgramRun, "feed", fail_in(ProgramRun.feed, failing))
    trace = a_trace()
    with pytest.raises(PpimError, match="no more memory"):
        simulate(trace, load_system("proactivepim", APART), threads=3)


def fail_in(feed: Callable[..., None], part: int) -> Callable[..., None]:
    def feed_or_fail(run: ProgramRun, chunk: Any) -> None:
        if run.engine.parameters.part == part:
            raise PpimError("no more memory")
        feed(run, chunk)

    return feed_or_fail


def test_the_cause_comes_before_what_it_made_others_do() -> None:
    board = divide([1, 1], 2)[0].board
    reached = threading.Event()

    def wait() -> None:
        assert reached.wait(10)
        until = time.monotonic() + 60
        while not board[-LINE]:
            assert time.monotonic() < until
        raise GivenUp("another part of the run has failed")

    def fail() -> None:
        reached.set()
        raise ValueError("the cause")

    def run() -> None:
        with closing(Crew(2, lambda: give_up(board))) as crew:
            crew.do([wait, fail])

    with pytest.raises(ValueError, match="the cause"):
        run()


def test_jobs_are_done_at_the_same_time() -> None:
    done: list[list[int]] = [[], [], []]
    all_at_it = threading.Barrier(3, timeout=10)

    def job(part: int, number: int) -> Callable[[], None]:
        def do() -> None:
            all_at_it.wait()
            done[part].append(number)

        return do

    with closing(Crew(3, lambda: None)) as crew:
        for number in range(20):
            crew.do([job(part, number) for part in range(3)])
            assert [len(numbers) for numbers in done] == [number + 1] * 3
    assert done == [list(range(20))] * 3


def test_one_part_needs_no_other_thread() -> None:
    done = []
    with closing(Crew(1, lambda: None)) as crew:
        crew.do([lambda: done.append(threading.current_thread())])
    assert done == [threading.main_thread()]


def test_a_board_has_cache_lines_for_what_a_part_says() -> None:
    parts = divide([1] * 8, 3)
    board = parts[0].board
    assert all(part.board is board for part in parts)
    assert board.ctypes.data % 64 == 0
    assert LINE * board.itemsize % 64 == 0
    assert board.dtype == np.int64
    give_up(board)
    assert np.flatnonzero(board).tolist() == [9 * LINE]
