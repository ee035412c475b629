"""Whole turns of a `ppim-program` -> instructions, lookups and sums as the engine takes them (vectors, no kernel).

What the lines do not say follows from them as the program builder has it: sums (one of each unit and bag that a
lookup adds to), those of collectors, operands of each lookup, and what its turn waits for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.mapping.placing.geometry import UnitGeometry
from ppim.prefetch.base import Phase, PrefetchPolicy
from ppim.program import instruction as i, state as r
from ppim.program.listing import form as f
from ppim.program.listing.read import Rows, address_of, refuse

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

BEFORE_TURNS = -1  # number of what stands before the first turn


@dataclass(frozen=True)
class Maker:
    """What the lines do not say, of the program's header and the system.

    Attributes
    ----------
    collectors : int
        Of a channel, that add up partial sums; 0: one for all units.
    compute_cycles : callable
        Memory cycles of so many multiply-accumulates in one unit.
    """

    geometry: UnitGeometry
    is_global: bool
    vector_bursts: int
    prefetch: PrefetchPolicy
    host_consumes: bool
    in_order: bool
    accumulators: int
    collects: bool
    collectors: int
    compute_cycles: Callable[[int], int]


class Piece(NamedTuple):
    """Whole turns.

    Attributes
    ----------
    instructions : ndarray of int64, shape (n, INSTRUCTION_COLUMNS)
    stream : ndarray of int64, shape (n,)
        Of each instruction.
    lookups : ndarray of int64, shape (m, LOOKUP_COLUMNS)
    sums : ndarray of int64, shape (k, SUM_COLUMNS)
    turns : ndarray of int64, shape (t, TURN_COLUMNS)
    first_lookup, first_sum, first_turn : int
        Numbers of the first of them in the program.
    added : ndarray of int64, shape (channels,)
        Multiply-accumulates of its lookups,
    collected : ndarray of int64, shape (channels,)
        and bursts that collectors add.
    """

    instructions: Integers
    stream: Integers
    lookups: Integers
    sums: Integers
    turns: Integers
    first_lookup: int
    first_sum: int
    first_turn: int
    added: Integers
    collected: Integers


class _Served(NamedTuple):
    """Lookups that instructions serve, one entry for each of them."""

    by: Integers  # position of the instruction
    lookup: Integers  # number among the piece's
    channel: Integers  # of the unit that has it,
    unit: Integers  # by the instruction; ALL: any
    is_first: Flags  # of those that share what is read: it keeps the bursts


def _running_counts(keys: Integers) -> Integers:
    """How many equal keys stand before each one."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(keys) else order
    lengths = np.diff(np.concatenate((begins, [len(keys)])))
    counts = np.empty(len(keys), dtype=np.int64)
    counts[order] = np.arange(len(keys)) - np.repeat(begins, lengths)
    return counts


