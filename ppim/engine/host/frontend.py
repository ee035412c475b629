"""The trace front end over all channels: host-controller.md §3, with channels advanced as late as possible.

Channels share nothing but the order of acceptance, so a request may be accepted without looking at its
channel as long as an upper bound of the channel's queue is below its size: the queue when the channel
was last advanced, and all that was accepted since. Only when the bound is reached is this one channel
advanced to the cycle of the offer.

Up to `inject` requests are accepted per cycle, in order: request i is offered from the later of its own
cycle and the cycle of the last acceptance, or the cycle after that once `inject` were accepted in it.
A refused request holds up all later ones.
"""

from numba import int64

from ppim.engine.codes import NEVER
from ppim.engine.host import columns as s
from ppim.engine.host.channel import advance
from ppim.engine.host.events import FULL_LOG, MORE_SLOTS, TO_ROOM
from ppim.engine.host.general import advance_general
from ppim.engine.host.general_state import GeneralChannel
from ppim.engine.host.slots import field
from ppim.engine.host.state import HostChannel
from ppim.jit import helper, helper_by_type, njit
from ppim.jit.by_address import nth

# Why `feed` returned.
ALL_TAKEN = 0
END_OF_RUN = 1  # the goal (for a request: its acceptance) is not reached within the run
EMPTY_LOG = 2  # a command log is full; call again with it emptied
ADD_SLOTS = 3  # the slots do not suffice; call again with more
STANDSTILL = 4  # requests wait, and nothing happens


def run(h, cycle, goal):
    """Advance a channel with its kernel: which one follows from the type of its state."""
    return _RUNNERS[type(h)](h, cycle, goal)


_RUNNERS = {HostChannel: advance, GeneralChannel: advance_general}


@helper_by_type(run)
def _run(h, cycle, goal):  # noqa: ARG001
    runner = _RUNNERS[h.kind.instance_class]
    return lambda h, cycle, goal: runner(h, cycle, goal)


@helper(forceinline=True)
def offer_cycle(front, due, inject):
    """First cycle in which the next request can be accepted, room permitting."""
    free = front[s.ACCEPTED_AT] + int64(front[s.ACCEPTED_THEN] >= inject)
    return max(due, free)


@helper(forceinline=True)
def accept(front, clocks, arrivals, bounds, cycle, address, is_write, kind):
    """Hand a request to its channel at the end of `cycle`."""
    same = cycle == front[s.ACCEPTED_AT]
    front[s.ACCEPTED_THEN] = front[s.ACCEPTED_THEN] + 1 if same else 1
    front[s.ACCEPTED_AT] = cycle
    at = clocks[s.ARRIVALS_END] * s.ARRIVAL_FIELDS
    clocks[s.ARRIVALS_END] += 1
    clocks[s.NEXT_ARRIVAL] = min(clocks[s.NEXT_ARRIVAL], cycle + 1)
    arrivals[at + s.ARRIVAL_CYCLE] = cycle
    arrivals[at + s.ARRIVAL_ADDRESS] = address
    arrivals[at + s.ARRIVAL_REQUEST] = 2 * front[s.NEXT_REQUEST] + is_write
    front[s.NEXT_REQUEST] += 1
    bounds[kind] += 1


@helper
def _why(status):
    if status == FULL_LOG:
        return EMPTY_LOG
    return ADD_SLOTS if status == MORE_SLOTS else STANDSTILL


@helper
def _run_channel(state, channel, goal, until, i, cycles, addresses, is_write):
    """Advance one channel to a goal, or (TO_ROOM) for request i and those after it that go there too.

    Returns (next request, why it stopped; ALL_TAKEN also when the next request is another channel's).
    """
    h = nth(state.channels, channel)
    rules, front, bounds = state.rules, state.front, state.bounds[channel]
    while True:
        offered = goal == TO_ROOM
        write, address = int64(0), int64(0)
        if offered:
            if i == addresses.size:
                return i, ALL_TAKEN
            address, write = addresses[i], int64(is_write[i])
            if field(address, state.fields[s.CHANNEL_AT], state.fields[s.CHANNEL_MASK]) != channel:
                return i, ALL_TAKEN
            until = offer_cycle(front, cycles[i], rules[s.INJECT])
            if until > rules[s.LAST_CYCLE]:
                return i, END_OF_RUN
        if not offered or bounds[write * rules[s.SEPARATE]] >= rules[s.TRANS_SIZE]:
            until = run(h, until, goal + write)
            if until == NEVER:
                return i, END_OF_RUN
            if until < 0:
                return i, _why(until)
            bounds[0], bounds[1] = h.clocks[s.N_READS], h.clocks[s.N_WRITES]
        if not offered:
            return i, ALL_TAKEN
        front[s.REFUSED_CYCLES] += until - offer_cycle(front, cycles[i], rules[s.INJECT])
        accept(front, h.clocks, h.arrivals, bounds, until, address, write, write * rules[s.SEPARATE])
        i += 1


@njit
def feed(state, goal, channel, until, start, cycles, addresses, is_write):
    """Offer requests `start`, `start` + 1, ... of a chunk, or run one channel on.

    One kernel does both, because the channel's code is compiled into it.

    Parameters
    ----------
    state : Controllers
    goal : int
        TO_ROOM: offer the requests. TO_CYCLE: advance `channel` to the cycle `until`. TO_EMPTY: advance it
        to `until` and on until all its requests are served.
    channel, until : int
    start : int
    cycles, addresses : ndarray of int64
        First cycle in which a request may be accepted, and byte address.
    is_write : ndarray of bool

    Returns
    -------
    (int, int)
        Number of the first request not accepted, and why the kernel returned.
    """
    i, rules, front, fields = start, state.rules, state.front, state.fields
    if goal != TO_ROOM:
        return _run_channel(state, channel, goal, until, i, cycles, addresses, is_write)
    while i < addresses.size:
        cycle = offer_cycle(front, cycles[i], rules[s.INJECT])
        if cycle > rules[s.LAST_CYCLE]:
            return i, END_OF_RUN
        address, write = addresses[i], int64(is_write[i])
        channel = field(address, fields[s.CHANNEL_AT], fields[s.CHANNEL_MASK])
        bounds, kind = state.bounds[channel], write * rules[s.SEPARATE]
        if bounds[kind] < rules[s.TRANS_SIZE]:
            clocks, arrivals = state.clocks[channel], state.arrivals[channel]
            accept(front, clocks, arrivals, bounds, cycle, address, write, kind)
            i += 1
        else:
            i, why = _run_channel(state, channel, goal, until, i, cycles, addresses, is_write)
            if why != ALL_TAKEN:
                return i, why
    return i, ALL_TAKEN
