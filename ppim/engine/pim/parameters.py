"""Device and system as the integers that kernels use."""

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.dram.timing import distance_table
from ppim.engine import lane_masks
from ppim.engine.banks import keep_activates, keep_nothing, lane_distances, readout_timing
from ppim.engine.pim import state as s
from ppim.engine.pim.parts import Part
from ppim.engine.refresh import INTERVAL, refresh_plan
from ppim.errors import InputError
from ppim.mapping.base import moves_rows
from ppim.mapping.placing.geometry import units_of_channel
from ppim.prefetch.base import Phase
from ppim.systems.spec import PimSpec, SystemSpec

_BARRIERS = {"none": s.BARRIER_NONE, "table": s.BARRIER_TABLE, "batch": s.BARRIER_BATCH}
_PHASES = {
    Phase.NEVER: s.PHASES_NONE,
    Phase.EACH_TURN: s.PHASES_BY_TURN,
    Phase.AT_START: s.PHASES_AT_START,
}
_COLLECTORS = {
    "host": s.COLLECT_HOST,
    "base-die": s.COLLECT_BASE_DIE,
    "tree": s.COLLECT_TREE,
    "rank": s.COLLECT_BUFFER,
    "dimm": s.COLLECT_BUFFER,
}


def make_parameters(
    device: Device, system: SystemSpec, part: Part, *, tied: bool = False, keep_events: bool = False
) -> s.Parameters:
    """Resolve device and system to the integers that kernels use."""
    org, timing, pim, prefetch = device.organization, device.timing, system.pim, system.prefetch.policy
    if org.banks > lane_masks.MOST_LANES:
        raise InputError(
            f"device {device.name}: {org.banks} banks a channel; PIM mode takes at most {lane_masks.MOST_LANES}: "
            "use more channels with fewer ranks and command_bits_per_cycle each"
        )
    policy = device.controller.refresh_policy
    if policy == "BANK_LEVEL_STAGGERED":
        raise InputError(
            f"device {device.name}: refresh_policy {policy} is for host mode only; use RANK_LEVEL_STAGGERED"
        )
    units = units_of_channel(device, pim.level)
    banks_per_unit = org.banks // units
    if banks_per_unit > lane_masks.WORD_LANES:
        raise InputError(
            f"device {device.name}: a unit of level {pim.level} has {banks_per_unit} banks; a unit takes at most "
            f"{lane_masks.WORD_LANES}: use level rank, or fewer ranks"
        )
    staggered = policy == "RANK_LEVEL_STAGGERED"
    is_global = pim.frontend == "global"
    return s.Parameters(
        channels=len(part.channels),
        part=part.number,
        parts=part.of,
        units=units,
        banks_per_unit=banks_per_unit,
        bank_mask=lane_masks.WHOLE_WORD
        if banks_per_unit == lane_masks.WORD_LANES
        else (1 << banks_per_unit) - 1,
        bank_bits=banks_per_unit.bit_length() - 1,
        rank_bits=org.banks_per_rank.bit_length() - 1,
        column_bits=org.bursts_per_row.bit_length() - 1,
        lanes=org.banks,
        mask_words=lane_masks.words_for(org.banks),
        ranks=org.ranks,
        banks_per_rank=org.banks_per_rank,
        bursts_per_row=org.bursts_per_row,
        **_slot_parameters(pim),
        global_stream=int(is_global),
        host_latency=pim.host_latency,
        queue_entries=pim.queue_entries,
        window=pim.unit_window,
        unit_read_latency=pim.unit_read_latency if pim.unit_read_latency >= 0 else timing.read_delay,
        read_latency=timing.read_latency,
        write_latency=timing.write_latency,
        burst_cycles=timing.burst_cycles,
        bus_burst_cycles=max(timing.burst_cycles, timing.tCCD_S),
        turnaround=timing.tRTRS,
        barrier=_BARRIERS[pim.barrier],
        turns_open=pim.turns_open if pim.barrier == "none" else 0,
        phases=s.PHASES_BUFFERED if prefetch.buffers > 1 else _PHASES[prefetch.phase],
        demand_comes_first=int(
            pim.barrier != "none" and prefetch.phase == Phase.NEVER and pim.transfer == "non-empty"
        ),
        refresh_interval=int(refresh_plan(device)[INTERVAL]),
        refresh_rotates=int(staggered),
        hold_all=int(pim.level == "channel"),
        cache_latency=system.cache.cache_latency,
        buffer_bursts=system.compute.unit_buffer_bursts,
        in_order=int(pim.deliver == "in-order"),
        accumulators=system.compute.unit_accumulators,
        collect=_COLLECTORS[pim.collect],
        link_units=_link_units(pim.collect, units, org.ranks),
        collect_delay=_collect_delay(device, system),
        host_consumes=int(pim.consumer == "host"),
        **_bound_parameters(device, system),
        tied=int(tied),
        writes=int(moves_rows(system.placement.mapping)),
        keeps_events=int(keep_events),
    )


