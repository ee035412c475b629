"""Which systems the fast engine can run, and its state at the start."""

import numpy as np
from numpy.typing import NDArray

from ppim.arrays import integers
from ppim.dram.timing import UNCONSTRAINED
from ppim.engine.activate_window import SHORT_WINDOW
from ppim.engine.codes import ACTIVATE, NEVER, NO_ROW, PRECHARGE, READ, REFRESH
from ppim.engine.pim import state as s
from ppim.engine.pim.by_unit import cycles, state as u
from ppim.engine.pim.lookahead import IN_STEP
from ppim.engine.pim.rules.classes import WORD_SHIFT
from ppim.engine.pim.state import Parameters
from ppim.systems.spec import SystemSpec

MOST_QUEUE_ENTRIES = 1024
"""Longest bank queue that is kept as a ring."""

FIRST_QUEUE_ENTRIES = 32
"""Places that queues without a limit have at first."""


def bank_rules(p: Parameters, distances: NDArray[np.int64]) -> dict[str, int] | None:
    """The distances as a dozen numbers, or None where bank groups do not go with them.

    Parameters
    ----------
    distances : ndarray of int64, shape (10 issued, lanes, 10 later, lanes)
        From `lane_distances`.
    """
    if p.banks_per_unit < 2 or p.units < 2:
        return None
    unit = np.arange(p.lanes) >> p.bank_bits
    same_bank = np.eye(p.lanes, dtype=bool)
    same_unit = (unit[:, None] == unit) & ~same_bank
    other_unit = unit[:, None] != unit

    found: dict[str, int] = {}
    explained = np.full_like(distances, UNCONSTRAINED)

    def read_off(name: str, issued: int, later: int, *scopes: NDArray[np.bool_]) -> None:
        """Note one distance that holds in all these scopes."""
        first = distances[issued, :, later][scopes[0]]
        found[name] = int(first[0])
        for scope in scopes:
            explained[issued, :, later][scope] = first[0]

    read_off("activate_to_activate", ACTIVATE, ACTIVATE, same_bank)
    read_off("activate_to_unit", ACTIVATE, ACTIVATE, same_unit)
    read_off("activate_to_rank", ACTIVATE, ACTIVATE, other_unit)
    read_off("activate_to_read", ACTIVATE, READ, same_bank)
    read_off("activate_to_precharge", ACTIVATE, PRECHARGE, same_bank)
    read_off("read_to_read", READ, READ, same_bank, same_unit)
    read_off("read_to_precharge", READ, PRECHARGE, same_bank)
    read_off("precharge_to_activate", PRECHARGE, ACTIVATE, same_bank)
    read_off("precharge_to_refresh", PRECHARGE, REFRESH, same_bank)
    read_off("refresh_to_activate", REFRESH, ACTIVATE, same_bank, same_unit, other_unit)
    read_off("refresh_to_refresh", REFRESH, REFRESH, same_bank, same_unit, other_unit)
    used = np.ix_((ACTIVATE, READ, PRECHARGE, REFRESH), range(p.lanes), (ACTIVATE, READ, PRECHARGE, REFRESH))
    if (distances[used] != explained[used]).any() or found["activate_to_rank"] > found["activate_to_unit"]:
        return None
    # The data of a run of READs are on their way without a gap.
    return found if found["read_to_read"] <= p.unit_read_latency else None


def can_run(
    p: Parameters, system: SystemSpec, *, has_delivers: bool, ahead: int, has_long_window: bool
) -> bool:
    """Whether a system has nothing but what the fast engine knows.

    Parameters
    ----------
    ahead : int
        Cycles that a channel may be ahead of others (`lookahead`).
    """
    return (
        system.pim.level == "bankgroup"
        and p.ranks == 1
        and p.mask_words == 1
        and (
            not p.global_stream
            or (p.barrier == s.BARRIER_NONE and not has_delivers and p.collect == s.COLLECT_HOST)
        )
        and (not has_delivers or not p.in_order)
        and (not (has_delivers or p.turns_open or p.accumulators) or ahead > IN_STEP)
        and not has_long_window
        and not p.writes
        and not p.data_pins
        and not p.host_consumes
        and p.collect in (s.COLLECT_HOST, s.COLLECT_BASE_DIE)
        and p.phases != s.PHASES_BUFFERED
        and p.buffer_bursts == 0
        and (not p.tied if p.queue_entries == 0 else p.queue_entries <= MOST_QUEUE_ENTRIES)
        and p.refresh_interval > 0
    )


def _ring(least: int) -> int:
    return 1 << max(least - 1, 1).bit_length()


