"""Minimum distances between DRAM commands, written out one rule at a time from host-controller.md §10.

Nothing here is shared with the package: it is what the package is compared with.
"""

from __future__ import annotations

from enum import IntEnum

from ppim.dram.device import Device


class Kind(IntEnum):
    """DRAM commands, numbered as in the canonical command stream."""

    READ = 0
    READ_P = 1
    WRITE = 2
    WRITE_P = 3
    ACTIVATE = 4
    PRECHARGE = 5
    REFRESH_BANK = 6
    REFRESH = 7
    SELF_REFRESH_ENTER = 8
    SELF_REFRESH_EXIT = 9


class Scope(IntEnum):
    """Where a bank lies, seen from the bank that got a command."""

    SAME_BANK = 0
    SAME_GROUP = 1  # another bank of the same bank group
    SAME_RANK = 2  # a bank of another bank group
    OTHER_RANK = 3


COLUMN_KINDS = (Kind.READ, Kind.READ_P, Kind.WRITE, Kind.WRITE_P)
RANK_KINDS = (Kind.REFRESH, Kind.SELF_REFRESH_ENTER, Kind.SELF_REFRESH_EXIT)
READS = (Kind.READ, Kind.READ_P)
WRITES = (Kind.WRITE, Kind.WRITE_P)
WHOLE_RANK = (Scope.SAME_BANK, Scope.SAME_GROUP, Scope.SAME_RANK)
PRECHARGE_SPACING_PROTOCOLS = ("GDDR5", "GDDR5X", "GDDR6", "LPDDR4")

Distances = dict[tuple[Kind, Scope], dict[Kind, int]]


def distances(device: Device) -> Distances:
    """Least cycles from an issued command to a later one, for banks of each scope."""
    t = device.timing
    B, RL, WL = t.burst_cycles, t.AL + t.CL, t.AL + t.CWL
    RD, WD = RL + B, WL + B
    tRC = t.tRAS + t.tRP
    one_group = device.organization.bankgroups == 1
    tCCD_L = t.tCCD_S if one_group else t.tCCD_L
    tWTR_L = t.tWTR_S if one_group else t.tWTR_L
    tRRD_L = t.tRRD_S if one_group else t.tRRD_L
    separate_rcd = device.protocol.startswith(("GDDR", "HBM"))
    tRCD_read = t.tRCDRD if separate_rcd else t.tRCD - t.AL
    tRCD_write = t.tRCDWR if separate_rcd else t.tRCD - t.AL

    table: Distances = {(kind, scope): {} for kind in Kind for scope in Scope}

    def rule(issued: Kind, scopes: tuple[Scope, ...], later: tuple[Kind, ...], cycles: int) -> None:
        for scope in scopes:
            for kind in later:
                table[issued, scope][kind] = cycles

    own, group, rank, others = ((scope,) for scope in Scope)

    # Column command to column command. With auto-precharge the bank itself is closed: no rule for it.
    for issued, near in ((Kind.READ, own + group), (Kind.READ_P, group)):
        rule(issued, near, READS, max(B, tCCD_L))
        rule(issued, rank, READS, max(B, t.tCCD_S))
        rule(issued, others, READS, B + t.tRTRS)
        rule(issued, near + rank, WRITES, RL + B - WL + t.tRTRS)
        rule(issued, others, WRITES, RD + B + t.tRTRS - WD)
    for issued, near in ((Kind.WRITE, own + group), (Kind.WRITE_P, group)):
        rule(issued, near, READS, WD + tWTR_L)
        rule(issued, rank, READS, WD + t.tWTR_S)
        rule(issued, others, READS, WD + B + t.tRTRS - RD)
        rule(issued, near, WRITES, max(B, tCCD_L))
        rule(issued, rank, WRITES, max(B, t.tCCD_S))
        rule(issued, others, WRITES, B)

    # Closing a row.
    rule(Kind.READ, own, (Kind.PRECHARGE,), t.AL + t.tRTP)
    rule(Kind.WRITE, own, (Kind.PRECHARGE,), WL + B + t.tWR)
    closed_bank = (Kind.REFRESH, Kind.REFRESH_BANK, Kind.SELF_REFRESH_ENTER)
    rule(Kind.READ_P, own, (Kind.ACTIVATE,), t.AL + B + t.tRTP + t.tRP)
    rule(Kind.READ_P, own, closed_bank, t.AL + t.tRTP + t.tRP)
    rule(Kind.WRITE_P, own, (Kind.ACTIVATE, *closed_bank), WL + B + t.tWR + t.tRP)
    rule(Kind.PRECHARGE, own, (Kind.ACTIVATE, *closed_bank), t.tRP)
    if device.protocol in PRECHARGE_SPACING_PROTOCOLS:
        rule(Kind.PRECHARGE, group + rank, (Kind.PRECHARGE,), t.tPPD)

    # Opening a row.
    rule(Kind.ACTIVATE, own, (Kind.ACTIVATE,), tRC)
    rule(Kind.ACTIVATE, group, (Kind.ACTIVATE,), tRRD_L)
    rule(Kind.ACTIVATE, rank, (Kind.ACTIVATE,), t.tRRD_S)
    rule(Kind.ACTIVATE, own, READS, tRCD_read)
    rule(Kind.ACTIVATE, own, WRITES, tRCD_write)
    rule(Kind.ACTIVATE, own, (Kind.PRECHARGE,), t.tRAS)
    rule(Kind.ACTIVATE, group + rank, (Kind.REFRESH_BANK,), tRC)

    # Refresh. The refreshed bank itself gets no constraint: DRAMsim3's behaviour, kept.
    rule(Kind.REFRESH_BANK, group + rank, (Kind.ACTIVATE,), t.tRFC)
    rule(Kind.REFRESH_BANK, group + rank, (Kind.REFRESH_BANK,), t.tREFI)
    rule(Kind.REFRESH, WHOLE_RANK, (Kind.ACTIVATE, Kind.REFRESH, Kind.SELF_REFRESH_ENTER), t.tRFC)
    rule(Kind.SELF_REFRESH_ENTER, WHOLE_RANK, (Kind.SELF_REFRESH_EXIT,), t.tCKESR)
    rule(Kind.SELF_REFRESH_EXIT, WHOLE_RANK, (Kind.ACTIVATE, *closed_bank), t.tXS)
    return table
