"""`--mapping adaptive`: moves are in the traffic, its commands keep the rules, and it knows nothing of what comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ppim.cli import main
from ppim.dram.load import load_device
from ppim.engine.codes import WRITE
from ppim.runs.simulate import simulate
from ppim.stats.result import SimulationResult
from ppim.systems.load import load_system
from ppim.trace.reader import TraceChunk
from tests.conftest import ROOT, complaints
from tests.reference.small_traces import SmallTrace, small_trace

SAMPLE = ROOT / "traces" / "sample-qr.parquet"
OFTEN = ["--set", "adaptive_batches=2", "--set", "adaptive_gain=0.1"]


def run(*arguments: object) -> int:
    """Exit status of the command line."""
    try:
        main(list(map(str, arguments)))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def stats_of(path: Path, *arguments: object) -> pd.DataFrame:
    assert run("simulate", SAMPLE, *arguments, "-o", path) == 0
    return pd.read_csv(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "choice",
    [
        ["--system", "proactivepim", "--set", "tREFI=900"],
        ["--system", "pim-base", "--set", "level=bank", "--set", "barrier=batch"],
        ["--system", "recnmp", "--set", "barrier=table"],
        ["--system", "trim-bg", "--set", "barrier=table"],
        ["--system", "pim-base", "--set", "frontend=global", "--set", "cross_unit_timing=none"],
    ],
    ids=" ".join,
)
def test_commands_keep_the_rules(
    choice: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = tmp_path / "commands"
    adaptive = [*choice, "--mapping", "adaptive", *OFTEN]
    moved = stats_of(tmp_path / "moved.csv", *adaptive, "--command-trace", commands)
    assert moved["moves"].sum() > 0
    lines = [line for file in commands.iterdir() for line in file.read_text().splitlines()]
    written = sum(line.split()[1] == "write" for line in lines)
    assert written == moved["writes"].sum() > 0
    capsys.readouterr()
    assert run("check", commands, *choice, "--set", "mapping=adaptive") == 0, capsys.readouterr().out


def test_moves_are_in_the_traffic_and_accesses_stay_the_same(tmp_path: Path) -> None:
    system = ["--system", "proactivepim-map", "--set", "collect=host"]
    static = stats_of(tmp_path / "static.csv", *system, "--set", "tt_split=none")
    moved = stats_of(tmp_path / "moved.csv", *system, "--mapping", "adaptive", *OFTEN)
    for column in ("accesses", "lookups", "cache_hits"):
        assert moved[column].sum() == static[column].sum()
    rows, moved_bytes = moved["moves"].sum(), moved["moved_bytes"].sum()
    assert moved_bytes == rows * 128  # vectors of 128 B
    # Each row that moves is read once more, and written; its own lookups read no more than before.
    assert 64 * (moved["reads"].sum() - static["reads"].sum()) == moved_bytes
    assert 64 * moved["writes"].sum() == moved_bytes
    assert moved["bytes_dram"].sum() == 64 * (moved["reads"].sum() + moved["writes"].sum())
    assert moved["energy_write_pj"].sum() > 0
    # Sums may leave from other units than before; the rest is what moved, out and in.
    assert moved["bytes_external"].sum() - 2 * moved_bytes - 128 * sums(moved) == 0
    assert static["bytes_external"].sum() - 128 * sums(static) == 0
    assert static["moves"].isna().all()
    assert static["writes"].sum() == 0


def sums(stats: pd.DataFrame) -> int:
    """Vectors that were transferred, of two bursts of two cycles each."""
    return int(stats["transfer_cycles"].sum()) // 4


def test_writes_of_two_units_that_meet_on_the_bus_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Units have column paths of their own, but one bus brings what is written."""
    file = tmp_path / "channel-0.cmd"
    opened = "10 activate 0 0 0 5 -1\n20 activate 0 1 0 5 -1\n"
    burst = load_device("hbm2-4gb").timing.burst_cycles
    for apart in (burst, burst - 1):
        file.write_text(f"{opened}50 write 0 0 0 5 0\n{50 + apart} write 0 1 0 5 0\n")
        status = run("check", file, "--system", "pim-base", "--set", "mapping=adaptive")
        found = "data bus, margin -1: write" in capsys.readouterr().out
        assert (status, found) == ((0, False) if apart == burst else (1, True))


