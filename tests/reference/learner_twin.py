"""The slow twin of a mapping that learns: §15 of `docs/model.md`, sentence by sentence, in exact numbers.

It is given where rows lie at first and what is accessed, and says which rows move where.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

Row = tuple[int, int]  # table, row of its only subtable


@dataclass
class LearnerTwin:
    """Tables of one subtable each, whose rows all have as many bursts."""

    home: dict[Row, int]  # unit of each row's own place
    units: int
    units_per_channel: int
    guest_rows: int
    most_moves: int
    memory: Fraction
    gain: Fraction
    read_cycles: int  # that an access keeps its unit, and a row that moves the one it leaves
    write_cycles: int
    bus_cycles: int  # of a row
    latency: int
    weights: dict[Row, Fraction] = field(default_factory=dict)
    epochs: Fraction = Fraction(0)
    guests: dict[Row, int] = field(default_factory=dict)

    def unit_of(self, row: Row) -> int:
        return self.guests.get(row, self.home[row])

    def look(self, accessed: list[Row]) -> list[tuple[Row, int, int]]:
        """(row, from unit, to unit) of the rows that move after an epoch, in their order."""
        self.weights = {row: weight * self.memory for row, weight in self.weights.items()}
        for row, n in Counter(accessed).items():
            self.weights[row] = self.weights.get(row, Fraction(0)) + n
        self.weights = {row: weight for row, weight in self.weights.items() if weight >= Fraction(1, 2)}
        self.epochs = self.epochs * self.memory + 1
        self.guests = {row: unit for row, unit in self.guests.items() if row in self.weights}
        plans = [self.plan(table) for table in sorted({row[0] for row in self.weights})]
        chosen = self.choose([plan for plan in plans if plan])
        moves = [(row, self.unit_of(row), to) for plan in chosen for row, to, _ in plan]
        lowered = sum((plan[-1][2] for plan in chosen), Fraction(0))
        if not moves or lowered <= 0 or lowered < self.gain * self.expected_cycles(moves):
            return []
        for row, _, to in moves:
            self.guests.pop(row, None)
            if to != self.home[row]:
                self.guests[row] = to
        return [move for move in moves if move[2] != self.home[move[0]]]

    def load(self, row: Row) -> Fraction:
        """Cycles of an epoch like those that are remembered."""
        return self.weights[row] * self.read_cycles / self.epochs

    def room(self) -> list[int]:
        return [
            self.guest_rows - sum(to == unit for to in self.guests.values()) for unit in range(self.units)
        ]

    def plan(self, table: int) -> list[tuple[Row, int, Fraction]]:
        """(row, to unit, what the peak is lowered by up to it) of the moves that are worth their time on the bus."""
        rows = sorted(row for row in self.weights if row[0] == table)
        staying = {unit: [row for row in rows if self.unit_of(row) == unit] for unit in range(self.units)}
        loads = [sum((self.load(row) for row in staying[unit]), Fraction(0)) for unit in range(self.units)]
        room, first_peak = self.room(), max(loads)
        made: list[tuple[Row, int, Fraction]] = []
        while len(made) < self.most_moves and max(room) > 0:
            source = loads.index(max(loads))
            target = min((unit for unit in range(self.units) if room[unit] > 0), key=lambda unit: loads[unit])
            difference = loads[source] - loads[target]
            fitting = [row for row in staying[source] if self.load(row) <= difference / 2]
            others = [row for row in staying[source] if self.load(row) < difference]
            if fitting:  # of equal ones the last, of the smallest the first
                row = max(fitting, key=lambda row: (self.load(row), row))
            elif others:
                row = min(others, key=lambda row: (self.load(row), row))
            else:
                break
            staying[source].remove(row)
            loads[source] -= self.load(row)
            loads[target] += self.load(row)
            room[target] -= 1
            made.append((row, target, first_peak - max(loads)))
        worth = [Fraction(0)] + [
            lowered - 2 * self.bus_cycles * n for n, (_, _, lowered) in enumerate(made, start=1)
        ]
        return made[: worth.index(max(worth))]

    def choose(self, plans: list[list[tuple[Row, int, Fraction]]]) -> list[list[tuple[Row, int, Fraction]]]:
        """Of all tables those that save most a move first, while moves and room last."""
        room, left, chosen = self.room(), self.most_moves, []
        for plan in sorted(plans, key=lambda plan: -plan[-1][2] / len(plan)):
            taken = []
            for step in plan:
                if not left or not room[step[1]]:
                    break
                left -= 1
                room[step[1]] -= 1
                taken.append(step)
            if taken:
                chosen.append(taken)
        return chosen

    def expected_cycles(self, moves: list[tuple[Row, int, int]]) -> int:
        """A read's and a write's latency, and what the most loaded unit or bus reads and writes."""
        cycles = self.latency
        for each, units in (
            (self.read_cycles, [source for _, source, _ in moves]),
            (self.write_cycles, [to for _, _, to in moves]),
        ):
            of_units = Counter(units)
            of_buses = Counter(unit // self.units_per_channel for unit in units)
            cycles += max(max(of_units.values()) * each, max(of_buses.values()) * self.bus_cycles)
        return cycles
