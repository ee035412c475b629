"""What follows an ACTIVATE, and how many a rank takes (host-controller.md §10, §11)."""

from ppim.check import commands
from ppim.check.constraint import Constraint, Window

GDDR = ("GDDR5", "GDDR5X", "GDDR6")
SPLIT_RCD = (*GDDR, "HBM", "HBM2", "HBM3")
ONE_RCD = ("DDR3", "DDR4", "DDR5", "LPDDR", "LPDDR3", "LPDDR4")

CONSTRAINTS = (
    Constraint("tRC", ("activate",), ("activate",), ("bank",), "tRAS + tRP"),
    Constraint("tRRD_L", ("activate",), ("activate",), ("group",), "tRRD_L"),
    Constraint("tRRD_S", ("activate",), ("activate",), ("rank",), "tRRD_S", across="physical"),
    Constraint("tRCD read", ("activate",), commands.READS, ("bank",), "tRCDRD", protocols=SPLIT_RCD),
    Constraint("tRCD write", ("activate",), commands.WRITES, ("bank",), "tRCDWR", protocols=SPLIT_RCD),
    Constraint("tRCD read", ("activate",), commands.READS, ("bank",), "tRCD - AL", protocols=ONE_RCD),
    Constraint("tRCD write", ("activate",), commands.WRITES, ("bank",), "tRCD - AL", protocols=ONE_RCD),
    Constraint("tRAS", ("activate",), ("precharge",), ("bank",), "tRAS"),
    Constraint("tRC to bank refresh", ("activate",), ("refresh_bank",), ("group", "rank"), "tRAS + tRP"),
    Constraint("tRC to bank refresh", ("activate",), ("refresh_bank",), ("bank",), "tRAS + tRP", strict=True),
    Constraint("tRC to refresh", ("activate",), ("refresh",), ("whole rank",), "tRAS + tRP", strict=True),
)

WINDOWS = (
    Window("tFAW", 4, "tFAW"),
    Window("t32AW", 32, "t32AW", protocols=GDDR),
)
