"""Column command to column command: the column path of a bank group, and the data bus.

Values: DRAMsim3's (host-controller.md §10). With auto-precharge the bank is closed: its own next column command is a
matter of bank states.
"""

from ppim.check.commands import READS, WRITES
from ppim.check.constraint import Constraint

CONSTRAINTS = (
    Constraint("tCCD_L read-read", ("read",), READS, ("bank",), "max(B, tCCD_L)"),
    Constraint("tCCD_L read-read", READS, READS, ("group",), "max(B, tCCD_L)"),
    Constraint("tCCD_S read-read", READS, READS, ("rank",), "max(B, tCCD_S)", across="never"),
    Constraint("tRTRS read-read", READS, READS, ("channel",), "B + tRTRS", across="never"),
    Constraint("tCCD_L write-write", ("write",), WRITES, ("bank",), "max(B, tCCD_L)"),
    Constraint("tCCD_L write-write", WRITES, WRITES, ("group",), "max(B, tCCD_L)"),
    Constraint("tCCD_S write-write", WRITES, WRITES, ("rank",), "max(B, tCCD_S)", across="never"),
    Constraint("B write-write", WRITES, WRITES, ("channel",), "B", across="never"),
    Constraint("read-write", ("read",), WRITES, ("bank",), "RL + B - WL + tRTRS"),
    Constraint("read-write", READS, WRITES, ("group",), "RL + B - WL + tRTRS"),
    Constraint("read-write", READS, WRITES, ("rank", "channel"), "RL + B - WL + tRTRS", across="never"),
    Constraint("tWTR_L", ("write",), READS, ("bank",), "WL + B + tWTR_L"),
    Constraint("tWTR_L", WRITES, READS, ("group",), "WL + B + tWTR_L"),
    Constraint("tWTR_S", WRITES, READS, ("rank",), "WL + B + tWTR_S", across="never"),
    Constraint("tRTRS write-read", WRITES, READS, ("channel",), "WL + B + tRTRS - RL", across="never"),
)
