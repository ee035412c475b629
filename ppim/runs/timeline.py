"""The timeline of a run: its window is simulated again, from the start, with everything noted that happens in it."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from ppim.dram.device import Device
from ppim.errors import InputError
from ppim.mapping.placing.placement import Placement
from ppim.systems.spec import SystemSpec
from ppim.timeline import record, slices, windows, write
from ppim.timeline.names import Names
from ppim.timeline.windows import TimelineOptions
from ppim.trace.reader import TraceReader

# ------------------------------------------------------------------------------------------ simulate


def simulate_timeline(trace: Path, system: SystemSpec, options: TimelineOptions, temporary: Path) -> None:
    """Write the timeline of a trace on a system to `temporary`.

    Raises
    ------
    InputError
        A window that the run has not, or with too much in it.
    """
    from ppim.runs.simulate import open_run

    placements: list[Placement | None] = []
    devices: list[Device] = []

    def run(recorders: Sequence[record.Recorder]) -> None:
        with TraceReader(trace) as reader, closing(open_run(reader, system, 1, None, recorders)) as one:
            placements[:] = one.placements
            batches = 0
            for chunk in reader.chunks():
                one.feed(chunk)
                batches = int(chunk.batch[-1]) + 1
            result = one.finish(batches)
        for recorder, memory in zip(recorders, result.memories, strict=True):
            recorder.ends(memory.cycles)

    devices = _devices(system)
    if system.kind == "host":
        if options.turn is not None:
            raise InputError(f"--turn: system {system.name} has no turns; use --from-cycle and --cycles")
        recorders = [record.Recorder(devices[0], options.window(windows.HOST_CYCLES))]
        windows.record(run, recorders)
        names: list[Names | None] = [None]
    else:
        recorders = windows.record_turns(run, devices, options)
        names = [
            _names(trace, recorder, placement)
            for recorder, placement in zip(recorders, placements, strict=True)
        ]
    _write(temporary, options, recorders, names, {"trace": trace.name, "system": system.name})


# -------------------------------------------------------------------------------------------- replay


def program_timeline(
    path: Path, system: SystemSpec, format_name: str, options: TimelineOptions, temporary: Path
) -> None:
    """Write the timeline of a program file; as `simulate_timeline`, without names of rows."""
    from ppim.runs.programs import open_replay

    def run(recorders: Sequence[record.Recorder]) -> None:
        result = open_replay(path, system, format_name).run(commands=recorders[0])
        recorders[0].ends(result.cycles)

    recorders = windows.record_turns(run, _devices(system), options)
    _write(temporary, options, recorders, [None], {"trace": path.name, "system": system.name})


def replay_timeline(
    path: Path,
    format_name: str,
    device: Device,
    engine_options: Mapping[str, Any],
    options: TimelineOptions,
    temporary: Path,
) -> None:
    """Write the timeline of plain requests; as `simulate_timeline`.

    Parameters
    ----------
    path : Path
    format_name : str
    device : Device
    engine_options : mapping
        Of `HostReplay`.
    options : TimelineOptions
    temporary : Path
    """
    from ppim.engine.host import HostReplay
    from ppim.requests.read import open_requests

    if options.turn is not None:
        raise InputError("--turn: plain requests have no turns; use --from-cycle and --cycles")
    channels = range(device.organization.channels)

    def run(recorders: Sequence[record.Recorder]) -> None:
        one = HostReplay(device, command_trace=True, **engine_options)
        for chunk in open_requests(path, format_name).chunks:
            one.feed(chunk.address.view(np.int64), chunk.is_write, chunk.cycle)
            recorders[0](channels, one.take_commands())
        result = one.finish()
        recorders[0](channels, result.command_streams or [])
        recorders[0].ends(result.cycles)

    recorder = record.Recorder(device, options.window(windows.HOST_CYCLES))
    windows.record(run, [recorder])
    _write(temporary, options, [recorder], [None], {"trace": path.name})


def _devices(system: SystemSpec) -> list[Device]:
    from ppim.dram.load import load_device

    memories = [system.memory] if system.dimm is None else [system.memory, system.dimm.memory]
    return [load_device(memory.device, memory.overrides) for memory in memories]


def _names(trace: Path, recorder: record.Recorder, placement: Placement | None) -> Names:
    with TraceReader(trace) as reader:
        names = Names(reader.meta, placement)
        if placement is None:
            return names  # turns in which rows move are none of the trace's
        turns = recorder.turns_shown()
        if turns:
            names.read(reader.chunks(), turns[0], turns[-1])
    return names


def _write(
    temporary: Path,
    options: TimelineOptions,
    recorders: Sequence[record.Recorder],
    names: Sequence[Names | None],
    about: dict[str, Any],
) -> None:
    labels = ("hbm", "dimm") if len(recorders) > 1 else ("",)
    memories: list[tuple[str, float, slices.Tracks]] = [
        (label, recorder.device.timing.tCK, slices.tracks_of(recorder, name))
        for label, recorder, name in zip(labels, recorders, names, strict=True)
    ]
    first = recorders[0]
    about |= {
        "device": first.device.name,
        "first_cycle": first.window.first,
        "end_cycle": first.window.stop,
        "clock_period_ns": first.device.timing.tCK,
    }
    write.write_timeline(temporary, options.path, memories, about)