def _slot_parameters(pim: PimSpec) -> dict[str, int]:
    """How long a slot lasts, and whether on the data bus too."""
    interval = pim.instruction_interval
    on_data_pins = pim.frontend == "per-channel" and pim.instruction_pins == "command-and-data"
    return {
        "interval": interval.numerator // interval.denominator,
        "interval_part": interval.numerator % interval.denominator,
        "interval_parts": interval.denominator,
        "data_pins": int(on_data_pins),
    }


def _link_units(collect: str, units: int, ranks: int) -> int:
    """Units that share a link to their collector: each has its own to the tree, and those of a rank its bus."""
    shared = {"tree": 1, "rank": units // ranks, "dimm": units // ranks}
    return max(shared[collect], 1) if collect in shared else 0


def _collect_delay(device: Device, system: SystemSpec) -> int:
    """Cycles from the arrival of a partial sum at its collector to its addition: once, or a level after the other."""
    pim = system.pim
    if pim.collect != "tree":
        return pim.collect_cycles
    units = device.organization.channels * units_of_channel(device, pim.level)
    return pim.collect_cycles * (units - 1).bit_length()


def _bound_parameters(device: Device, system: SystemSpec) -> dict[str, int]:
    """The device's timing as the lower bounds need it."""
    org, timing, pim = device.organization, device.timing, system.pim
    in_unit = org.banks // units_of_channel(device, pim.level)
    spans_groups = in_unit > org.banks_per_group
    column_set = min(in_unit, org.banks_per_rank) if spans_groups else org.banks_per_group
    spaced = in_unit >= org.banks_per_rank or pim.cross_unit_timing == "physical"
    return {
        "refresh_cycles": timing.tRFC,
        "row_cycles": timing.tRC,
        "column_cycles": column_cycles(device, pim.level),
        "column_set_bits": column_set.bit_length() - 1,
        "activate_spacing": min(timing.tRRD_S, timing.tRRD_L) if spaced else 0,
        "activate_window": timing.tFAW if has_activate_windows(device, system) else 0,
    }


def column_cycles(device: Device, level: str) -> int:
    """Least distance of two column commands of one kind in one unit."""
    org, timing = device.organization, device.timing
    spans_groups = org.banks // units_of_channel(device, level) > org.banks_per_group
    column = timing.tCCD_S if spans_groups or org.bankgroups == 1 else timing.tCCD_L
    return max(timing.burst_cycles, column)


def has_activate_windows(device: Device, system: SystemSpec) -> bool:
    """Whether tFAW holds: always where a unit is a rank or more."""
    org, pim = device.organization, system.pim
    in_unit = org.banks // units_of_channel(device, pim.level)
    return pim.cross_unit_timing != "none" or in_unit >= org.banks_per_rank


def pim_distances(device: Device, system: SystemSpec) -> NDArray[np.int64]:
    """Distances from bank to bank; across units they follow `cross_unit_timing`."""
    org, pim = device.organization, system.pim
    lane, table = np.arange(org.banks), distance_table(device)
    units = units_of_channel(device, pim.level)
    unit_of_lane = lane // (org.banks // units)
    if pim.level == "bank":
        # Rules inside a bank group always hold, also between units.
        unit_of_lane = lane // org.banks_per_group
    return lane_distances(
        org,
        table if moves_rows(system.placement.mapping) else readout_timing(table),
        unit_of_lane,
        keep_activates if pim.cross_unit_timing == "physical" else keep_nothing,
    )