class Builder:
    """Builds a file's pieces one after the other, and refuses lines that do not go together.

    Parameters
    ----------
    path : Path
        Of the file, for messages.
    maker : Maker
    """

    def __init__(self, path: Path, maker: Maker) -> None:
        self.path, self.maker = path, maker
        self.turns = self.lookups = self.sums = self.read_outs = self.batch = 0
        self.opened = np.zeros(maker.geometry.units, dtype=np.int64)  # sums of each unit so far
        self.most_delivers = 0

    def build(self, rows: Rows) -> Piece:
        """The next whole turns.

        Raises
        ------
        InputError
            With file and line of the first that is wrong.
        """
        rows = rows[rows[:, f.LINE_WORD] != f.COUNTS_LINE]
        words = rows[:, f.LINE_WORD]
        turn = np.cumsum(words == f.TURN_LINE) - 1  # of the piece
        self._check_turns(rows, turn)
        heads, looked = rows[words == f.TURN_LINE], np.isin(words, (f.LOOKUP_LINE, f.RECEIVER_LINE))
        lookup_rows, turn_of_lookup = rows[looked], turn[looked]
        counts = np.bincount(turn_of_lookup, minlength=len(heads))
        first_of_turn = np.cumsum(counts) - counts
        self._check_lookups(lookup_rows, turn_of_lookup, first_of_turn)
        is_receiver = lookup_rows[:, f.LINE_WORD] == f.RECEIVER_LINE
        self._fill_receivers(lookup_rows, is_receiver, turn_of_lookup, first_of_turn, counts)
        sums = _Sums(self, lookup_rows, turn_of_lookup)
        lines = (words != f.TURN_LINE) & ~looked
        instruction_rows, turn_of_line = rows[lines], turn[lines]
        instructions = self._instructions(instruction_rows, turn_of_line)
        served = self._served(
            instruction_rows, turn_of_line, instructions, lookup_rows, first_of_turn, counts
        )
        self._check_units(instruction_rows, served, lookup_rows)
        demand = instructions[:, i.KIND] <= i.LAST_ACCESS
        serves = demand[served.by]
        operands = np.bincount(served.lookup[serves], minlength=len(lookup_rows))
        refuse(
            self.path,
            lookup_rows,
            (operands == 0) & ~is_receiver,
            "a lookup that no read, readout or hit names",
        )
        if self.maker.in_order:
            self._check_delivers(instruction_rows, instructions, served)
        wrong = (instructions[:, i.KIND] == i.DELIVER) & (not self.maker.in_order)
        refuse(self.path, instruction_rows, wrong, "a deliver, in a program that is for deliver=ahead")
        self._transfers(instruction_rows, turn_of_line, instructions, sums)
        self._check_transfers(lookup_rows, instruction_rows, instructions, served, sums)
        added = np.zeros(self.maker.geometry.channels, dtype=np.int64)
        np.add.at(added, lookup_rows[:, f.CHANNEL], lookup_rows[:, f.MACS])
        piece = Piece(
            instructions=instructions,
            stream=np.zeros(len(instructions), np.int64)
            if self.maker.is_global
            else instruction_rows[:, f.CHANNEL],
            lookups=self._lookups(
                lookup_rows, turn_of_lookup, first_of_turn, sums, operands, instructions, served
            ),
            sums=sums.rows,
            turns=self._turns(heads, turn_of_line, instructions, served, sums, first_of_turn),
            first_lookup=self.lookups,
            first_sum=self.sums,
            first_turn=self.turns,
            added=added,
            collected=sums.collected,
        )
        is_out = instructions[served.by, i.KIND] == i.READ_OUT
        self.most_delivers = max(
            self.most_delivers, int(np.bincount(served.lookup[is_out], minlength=1).max())
        )
        self.turns += len(heads)
        self.lookups += len(lookup_rows)
        self.sums += len(sums.rows)
        self.read_outs += int(np.count_nonzero(instructions[:, i.KIND] == i.READ_OUT))
        self.opened = sums.opened
        return piece

    # ---------------------------------------------------------------------------------------- turns, lookups

    def _check_turns(self, rows: Rows, turn: Integers) -> None:
        words = rows[:, f.LINE_WORD]
        is_turn = words == f.TURN_LINE
        number = self.turns + turn
        wrong = is_turn & (rows[:, f.NUMBER] != number)
        if wrong.any():
            at = int(np.argmax(wrong))
            refuse(self.path, rows, wrong, f"turn {rows[at, f.NUMBER]} where turn {number[at]} comes")
        batches = np.concatenate(([self.batch], rows[is_turn, f.BATCH]))
        refuse(self.path, rows[is_turn], np.diff(batches) < 0, "a batch before the last turn's")
        self.batch = int(batches[-1])
        needs_turn = ~is_turn & (words != f.PREFETCH_LINE) & (number == BEFORE_TURNS)
        refuse(self.path, rows, needs_turn, "a line of a turn before the first line of `turn`")
        fetches = words == f.PREFETCH_LINE
        policy = self.maker.prefetch
        if policy.phase == Phase.NEVER:
            refuse(self.path, rows, fetches, "a prefetch, in a program that is for prefetch=none")
        ahead = 1 + policy.turns_ahead
        if policy.phase == Phase.AT_START:
            right = (number == BEFORE_TURNS) & (rows[:, f.TURN] == 0)
            what = "a prefetch at the start stands before the first turn, for turn=0"
        else:
            right = rows[:, f.TURN] == number + ahead
            right |= (number == BEFORE_TURNS) & (rows[:, f.TURN] == 0)
            what = f"a prefetch here is for the turn {ahead} behind this one"
        refuse(self.path, rows, fetches & ~right, what)
        before = fetches & (number == BEFORE_TURNS)
        order = np.diff(rows[before, f.TURN], prepend=0) < 0
        refuse(self.path, rows[before], order, "a prefetch for an earlier turn than the one before it is for")

    def _check_lookups(self, rows: Rows, turn: Integers, first: Integers) -> None:
        number = np.arange(len(rows)) - first[turn]
        wrong = rows[:, f.NUMBER] != number
        if wrong.any():
            at = int(np.argmax(wrong))
            refuse(
                self.path,
                rows,
                wrong,
                f"lookup {rows[at, f.NUMBER]} where lookup {number[at]} of the turn comes",
            )

    def _fill_receivers(
        self, rows: Rows, is_receiver: Flags, turn: Integers, first: Integers, counts: Integers
    ) -> None:
        """Write unit and bag of each receiver into its line: those of its first lookup."""
        own = np.flatnonzero(is_receiver)
        lines, last = rows[own], rows[own, f.LOOKUP] + rows[own, f.SHARERS]
        refuse(self.path, lines, last >= counts[turn[own]], "a lookup that its turn does not have")
        by = np.repeat(np.arange(len(own)), 1 + lines[:, f.SHARERS])
        users = (first[turn[own]] + lines[:, f.LOOKUP])[by] + np.arange(len(by)) - np.searchsorted(by, by)
        refuse(self.path, lines[by], is_receiver[users], "a receiver of a receiver; it names lookups")
        of_first = rows[first[turn[own]] + lines[:, f.LOOKUP]]
        differ = np.any(rows[users][:, [f.CHANNEL, f.UNIT]] != of_first[by][:, [f.CHANNEL, f.UNIT]], axis=1)
        refuse(self.path, lines[by], differ, "lookups of several units; each unit has a receiver of its own")
        for column in (f.CHANNEL, f.UNIT, f.BAG):
            rows[own, column] = of_first[:, column]

    def _lookups(
        self,
        rows: Rows,
        turn: Integers,
        first: Integers,
        sums: "_Sums",
        operands: Integers,
        instructions: Integers,
        served: _Served,
    ) -> Integers:
        lookups = np.zeros((len(rows), i.LOOKUP_COLUMNS), dtype=np.int64)
        lookups[:, i.LOOKUP_SUM] = self.sums + sums.of_lookup
        lookups[:, i.LOOKUP_OPERANDS] = operands
        work, which = np.unique(rows[:, f.MACS], return_inverse=True)
        cycles = np.array([self.maker.compute_cycles(int(macs)) for macs in work], dtype=np.int64)
        lookups[:, i.LOOKUP_COMPUTE] = cycles[which] if len(rows) else 0
        if not self.maker.host_consumes:
            keeps = served.is_first & (instructions[served.by, i.KIND] <= i.LAST_ACCESS)
            np.add.at(
                lookups[:, i.LOOKUP_BURSTS], served.lookup[keeps], instructions[served.by[keeps], i.BURSTS]
            )
        own = np.flatnonzero(rows[:, f.LINE_WORD] == f.RECEIVER_LINE)
        lookups[own, i.RECEIVER_MARK] = i.NONE
        lookups[own, i.RECEIVER_LOOKUP] = self.lookups + first[turn[own]] + rows[own, f.LOOKUP]
        lookups[own, i.RECEIVER_SHARERS] = rows[own, f.SHARERS]
        return lookups

    def _turns(
        self,
        heads: Rows,
        turn_of_line: Integers,
        instructions: Integers,
        served: _Served,
        sums: "_Sums",
        first_lookup: Integers,
    ) -> Integers:
        turns = np.zeros((len(heads), r.TURN_COLUMNS), dtype=np.int64)
        kinds = instructions[:, i.KIND]
        demand = kinds[served.by] <= i.LAST_ACCESS
        sent = kinds == i.TRANSFER
        left = np.bincount(turn_of_line[served.by[demand]], minlength=len(heads))
        np.add.at(left, turn_of_line[sent], np.maximum(instructions[sent, i.N_SUMS], 1))
        np.add.at(left, sums.turn[sums.is_collected], 1)
        turns[:, r.TURN_LEFT] = left
        turns[:, r.TURN_CLOSED] = 1
        turns[:, r.TURN_BATCH] = heads[:, f.BATCH]
        turns[:, r.TURN_FIRST_LOOKUP] = self.lookups + first_lookup
        turns[:, r.TURN_FIRST_SUM] = self.sums + np.searchsorted(sums.turn, np.arange(len(heads)))
        turns[:, r.TURN_START] = r.NOT_STARTED
        return turns

    # ---------------------------------------------------------------------------------------- instructions

    def _instructions(self, rows: Rows, turn: Integers) -> Integers:
        """Columns that follow from a line alone."""
        kinds = f.KIND_OF_LINE[rows[:, f.LINE_WORD]]
        columns = np.zeros((len(rows), i.INSTRUCTION_COLUMNS), dtype=np.int64)
        fetches, sent = kinds == i.PREFETCH, kinds == i.TRANSFER
        places = np.isin(kinds, (i.READ, i.READ_OUT, i.PREFETCH))
        columns[:, i.KIND] = kinds
        columns[:, i.CHANNEL] = rows[:, f.CHANNEL]
        columns[:, i.UNIT] = np.where(fetches, i.ALL, rows[:, f.UNIT])
        columns[:, i.ADDRESS] = np.where(places, address_of(rows, self.maker.geometry), 0)
        columns[:, i.BURSTS] = np.where(sent, self.maker.vector_bursts, rows[:, f.BURSTS])
        columns[:, i.TURN] = np.where(fetches, rows[:, f.TURN], self.turns + turn)
        columns[:, i.LOOKUP] = i.NONE
        columns[:, i.SHARERS] = rows[:, f.SHARERS]
        columns[:, i.STEP] = rows[:, f.STEP]
        columns[:, i.SUM] = i.NONE
        out = kinds == i.READ_OUT
        order = self.read_outs + np.cumsum(out) - 1
        ordered = out | (kinds == i.DELIVER)
        columns[ordered, i.ORDER] = order[ordered]
        if not self.maker.is_global:
            wrong = rows[:, f.CHANNEL] == i.ALL
            refuse(
                self.path,
                rows,
                wrong,
                "channel=* in a program that is for frontend=per-channel: a line for each",
            )
        else:
            wrong = fetches & (rows[:, f.CHANNEL] != i.ALL)
            refuse(self.path, rows, wrong, "a prefetch of one channel; with frontend=global it is channel=*")
        return columns

    def _served(
        self,
        rows: Rows,
        turn: Integers,
        instructions: Integers,
        lookups: Rows,
        first: Integers,
        counts: Integers,
    ) -> _Served:
        """Which lookups each instruction serves; their absolute numbers become its LOOKUP."""
        geometry = self.maker.geometry
        kinds = instructions[:, i.KIND]
        serves = (kinds <= i.LAST_ACCESS) | (kinds == i.DELIVER)
        sharers, step = rows[:, f.SHARERS], rows[:, f.STEP]
        to_all, to_channels = instructions[:, i.UNIT] == i.ALL, instructions[:, i.CHANNEL] == i.ALL
        several = serves & (kinds == i.READ_OUT) & (step > 0)
        units = np.where(to_all, geometry.units_per_channel * np.where(to_channels, geometry.channels, 1), 1)
        outer = np.where(several, 1 + sharers, np.where(serves, units, 0))
        inner = np.where(several, 1, 1 + sharers)
        wrong = serves & (outer > 1) & (step < inner)
        refuse(self.path, rows, wrong, "a step of less than 1 + sharers: two units would serve one lookup")
        wrong = serves & (step > 0) & ~several & ~to_all
        refuse(self.path, rows, wrong, "a step, but one unit executes it")
        listed = serves & (step == i.LISTED)
        last = rows[:, f.LOOKUP] + (outer - 1) * step + inner - 1
        here = counts[turn] if len(counts) else np.zeros(len(turn), np.int64)
        refuse(self.path, rows, serves & (last >= here), "a lookup that its turn does not have")
        own = first[turn] if len(first) else np.zeros(len(turn), np.int64)
        instructions[serves, i.LOOKUP] = self.lookups + (own + rows[:, f.LOOKUP])[serves]
        is_receiver = lookups[:, f.LINE_WORD] == f.RECEIVER_LINE
        total = np.where(serves & ~listed, outer * inner, 0)
        by = np.repeat(np.arange(len(rows)), total)
        place = np.arange(len(by)) - np.repeat(np.cumsum(total) - total, total)
        part = place // inner[by]
        share = place - part * inner[by]
        lookup = (own + rows[:, f.LOOKUP])[by] + part * step[by] + share
        refuse(self.path, rows[by], is_receiver[lookup], "a receiver, which a readout of step=* names alone")
        channel = np.where(to_channels[by], part // geometry.units_per_channel, rows[by, f.CHANNEL])
        unit = np.where(to_all[by], part % geometry.units_per_channel, rows[by, f.UNIT])
        anywhere = kinds[by] == i.READ_OUT
        channel[anywhere] = unit[anywhere] = i.ALL
        # A readout of step=* serves what its receivers name.
        by_receiver = np.repeat(np.flatnonzero(listed), (1 + sharers)[listed])
        receiver = (own + rows[:, f.LOOKUP])[by_receiver]
        receiver += np.arange(len(by_receiver)) - np.searchsorted(by_receiver, by_receiver)
        refuse(
            self.path, rows[by_receiver], ~is_receiver[receiver], "step=*, and a lookup that is no receiver"
        )
        refuse(
            self.path, rows[by_receiver], _running_counts(receiver) > 0, "a receiver that a readout has named"
        )
        users = 1 + lookups[receiver, f.SHARERS]
        of_receiver = np.repeat(np.arange(len(receiver)), users)
        behind = np.arange(len(of_receiver)) - np.repeat(np.cumsum(users) - users, users)
        named = (first[turn[by_receiver]] + lookups[receiver, f.LOOKUP])[of_receiver] + behind
        by = np.concatenate([by, by_receiver[of_receiver]])
        order = np.argsort(by, kind="stable")
        any_unit = np.full(len(named), i.ALL, dtype=np.int64)
        return _Served(
            by[order],
            np.concatenate([lookup, named])[order],
            np.concatenate([channel, any_unit])[order],
            np.concatenate([unit, any_unit])[order],
            np.concatenate([share == 0, behind == 0])[order],
        )

    def _check_units(self, rows: Rows, served: _Served, lookups: Rows) -> None:
        own = lookups[served.lookup]
        elsewhere = (served.channel != i.ALL) & (
            (own[:, f.CHANNEL] != served.channel) | (own[:, f.UNIT] != served.unit)
        )
        refuse(self.path, rows[served.by], elsewhere, "a lookup of another unit; a readout brings it a row")
        # What is read out for lookups that share it is delivered once.
        kinds = f.KIND_OF_LINE[rows[:, f.LINE_WORD]]
        shared = (kinds[served.by] == i.READ_OUT) & (rows[served.by, f.STEP] == 0)
        first = np.searchsorted(served.by, served.by)
        differ = (own[:, f.CHANNEL] != own[first, f.CHANNEL]) | (own[:, f.UNIT] != own[first, f.UNIT])
        refuse(
            self.path, rows[served.by], shared & differ, "lookups of several units; a step says how they lie"
        )
        if self.maker.host_consumes:
            wrong = kinds != i.READ_OUT
            refuse(self.path, rows, wrong, "with consumer=host there are lines of readout only")

    def _check_delivers(self, rows: Rows, instructions: Integers, served: _Served) -> None:
        """With delivers in order, each row that is read out is delivered to each of its lookups, once, before the next."""
        kinds, order = instructions[served.by, i.KIND], instructions[served.by, i.ORDER]
        out, delivered = kinds == i.READ_OUT, kinds == i.DELIVER
        pairs = order * (len(rows) + served.lookup.max(initial=0) + 1) + served.lookup
        lines = rows[served.by]
        refuse(
            self.path,
            lines[delivered],
            ~np.isin(pairs[delivered], pairs[out]) | (_running_counts(pairs[delivered]) > 0),
            "a deliver of what the readout before it does not bring to that lookup, or brings once",
        )
        wrong = ~np.isin(pairs[out], pairs[delivered])
        refuse(
            self.path,
            lines[out],
            wrong,
            "a readout without its deliver behind it; deliver=in-order needs one",
        )
        bursts = np.zeros(int(np.count_nonzero(instructions[:, i.KIND] == i.READ_OUT)), dtype=np.int64)
        bursts[:] = instructions[instructions[:, i.KIND] == i.READ_OUT, i.BURSTS]
        sent = instructions[:, i.KIND] == i.DELIVER
        wrong = instructions[sent, i.BURSTS] != bursts[instructions[sent, i.ORDER] - self.read_outs]
        refuse(self.path, rows[sent], wrong, "a deliver of another number of bursts than its readout")

    # ---------------------------------------------------------------------------------------- transfers

    def _transfers(self, rows: Rows, turn: Integers, instructions: Integers, sums: "_Sums") -> None:
        """Which sums each transfer moves."""
        sent = np.flatnonzero(instructions[:, i.KIND] == i.TRANSFER)
        has_bag = (rows[sent, f.LINE_GIVEN] & f.mask_of(("bag",))) != 0
        instructions[sent, i.N_SUMS] = 0
        full = sent[has_bag]
        to_all = rows[full, f.CHANNEL] == i.ALL
        first, n = sums.find(turn[full], rows[full], to_all)
        refuse(self.path, rows[full], n == 0, "a transfer of a bag to which the unit has added nothing")
        instructions[full, i.SUM] = self.sums + first
        instructions[full, i.N_SUMS] = n

    def _check_transfers(
        self, lookups: Rows, rows: Rows, instructions: Integers, served: _Served, sums: "_Sums"
    ) -> None:
        sent = np.flatnonzero((instructions[:, i.KIND] == i.TRANSFER) & (instructions[:, i.N_SUMS] > 0))
        n = instructions[sent, i.N_SUMS]
        by = np.repeat(sent, n)
        moved = np.repeat(instructions[sent, i.SUM] - self.sums - (np.cumsum(n) - n), n) + np.arange(len(by))
        refuse(self.path, rows[by], _running_counts(moved) > 0, "a transfer of a sum that has left already")
        maker = self.maker
        if not maker.collects and not maker.accumulators:
            return
        when = np.full(len(sums.rows), -1, dtype=np.int64)
        when[moved] = by
        left = when[sums.of_lookup] >= 0
        refuse(
            self.path,
            lookups,
            ~left,
            "a lookup whose sum has no transfer; with collect or unit_accumulators each sum needs one",
        )
        if not maker.accumulators:
            return
        # A sum that needs the accumulator of one before it, of the same turn, comes behind that one's transfer.
        begins = np.full(len(sums.rows), len(rows), dtype=np.int64)
        np.minimum.at(begins, sums.of_lookup[served.lookup], served.by)
        own = np.flatnonzero(~sums.is_collected)
        unit = sums.rows[own, i.SUM_CHANNEL] * maker.geometry.units_per_channel + sums.rows[own, i.SUM_UNIT]
        order = own[np.lexsort((sums.rows[own, i.SUM_ORDINAL], unit))]
        later, older = order[maker.accumulators :], order[: -maker.accumulators]
        same = (
            (sums.rows[later, i.SUM_CHANNEL] == sums.rows[older, i.SUM_CHANNEL])
            & (sums.rows[later, i.SUM_UNIT] == sums.rows[older, i.SUM_UNIT])
            & (sums.turn[later] == sums.turn[older])
        )
        wrong = same & (begins[later] < when[older])
        refuse(
            self.path,
            rows[begins[later[wrong]]],
            np.ones(int(wrong.sum()), dtype=np.bool_),
            f"more than {maker.accumulators} sums open in a unit (unit_accumulators); a transfer must come before",
        )


class _Sums:
    """The sums of a piece: by turn and bag; of a bag those of collectors, then by unit of the channel, then channel."""

    def __init__(self, builder: Builder, lookups: Rows, turn: Integers) -> None:
        maker = builder.maker
        self.geometry = geometry = maker.geometry
        self.bags = np.unique(lookups[:, f.BAG])
        keys, self._inverse = np.unique(self._key(turn, lookups), return_inverse=True)
        self._keys = keys
        group, number = np.divmod(keys, geometry.units)  # a bag of a turn; a unit in the builder's order
        unit, channel = np.divmod(number, geometry.channels)
        collected = np.empty((0,), dtype=np.int64)  # first partial sum of each
        parent = np.full(len(keys), i.NONE, dtype=np.int64)
        if maker.collects:
            chips = max(geometry.channels * maker.collectors, 1)
            chip = (
                channel * maker.collectors + unit * maker.collectors // geometry.units_per_channel
                if maker.collectors
                else np.zeros(len(keys), dtype=np.int64)
            )
            _, collected, of_chip = np.unique(group * chips + chip, return_index=True, return_inverse=True)
            by_first = np.argsort(collected)
            rank = np.empty(len(collected), dtype=np.int64)
            rank[by_first] = np.arange(len(collected))
            collected, parent = collected[by_first], rank[of_chip]
        # Those of collectors stand before all partial sums of their bag.
        places = np.concatenate((collected, np.arange(len(keys))))
        is_partial = np.arange(len(places)) >= len(collected)
        order = np.lexsort((places, is_partial, group[places]))
        place_of = np.empty(len(order), dtype=np.int64)
        place_of[order] = np.arange(len(order))
        self._partial = place_of[len(collected) :]
        self.of_lookup = self._partial[self._inverse] if len(lookups) else self._inverse
        rows = np.zeros((len(order), i.SUM_COLUMNS), dtype=np.int64)
        at = places[order]
        self.is_collected = ~is_partial[order]
        self.turn = group[at] // max(len(self.bags), 1)
        bag = self.bags[group[at] % max(len(self.bags), 1)] if len(at) else at
        rows[:, i.SUM_CHANNEL], rows[:, i.SUM_UNIT] = channel[at], unit[at]
        rows[:, i.SUM_BAG], rows[:, i.SUM_TURN] = bag, builder.turns + self.turn
        rows[:, i.SUM_SENT] = rows[:, i.SUM_PARENT] = i.NONE
        counted = self._inverse[lookups[:, f.LINE_WORD] == f.LOOKUP_LINE]
        rows[self._partial, i.SUM_LOOKUPS] = np.bincount(counted, minlength=len(keys))
        own = geometry.units_per_channel * channel + unit
        rows[self._partial, i.SUM_ORDINAL] = builder.opened[own] + _running_counts(own)
        self.opened = builder.opened + np.bincount(own, minlength=geometry.units)
        self.collected = np.zeros(geometry.channels, dtype=np.int64)
        if maker.collects:
            ends = place_of[: len(collected)]
            rows[ends, i.SUM_UNIT] = i.NONE
            rows[ends, i.SUM_SENT] = 0
            rows[ends, i.SUM_BURSTS] = maker.vector_bursts
            rows[ends, i.SUM_LOOKUPS] = np.bincount(parent, minlength=len(ends))
            if not maker.collectors:
                rows[ends, i.SUM_CHANNEL] = rows[ends, i.SUM_BAG] % geometry.channels
            rows[self._partial, i.SUM_PARENT] = builder.sums + ends[parent]
            # The first one has nothing to be added to.
            is_added = np.ones(len(keys), dtype=np.bool_)
            is_added[collected] = False
            np.add.at(self.collected, channel[is_added], maker.vector_bursts)
        self.rows = rows

    def _key(self, turn: Integers, rows: Rows) -> Integers:
        bag = np.searchsorted(self.bags, rows[:, f.BAG])
        group = turn * len(self.bags) + bag
        return np.asarray(
            (group * self.geometry.units_per_channel + rows[:, f.UNIT]) * self.geometry.channels
            + np.maximum(rows[:, f.CHANNEL], 0)
        )

    def find(self, turn: Integers, rows: Rows, to_all: Flags) -> tuple[Integers, Integers]:
        """(number in the piece of the first, how many) of the sums that transfers move; 0 where there is none."""
        if not len(self._keys) or not len(rows):
            return np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
        known = np.isin(rows[:, f.BAG], self.bags)
        keys = self._key(turn, rows)
        first = np.searchsorted(self._keys, keys)
        n = np.searchsorted(self._keys, keys + np.where(to_all, self.geometry.channels, 1)) - first
        return self._partial[np.minimum(first, len(self._keys) - 1)], np.where(known, n, 0)


def put(piece: Piece, rings: r.Rings) -> None:
    """Write a piece at the tails of rings that have room for it."""
    close_last(piece.first_turn, rings)
    for stream in range(rings.n_streams):
        own = piece.instructions[piece.stream == stream]
        tail = int(rings.stream[stream, r.TAIL])
        rings.instructions[stream, np.arange(tail, tail + len(own)) & rings.instruction_mask] = own
        rings.stream[stream, r.TAIL] = tail + len(own)
    for ring, first, rows, mark in (
        (rings.lookups, piece.first_lookup, piece.lookups, r.NEXT_LOOKUP),
        (rings.sums, piece.first_sum, piece.sums, r.NEXT_SUM),
        (rings.turns, piece.first_turn, piece.turns, r.NEXT_TURN),
    ):
        ring[np.arange(first, first + len(rows)) & (len(ring) - 1)] = rows
        rings.marks[mark] = first + len(rows)
    if len(piece.turns):
        # Whether a batch ends with the last one is not known before the next turn is.
        rings.turns[(piece.first_turn + len(piece.turns) - 1) & rings.turn_mask, r.TURN_CLOSED] = 0


def close_last(turns: int, rings: r.Rings) -> None:
    """What follows the last of so many turns is known."""
    if turns:
        rings.turns[(turns - 1) & rings.turn_mask, r.TURN_CLOSED] = 1


def lacks(piece: Piece, rings: r.Rings) -> int:
    """Which rings have no room for a piece, a sum of SHORT_*."""
    marks = rings.marks
    oldest, stop = int(marks[r.OLDEST_TURN]), int(marks[r.NEXT_TURN])
    live = rings.turns[oldest & rings.turn_mask]
    short = 0
    if stop + len(piece.turns) - oldest > len(rings.turns):
        short |= r.SHORT_TURNS
    first = int(live[r.TURN_FIRST_LOOKUP]) if oldest < stop else piece.first_lookup
    if piece.first_lookup + len(piece.lookups) - first > len(rings.lookups):
        short |= r.SHORT_LOOKUPS
    first = int(live[r.TURN_FIRST_SUM]) if oldest < stop else piece.first_sum
    if piece.first_sum + len(piece.sums) - first > len(rings.sums):
        short |= r.SHORT_SUMS
    used = rings.stream[:, r.TAIL] - rings.stream[:, r.HEAD]
    needed = np.bincount(piece.stream, minlength=rings.n_streams)
    if (used + needed).max() > rings.instructions.shape[1]:
        short |= r.SHORT_INSTRUCTIONS
    return short
