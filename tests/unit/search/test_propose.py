"""What is proposed: nothing twice, neighbours of one step, and a small space to its end."""

from __future__ import annotations

import itertools

import pytest

from ppim.search.costs import Costs
from ppim.search.designs import Choice
from ppim.search.propose import MOST_DRAWN, Proposer, _drawn
from ppim.search.space import Parameter

NUMBERS = Parameter("size", (1, 2, 4, 8))
NAMES = Parameter("kind", ("a", "b", "c"))


class Memory:
    """What was tried: the farther from the middle, the worse."""

    def __init__(self) -> None:
        self.costs: dict[Choice, Costs | None] = {}

    def known(self, choice: Choice) -> Costs | None:
        return self.costs[choice]

    def try_all(self, proposer: Proposer, choices: list[Choice]) -> None:
        for choice in choices:
            assert choice not in self.costs, "proposed twice"
            self.costs[choice] = None if choice[1] == 2 else Costs(abs(choice[0] - 2), choice[0], choice[1])
            proposer.tell(choice, self.costs[choice])


@pytest.mark.parametrize("seed", range(3))
def test_a_small_space_is_tried_to_its_end_and_nothing_twice(seed: int) -> None:
    proposer, memory = Proposer([NUMBERS, NAMES], seed, 4), Memory()
    while choices := proposer.from_optuna(4, memory.known):
        memory.try_all(proposer, choices)
    assert set(memory.costs) == set(itertools.product(range(4), range(3)))


def test_a_seed_proposes_the_same() -> None:
    found = []
    for seed in (5, 5, 6):
        proposer, memory = Proposer([NUMBERS, Parameter("x", tuple(range(100)))], seed, 6), Memory()
        for _ in range(4):
            memory.try_all(proposer, proposer.from_optuna(6, memory.known))
        found.append(list(memory.costs))
    assert found[0] == found[1] != found[2]


def test_neighbours_differ_in_one_parameter_by_a_step_or_in_a_name() -> None:
    proposer, memory = Proposer([NUMBERS, NAMES], 0, 4), Memory()
    assert list(proposer.beside([(0, 1)], memory.known)) == [(1, 1), (0, 0), (0, 2)]
    memory.costs[1, 1] = None
    assert list(proposer.beside([(0, 1), (2, 1)], memory.known)) == [
        (0, 0),
        (3, 1),
        (0, 2),
        (2, 0),
        (2, 2),
    ]


def test_choices_from_elsewhere_are_taken_as_they_are() -> None:
    proposer, memory = Proposer([NUMBERS, NAMES], 0, 4), Memory()
    wanted = [(3, 2), (0, 0), (1, 1)]
    assert proposer.take(wanted) == wanted
    memory.try_all(proposer, wanted)


def test_a_large_space_is_drawn_from_and_ends() -> None:
    drawn = list(_drawn([1000, 1000], 0))
    assert len(drawn) == MOST_DRAWN
    assert all(0 <= first < 1000 and 0 <= second < 1000 for first, second in drawn)
    assert len(set(drawn)) > 0.9 * MOST_DRAWN
