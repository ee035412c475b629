"""Slices of whole runs and of windows: none overlap on a track, and they add up to what the run counted."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ppim.dram.load import load_device
from ppim.runs.simulate import open_run
from ppim.stats.result import SimulationResult
from ppim.systems.load import load_system, system_names
from ppim.timeline.names import Names
from ppim.timeline.record import Recorder, Window, WindowIsOver
from ppim.timeline.slices import BUSY, FRONT_END, Slice, Track, Tracks, tracks_of, union
from ppim.timeline.windows import DEFAULT_TURNS, TimelineOptions, record_turns
from tests.reference.small_traces import SmallTrace, small_trace

WHOLE = Window(0, 1 << 40)
OTHERS: list[tuple[str, str, dict[str, Any]]] = [
    ("proactivepim", "tt-rec", {"tt_rank": 4}),
    ("pim-base", "tt-rec", {"tt_rank": 4}),
    ("proactivepim-paper", "qr", {"collisions": 6}),
]


def devices_of(system: Any) -> list[Any]:
    memories = [system.memory] if system.dimm is None else [system.memory, system.dimm.memory]
    return [load_device(memory.device, memory.overrides) for memory in memories]


def record(
    trace: SmallTrace, system: Any, window: Window = WHOLE
) -> tuple[SimulationResult, list[tuple[Recorder, Tracks]]]:
    """A run's result, and each memory's recorder and slices."""
    recorders = [Recorder(device, window) for device in devices_of(system)]
    with closing(open_run(trace, system, 1, None, recorders)) as run:  # type: ignore[arg-type]
        placements = run.placements
        for chunk in trace.chunks():
            run.feed(chunk)
        result = run.finish(int(trace.accesses.batch[-1]) + 1)
    found = []
    for recorder, memory, placement in zip(recorders, result.memories, placements, strict=True):
        recorder.ends(memory.cycles)
        names = Names(trace.meta, placement)
        turns = recorder.turns_shown()
        if turns:
            names.read(trace.chunks(), turns[0], turns[-1])
        found.append((recorder, tracks_of(recorder, names)))
    return result, found


def assert_apart(tracks: Tracks) -> None:
    """No two slices of a track overlap, and tracks have names of their own."""
    assert len({(track.channel, track.name) for track in tracks}) == len(tracks)
    for track, slices in tracks.items():
        for one, other in pairwise(slices):
            assert one.end <= other.start, (track, one, other)
        assert all(one.start <= one.end for one in slices)


def of_channel(tracks: Tracks, channel: int, name: str = "") -> list[tuple[Track, Slice]]:
    return [
        (track, one)
        for track, slices in tracks.items()
        if track.channel == channel and name in track.name
        for one in slices
    ]


def length(slices: list[tuple[Track, Slice]], *names: str) -> float:
    return sum(one.end - one.start for _, one in slices if not names or one.name in names)


def assert_adds_up(memory: SimulationResult, tracks: Tracks) -> None:
    """The slices of a whole run have the cycles and events that its stats count."""
    counts, burst = memory.counts, memory.device.organization.burst_bytes
    for channel in range(memory.device.organization.channels):
        everything = of_channel(tracks, channel)
        commands = Counter(one.name for track, one in everything if "commands" in track.name)
        refreshes = Counter(one.name for track, one in everything if "refresh" in track.name)
        bus = of_channel(tracks, channel, "data bus")
        assert commands["READ"] == counts["reads"][channel]
        assert commands["ACTIVATE"] == counts["activates"][channel]
        assert commands["PRECHARGE"] == counts["precharges"][channel]
        assert refreshes["refresh"] == counts["refreshes"][channel]
        if memory.system.kind == "host":
            assert (
                length(bus) * burst / memory.device.timing.burst_cycles == counts["bytes_external"][channel]
            )
            continue
        assert length(of_channel(tracks, channel, "busy")) == counts["busy_cycles"][channel]
        transfers = ("transfer", "partial sum", "collected sum")
        assert length(bus, *transfers) == counts["transfer_cycles"][channel]
        arithmetic = of_channel(tracks, channel, "arithmetic")
        assert length(arithmetic) == counts["compute_cycles"][channel]
        fetched = sum(one.name == "prefetched" for _, one in everything)
        assert fetched == counts["prefetch_reads"][channel]
        bursts = length(bus, "deliver") / max(memory.device.timing.burst_cycles, memory.device.timing.tCCD_S)
        assert bursts * burst == counts["bytes_delivered"][channel]
        if memory.system.pim.frontend == "per-channel":
            sent = [one for _, one in of_channel(tracks, channel, "stream") if one.name != "barrier"]
            assert len(sent) == counts["instructions"][channel]


@pytest.mark.parametrize("name", system_names())
def test_every_preset_adds_up(name: str) -> None:
    trace = small_trace("qr", {"collisions": 6}, samples=8, seed=3)
    result, memories = record(trace, load_system(name))
    for row in result.rows():
        parts = [value for column, value in row.items() if column.startswith("energy_")]
        total = row.get("energy_total_pj")  # none where the device's I/O is not known
        assert total is None or total == pytest.approx(sum(parts) - total, rel=1e-9)
    for memory, (recorder, tracks) in zip(result.memories, memories, strict=True):
        assert_apart(tracks)
        assert_adds_up(memory, tracks)
        assert (recorder.window.first, recorder.window.stop) == (0, memory.cycles)


@pytest.mark.parametrize(("name", "algorithm", "parameters"), OTHERS)
def test_other_algorithms_add_up(name: str, algorithm: str, parameters: dict[str, Any]) -> None:
    result, ((_, tracks),) = record(small_trace(algorithm, parameters, samples=6), load_system(name))
    assert_apart(tracks)
    assert_adds_up(result, tracks)
    if load_system(name).pim.frontend == "global":
        sent = [one for _, one in of_channel(tracks, FRONT_END, "stream") if one.name != "barrier"]
        assert len(sent) == result.issue_slots


@pytest.mark.parametrize(
    "settings", [{}, {"barrier": "none"}, {"prefetch": "next"}, {"prefetch": "next", "level": "bank"}]
)
def test_both_engines_and_prefetches_add_up(settings: dict[str, Any]) -> None:
    trace = small_trace("qr", {"collisions": 6}, samples=24, seed=5)
    result, ((_, tracks),) = record(
        trace, load_system("proactivepim", {**settings, "tREFI": 200, "tRFC": 40})
    )
    assert result.total("refreshes") > 0
    assert_apart(tracks)
    assert_adds_up(result, tracks)


@pytest.mark.parametrize("name", ["proactivepim", "pim-base", "trim-bank", "cpu"])
def test_a_window_is_a_part_of_the_whole(name: str) -> None:
    """The same slices, cut at the window's ends; and the run may end early."""
    trace = small_trace("qr", {"collisions": 6}, samples=12, seed=4)
    system = load_system(name)
    result, ((_, whole),) = record(trace, system)
    first, stop = result.cycles // 3, result.cycles // 2
    recorder = Recorder(devices_of(system)[0], Window(first, stop))
    try:
        with closing(open_run(trace, system, 1, None, [recorder])) as run:  # type: ignore[arg-type]
            for chunk in trace.chunks():
                run.feed(chunk)
            run.finish(3)
    except WindowIsOver:
        pass
    part = tracks_of(recorder)

    def spans(tracks: Tracks) -> Counter[Any]:
        # Which of several tracks of one name a slice is on depends on those before it.
        return Counter(
            (track.channel, track.name.split(" (")[0], one.name, max(one.start, first), min(one.end, stop))
            for track, slices in tracks.items()
            for one in slices
            if one.end > first and one.start < stop and track.group not in (0, BUSY) and one.name != "barrier"
        )

    # Turns have no names here, and a wait needs the slot before it.
    found, expected = spans(part), spans(whole)
    assert found == expected
    assert len(found) > 50


