"""What a host run and DRAMsim3 say of one channel, in the same words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from ppim.dram.device import Device
from ppim.dram.energy import channel_energy_pj, channel_energy_v_ma_cycles
from ppim.dram.timing import COMMANDS
from ppim.engine.host import CommandStream, HostResult
from ppim.engine.host.latencies import Latencies, bucket_of

BIN_EDGES = range(0, 201, 20)  # cycles; DRAMsim3 counts what is below and above as well
LATENCIES = ("read_latency", "write_latency", "interarrival_latency")
ENERGIES = {
    "activate": "act_energy",
    "read": "read_energy",
    "write": "write_energy",
    "refresh": "ref_energy",
    "refresh_bank": "refb_energy",
    "total": "total_energy",
}
BACKGROUND_ENERGIES = ("act_stb_energy", "pre_stb_energy", "sref_energy")


def lines_sha256(lines: Iterable[Iterable[int]]) -> str:
    """SHA-256 over `cycle,command,rank,bankgroup,bank,row,column` and a newline, one line a command."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update((",".join(map(str, line)) + "\n").encode())
    return digest.hexdigest()


def lines_of(stream: CommandStream) -> Iterable[tuple[int, ...]]:
    """The commands of a channel as lines of seven numbers."""
    columns = (
        stream.cycle,
        stream.command,
        stream.rank,
        stream.bankgroup,
        stream.bank,
        stream.row,
        stream.column,
    )
    return zip(*(column.tolist() for column in columns), strict=True)


def counts(result: HostResult, channel: int) -> dict[str, Any]:
    """Counts of a channel under DRAMsim3's names."""
    by_name = dict(zip(COMMANDS, result.commands[channel].tolist(), strict=True))
    writes = by_name["write"] + by_name["write_p"]
    return {
        "num_cycles": result.cycles,
        "num_reads_done": result.reads_done[channel],
        "num_writes_done": result.writes_done[channel],
        "num_read_cmds": by_name["read"] + by_name["read_p"],
        "num_write_cmds": writes,
        "num_act_cmds": by_name["activate"],
        "num_pre_cmds": by_name["precharge"],
        "num_ref_cmds": by_name["refresh"],
        "num_refb_cmds": by_name["refresh_bank"],
        "num_srefe_cmds": by_name["self_refresh_enter"],
        "num_srefx_cmds": by_name["self_refresh_exit"],
        "num_ondemand_pres": result.demand_precharges[channel],
        "num_read_row_hits": result.read_row_hits[channel],
        "num_write_row_hits": result.write_row_hits[channel],
        "hbm_dual_cmds": result.dual_commands[channel],
        "all_bank_idle_cycles": result.idle_cycles[channel].tolist(),
        "rank_active_cycles": result.active_cycles[channel].tolist(),
        "sref_cycles": result.self_refresh_cycles[channel].tolist(),
        "read_latency_sum": result.read_latency_sum[channel],
        "read_latency_count": result.reads_done[channel],
        "write_latency_sum": result.write_latency_sum[channel],
        "write_latency_count": writes,
        "interarrival_latency_sum": result.interarrival_sum[channel],
        "interarrival_latency_count": result.reads[channel] + result.writes[channel],
    }


def check_channel(device: Device, result: HostResult, channel: int, expected: dict[str, Any]) -> None:
    """Assert that a channel's commands, counts, last cycles and energies are the expected ones."""
    assert result.command_streams is not None
    issued = {COMMANDS[code]: int(n) for code, n in enumerate(result.commands[channel]) if n}
    assert issued == expected["commands"]
    stats = expected["stats"]
    assert {**stats, **counts(result, channel)} == stats
    assert lines_sha256(lines_of(result.command_streams[channel])) == expected["command_sha256"]
    for kind, cycles in (("read", result.last_read_cycle), ("write", result.last_write_cycle)):
        last = expected[f"last_{kind}_cycle"]
        assert cycles[channel] == (-1 if last is None else last)
    energy = channel_energy_v_ma_cycles(device, result.energy_counts(channel))
    assert {name: getattr(energy, name) for name in ENERGIES} == {
        name: stats[printed] for name, printed in ENERGIES.items()
    }
    # DRAMsim3 prints the background's parts only, and adds them up in another order.
    background = sum(sum(stats[name]) for name in BACKGROUND_ENERGIES)
    assert energy.background == pytest.approx(background, rel=1e-12)
    in_pj = channel_energy_pj(device, result.energy_counts(channel))
    parts = [getattr(in_pj, name) for name in ENERGIES if name != "total"]
    assert sum(parts) + in_pj.background == pytest.approx(in_pj.total, rel=1e-9)
    if energy.refresh_bank >= 0:  # what is negative is left out
        assert in_pj.total == pytest.approx(stats["total_energy"] * device.timing.tCK, rel=1e-12)
    check_latencies("read", result.read_latencies, channel, stats)
    if not result.merged_writes[channel]:  # DRAMsim3 counts WRITEs; those that were absorbed are in ours
        check_latencies("write", result.write_latencies, channel, stats)


def check_latencies(kind: str, found: Latencies, channel: int, stats: dict[str, Any]) -> None:
    """Assert that a channel's latencies of a kind have DRAMsim3's mean, greatest value and histogram."""
    assert found.count[channel] == stats[f"{kind}_latency_count"]
    assert found.total[channel] == stats[f"{kind}_latency_sum"]
    if f"{kind}_latency_max" in stats:
        assert found.longest[channel] == stats[f"{kind}_latency_max"]
    if f"{kind}_latency_bins" in stats:
        edges = bucket_of(np.array(BIN_EDGES))
        inside = [int(part.sum()) for part in np.split(found.buckets[channel], edges)]
        assert inside == stats[f"{kind}_latency_bins"]
