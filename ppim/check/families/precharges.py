"""What leads to a closed bank, and what may follow it (host-controller.md §10)."""

from ppim.check.constraint import Constraint
from ppim.check.families.activates import GDDR

TO_REFRESH = ("refresh", "self_refresh_enter")

CONSTRAINTS = (
    Constraint("tRTP", ("read",), ("precharge",), ("bank",), "AL + tRTP"),
    Constraint("tWR", ("write",), ("precharge",), ("bank",), "WL + B + tWR"),
    Constraint("tRP", ("precharge",), ("activate",), ("bank",), "tRP"),
    Constraint("tRP to refresh", ("precharge",), TO_REFRESH, ("whole rank",), "tRP"),
    Constraint("tRP to bank refresh", ("precharge",), ("refresh_bank",), ("bank",), "tRP"),
    Constraint("tPPD", ("precharge",), ("precharge",), ("group",), "tPPD", protocols=(*GDDR, "LPDDR4")),
    Constraint(
        "tPPD", ("precharge",), ("precharge",), ("rank",), "tPPD", across="never", protocols=(*GDDR, "LPDDR4")
    ),
    Constraint("auto-precharge, read", ("read_p",), ("activate",), ("bank",), "AL + B + tRTP + tRP"),
    Constraint(
        "auto-precharge, read to refresh", ("read_p",), TO_REFRESH, ("whole rank",), "AL + tRTP + tRP"
    ),
    Constraint(
        "auto-precharge, read to bank refresh", ("read_p",), ("refresh_bank",), ("bank",), "AL + tRTP + tRP"
    ),
    Constraint("auto-precharge, write", ("write_p",), ("activate",), ("bank",), "WL + B + tWR + tRP"),
    Constraint(
        "auto-precharge, write to refresh", ("write_p",), TO_REFRESH, ("whole rank",), "WL + B + tWR + tRP"
    ),
    Constraint(
        "auto-precharge, write to bank refresh",
        ("write_p",),
        ("refresh_bank",),
        ("bank",),
        "WL + B + tWR + tRP",
    ),
)
