"""A search from its first design to its last: what is run, on how much of the trace, until the budget is spent."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ppim.errors import InputError
from ppim.search import front as fronts, propose
from ppim.search.costs import Costs, costs_of, sram_bytes
from ppim.search.designs import Choice, Design, Designs, Given
from ppim.sweep import identity, resolve
from ppim.sweep.store import Store
from ppim.text_files import printable
from ppim.trace.prefix import write_prefix
from ppim.trace.reader import TraceReader

KEPT_OF = 3
"""Of so many designs one goes on to a trace so many times as long (successive halving, Jamieson and Talwalkar, 2016)."""

SHORTEST = 4
"""Batches of a shorter trace at least: with fewer, a run is little more than its start."""

STEPS = 3
"""Lengths of the trace, the whole one included."""

GENERATION = 12
"""Designs that are tried at once; what comes next depends on all of them, so it does not depend on the number of jobs."""

FOR_THE_CUT = 0.25
"""Share of the budget that is kept for neighbours with less SRAM, and for designs that were cut short."""

ROUNDING = 1e-9

FIRST_GENERATIONS = 1
"""Generations before neighbours of the front are tried, in turns with Optuna's."""

RunAll = Callable[[Sequence[resolve.Resolved]], None]
"""Does runs that have no record, and keeps their records."""


@dataclass(frozen=True)
class Tried:
    """A design and what became of it.

    Attributes
    ----------
    design : Design
    choice : Choice or None
        None of the start.
    costs : Costs or None
        By the longest trace that it ran on; None if it failed.
    error : str
    given : Given
        That trace.
    run : Resolved
        The run on it.
    """

    design: Design
    choice: Choice | None
    costs: Costs | None
    error: str
    given: Given
    run: resolve.Resolved


