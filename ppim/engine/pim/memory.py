"""Arrays of a run: allocated, and replaced by larger ones where they are too small."""

import numpy as np
from numpy.typing import NDArray

from ppim.arrays import aligned_full, integers
from ppim.engine.codes import NEVER
from ppim.engine.lane_masks import MOST_WORDS, WHOLE_WORD
from ppim.engine.pim import state as s
from ppim.engine.pim.by_cycle import account
from ppim.engine.pim.heap import HEAP_COLUMNS
from ppim.engine.pim.rules import limits, times
from ppim.engine.pim.rules.classes import WORD_CYCLES, WORD_SHIFT
from ppim.program.state import DELIVERS, WAKE, Rings

INITIAL_ENTRIES = 4096
INITIAL_PHASES = 32  # with unfinished entries in one unit
INITIAL_TIMES = 1 << 12  # of GnRs, between two times that they are taken


def _power_of_two(least: int) -> int:
    return 1 << max(least - 1, 1).bit_length()


def _moving_words(p: s.Parameters) -> int:
    """Words of the ring of moving cycles: four times what is known ahead but for the bus, or more."""
    reads_ahead = min(p.interval + 1, p.window * p.bursts_per_row * p.column_cycles)
    ahead = (
        reads_ahead
        + p.unit_read_latency
        + p.read_latency
        + p.write_latency
        + 2 * p.bus_burst_cycles
        + p.turnaround
    )
    return _power_of_two(max(account.LEAST_RING_CYCLES, 4 * ahead) // WORD_CYCLES + 1)


def _most_slots(p: s.Parameters) -> int:
    """Slots of a stream that can begin in one cycle."""
    parts_of_slot = p.interval * p.interval_parts + p.interval_part
    return -(-p.interval_parts // parts_of_slot)


def _no_sums(*shape: int) -> NDArray[np.int64]:
    """Accumulators that no sum has left."""
    return aligned_full((*shape, s.ACCUMULATOR_COLUMNS), s.NO_SUM, np.int64)


def _free_list(entries: NDArray[np.int64], first: int) -> None:
    """Chain entries first.. of every channel."""
    n = entries.shape[1]
    entries[:, first:, s.ENTRY_NEXT] = np.arange(first + 1, n + 1)
    entries[:, n - 1, s.ENTRY_NEXT] = s.NO_ENTRY


def _widened(heaps: NDArray[np.int64], counts: NDArray[np.int64], capacity: int) -> NDArray[np.int64]:
    """Heaps of so many elements, in arrays of another capacity, of which only what they fill takes memory."""
    wider = integers(heaps.shape[0], capacity, heaps.shape[2])
    for heap, count in enumerate(counts.tolist()):
        wider[heap, :count] = heaps[heap, :count]
    return wider


def _longer(
    rings: NDArray[np.int64], heads: NDArray[np.int64], tails: NDArray[np.int64], capacity: int
) -> NDArray[np.int64]:
    """A ring for each channel and unit with rows head..tail-1 at their new places."""
    longer = integers(*rings.shape[:2], capacity, rings.shape[3])
    for channel, unit in np.ndindex(*heads.shape):
        live = np.arange(int(heads[channel, unit]), int(tails[channel, unit]))
        longer[channel, unit, live & (capacity - 1)] = rings[channel, unit, live & (rings.shape[2] - 1)]
    return longer


def _buffer_ring(p: s.Parameters, rings: Rings) -> int:
    """A lookup waits for its arithmetic while its turn is live; one unit may own them all."""
    return len(rings.lookups) if p.buffer_bursts else 1


def _deliver_heap(rings: Rings, delivers_per_lookup: int) -> int:
    return max(1, delivers_per_lookup * len(rings.lookups))


def allocate(
    p: s.Parameters, rings: Rings, *, runs: int, delivers_per_lookup: int, keep_commands: int
) -> s.PimState:
    """State at the start of a run.

    Parameters
    ----------
    p : Parameters
    rings : Rings
    runs : int
        DRAM rows that an access may lie in.
    delivers_per_lookup, keep_commands : int
        As of `PimEngine`.
    """
    c = p.channels
    margin = _log_margin(p, rings)
    kinds = 2 if p.phases == s.PHASES_BUFFERED else 1  # of queues in a bank
    pool = max(INITIAL_ENTRIES, kinds * p.lanes * p.queue_entries + 2 * p.units * runs)
    state = s.as_state(
        channel=integers(c, s.CHANNEL_COLUMNS),
        lane=integers(c, kinds * p.lanes, s.LANE_COLUMNS),
        window=integers(c, kinds * p.lanes, p.window, s.WINDOW_COLUMNS),
        entries=integers(c, pool, s.ENTRY_COLUMNS),
        joins=integers(c, _power_of_two(4 * p.units * runs * _most_slots(p)), s.JOIN_COLUMNS),
        unit=integers(c, kinds * p.units, s.UNIT_COLUMNS),
        phases=integers(c, kinds * p.units, INITIAL_PHASES, s.PHASE_COLUMNS),
        buffer=integers(c, p.units, _buffer_ring(p, rings), s.BUFFER_COLUMNS),
        accumulators=_no_sums(c, p.units, p.accumulators),
        transfers=integers(c, len(rings.sums), HEAP_COLUMNS),
        delivers=integers(len(rings.stream), _deliver_heap(rings, delivers_per_lookup), HEAP_COLUMNS),
        account=integers(c, account.ACCOUNT_COLUMNS),
        moving=integers(c, _moving_words(p), 1),
        tally=integers(
            c, p.lanes + (p.lanes >> p.column_set_bits) + p.ranks + 2 * p.units, limits.TALLY_COLUMNS
        ),
        peaks=integers(c, limits.N_LIMITS),
        bounds=integers(limits.BOUNDS_SIZE),
        released=integers(p.turns_open),
        times=integers(INITIAL_TIMES, times.TIMES_COLUMNS),
        log=_log(c, keep_commands, margin),
        log_margin=margin,
    )
    _free_list(state.entries, 0)
    state.lane[:, :, [s.TAIL_FIRST, s.TAIL_LAST]] = s.NO_ENTRY
    initial = {
        s.NEXT_EVENT: p.refresh_interval,
        s.READY_CYCLE: NEVER,
        s.REFRESH_DUE: p.refresh_interval,
        s.REFRESH_LOOK: NEVER,
        s.BUS_DIRECTION: s.BUS_UNUSED,
        s.BUS_RANK: s.ANY_RANK,
        s.FREE_COUNT: pool,
    }
    for column, value in initial.items():
        state.channel[:, column] = value
    state.channel[:, s.ELIGIBLE : s.ELIGIBLE + MOST_WORDS] = WHOLE_WORD
    rings.stream[:, WAKE] = NEVER
    return state


def _log_margin(p: s.Parameters, rings: Rings) -> int:
    """Lines of the log that may be added at once: each lookup and sum is added up, and sent, once."""
    rows = len(rings.lookups) + len(rings.sums) + len(rings.turns)
    return s.LOG_MARGIN + rows * p.keeps_events


def _log(channels: int, keep: int, margin: int) -> NDArray[np.int64]:
    """Room for so many lines and a margin, of which memory is taken where it is used."""
    return np.zeros((channels, keep + margin if keep else 0, s.LOG_FIELDS), np.int64)


def _with(state: s.PimState, *, log_margin: int = 0, **arrays: NDArray[np.int64]) -> s.PimState:
    """The state with other arrays in place of some."""
    names = [name for name in s.PimState._fields if isinstance(getattr(state, name), np.ndarray)]
    return s.as_state(
        log_margin=log_margin or state.log_margin, **{name: getattr(state, name) for name in names} | arrays
    )


def grown(state: s.PimState) -> s.PimState:
    """The state with more of what is too small: times, the ring of moving cycles, rings of phases, or entries."""
    needed = int(state.times[times.HEAD, times.SHORT])
    if needed:
        return _with(state, times=_more_times(state.times, needed))
    ahead = int((state.channel[:, s.BUS_END] - state.account[:, account.SETTLED]).max())
    if ahead > state.moving.shape[1] * WORD_CYCLES // 2:
        return _with(state, moving=_twice_moving(state))
    head, tail = state.unit[:, :, s.PHASE_HEAD], state.unit[:, :, s.PHASE_TAIL]
    size = state.phases.shape[2]
    if int((tail - head).max()) >= size:
        return _with(state, phases=_longer(state.phases, head, tail, 2 * size))
    # The new entries go to the front of each free list.
    channels, old, columns = state.entries.shape
    entries = integers(channels, 2 * old, columns)
    entries[:, :old] = state.entries
    _free_list(entries, old)
    entries[:, 2 * old - 1, s.ENTRY_NEXT] = state.channel[:, s.FREE_FIRST]
    state.channel[:, s.FREE_FIRST] = old
    state.channel[:, s.FREE_COUNT] += old
    return _with(state, entries=entries)


def _more_times(rows: NDArray[np.int64], needed: int) -> NDArray[np.int64]:
    """Room for so many times more than there are, and as many again."""
    count = int(rows[times.HEAD, times.COUNT])
    more = integers(_power_of_two(2 * (1 + count + needed)), times.TIMES_COLUMNS)
    more[: 1 + count] = rows[: 1 + count]
    more[times.HEAD, times.SHORT] = 0
    return more


def _twice_moving(state: s.PimState) -> NDArray[np.int64]:
    """Twice the ring of moving cycles, of which those not yet settled keep their bits."""
    channels, old, kinds = state.moving.shape
    moving = integers(channels, 2 * old, kinds)
    for channel, settled in enumerate(state.account[:, account.SETTLED] >> WORD_SHIFT):
        words = np.arange(settled, settled + old)
        moving[channel, words & (2 * old - 1)] = state.moving[channel, words & (old - 1)]
    return moving


def resized(state: s.PimState, p: s.Parameters, rings: Rings, delivers_per_lookup: int) -> s.PimState:
    """The state for larger rings."""
    margin = _log_margin(p, rings)
    log = state.log
    if margin > state.log_margin and state.log_capacity:
        log = _log(p.channels, state.log_capacity - state.log_margin, margin)
        log[:, : state.log_capacity] = state.log
    return _with(
        state,
        log=log,
        log_margin=margin,
        buffer=_longer(
            state.buffer,
            state.unit[:, : p.units, s.BUFFER_HEAD],
            state.unit[:, : p.units, s.BUFFER_TAIL],
            _buffer_ring(p, rings),
        ),
        transfers=_widened(state.transfers, state.channel[:, s.TRANSFERS_WAITING], len(rings.sums)),
        delivers=_widened(
            state.delivers, rings.stream[:, DELIVERS], _deliver_heap(rings, delivers_per_lookup)
        ),
    )
