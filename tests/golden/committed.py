"""The committed golden cases: recipes of devices and requests, and what DRAMsim3 answered.

`committed.json` has, for each case of `RECIPES`, DRAMsim3's counts, energies and the hash of all its
commands. The requests follow from the recipe by integer arithmetic (`requests`), so no trace is stored.

    PPIM_DRAMSIM3=.../dramsim3main .venv/bin/python -m tests.golden.committed

writes the file anew, as it must be when a preset's values change. It needs DRAMsim3 (commit 2981759) built
with its CMake option CMD_TRACE.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ppim.dram.device import Device
from ppim.dram.load import load_device
from ppim.dram.timing import COMMANDS
from tests.golden import dramsim3
from tests.golden.compare import BACKGROUND_ENERGIES, ENERGIES, LATENCIES, lines_sha256

FILE = Path(__file__).with_name("committed.json")
HOT_PLACES = 8
NEAR_BURSTS = 64

COUNTERS = (
    "num_cycles", "num_reads_done", "num_writes_done", "num_read_cmds", "num_write_cmds", "num_act_cmds",
    "num_pre_cmds", "num_ref_cmds", "num_refb_cmds", "num_srefe_cmds", "num_srefx_cmds", "num_ondemand_pres",
    "num_read_row_hits", "num_write_row_hits", "hbm_dual_cmds", *ENERGIES.values(),
)  # fmt: skip
BY_RANK = ("all_bank_idle_cycles", "rank_active_cycles", "sref_cycles", *BACKGROUND_ENERGIES)


@dataclass(frozen=True)
class Recipe:
    """A preset with some values changed, and the requests that it gets."""

    preset: str
    organization: dict[str, Any] = field(default_factory=dict)
    controller: dict[str, Any] = field(default_factory=dict)
    n_requests: int = 1200
    first_cycle: int = 0
    longest_gap: int = 12  # cycles from one request to the next
    percent_writes: int = 30
    percent_near: int = 50  # near one of a few places; the others are scattered
    apart: bool = True  # writes keep off the reads' addresses
    aligned: bool = True  # addresses begin bursts
    follow_defects: bool = False  # DRAMsim3 loses reads or stands still here

    @property
    def device(self) -> Device:
        """The preset with the changes."""
        device = load_device(self.preset)
        return replace(
            device,
            organization=replace(device.organization, **self.organization),
            controller=replace(device.controller, **self.controller),
        )


# Small channels of the HBM presets keep the file small; the requests are as dense in them.
ONE, TWO = {"channels": 1}, {"channels": 2}
SHORT = {"cmd_queue_size": 4, "trans_queue_size": 16}
RECIPES = {
    "hbm2": Recipe("hbm2-4gb", TWO, longest_gap=4),
    "hbm2, reads and writes meet": Recipe("hbm2-4gb", ONE, longest_gap=9, apart=False, percent_near=80),
    "hbm2, dense reads": Recipe("hbm2-4gb", TWO, longest_gap=1, percent_writes=0, percent_near=20),
    "hbm2, far apart": Recipe("hbm2-4gb", ONE, n_requests=200, longest_gap=900, percent_writes=10),
    "hbm2, one command a cycle": Recipe("hbm2-4gb", ONE, {"hbm_dual_cmd": False}, longest_gap=4),
    "hbm2, close page": Recipe("hbm2-4gb", ONE, {"row_buf_policy": "CLOSE_PAGE"}),
    "hbm2, unified queue": Recipe(
        "hbm2-4gb", ONE, {"unified_queue": True}, longest_gap=2, percent_near=100, apart=False
    ),
    "hbm2, refresh by bank": Recipe("hbm2-4gb", ONE, {"refresh_policy": "BANK_LEVEL_STAGGERED"}),
    "hbm2, two ranks, lost reads": Recipe(
        "hbm2-4gb", {"channels": 1, "ranks": 2}, longest_gap=3, follow_defects=True
    ),
    "hbm2, other address mapping": Recipe("hbm2-4gb", TWO, {"address_mapping": "rocorababgch"}),
    "hbm2-8gb": Recipe("hbm2-8gb", ONE, longest_gap=6),
    "hbm1": Recipe("hbm1-4gb", TWO, longest_gap=4),
    "ddr4": Recipe("ddr4-8gb-x8-3200"),
    "ddr4, addresses inside bursts": Recipe(
        "ddr4-8gb-x8-3200", longest_gap=3, percent_writes=50, percent_near=100, apart=False, aligned=False
    ),
    "ddr4, row hits": Recipe("ddr4-8gb-x8-3200", percent_near=95, longest_gap=8),
    "ddr4, queue by rank": Recipe(
        "ddr4-8gb-x8-3200", {}, {"queue_structure": "PER_RANK", "cmd_queue_size": 32}
    ),
    "ddr4, ranks refreshed at once": Recipe(
        "ddr4-8gb-x8-3200", {}, {"refresh_policy": "RANK_LEVEL_SIMULTANEOUS"}, longest_gap=40
    ),
    "ddr4, refresh by bank": Recipe(
        "ddr4-8gb-x8-3200", {}, {"refresh_policy": "BANK_LEVEL_STAGGERED"}, n_requests=600
    ),
    "ddr4, self refresh": Recipe(
        "ddr4-8gb-x8-3200", {}, {"enable_self_refresh": True, "sref_threshold": 1000}, first_cycle=9000
    ),
    "ddr4, small queues": Recipe("ddr4-8gb-x8-3200", {}, SHORT),
    "ddr4-x16, two channels": Recipe("ddr4-8gb-x16-2400", TWO),
    "ddr3": Recipe("ddr3-8gb-x8-1600", longest_gap=20),
    "lpddr4": Recipe("lpddr4-8gb-x16-2400", longest_gap=20),
    "lpddr3": Recipe("lpddr3-8gb-x32-1600"),
    "gddr5": Recipe("gddr5-8gb-x32"),
    "gddr6": Recipe("gddr6-8gb-x16", longest_gap=30),
    "gddr6, scattered reads": Recipe("gddr6-8gb-x16", percent_writes=0, percent_near=0, longest_gap=1),
    "gddr6, reads and writes meet": Recipe(
        "gddr6-8gb-x16", {}, SHORT, n_requests=600, longest_gap=0, percent_near=100, apart=False
    ),
    "gddr6, stands still": Recipe(
        "gddr6-8gb-x16",
        {},
        SHORT,
        n_requests=800,
        longest_gap=0,
        percent_near=100,
        apart=False,
        follow_defects=True,
    ),
}


class Numbers:
    """A linear congruential generator: x becomes (a x + c) mod 2^64, a and c as Knuth's MMIX has them."""

    def __init__(self, seed: int) -> None:
        self.x = seed

    def below(self, n: int) -> int:
        """The next number, from 0 to n - 1."""
        self.x = (6364136223846793005 * self.x + 1442695040888963407) % 2**64
        return (self.x >> 33) % n


