"""Minimum distances between DRAM commands: the rules as data, resolved to cycles for a device.

A rule says: after `issued`, the command `later` must wait the named distance on each bank of a scope.
Rules without a distance for a scope do not constrain it. Source: DRAMsim3's timing, as described in
host-controller.md §10; its quirks (no constraint of a bank refresh on the refreshed bank,
tRP after an auto-precharge without tRAS) are kept because they change cycles.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device

COMMANDS = (
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
)
"""Commands in the order of their numbers (`ppim.engine.codes`)."""

SCOPES = ("same_bank", "same_bankgroup_other_bank", "other_bankgroup_same_rank", "other_rank")

UNCONSTRAINED = -(1 << 30)
"""Distance that never delays: added to any cycle it lies in the past."""

_TPPD_PROTOCOLS = ("GDDR5", "GDDR5X", "GDDR6", "LPDDR4")


@dataclass(frozen=True)
class Rule:
    """After `issued`, `later` waits `distance[scope]` (a name of `named_distances`, or None)."""

    issued: str
    later: str
    same_bank: str | None = None
    same_group: str | None = None
    other_group: str | None = None
    other_rank: str | None = None

    @property
    def by_scope(self) -> tuple[str | None, ...]:
        """Names in the order of `SCOPES`."""
        return (self.same_bank, self.same_group, self.other_group, self.other_rank)


def _whole_rank(issued: str, later: str, distance: str) -> Rule:
    return Rule(issued, later, distance, distance, distance)


# fmt: off
RULES: tuple[Rule, ...] = (
    #    issued          later                 same bank               other bank of group  other group        other rank
    Rule("read",         "read",               "read_to_read_l",       "read_to_read_l",   "read_to_read_s",   "read_to_read_o"),
    Rule("read",         "write",              "read_to_write",        "read_to_write",    "read_to_write",    "read_to_write_o"),
    Rule("read",         "precharge",          "read_to_precharge"),
    Rule("read_p",       "read",               None,                   "read_to_read_l",   "read_to_read_s",   "read_to_read_o"),
    Rule("read_p",       "write",              None,                   "read_to_write",    "read_to_write",    "read_to_write_o"),
    Rule("read_p",       "activate",           "readp_to_activate"),
    Rule("read_p",       "refresh_bank",       "readp_to_refresh"),
    Rule("read_p",       "refresh",            "readp_to_refresh"),
    Rule("read_p",       "self_refresh_enter", "readp_to_refresh"),
    Rule("write",        "read",               "write_to_read_l",      "write_to_read_l",  "write_to_read_s",  "write_to_read_o"),
    Rule("write",        "write",              "write_to_write_l",     "write_to_write_l", "write_to_write_s", "write_to_write_o"),
    Rule("write",        "precharge",          "write_to_precharge"),
    Rule("write_p",      "read",               None,                   "write_to_read_l",  "write_to_read_s",  "write_to_read_o"),
    Rule("write_p",      "write",              None,                   "write_to_write_l", "write_to_write_s", "write_to_write_o"),
    Rule("write_p",      "activate",           "writep_to_activate"),
    Rule("write_p",      "refresh_bank",       "writep_to_activate"),
    Rule("write_p",      "refresh",            "writep_to_activate"),
    Rule("write_p",      "self_refresh_enter", "writep_to_activate"),
    Rule("activate",     "activate",           "tRC",                  "tRRD_L",           "tRRD_S"),
    Rule("activate",     "read",               "activate_to_read"),
    Rule("activate",     "write",              "activate_to_write"),
    Rule("activate",     "precharge",          "tRAS"),
    Rule("activate",     "refresh_bank",       None,                   "tRC",              "tRC"),
    Rule("precharge",    "activate",           "tRP"),
    Rule("precharge",    "refresh_bank",       "tRP"),
    Rule("precharge",    "refresh",            "tRP"),
    Rule("precharge",    "self_refresh_enter", "tRP"),
    Rule("precharge",    "precharge",          None,                   "tPPD",             "tPPD"),
    Rule("refresh_bank", "activate",           None,                   "tRFC",             "tRFC"),
    Rule("refresh_bank", "refresh_bank",       None,                   "tREFI",            "tREFI"),
    _whole_rank("refresh",            "activate",           "tRFC"),
    _whole_rank("refresh",            "refresh",            "tRFC"),
    _whole_rank("refresh",            "self_refresh_enter", "tRFC"),
    _whole_rank("self_refresh_enter", "self_refresh_exit",  "tCKESR"),
    _whole_rank("self_refresh_exit",  "activate",           "tXS"),
    _whole_rank("self_refresh_exit",  "refresh_bank",       "tXS"),
    _whole_rank("self_refresh_exit",  "refresh",            "tXS"),
    _whole_rank("self_refresh_exit",  "self_refresh_enter", "tXS"),
)
# fmt: on

_ALIKE = {"read": ("read", "read_p"), "write": ("write", "write_p")}


def named_distances(device: Device) -> dict[str, int | None]:
    """Distances in memory cycles by the names that `RULES` uses; None where the family has none."""
    t = device.timing
    burst, read_delay, write_delay = t.burst_cycles, t.read_delay, t.write_delay
    several_groups = device.organization.bankgroups > 1
    ccd_l = t.tCCD_L if several_groups else t.tCCD_S
    wtr_l = t.tWTR_L if several_groups else t.tWTR_S
    rrd_l = t.tRRD_L if several_groups else t.tRRD_S
    split_rcd = device.is_gddr or device.is_hbm
    return {
        "read_to_read_l": max(burst, ccd_l),
        "read_to_read_s": max(burst, t.tCCD_S),
        "read_to_read_o": burst + t.tRTRS,
        "read_to_write": t.read_latency + burst - t.write_latency + t.tRTRS,
        "read_to_write_o": read_delay + burst + t.tRTRS - write_delay,
        "read_to_precharge": t.AL + t.tRTP,
        "readp_to_activate": t.AL + burst + t.tRTP + t.tRP,
        "readp_to_refresh": t.AL + t.tRTP + t.tRP,
        "write_to_read_l": write_delay + wtr_l,
        "write_to_read_s": write_delay + t.tWTR_S,
        "write_to_read_o": write_delay + burst + t.tRTRS - read_delay,
        "write_to_write_l": max(burst, ccd_l),
        "write_to_write_s": max(burst, t.tCCD_S),
        "write_to_write_o": burst,
        "write_to_precharge": write_delay + t.tWR,
        "writep_to_activate": write_delay + t.tWR + t.tRP,
        "activate_to_read": t.tRCDRD if split_rcd else t.tRCD - t.AL,
        "activate_to_write": t.tRCDWR if split_rcd else t.tRCD - t.AL,
        "tRC": t.tRC,
        "tRAS": t.tRAS,
        "tRP": t.tRP,
        "tRRD_L": rrd_l,
        "tRRD_S": t.tRRD_S,
        "tPPD": t.tPPD if device.protocol in _TPPD_PROTOCOLS else None,
        "tRFC": t.tRFC,
        "tREFI": t.tREFI,
        "tCKESR": t.tCKESR,
        "tXS": t.tXS,
    }


def distance_table(device: Device) -> NDArray[np.int64]:
    """`RULES` resolved for a device.

    Returns
    -------
    ndarray of int64, shape (10 issued, 10 later, 4 scopes)
        Cycles, or `UNCONSTRAINED`. Commands in the order of `COMMANDS`, scopes in that of `SCOPES`.
    """
    distances = named_distances(device)
    table = np.full((len(COMMANDS), len(COMMANDS), len(SCOPES)), UNCONSTRAINED, np.int64)
    for rule in RULES:
        for later in _ALIKE.get(rule.later, (rule.later,)):
            cell = table[COMMANDS.index(rule.issued), COMMANDS.index(later)]
            for scope, name in enumerate(rule.by_scope):
                distance = None if name is None else distances[name]
                if distance is not None:
                    cell[scope] = distance
    return table
