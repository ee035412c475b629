"""When refreshes fall due, and whose: host-controller.md §9.

Refresh number k = 1, 2, ... falls due at cycle k * interval; its target follows from k alone, so the
FIFO of pending refreshes is two numbers: how many have fallen due and how many were served.
"""

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.engine.codes import NEVER, NO_COMMAND, REFRESH
from ppim.jit import helper

STAGGERED = 0
SIMULTANEOUS = 1
BY_BANK = 2
_POLICIES = {
    "RANK_LEVEL_STAGGERED": STAGGERED,
    "RANK_LEVEL_SIMULTANEOUS": SIMULTANEOUS,
    "BANK_LEVEL_STAGGERED": BY_BANK,
}

# Elements of a plan (int64).
POLICY = 0
INTERVAL = 1  # cycles from one refresh to the next
N_RANKS = 2
N_GROUPS = 3  # bank groups of a rank
BANKS_PER_GROUP = 4
N_TARGETS = 5  # refreshes until the same target comes again
PLAN_FIELDS = 6


def refresh_plan(device: Device) -> NDArray[np.int64]:
    """The plan of a device's refresh policy."""
    org = device.organization
    plan = np.zeros(PLAN_FIELDS, np.int64)
    plan[POLICY] = _POLICIES[device.controller.refresh_policy]
    plan[INTERVAL] = device.refresh_interval_cycles
    plan[N_RANKS] = org.ranks
    plan[N_GROUPS] = org.bankgroups
    plan[BANKS_PER_GROUP] = org.banks_per_group
    plan[N_TARGETS] = device.refresh_targets
    return plan


@helper(forceinline=True)
def due_cycle(plan, number):
    """Cycle in which a refresh falls due."""
    return number * plan[INTERVAL]


@helper(forceinline=True)
def target_rank(plan, number):
    """Rank of rank refresh `number`, if no rank is in self refresh.

    With RANK_LEVEL_SIMULTANEOUS DRAMsim3 refreshes the lowest-numbered rank only.
    """
    return (number - 1) % plan[N_TARGETS]


@helper(forceinline=True)
def target_lane(plan, number):
    """Bank of bank refresh `number`: the bank group changes fastest, then the bank, then the rank."""
    turn = (number - 1) % plan[N_TARGETS]
    group = turn % plan[N_GROUPS]
    bank = turn // plan[N_GROUPS] % plan[BANKS_PER_GROUP]
    rank = turn // (plan[N_GROUPS] * plan[BANKS_PER_GROUP])
    return (rank * plan[N_GROUPS] + group) * plan[BANKS_PER_GROUP] + bank


@helper(forceinline=True)
def refresh_or_wait(precharge_at, refresh_at, cycle):
    """(command, next look) of a rank's refresh in `cycle`, in which no open bank may be closed.

    `precharge_at` is the first cycle in which one may (NEVER: all are closed), `refresh_at` the first one in
    which the closed ones may be refreshed.
    """
    if precharge_at < NEVER:
        return NO_COMMAND, precharge_at
    if refresh_at > cycle:
        return NO_COMMAND, refresh_at
    return REFRESH, cycle
