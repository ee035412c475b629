"""What follows a refresh (host-controller.md §10).

After a bank refresh DRAMsim3 holds the rank's other banks for tRFC and tREFI, and the refreshed bank not at all; what a
device would ask of that bank (tRFCb) is among the strict rows.
"""

from ppim.check.constraint import Constraint

CONSTRAINTS = (
    Constraint("tRFC", ("refresh",), ("activate", "refresh", "self_refresh_enter"), ("whole rank",), "tRFC"),
    Constraint("bank refresh to activate", ("refresh_bank",), ("activate",), ("group", "rank"), "tRFC"),
    Constraint(
        "bank refresh to bank refresh", ("refresh_bank",), ("refresh_bank",), ("group", "rank"), "tREFI"
    ),
    Constraint("tRFC to bank refresh", ("refresh",), ("refresh_bank",), ("whole rank",), "tRFC", strict=True),
    Constraint("tRFCb", ("refresh_bank",), ("activate", "refresh_bank"), ("bank",), "tRFCb", strict=True),
    Constraint("tRFCb to refresh", ("refresh_bank",), ("refresh",), ("whole rank",), "tRFCb", strict=True),
)
