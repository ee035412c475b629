"""Policies of prefetching: each says what it does, and a new one needs nothing but its description."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ppim.errors import InputError
from ppim.prefetch.base import (
    MOST_BUFFERS,
    NO_PREFETCH,
    PREFETCHES,
    Phase,
    PrefetchPolicy,
    choosing,
    fetching,
)
from ppim.stats.result import SimulationResult
from ppim.systems.explain import explain_system
from ppim.systems.load import load_system
from tests.reference.small_traces import SmallTrace, small_trace
from tests.unit.simulate.accounts import check_run


@pytest.fixture
def a_new_one() -> Iterator[str]:
    """A policy that is not in the package: used rows, double buffered."""
    name = "toy"
    PREFETCHES.names()
    PREFETCHES.register(name)(
        PrefetchPolicy("used rows, a turn earlier", Phase.EACH_TURN, only_used=True, buffers=2)
    )
    yield name
    del PREFETCHES._variants[name]


def counts_of_run(result: SimulationResult) -> dict[str, list[int]]:
    return {name: column.tolist() for name, column in result.counts.items()}


def a_trace(algorithm: str) -> SmallTrace:
    parameters = {"qr": {"collisions": 30}, "tt-rec": {"tt_rank": 4}}[algorithm]
    return small_trace(algorithm, parameters, rows=(5000, 700, 900), samples=12, batch_size=3, pooling=(0, 9))


def test_one_policy_fetches_nothing() -> None:
    assert set(PREFETCHES.names()) - set(fetching()) == {NO_PREFETCH}
    assert set(choosing()) < set(fetching())


@pytest.mark.parametrize("algorithm", ["qr", "tt-rec"])
def test_a_new_policy_is_its_description(a_new_one: str, algorithm: str) -> None:
    """It runs, balances, and does what the settings do that say the same."""
    trace = a_trace(algorithm)
    settings = {"cache_bytes": 2000}
    new = check_run(trace, load_system("proactivepim", {"prefetch.prefetch": a_new_one, **settings}))
    same = {"prefetch.prefetch": "next", "prefetch_used": True, **settings}
    old = check_run(trace, load_system("proactivepim", same))
    assert counts_of_run(new) == counts_of_run(old)
    others = [load_system("proactivepim", {"prefetch.prefetch": name, **settings}) for name in fetching()]
    different = [
        counts_of_run(check_run(trace, other)) for other in others if other.prefetch.prefetch != a_new_one
    ]
    assert counts_of_run(new) not in different


def test_a_new_policy_is_explained_and_offered(a_new_one: str) -> None:
    (parameter,) = [x for x in explain_system("proactivepim") if x.name == "prefetch"]
    assert (
        dict(zip(parameter.choices, parameter.explained, strict=True))[a_new_one]
        == "used rows, a turn earlier"
    )
    with pytest.raises(InputError, match=f"unknown prefetch 'toyy'; did you mean {a_new_one}"):
        load_system("proactivepim", {"prefetch.prefetch": "toyy"})


@pytest.mark.parametrize(
    ("phase", "only_used", "buffers"),
    [
        (Phase.AT_START, True, 1),
        (Phase.NEVER, True, 1),
        (Phase.AT_START, False, 2),
        (Phase.EACH_TURN, False, 0),
        (Phase.EACH_TURN, False, MOST_BUFFERS + 1),
    ],
)
def test_what_no_phase_has_is_refused(phase: Phase, only_used: bool, buffers: int) -> None:
    with pytest.raises(ValueError, match=r"buffers|each turn"):
        PrefetchPolicy("", phase, only_used, buffers)


@pytest.mark.parametrize("name", PREFETCHES.names())
def test_used_rows_are_chosen_where_rows_are_fetched_each_turn(name: str) -> None:
    changes = {"prefetch.prefetch": name, "prefetch_used": True}
    if PREFETCHES.get(name).phase != Phase.EACH_TURN:
        with pytest.raises(InputError, match=f"prefetch is {name}; give {' or '.join(choosing())}"):
            load_system("proactivepim", changes)
        return
    assert load_system("proactivepim", changes).prefetch.policy.only_used