@dataclass
class Course:
    """The designs that have been tried, in their order.

    Attributes
    ----------
    designs : Designs
    store : Store
    rungs : list of Given
        The trace at its lengths, the shortest first, the whole one last.
    vector_bytes : int
        Of the trace.
    budget : float
        Runs of the whole trace; one of a third of it costs a third.
    seed : int
    run_all : callable
    report : callable
        Told how much is spent, and how many designs were tried.
    """

    designs: Designs
    store: Store
    rungs: list[Given]
    vector_bytes: int
    budget: float
    seed: int
    run_all: RunAll
    report: Callable[[float, int], object]
    tried: dict[str, Tried] = field(default_factory=dict)
    spent: float = 0.0
    at_rung: list[dict[str, Costs]] = field(default_factory=list)
    refused: dict[Choice, str] = field(default_factory=dict)
    is_exhausted: bool = False

    def run(self) -> None:
        """Until the budget is spent, or nothing new is left.

        Raises
        ------
        InputError
            The start has not what the search is to make small, or cannot be run.
        """
        self.at_rung = [{} for _ in self.rungs]
        self._try_start()
        proposer = propose.Proposer(self.designs.space.parameters, self.seed, GENERATION)
        generation = 0
        while (count := self._affordable()) > 0:
            choices = self._next(proposer, generation, count)
            if not choices:
                self.is_exhausted = True
                break
            self._try(choices)
            for choice in choices:
                proposer.tell(choice, self._known(choice))
            generation += 1
        self._run_thrifty(proposer)
        self._run_cut_short()

    def front(self) -> list[Tried]:
        """Designs on the Pareto front of those that ran on the whole trace, the best objective first."""
        whole = [each for each in self.tried.values() if each.costs and each.given is self.rungs[-1]]
        rows = np.array([each.costs.row for each in whole if each.costs], dtype=np.float64).reshape(-1, 3)
        return [whole[place] for place in fronts.pareto_front(rows)]

    def _next(self, proposer: propose.Proposer, generation: int, count: int) -> list[Choice]:
        choices: list[Choice] = []
        if generation == 0:
            choices = self._first_of_each([self.designs.near_start()], count)
        elif generation >= FIRST_GENERATIONS and (generation - FIRST_GENERATIONS) % 2 == 0:
            best_so_far = [each.choice for each in self.front() if each.choice is not None]
            choices = self._first_of_each(proposer.beside(best_so_far, self._known), count)
        choices = proposer.take(choices)
        return choices + self._fresh(proposer, choices, count)

    def _fresh(self, proposer: propose.Proposer, taken: list[Choice], count: int) -> list[Choice]:
        """Optuna's choices that are designs of their own."""
        found: list[Choice] = []
        keys = {self._key(choice) for choice in taken}
        while len(found) + len(taken) < count:
            asked = proposer.from_optuna(count - len(found) - len(taken), self._known)
            if not asked:
                break
            for choice in asked:
                key = self._key(choice)
                if key and key not in keys:
                    keys.add(key)
                    found.append(choice)
                else:
                    self._pass_over(proposer, choice)
        return found

    def _pass_over(self, proposer: propose.Proposer, choice: Choice) -> None:
        """A choice of this generation that is another one's design, or none."""
        self.refused.setdefault(choice, "")
        proposer.tell(choice, None)

    def _first_of_each(self, choices: Any, count: int) -> list[Choice]:
        """So many choices, each another design that has not been tried."""
        found: dict[str, Choice] = {}
        for choice in choices:
            key = self._key(choice)
            if key and key not in self.tried:
                found.setdefault(key, choice)
            if len(found) == count:
                break
        return list(found.values())

    def _key(self, choice: Choice) -> str:
        """Of a choice's design; "" where its values do not go together."""
        try:
            return self.designs.design(choice).key
        except InputError as error:
            self.refused[choice] = str(error)
            return ""

    def _known(self, choice: Choice) -> Costs | None:
        if choice in self.refused:
            return None
        key = self._key(choice)
        return self.tried[key].costs if key else None

    def _affordable(self) -> int:
        """Designs of the next generation: as many as the budget lets go the whole way."""
        left = (1 - FOR_THE_CUT) * self.budget - self.spent + ROUNDING
        return next((n for n in range(GENERATION, 0, -1) if self._price(n) <= left), 0)

    def _price(self, count: int) -> float:
        """The most that so many designs cost."""
        price = 0.0
        for rung in self._rungs_for(count):
            price += count * self.rungs[rung].share
            count = math.ceil(count / KEPT_OF)
        return price

    def _rungs_for(self, count: int) -> range:
        """One design is not worth a choice."""
        return range(len(self.rungs)) if count > 1 else range(len(self.rungs) - 1, len(self.rungs))

    def _try_start(self) -> None:
        start = self.designs.start
        self._run_at([(None, start)], len(self.rungs) - 1)
        found = self.tried[start.key]
        if found.costs is None:
            raise InputError(
                f"{self.designs.space.path}: the system to start from does not run: {found.error}"
            )

    def _try(self, choices: Sequence[Choice]) -> None:
        """Run designs on ever longer traces, of which fewer go on each time."""
        left: list[tuple[Choice | None, Design]] = [
            (choice, self.designs.design(choice)) for choice in choices
        ]
        for rung in self._rungs_for(len(choices)):
            if not left:
                return
            ran = len(left)
            self._run_at(left, rung)
            if rung + 1 < len(self.rungs):
                left = self._promoted(left, rung, math.ceil(ran / KEPT_OF))

    def _run_thrifty(self, proposer: propose.Proposer) -> None:
        """Whether the front does with less SRAM: neighbours that have less, on the whole trace, while there are any."""
        last = len(self.rungs) - 1
        while (count := min(GENERATION, math.floor(self.budget - self.spent + ROUNDING))) > 0:
            found: dict[str, tuple[Choice, Design]] = {}
            for each in self.front():
                for near in proposer.neighbours(each.choice) if each.choice else ():
                    design = self.designs.design(near) if self._key(near) else None
                    if design is not None and self._is_thriftier(design, each) and len(found) < count:
                        found.setdefault(design.key, (near, design))
            if not found:
                return
            self._run_at(list(found.values()), last)

    def _is_thriftier(self, design: Design, than: Tried) -> bool:
        """Whether a design that has not run on the whole trace has less SRAM, of which no run is needed to know."""
        tried = self.tried.get(design.key)
        if tried is not None and (tried.error or tried.given is self.rungs[-1]):
            return False
        return than.costs is not None and sram_bytes(design.spec, self.vector_bytes) < than.costs.sram_bytes

    def _run_cut_short(self) -> None:
        """Spend what is left on those that were cut short, the best first: shorter traces do not tell near ones apart."""
        while (count := min(GENERATION, math.floor(self.budget - self.spent + ROUNDING))) > 0:
            order = []
            for rung, given in enumerate(self.rungs[:-1]):
                costs = self.at_rung[rung]
                front = fronts.ranks(np.array([each.row for each in costs.values()]).reshape(-1, 3))
                cut = (self.tried[key] for key in costs)
                order += [
                    (int(rank), -rung, place, each)
                    for place, (rank, each) in enumerate(zip(front, cut, strict=True))
                    if each.given is given and each.choice is not None
                ]
            if not order:
                return
            chosen = [each for *_, each in sorted(order, key=lambda entry: entry[:3])[:count]]
            self._run_at([(each.choice, each.design) for each in chosen], len(self.rungs) - 1)

    def _promoted(
        self, designs: list[tuple[Choice | None, Design]], rung: int, count: int
    ) -> list[tuple[Choice | None, Design]]:
        """Those that no design is better than on this length of the trace; of many, those that are most apart."""
        others = np.array([costs.row for costs in self.at_rung[rung].values()]).reshape(-1, 3)
        keys = list(self.at_rung[rung])
        on_front = {keys[place] for place in np.flatnonzero(fronts.ranks(others) == 0)}
        found = [each for each in designs if each[1].key in on_front]
        rows = np.array([self.at_rung[rung][design.key].row for _, design in found]).reshape(-1, 3)
        return [found[place] for place in fronts.best(rows, count)]

    def _run_at(self, designs: Sequence[tuple[Choice | None, Design]], rung: int) -> None:
        given = self.rungs[rung]
        runs = [self.designs.resolved(design, given) for _, design in designs]
        self.run_all(runs)
        self.spent += given.share * len(runs)
        for (choice, design), run in zip(designs, runs, strict=True):
            record = self.store.record(run.name) or {"error": "has no record"}
            error, costs = str(record.get("error", "")), None
            if not error:
                costs = costs_of(
                    record["summary"], design.spec, self.designs.space.objective, self.vector_bytes
                )
                self.at_rung[rung][design.key] = costs
            self.tried[design.key] = Tried(design, choice, costs, error, given, run)
        self.report(self.spent, len(self.tried))


def lengths_of(trace: Path, store: Store) -> list[Given]:
    """A trace at the lengths that designs run on, the shortest first; shorter ones are made where they are not there."""
    with TraceReader(trace) as reader:
        batches, accesses = reader.meta.batches, reader.n_accesses
    digest = identity.file_digest(trace)
    whole = Given(trace, digest, printable(trace.name), batches, 1.0)
    shorter = {batches // KEPT_OF**power for power in range(1, STEPS)}
    beginnings = [_shorter(whole, n, store, accesses) for n in sorted(shorter) if SHORTEST <= n < batches]
    return [*(each for each in beginnings if each.share > 0), whole]


def _shorter(whole: Given, batches: int, store: Store, accesses: int) -> Given:
    digest = identity.digest("prefix", whole.digest, batches, identity.code_digest("trace"))
    path = store.trace_path(digest)
    if not path.exists():
        write_prefix(whole.path, path, batches)
    with TraceReader(path) as reader:
        share = reader.n_accesses / accesses
    return Given(path, digest, f"{printable(whole.path.stem)}-{batches}.parquet", batches, share)