def requests(recipe: Recipe) -> Iterator[tuple[int, bool, int]]:
    """Byte address, is a write, first cycle."""
    org = recipe.device.organization
    bursts = org.capacity_bytes // org.burst_bytes
    numbers = Numbers(recipe.n_requests)
    hot = [numbers.below(bursts) for _ in range(HOT_PLACES)]
    cycle = recipe.first_cycle
    for _ in range(recipe.n_requests):
        cycle += numbers.below(recipe.longest_gap + 1)
        is_write = numbers.below(100) < recipe.percent_writes
        if numbers.below(100) < recipe.percent_near:
            burst = hot[numbers.below(HOT_PLACES)] + numbers.below(NEAR_BURSTS)
        else:
            burst = numbers.below(bursts)
        if recipe.apart:
            burst = burst // 2 * 2 + is_write
        place = 0 if recipe.aligned else numbers.below(org.burst_bytes)
        yield burst % bursts * org.burst_bytes + place, is_write, cycle


def n_cycles(recipe: Recipe) -> int:
    """Cycles to run: until the requests are done, and two refreshes more."""
    last = max(cycle for _, _, cycle in requests(recipe))
    return last + max(6000, 2 * recipe.device.refresh_interval_cycles)


def cases() -> dict[str, Any]:
    """Name -> what DRAMsim3 answered, by channel."""
    return json.loads(FILE.read_text())["cases"]


def _canonical(line: list[str]) -> tuple[int, ...]:
    """A line of DRAMsim3's command trace as seven numbers, -1 where a field does not apply."""
    cycle, name, _, rank, group, bank, row, column = line
    code = COMMANDS.index(name)
    return (
        int(cycle),
        code,
        int(rank),
        int(group) if code <= COMMANDS.index("refresh_bank") else -1,
        int(bank) if code <= COMMANDS.index("refresh_bank") else -1,
        int(row, 16) if code <= COMMANDS.index("activate") else -1,
        int(column, 16) if code <= COMMANDS.index("write_p") else -1,
    )


def _last(lines: list[tuple[int, ...]], kind: str) -> int | None:
    return max((line[0] for line in lines if COMMANDS[line[1]] in (kind, f"{kind}_p")), default=None)


def _channel(answer: dramsim3.Answer) -> dict[str, Any]:
    assert answer.commands is not None, "build DRAMsim3 with its CMake option CMD_TRACE"
    lines = [_canonical(line) for line in answer.commands]
    names = [COMMANDS[line[1]] for line in lines]
    stats = {name: answer.stats[name] for name in COUNTERS}
    for name in BY_RANK:
        ranks = answer.stats[name]
        stats[name] = [ranks[str(rank)] for rank in range(len(ranks))]
    for name in LATENCIES:
        histogram = {int(value): count for value, count in (answer.stats[name] or {}).items()}
        stats[f"{name}_count"] = sum(histogram.values())
        stats[f"{name}_sum"] = sum(value * count for value, count in histogram.items())
    return {
        "commands": {name: names.count(name) for name in COMMANDS if name in names},
        "command_sha256": lines_sha256(lines),
        "last_read_cycle": _last(lines, "read"),
        "last_write_cycle": _last(lines, "write"),
        "stats": stats,
    }


def record() -> None:
    """Ask DRAMsim3 and write `FILE`."""
    lines = []
    for name, recipe in RECIPES.items():
        with tempfile.TemporaryDirectory() as folder:
            answers = dramsim3.run(Path(folder), recipe.device, requests(recipe), n_cycles(recipe))
        channels = ",\n  ".join(json.dumps(_channel(answer)) for answer in answers)
        lines.append(f"{json.dumps(name)}: [\n  {channels}]")
    reference = "DRAMsim3, umd-memsys, commit 29817593b3389f1337235d63cac515024ab8fd6e"
    FILE.write_text(f'{{"reference": {json.dumps(reference)}, "cases": {{\n' + ",\n".join(lines) + "}}\n")


if __name__ == "__main__":
    if dramsim3.PROGRAM is None:
        sys.exit("PPIM_DRAMSIM3 does not name DRAMsim3's program dramsim3main")
    record()
