"""The front end of sources that wait for what they asked for, over all channels.

Which source asks next depends on when lines come back, so channels may not be run as late as possible, as in
`frontend`, but no further ahead than is certain either: a channel that has been run up to cycle c has no READ left to
issue before c + 1, so every completion before c + 1 + RD is known. A source that waits for a line asks when the first
known one comes back, if that is before this horizon; else all channels are run on, up to the horizon at most. Nothing
can ask earlier than the source that is first, so that is never too far.
"""

from __future__ import annotations

from numba import int64

from ppim.engine.codes import NEVER
from ppim.engine.host import columns as s, frontend, sources as q
from ppim.engine.host.events import PATIENCE, TO_CYCLE, TO_ROOM
from ppim.engine.host.slots import field
from ppim.jit import helper, njit
from ppim.jit.tables import bare

AT_ONCE = 2  # cycles from acceptance to the completion of a write, or of a read that a write answers


@helper
def _push(heap, count, tick):
    """Add to a heap of `count` ticks."""
    place = count
    while place > 0 and heap[(place - 1) >> 1] > tick:
        heap[place] = heap[(place - 1) >> 1]
        place = (place - 1) >> 1
    heap[place] = tick


@helper
def _pop(heap, count):
    """Drop the first of a heap of `count` ticks."""
    last, place = heap[count - 1], 0
    while True:
        child = 2 * place + 1
        if child >= count - 1:
            break
        if child + 1 < count - 1 and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= last:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = last


@helper
def _first_to_ask(shared, clocks, heaps):
    """The source that asks next, its tick (NEVER: none can), and whether one waits for a line that is not known."""
    first, first_tick, waits = int64(0), int64(NEVER), False
    for source in range(shared[q.COUNT]):
        at = source * q.SOURCE_FIELDS
        if clocks[at + q.FINISHED] != 0:
            continue
        tick = clocks[at + q.NOW]
        if clocks[at + q.ITEM] < clocks[at + q.ITEM_END] and clocks[at + q.UNDER_WAY] == shared[q.PLACES]:
            waits |= clocks[at + q.KNOWN] < shared[q.PLACES]
            tick = max(tick, heaps[source, 0]) if clocks[at + q.KNOWN] > 0 else int64(NEVER)
        if tick < first_tick:
            first, first_tick = source, tick
    return first, first_tick, waits


@helper(forceinline=True)
def _horizon(shared):
    """First tick at which a completion that is not known yet can be seen by its source."""
    ahead = int64(AT_ONCE) if shared[q.HAS_WRITES] != 0 else 1 + shared[q.READ_DELAY]
    return (shared[q.ADVANCED] + ahead) * q.TICKS + shared[q.FAR_TICKS]


@helper
def _take_completions(state, shared, clocks, heaps, channel):
    """Tell the sources which of a channel's requests will be complete when."""
    of = state.clocks[channel]
    done = state.done[channel]
    for number in range(of[s.DONE_USED]):
        at = number * s.DONE_FIELDS
        cycle, address = done[at + s.DONE_CYCLE], done[at + s.DONE_ADDRESS]
        source = address >> q.SOURCE_SHIFT if shared[q.COUNT] > 1 else int64(0)
        known = source * q.SOURCE_FIELDS + q.KNOWN
        for _ in range(done[at + s.DONE_REQUESTS]):
            _push(heaps[source], clocks[known], cycle * q.TICKS + shared[q.FAR_TICKS])
            clocks[known] += 1
        shared[q.PROGRESS] = max(shared[q.PROGRESS], cycle)
    of[s.DONE_USED] = 0


@helper
def _run_memory(state, sources, shared, clocks, heaps, until):
    """Run all channels up to a cycle; why that was not possible, or ALL_TAKEN."""
    last_cycle = state.rules[s.LAST_CYCLE]
    if shared[q.ADVANCED] >= last_cycle:
        return frontend.END_OF_RUN
    if until - shared[q.PROGRESS] > PATIENCE:
        return frontend.STANDSTILL
    until = min(max(until, state.front[s.ACCEPTED_AT]), last_cycle)
    for channel in range(state.n_channels):
        _, why = frontend.feed(
            state,
            int64(TO_CYCLE),
            int64(channel),
            until,
            int64(0),
            sources.cycle,
            sources.address,
            sources.is_write,
        )
        if why != frontend.ALL_TAKEN:
            return why
        _take_completions(state, shared, clocks, heaps, channel)
    shared[q.ADVANCED] = until
    return frontend.ALL_TAKEN


