"""What units and memories keep, worked out by hand: sums of pairs, and rows that a turn has read before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ppim.mapping.placing.geometry import UnitGeometry
from ppim.program import instruction as i
from ppim.program.builder import recipe as b
from ppim.program.pairs import frequent_pairs
from ppim.program.split import split
from ppim.program.tiers import Split, split_trace
from ppim.systems.spec import PlacementSpec
from ppim.trace.lookups import LookupNumbers
from tests.reference.pim_programs import make_device, make_system
from tests.reference.small_traces import SmallTrace, small_trace
from tests.reference.whole_program import build_parts, build_whole, run_whole

DEVICE = make_device(channels=1, bankgroups=1, banks_per_group=4, rows=64, bursts_per_row=64)


def trace_of(algorithm: str, bags: list[list[int]], **parameters: Any) -> SmallTrace:
    """Bags of one table of 8 rows, each vector 64 bytes long, all in one batch."""
    plain = small_trace(
        algorithm, {"vector_bytes": 64, **parameters}, rows=(8,), samples=len(bags), batch_size=len(bags)
    )
    return replace(plain, bags=[[np.array(bag, dtype=np.int64)] for bag in bags])


# Rows 1 and 2 are both in three bags, 1 and 3 as well as 2 and 3 in one: only the sum of 1 and 2 is worth keeping.
# Nine lookups: a third of them is three bags.
BAGS = [[1, 2, 3], [2, 1], [1, 1, 2], [3]]


def kept(share: float, **choice: Any) -> Split:
    placement = PlacementSpec(partial_sum_fraction=share, partial_sum_of="pair", **choice)
    system = replace(make_system(), placement=placement)
    return split_trace(trace_of("dense", BAGS), system, UnitGeometry.of(DEVICE, "bankgroup"))


def test_the_sum_of_a_pair_that_is_often_in_one_bag_is_kept() -> None:
    how = kept(0.34)
    assert (how.kept_vectors, how.kept_lookups) == (1, 2)
    (chunk,) = split(trace_of("dense", BAGS).accesses, how)
    # (bag, subtable, row): subtable 1 is that of sums, row 0 the sum of rows 1 and 2. It stands where the first of the
    # two was, and serves each once: the second 1 of the third bag is read.
    served = list(zip(chunk.sample.tolist(), chunk.subtable.tolist(), chunk.row.tolist(), strict=True))
    assert served == [(0, 1, 0), (0, 0, 3), (1, 1, 0), (2, 1, 0), (2, 0, 1), (3, 0, 3)]


@pytest.mark.parametrize(
    ("share", "choice"),
    [
        (0.33, {}),  # three bags are more than 0.33 of nine lookups
        (0.34, {"partial_sum_candidates": 2, "partial_sum_of": "lookup"}),  # a dense vector is one row anyway
    ],
)
def test_a_pair_that_is_not_kept(share: float, choice: dict[str, Any]) -> None:
    placement = PlacementSpec(**{"partial_sum_fraction": share, "partial_sum_of": "pair", **choice})
    trace, system = trace_of("dense", BAGS), replace(make_system(), placement=placement)
    how = split_trace(trace, system, UnitGeometry.of(DEVICE, "bankgroup"))
    assert (how.kept_vectors, how.kept_lookups) == (0, 0)


def test_a_lookup_is_in_one_pair_at_most() -> None:
    # 1 and 2 are in four bags, 2 and 3 in three, 4 and 5 in two, 3 and 6 in two: 2 is taken when 2 and 3 comes.
    trace = trace_of("dense", [[1, 2], [1, 2, 3], [2, 3, 1], [3, 2, 1], [4, 5], [5, 4, 6, 3], [6, 3], [7, 0]])
    numbers = LookupNumbers.of(trace.meta, "test")
    found = frequent_pairs(trace, numbers, 1.0, 8)  # type: ignore[arg-type]
    assert found.first.tolist() == [1, 3, 4]
    assert found.second.tolist() == [2, 6, 5]
    assert found.bags.tolist() == [4, 2, 2]
    # The most frequent lookups are 1, 2 and 3, in four, four and five bags.
    found = frequent_pairs(trace, numbers, 1.0, 3)  # type: ignore[arg-type]
    assert (found.first.tolist(), found.second.tolist()) == ([1], [2])


def test_a_sum_saves_the_reads_of_its_lookups_but_one() -> None:
    placement = PlacementSpec(partial_sum_fraction=0.34, partial_sum_of="pair")
    for algorithm, parameters, saved in (("dense", {}, 1), ("qr", {"collisions": 4}, 3)):
        system = replace(make_system(), placement=placement)
        (program,) = build_parts(trace_of(algorithm, BAGS, **parameters), system, [DEVICE])
        reads = sum(int((stream[:, i.KIND] == i.READ).sum()) for stream in program.streams)
        accesses = 9 if algorithm == "dense" else 18
        assert program.counts[0, [b.LOOKUPS, b.ACCESSES]].tolist() == [9, accesses]
        assert program.counts[0, b.PARTIAL_SUM_HITS] == 3 * saved
        assert reads == accesses - 3 * saved
        # A sum is added once: 16 elements for each of the six lookups that are sent.
        assert program.counts[0, b.MACS] == 6 * 16


@pytest.mark.parametrize(
    ("names", "cache_bytes", "reads", "end"),
    [
        # Slots at 0, 100, 200, ...: a READ for each q and r, the TRANSFER behind them. It is ready 2 cycles behind its
        # slot, all arithmetic being over, and has the bus for its two bursts of 2 cycles.
        ((), 40_960, 8, 800 + 2 + 4),
        # r0 is read for the first lookup and kept: the second and the fourth need no instruction for it.
        (("r",), 40_960, 6, 600 + 2 + 4),
        # One line of 64 bytes: r0 is kept, so r1 is read as often as it is used.
        (("r",), 64, 6, 600 + 2 + 4),
        # No line has room.
        (("r",), 63, 8, 800 + 2 + 4),
    ],
)
def test_a_row_is_kept_when_it_was_read(
    names: tuple[str, ...], cache_bytes: int, reads: int, end: int
) -> None:
    """Rows 0, 4, 1, 0 with 4 collisions: q0 r0, q1 r0, q0 r1, q0 r0; one unit, an instruction every 100 cycles."""
    trace = trace_of("qr", [[0, 4, 1, 0]], collisions=4)
    assert trace.accesses.row.tolist() == [0, 0, 1, 0, 0, 1, 0, 0]
    system = replace(
        make_system(
            demand_subtables=names, cache_bytes=cache_bytes, instruction_interval=100, barrier="table"
        ),
        placement=PlacementSpec(mapping="duplicate"),
    )
    program = build_whole(trace, DEVICE, system)
    (stream,) = program.streams
    assert (stream[:, i.KIND] == i.READ).sum() == reads
    assert program.counts[0, b.CACHE_HITS] == 8 - reads
    assert program.counts[0, b.CACHE_MISSES] == (4 - (8 - reads) if names else 0)
    assert run_whole(program, DEVICE).cycles == end


def test_what_was_kept_is_forgotten_in_the_next_turn() -> None:
    """Two batches of one bag: each reads r0 once."""
    trace = trace_of("qr", [[0, 4], [0, 4]], collisions=4)
    trace = replace(trace, meta=replace(trace.meta, batch_size=1))
    system = replace(make_system(demand_subtables=("r",)), placement=PlacementSpec(mapping="duplicate"))
    program = build_whole(trace, DEVICE, system)
    assert program.counts[0, [b.CACHE_HITS, b.CACHE_MISSES]].tolist() == [2, 2]


def test_prefetched_rows_leave_less_room() -> None:
    """A scratchpad of 4 lines of 32 bytes: TT-Rec's first core takes 2 of them, of the third core's 4 rows 2 are kept."""
    bags = [[0, 1, 2, 3, 4, 5, 6, 7] * 2]
    trace = trace_of("tt-rec", bags, tt_rank=4, row_factors=[2, 1, 4], element_factors=[2, 4, 2])
    part = {name.name: name for name in trace.meta.tables[0].subtables}
    assert [part[name].rows for name in ("core1", "core2", "core3")] == [2, 1, 4]
    assert max(part["core1"].bytes_per_row, part["core3"].bytes_per_row) == 32
    found = {}
    for prefetch in ("none", "table"):
        system = replace(
            make_system(
                prefetch=prefetch,
                prefetch_subtables=("core1",),
                demand_subtables=("core3",),
                cache_bytes=4 * 32,
                tt_reorder=False,
            ),
            placement=PlacementSpec(mapping="duplicate"),
        )
        program = build_whole(trace, DEVICE, system)
        found[prefetch] = int(program.counts[0, b.CACHE_HITS])
    # 16 lookups use each row of the third core four times: with room, three of four are hits. With a first core there,
    # which all 16 find, only two of the rows are kept.
    assert found == {"none": 4 * 3, "table": 16 + 2 * 3}


@pytest.mark.parametrize(
    ("dedup", "steps", "hits"),
    [
        # Rows of q and r: (0, 0), (1, 0) in one bag, (0, 1), (1, 1) and (0, 0) again in the other. Two reads for the
        # first, which serve the last as well; q 1 for the second, r 1 for the third, and nothing for the fourth.
        ("rows", [(i.READ, 0, 1), (i.READ, 0, 1), (i.READ, 2, 0), (i.READ, 3, 0), (i.HIT, 4, 0)], 6),
        ("turn", [(i.READ, 0, 1)] * 2 + [(i.READ, n, 0) for n in (2, 2, 3, 3, 4, 4)], 2),
        ("none", [(i.READ, n, 0) for n in (0, 0, 1, 1, 2, 2, 3, 3, 4, 4)], 0),
    ],
)
def test_a_row_comes_to_a_unit_once_in_a_turn(
    dedup: str, steps: list[tuple[int, int, int]], hits: int
) -> None:
    trace = trace_of("qr", [[0, 2], [1, 3, 0]], collisions=2)
    system = replace(make_system(dedup=dedup), placement=PlacementSpec(mapping="interleave"))
    program = build_whole(trace, DEVICE, system)
    demand = [row for row in program.streams[0] if row[i.KIND] <= i.LAST_ACCESS]
    assert [tuple(row[[i.KIND, i.LOOKUP, i.SHARERS]].tolist()) for row in demand] == steps
    assert program.counts[0, [b.ACCESSES, b.CACHE_HITS]].tolist() == [10, hits]
    operands = {"rows": [2, 2, 1, 1, 1], "turn": [2] * 5, "none": [2] * 5}
    assert program.lookups[:, i.LOOKUP_OPERANDS].tolist() == operands[dedup]