def test_threads_give_the_same(tmp_path: Path) -> None:
    choice = ["--system", "proactivepim", "--mapping", "adaptive", *OFTEN]
    one = stats_of(tmp_path / "one.csv", *choice, "--threads", 1)
    two = stats_of(tmp_path / "two.csv", *choice, "--threads", 2)
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(
    ("arguments", "word", "mend"),
    [
        (["--system", "recnmp"], "barrier", "give barrier=table or batch"),
        (["--system", "proactivepim", "--prefetch", "next"], "prefetch", "give prefetch=table"),
        (["--system", "heam", "--prefetch", "none"], "mapping adaptive", "give another system"),
        (["--set", "partial_sum_fraction=0.1"], "mapping adaptive", "partial_sum_fraction=0"),
        (["--program", "program.txt"], "program", "write it with another mapping"),
        (["--set", "adaptive_batches=0"], "adaptive_batches", "1"),
    ],
)
def test_refusals(
    arguments: list[str],
    word: str,
    mend: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("simulate", SAMPLE, "--mapping", "adaptive", *arguments, "-o", "stats.csv") == 2
    (complaint,) = complaints(capsys.readouterr().err)
    assert word in complaint
    assert mend in complaint
    assert list(tmp_path.iterdir()) == []


# Foresight.

HALF = 6  # batches
ADAPTIVE = load_system("pim-base", {"mapping": "adaptive", "adaptive_batches": 2, "adaptive_gain": 0.1})


class Halves:
    """A trace whose second half is that of another: what the first half teaches may be wrong in it."""

    def __init__(
        self, first: SmallTrace, second: SmallTrace, batches_per_chunk: int = 1, *, stop: int = 2 * HALF
    ) -> None:
        self.meta, self.path = first.meta, first.path
        parts = [x.accesses for x in (first, second)]
        chosen = [parts[0].batch < HALF, (parts[1].batch >= HALF) & (parts[1].batch < stop)]
        self.accesses = TraceChunk(
            *(
                np.concatenate([column[take] for column, take in zip(columns, chosen, strict=True)])
                for columns in zip(*parts, strict=True)
            )
        )
        self._cut = replace(first, batches_per_chunk=batches_per_chunk)

    def chunks(self, threads: int = 1) -> Iterator[TraceChunk]:
        self._cut.__dict__["accesses"] = self.accesses
        return self._cut.chunks(threads)


def a_trace(shift: int) -> SmallTrace:
    """Skewed ids; `shift` makes other rows the popular ones."""
    trace = small_trace(
        "dense",
        {"vector_bytes": 128},
        rows=(400,),
        samples=16 * 2 * HALF,
        batch_size=16,
        pooling=(8, 12),
        skew=4.0,
    )
    return replace(trace, bags=[[(ids + shift) % 400 for ids in bags] for bags in trace.bags])


def commands_of(trace: Any) -> tuple[SimulationResult, list[tuple[int, ...]]]:
    """The result, and all commands by cycle: (cycle, channel, rank, bank group, bank, command, row, column)."""
    found: list[np.ndarray] = []

    def keep(channels: Any, streams: Any) -> None:
        for channel, x in zip(channels, streams, strict=True):
            columns = (
                x.cycle,
                np.full(len(x), channel),
                x.rank,
                x.bankgroup,
                x.bank,
                x.command,
                x.row,
                x.column,
            )
            found.append(np.column_stack(columns))

    result = simulate(trace, ADAPTIVE, commands=[keep])
    return result, sorted(map(tuple, np.concatenate(found).tolist()))


def writes_in(commands: list[tuple[int, ...]]) -> int:
    return sum(command[5] == WRITE for command in commands)


def test_it_is_never_credited_with_foresight() -> None:
    """Second halves that contradict each other, behind one first half: nothing differs before they begin.

    The moves between the halves are the same, too, since they follow from the first.
    """
    same, other = a_trace(0), a_trace(200)
    end_of_half = simulate(Halves(same, same, stop=HALF), ADAPTIVE).cycles
    _, one = commands_of(Halves(same, same))
    _, two = commands_of(Halves(same, other))
    assert one != two
    parted = next(k for k, (left, right) in enumerate(zip(one, two, strict=False)) if left != right)
    begins = min(one[parted][0], two[parted][0])
    assert begins > end_of_half
    alone = [command for command in one if command[0] < end_of_half]
    assert writes_in(alone) > 0
    assert writes_in(one[:parted]) > writes_in(alone)
    # What the second half teaches is followed later.
    assert writes_in(one[parted:]) != writes_in(two[parted:])


def test_a_second_half_that_contradicts_the_first_is_served_whole() -> None:
    same, other = a_trace(0), a_trace(200)
    trace = Halves(same, other)
    result, _ = commands_of(trace)
    assert result.total("accesses") == len(trace.accesses.row)
    assert result.unit_accesses is not None
    assert result.unit_accesses.sum() == len(trace.accesses.row)
    assert result.total("reads") == (result.total("accesses") + result.total("moves")) * 2  # of two bursts
    assert result.total("writes") == result.total("moves") * 2 > 0


@pytest.mark.parametrize("batches", [2, 5, 100])
def test_chunks_of_the_trace_change_nothing(batches: int) -> None:
    trace = a_trace(0)
    left, right = (simulate(Halves(trace, trace, n), ADAPTIVE) for n in (1, batches))
    assert left.cycles == right.cycles
    for name, counts in left.counts.items():
        np.testing.assert_array_equal(counts, right.counts[name], err_msg=name)
