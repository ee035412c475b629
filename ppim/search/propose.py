"""What to try next: by Optuna's NSGA-II, and beside what is best so far."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ppim.errors import InputError
from ppim.search.costs import Costs
from ppim.search.designs import Choice
from ppim.search.space import Parameter

if TYPE_CHECKING:
    import optuna

ASKS_PER_CHOICE = 5
"""Of Optuna, for each choice that is wanted: those that are known already come back, and then others are drawn."""

MOST_DRAWN = 1 << 14
"""By chance in a search: a space of no more is tried to its end."""

Known = Callable[[Choice], "Costs | None"]
"""Costs of a choice that has been tried; None of one that failed.

Raises
------
KeyError
    It has not been tried.
"""


class Proposer:
    """Choices to try, and what became of them.

    Parameters
    ----------
    parameters : sequence of Parameter
    seed : int
    generation : int
        Choices of a generation of NSGA-II.

    Raises
    ------
    InputError
        Without the extra `explore`.
    """

    def __init__(self, parameters: Sequence[Parameter], seed: int, generation: int) -> None:
        try:
            import optuna
        except ImportError as error:
            raise InputError("explore needs Optuna; install it with pip install 'ppim[explore]'") from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.parameters = parameters
        self._distributions = {each.name: _distribution(optuna, each) for each in parameters}
        sampler = optuna.samplers.NSGAIISampler(seed=seed, population_size=generation)
        self._study = optuna.create_study(directions=["minimize"] * 3, sampler=sampler)
        self._failed = optuna.trial.TrialState.FAIL
        self._open: dict[Choice, optuna.trial.Trial] = {}
        self._drawn = _drawn([len(each.values) for each in parameters], seed)

    def from_optuna(self, count: int, known: Known) -> list[Choice]:
        """Up to so many choices that have not been tried; fewer where there are no more."""
        found: list[Choice] = []
        for _ in range(ASKS_PER_CHOICE * count):
            if len(found) == count:
                return found
            choice, trial = self._ask()
            if choice in self._open:
                self._tell(trial, None)
                continue
            try:
                self._tell(trial, known(choice))
            except KeyError:
                self._open[choice] = trial
                found.append(choice)
        if len(found) == count:
            return found
        for choice in self._drawn:
            if choice not in self._open and not _is_known(choice, known):
                found += self.take([choice])
            if len(found) == count:
                break
        return found

    def take(self, choices: Sequence[Choice]) -> list[Choice]:
        """Choices from elsewhere, of which Optuna is to learn as well."""
        for choice in choices:
            self._study.enqueue_trial(
                {each.name: at for each, at in zip(self.parameters, choice, strict=True)}
            )
            asked, trial = self._ask()
            assert asked == choice
            self._open[choice] = trial
        return list(choices)

    def tell(self, choice: Choice, costs: Costs | None) -> None:
        """What a choice costs; None if it failed, or has not been run."""
        self._tell(self._open.pop(choice), costs)

    def beside(self, choices: Sequence[Choice], known: Known) -> Iterator[Choice]:
        """Choices that have not been tried and differ from one of these in one parameter: by a step, or in a name.

        One of each choice in turns, so that all parts of a front move on.
        """
        seen: set[Choice] = set()
        for in_turn in itertools.zip_longest(*map(self.neighbours, choices)):
            for near in in_turn:
                if near is not None and near not in seen and not _is_known(near, known):
                    seen.add(near)
                    yield near

    def neighbours(self, choice: Choice) -> Iterator[Choice]:
        """Choices that differ from one in one parameter: by a step, or in a name."""
        for place, parameter in enumerate(self.parameters):
            for value in _steps(parameter, choice[place]):
                yield (*choice[:place], value, *choice[place + 1 :])

    def _ask(self) -> tuple[Choice, optuna.trial.Trial]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Optuna calls experimental
            trial = self._study.ask(self._distributions)
        return tuple(int(trial.params[each.name]) for each in self.parameters), trial

    def _tell(self, trial: optuna.trial.Trial, costs: Costs | None) -> None:
        if costs is None:
            self._study.tell(trial, state=self._failed)
        else:
            self._study.tell(trial, list(costs.row))


def _drawn(counts: Sequence[int], seed: int) -> Iterator[Choice]:
    """Choices by chance: all of a space, each once, or many of a large one."""
    numbers = np.random.default_rng(seed)
    if math.prod(counts) <= MOST_DRAWN:
        for place in numbers.permutation(math.prod(counts)):
            yield tuple(int(at) for at in np.unravel_index(place, counts))
    else:
        for _ in range(MOST_DRAWN):
            yield tuple(int(numbers.integers(count)) for count in counts)


def _distribution(optuna: Any, parameter: Parameter) -> Any:
    """Of the place of a parameter's value: places of numbers are near each other, those of names are not."""
    count = len(parameter.values)
    if parameter.is_ordered:
        return optuna.distributions.IntDistribution(0, count - 1)
    return optuna.distributions.CategoricalDistribution(list(range(count)))


def _steps(parameter: Parameter, place: int) -> list[int]:
    last = len(parameter.values) - 1
    if parameter.is_ordered:
        return [at for at in (place - 1, place + 1) if 0 <= at <= last]
    return [at for at in range(last + 1) if at != place]


def _is_known(choice: Choice, known: Known) -> bool:
    try:
        known(choice)
    except KeyError:
        return False
    return True
