"""The kinds of commands that a trace may hold, and their numbers here."""

KINDS = (
    "read",
    "read_p",
    "write",
    "write_p",
    "activate",
    "precharge",
    "refresh_bank",
    "refresh",
    "self_refresh_enter",
    "self_refresh_exit",
    "precharge_all",
)
"""Names as DRAMsim3 has them (`_p`: with auto-precharge), and the precharge of all banks of a rank."""

(
    READ,
    READ_P,
    WRITE,
    WRITE_P,
    ACTIVATE,
    PRECHARGE,
    REFRESH_BANK,
    REFRESH,
    SELF_REFRESH_ENTER,
    SELF_REFRESH_EXIT,
    PRECHARGE_ALL,
) = range(len(KINDS))
N_KINDS = len(KINDS)
NO_KIND = -1  # no command: the end of a trace

READS = ("read", "read_p")
WRITES = ("write", "write_p")
OF_A_RANK = ("refresh", "self_refresh_enter", "self_refresh_exit")
"""Commands that act on all banks of a rank."""
OF_A_RANK_FROM = REFRESH  # the first number of those
