"""Self refresh, which only the general kernel knows: host-controller.md §14, and what §9 says of it."""

from ppim.engine import codes, refresh
from ppim.engine.banks import earliest_slow_cycle
from ppim.engine.host import columns as s
from ppim.engine.host.refresh import next_refresh
from ppim.jit import helper


@helper(forceinline=True)
def sleeps(h, rank):
    """Whether a rank is in self refresh."""
    at = rank * s.RANK_FIELDS
    return h.ranks[at + s.SLEEPS_SINCE] != codes.NEVER and h.ranks[at + s.SLEPT_UNTIL] == codes.NEVER


@helper(forceinline=True)
def _slept_at(h, rank, due):
    at = rank * s.RANK_FIELDS
    return h.ranks[at + s.SLEEPS_SINCE] < due <= h.ranks[at + s.SLEPT_UNTIL]


@helper(forceinline=True)
def note_sleep(h, command, rank, cycle):
    """Note that a rank enters or leaves self refresh."""
    if command == codes.SELF_REFRESH_ENTER:
        h.ranks[rank * s.RANK_FIELDS + s.SLEEPS_SINCE] = cycle
    elif command == codes.SELF_REFRESH_EXIT:
        h.ranks[rank * s.RANK_FIELDS + s.SLEPT_UNTIL] = cycle


@helper
def refresh_target(h, number):
    """Lane (of a rank refresh: the rank's first) of refresh `number`; NO_LANE if it sleeps, and is left out."""
    plan, per_rank = h.plan, h.banks.shape.banks_per_rank
    due = refresh.due_cycle(plan, number)
    if plan[refresh.POLICY] == refresh.SIMULTANEOUS:
        for rank in range(plan[refresh.N_RANKS]):
            if not _slept_at(h, rank, due):
                return rank * per_rank
        return codes.NO_LANE
    lane = (
        refresh.target_lane(plan, number)
        if plan[refresh.POLICY] == refresh.BY_BANK
        else refresh.target_rank(plan, number) * per_rank
    )
    return codes.NO_LANE if _slept_at(h, lane // per_rank, due) else lane


@helper
def refreshes_per_round(h):
    """Refreshes issued while as many fall due as there are targets."""
    n_awake = 0
    for rank in range(h.plan[refresh.N_RANKS]):
        n_awake += not sleeps(h, rank)
    return min(n_awake, h.plan[refresh.N_TARGETS])


@helper
def all_sleep(h):
    """Whether no rank is awake."""
    return refreshes_per_round(h) == 0


@helper
def is_periodic(h):
    """Whether an idle channel's rank refreshes repeat: no rank may still fall asleep."""
    if h.plan[refresh.POLICY] == refresh.BY_BANK:
        return False
    if h.rules[s.SELF_REFRESH] != 0:
        for rank in range(h.plan[refresh.N_RANKS]):
            if h.ranks[rank * s.RANK_FIELDS + s.HAD_TRAFFIC] == 0 and not sleeps(h, rank):
                return False
    return True


@helper
def drop_left_out(h, cycle):
    """Pass over the refreshes that fell due for ranks in self refresh."""
    if h.rules[s.SELF_REFRESH] == 0:
        return
    while (
        refresh.due_cycle(h.plan, next_refresh(h)) <= cycle
        and refresh_target(h, next_refresh(h)) == codes.NO_LANE
    ):
        h.clocks[s.REFRESHES_SERVED] += 1
        if all_sleep(h):
            h.clocks[s.REFRESHES_SERVED] = max(
                h.clocks[s.REFRESHES_SERVED], cycle // h.plan[refresh.INTERVAL]
            )


@helper
def who_falls_asleep(h, cycle):
    """The rank that enters self refresh in `cycle`, a cycle without a command, or -1."""
    per_rank = h.banks.shape.banks_per_rank
    # Without traffic no bank was ever open, so every cycle so far counts.
    if h.rules[s.SELF_REFRESH] == 0 or cycle + 1 < h.rules[s.SREF_THRESHOLD]:
        return -1
    for rank in range(h.plan[refresh.N_RANKS]):
        if h.ranks[rank * s.RANK_FIELDS + s.HAD_TRAFFIC] != 0 or sleeps(h, rank):
            continue
        ready = True
        for lane in range(rank * per_rank, (rank + 1) * per_rank):
            ready = ready and earliest_slow_cycle(h.banks, codes.SELF_REFRESH_ENTER, lane) <= cycle
        if ready:
            return rank
    return -1