def test_a_window_of_turns() -> None:
    trace = small_trace("qr", {"collisions": 6}, samples=12)
    system = load_system("proactivepim")
    _, ((recorder, tracks),) = record(trace, system)
    turns = {one.args["turn"]: one for _, one in of_channel(tracks, FRONT_END, "turns")}
    assert {one.args["batch"] for one in turns.values()} == {0, 1, 2}
    assert len(turns) == 9

    def run(recorders: Any) -> None:
        with closing(open_run(trace, system, 1, None, recorders)) as one:  # type: ignore[arg-type]
            for chunk in trace.chunks():
                one.feed(chunk)
            one.finish(3)

    devices = devices_of(system)
    (of_turn,) = record_turns(run, devices, options(turn=4))
    assert (of_turn.window.first, of_turn.window.stop) == (turns[4].start, turns[4].end + 1)
    (first_two,) = record_turns(run, devices, options())
    assert (first_two.window.first, first_two.window.stop) == (0, turns[DEFAULT_TURNS - 1].end)
    (by_cycles,) = record_turns(run, devices, options(from_cycle=30, cycles=50))
    assert (by_cycles.window.first, by_cycles.window.stop) == (30, 80)
    with pytest.raises(Exception, match="--turn: the run has no turn 9, but 9, from 0"):
        record_turns(run, devices, options(turn=9))
    assert recorder.turns_shown() == [0, 8]