def make_by_unit(p: Parameters, rules: dict[str, int], *, reads_out: bool) -> u.ByUnit:
    """Closed banks, empty queues, nothing sent."""
    places = p.queue_entries or FIRST_QUEUE_ENTRIES
    queue, joins = _ring(places), _ring(p.banks_per_unit * places)
    words = cycles.ring_words(p)
    channel = integers(p.channels, u.CHANNEL_SIZE)
    by_unit = u.ByUnit(
        number=u.ALL_CHANNELS,
        channel=channel,
        sending=channel,
        unit=integers(p.channels, p.units, u.UNIT_SIZE),
        bank=integers(p.channels, p.lanes, u.BANK_SIZE),
        may_refresh=integers(p.channels, p.lanes),
        entries=integers(p.channels, p.lanes, queue, u.ENTRY_SIZE),
        joins=integers(p.channels, p.units, joins, u.JOIN_SIZE),
        fetches=integers(p.channels, joins, u.FETCH_SIZE),
        outs=integers(p.channels, p.lanes * queue if reads_out else 1, u.OUT_SIZE),
        bits=integers(p.channels, words, u.BIT_KINDS),
        read_patterns=cycles.read_patterns(p, rules["read_to_read"]),
        entry_mask=queue - 1,
        join_mask=joins - 1,
        fetch_mask=joins - 1,
        word_mask=words - 1,
        span=cycles.SPAN,
        places=places,
        reads_out=int(reads_out),
        in_rounds=int(reads_out or p.turns_open > 0 or p.accumulators > 0),
        has_own_stream=int(not p.global_stream),
        activate_window=p.activate_window,
        **rules,
    )
    by_unit.outs[:, :, u.OUT_NEXT] = np.arange(1, by_unit.outs.shape[1] + 1)
    by_unit.channel[:, u.HORIZON] = -1
    by_unit.channel[:, u.INSTRUCTION_AT] = NEVER
    by_unit.channel[:, u.NEXT_COMMAND] = NEVER
    by_unit.channel[:, u.LAST_ACTIVATES : u.LAST_ACTIVATES + SHORT_WINDOW] = -NEVER
    by_unit.channel[:, u.ACTIVATED_AT] = -1
    by_unit.unit[:, :, u.NEXT] = NEVER
    by_unit.bank[:, :, u.ROW] = NO_ROW
    return by_unit


def with_more_bits(by_unit: u.ByUnit) -> u.ByUnit:
    """Twice the bits for cycles; those that are not counted yet keep what is known of them."""
    channels, old, kinds = by_unit.bits.shape
    bits = integers(channels, 2 * old, kinds)
    for channel, counted in enumerate(by_unit.channel[:, u.COUNTED] >> WORD_SHIFT):
        words = np.arange(counted, counted + old)
        bits[channel, words & (2 * old - 1)] = by_unit.bits[channel, words & (old - 1)]
    return by_unit._replace(bits=bits, word_mask=2 * old - 1, span=2 * by_unit.span)


def with_longer_queues(by_unit: u.ByUnit) -> u.ByUnit:
    """Twice the places in all queues; what is in them stays."""
    bank, unit, channel = by_unit.bank, by_unit.unit, by_unit.channel
    entries = _longer(by_unit.entries, bank[:, :, u.QUEUE_HEAD], bank[:, :, u.QUEUE_TAIL])
    joins = _longer(by_unit.joins, unit[:, :, u.UNSEEN_HEAD], unit[:, :, u.UNSEEN_TAIL])
    # The one before the first is still looked at.
    added = channel[:, u.FETCHES_ADDED]
    fetches = _longer(by_unit.fetches, np.maximum(added - by_unit.fetches.shape[1], 0), added)
    return by_unit._replace(
        entries=entries,
        joins=joins,
        fetches=fetches,
        outs=_more_outs(by_unit),
        entry_mask=entries.shape[2] - 1,
        join_mask=joins.shape[2] - 1,
        fetch_mask=fetches.shape[1] - 1,
        places=2 * by_unit.places,
    )


def _longer(
    rings: NDArray[np.int64], heads: NDArray[np.int64], tails: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rings of twice the size, shape (*heads.shape, ring, columns), with what is in them."""
    old = rings.shape[-2]
    longer = integers(*heads.shape, 2 * old, rings.shape[-1])
    for index in np.ndindex(*heads.shape):
        numbers = np.arange(int(heads[index]), int(tails[index]))
        longer[index][numbers & (2 * old - 1)] = rings[index][numbers & (old - 1)]
    return longer


def _more_outs(by_unit: u.ByUnit) -> NDArray[np.int64]:
    """Twice the places for what is read out; the new ones are the first of the unused."""
    old = by_unit.outs.shape[1]
    if not by_unit.reads_out:
        return by_unit.outs
    outs = integers(by_unit.outs.shape[0], 2 * old, u.OUT_SIZE)
    outs[:, :old] = by_unit.outs
    outs[:, old:, u.OUT_NEXT] = np.arange(old + 1, 2 * old + 1)
    outs[:, -1, u.OUT_NEXT] = by_unit.channel[:, u.OUT_FIRST]
    by_unit.channel[:, u.OUT_FIRST] = old
    return outs