@helper
def _offer(state, sources, shared, clocks, heaps, due, address, write):
    """Hand a request to the front end; ALL_TAKEN, or why it was not accepted."""
    rules, front, fields = state.rules, state.front, state.fields
    cycle = frontend.offer_cycle(front, due, rules[s.INJECT])
    if cycle > rules[s.LAST_CYCLE]:
        return frontend.END_OF_RUN
    channel = field(address, fields[s.CHANNEL_AT], fields[s.CHANNEL_MASK])
    bounds, kind = state.bounds[channel], write * rules[s.SEPARATE]
    if bounds[kind] < rules[s.TRANS_SIZE]:
        of, arrivals = state.clocks[channel], state.arrivals[channel]
        frontend.accept(front, of, arrivals, bounds, cycle, address, write, kind)
    else:
        sources.cycle[0], sources.address[0], sources.is_write[0] = due, address, write != 0
        _, why = frontend.feed(
            state,
            int64(TO_ROOM),
            int64(0),
            int64(0),
            int64(0),
            sources.cycle,
            sources.address,
            sources.is_write,
        )
        if why != frontend.ALL_TAKEN:
            return why
        _take_completions(state, shared, clocks, heaps, channel)
    shared[q.HAS_WRITES] |= write
    shared[q.PROGRESS] = max(shared[q.PROGRESS], front[s.ACCEPTED_AT])
    return frontend.ALL_TAKEN


@helper
def _take_place(shared, clocks, heap, at):
    """Give the line a place: a free one, or that of the first line to come back."""
    if clocks[at + q.UNDER_WAY] == shared[q.PLACES]:
        _pop(heap, clocks[at + q.KNOWN])
        clocks[at + q.KNOWN] -= 1
    else:
        clocks[at + q.UNDER_WAY] += 1


@helper
def _pass_on(shared, clocks, lines, at, begin):
    """Go on to the source's next line after the one that it asked for at tick `begin`."""
    item = clocks[at + q.ITEM]
    if shared[q.BYTES_PER_CYCLE] > 0:
        shared[q.CACHE_FREE] = begin + lines.size[item] * q.TICKS // shared[q.BYTES_PER_CYCLE]
    if lines.begins_row[item]:
        clocks[at + q.ROW_ENDS] = begin + shared[q.ROW_TICKS]
        shared[q.LAST_TICK] = max(shared[q.LAST_TICK], clocks[at + q.ROW_ENDS])
    clocks[at + q.ITEM] = item + 1
    row_is_over = item + 1 == clocks[at + q.ITEM_END] or lines.begins_row[item + 1]
    clocks[at + q.NOW] = max(begin, clocks[at + q.ROW_ENDS]) if row_is_over else begin


@njit
def serve(state, sources, lines, is_last):
    """Let the sources ask for their lines, and for more bags, until there are no more.

    Parameters
    ----------
    state : Controllers
    sources : Sources
    lines : Lines
    is_last : bool
        No bags will follow; else the kernel returns when a source needs one that is not there.

    Returns
    -------
    int
        `frontend.ALL_TAKEN`, or why it stopped: call again with the mend.
    """
    shared, clocks, heaps = bare(sources.shared), bare(sources.clocks), bare(sources.heaps)
    n_bags = lines.bags.size - 1
    while True:
        source, tick, waits = _first_to_ask(shared, clocks, heaps)
        horizon = _horizon(shared)
        if waits and tick >= horizon:
            why = _run_memory(state, sources, shared, clocks, heaps, min(tick, horizon) // q.TICKS)
            if why != frontend.ALL_TAKEN:
                return why
            continue
        if tick == NEVER:
            return frontend.ALL_TAKEN
        at = source * q.SOURCE_FIELDS
        item = clocks[at + q.ITEM]
        if item == clocks[at + q.ITEM_END]:
            bag = shared[q.NEXT_BAG]
            if bag < n_bags:
                shared[q.NEXT_BAG] += 1
                clocks[at + q.ITEM], clocks[at + q.ITEM_END] = lines.bags[bag], lines.bags[bag + 1]
            elif is_last:
                clocks[at + q.FINISHED] = 1
            else:
                return frontend.ALL_TAKEN
            continue
        begin = max(tick, shared[q.CACHE_FREE])
        kind = lines.kind[item]
        known_at = begin + shared[q.NEAR_TICKS]
        if kind != q.IN_CACHE:
            due = max(-(-known_at // q.TICKS), lines.cycle[item])
            address = lines.address[item] | (source << q.SOURCE_SHIFT)
            why = _offer(
                state, sources, shared, clocks, heaps, due, address, int64(1) if kind == q.WRITE else int64(0)
            )
            if why != frontend.ALL_TAKEN:
                return why
        _take_place(shared, clocks, heaps[source], at)
        if kind == q.IN_CACHE:
            _push(heaps[source], clocks[at + q.KNOWN], known_at)
            clocks[at + q.KNOWN] += 1
            shared[q.LAST_TICK] = max(shared[q.LAST_TICK], known_at)
        _pass_on(shared, clocks, lines, at, begin)