def options(**window: Any) -> TimelineOptions:
    return TimelineOptions(Path("window.json"), **window)


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [("pim-base", "qr"), ("trim-bg", "qr"), ("pim-base", "dense"), ("proactivepim", "dense")],
)
def test_instructions_name_the_rows_of_the_trace(name: str, algorithm: str) -> None:
    """Where every access is an instruction, tables, subtables and rows are those of the trace, each as often."""
    trace = small_trace(algorithm, {"collisions": 6} if algorithm == "qr" else {}, samples=8)
    _, ((_, tracks),) = record(trace, load_system(name, {"prefetch": "none", "mapping": "interleave"}))
    accesses = trace.accesses
    expected = Counter(
        (batch, trace.meta.tables[table].name, trace.meta.tables[table].subtables[subtable].name, row)
        for batch, table, subtable, row in zip(
            *(
                column.tolist()
                for column in (accesses.batch, accesses.table, accesses.subtable, accesses.row)
            ),
            strict=True,
        )
    )
    found = Counter(
        (one.args["batch"], one.args["table"], one.args["subtable"], one.args["row"])
        for track, slices in tracks.items()
        if track.name == "stream"
        for one in slices
        if one.name in ("READ", "READ_OUT")
    )
    assert found == expected


def test_prefetched_rows_and_users_have_names() -> None:
    trace = small_trace("qr", {"collisions": 6}, samples=8)
    _, ((_, tracks),) = record(trace, load_system("proactivepim"))
    fetched = [one for _, slices in tracks.items() for one in slices if one.name == "prefetched"]
    assert {one.args["subtable"] for one in fetched} == {"r"}
    assert {one.args["table"] for one in fetched} == {table.name for table in trace.meta.tables}
    data = [one for _, slices in tracks.items() for one in slices if one.name == "data"]
    wanted = {"turn", "batch", "table", "subtable", "row", "lookup", "bag", "bank", "dram_row", "column"}
    assert all(set(one.args) == wanted for one in data)
    assert {one.args["subtable"] for one in data} == {"q"}


@pytest.mark.parametrize("name", ["proactivepim", "pim-base", "proactivepim-paper"])
def test_however_often_the_log_is_taken(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    trace = small_trace("qr", {"collisions": 6}, samples=12)
    _, ((_, whole),) = record(trace, load_system(name))
    taken = []
    take_log = Recorder.take_log
    monkeypatch.setattr("ppim.engine.commands.KEPT_COMMANDS", 20)
    monkeypatch.setattr(Recorder, "take_log", lambda *arguments: (taken.append(1), take_log(*arguments)))
    _, ((_, pieces),) = record(trace, load_system(name))
    assert pieces == whole
    assert len(taken) > 3


@pytest.mark.parametrize("name", ["proactivepim", "pim-base", "trim-bg"])
def test_streams_wait_for_turns(name: str) -> None:
    """A wait ends where a turn has ended that it names, and nothing but delivers is sent meanwhile."""
    system = load_system(name)
    _, ((_, tracks),) = record(small_trace("qr", {"collisions": 6}, samples=12), system)
    ends = {one.args["turn"]: one.end for _, one in of_channel(tracks, FRONT_END, "turns")}
    waited: dict[tuple[int, int], list[Slice]] = {}
    for channel in range(devices_of(system)[0].organization.channels):
        stream = [one for track, one in of_channel(tracks, channel, "stream") if track.name == "stream"]
        for one, after in pairwise(stream):
            if one.name == "barrier":
                waited.setdefault((channel, one.args["waits_for"]["turn"]), []).append(one)
                assert after.name in ("READ", "READ_OUT", "DELIVER")
    assert not any("stream (" in track.name for track in tracks)
    assert len({turn for _, turn in waited}) >= len(ends) - 3
    for (_, turn), slices in waited.items():
        assert slices[-1].end == max(end for other, end in ends.items() if other <= turn)
    if name == "pim-base":
        assert max(map(len, waited.values())) > 1  # around a deliver


def test_union() -> None:
    assert union([(5, 7), (1, 2), (2, 3), (6, 9), (4, 4)]) == [(1, 3), (5, 9)]
    assert union([]) == []


def test_a_window_with_too_much_in_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ppim.timeline.record.MOST_LINES", 100)
    with pytest.raises(Exception, match=r"more than 100 events .* give fewer cycles with --cycles"):
        record(small_trace("qr"), load_system("pim-base"))
