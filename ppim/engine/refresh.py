"""When refreshes fall due, and whose: golden README 3.9.

Refresh number k = 1, 2, ... falls due at cycle k * interval; its target follows from k alone, so the
FIFO of pending refreshes is two numbers: how many have fallen due and how many were served.
"""

from __future__ import annotations

from typing import NamedTuple

from ppim.dram.device import Device
from ppim.jit import njit

STAGGERED = 0
SIMULTANEOUS = 1
BANK = 2
_POLICIES = {
    "RANK_LEVEL_STAGGERED": STAGGERED,
    "RANK_LEVEL_SIMULTANEOUS": SIMULTANEOUS,
    "BANK_LEVEL_STAGGERED": BANK,
}


class RefreshPlan(NamedTuple):
    """One int each."""

    policy: int
    interval: int  # cycles from one refresh to the next
    n_ranks: int
    n_groups: int
    banks_per_group: int
    n_targets: int  # refreshes until the same target comes again


def refresh_plan(device: Device) -> RefreshPlan:
    """The plan of a device's refresh policy."""
    org, timing = device.organization, device.timing
    policy = _POLICIES[device.controller.refresh_policy]
    interval = {STAGGERED: timing.tREFI // org.ranks, SIMULTANEOUS: timing.tREFI, BANK: timing.tREFIb}[policy]
    targets = {STAGGERED: org.ranks, SIMULTANEOUS: 1, BANK: org.banks}[policy]
    return RefreshPlan(policy, interval, org.ranks, org.bankgroups, org.banks_per_group, targets)


@njit(cache=False, forceinline=True)
def target_rank(plan, number):
    """Rank of rank refresh `number`, if no rank is in self refresh.

    With RANK_LEVEL_SIMULTANEOUS DRAMsim3 refreshes the lowest-numbered rank only.
    """
    return (number - 1) % plan.n_targets


@njit(cache=False, forceinline=True)
def target_lane(plan, number):
    """Bank of bank refresh `number`: the bank group changes fastest, then the bank, then the rank."""
    turn = (number - 1) % plan.n_targets
    group = turn % plan.n_groups
    bank = turn // plan.n_groups % plan.banks_per_group
    rank = turn // (plan.n_groups * plan.banks_per_group)
    return (rank * plan.n_groups + group) * plan.banks_per_group + bank
