"""How far a channel may be simulated ahead of others: what one does to another takes effect later than that."""

from ppim.engine.pim import state as s

IN_STEP = 0  # channels may meet in any cycle
FURTHEST_AHEAD = 1 << 16  # cycles; where channels meet only at barriers, which hold each of them by itself


def lookahead(p: s.Parameters, *, depend: bool) -> int:
    """Cycles between the first event of any channel and the end of what each may do before others are looked at.

    Rows that travel tie channels from the arrival of a read-out at the host on. Collectors of several channels
    tie them at once; so do one stream for all, and another memory that the same turns wait for. With prefetches a
    channel goes on while its stream waits, and would pass the end of that.

    Parameters
    ----------
    depend : bool
        Whether channels depend on each other within a turn (`channels_depend`).
    """
    if p.tied:
        return IN_STEP
    if not depend:
        return FURTHEST_AHEAD
    ties_at_once = p.global_stream or p.collect not in (s.COLLECT_HOST, s.COLLECT_BUFFER)
    if ties_at_once or p.phases != s.PHASES_NONE or p.host_consumes:
        return IN_STEP
    return p.read_latency + p.burst_cycles + p.host_latency
