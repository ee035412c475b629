"""Replay a request trace from file to files: what `ppim replay` does."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ppim.dram import address
from ppim.dram.device import Device
from ppim.engine.host import HostReplay
from ppim.files import atomic_path, keep_inputs
from ppim.jit import compile_notice
from ppim.progress import progress_bar
from ppim.requests.read import RequestTrace, open_requests
from ppim.runs.outputs import csv_file
from ppim.runs.timeline import replay_timeline
from ppim.stats import replay, replay_result, request_latencies
from ppim.stats.command_trace import channel_names, command_files, write_all
from ppim.timeline.windows import TimelineOptions


@dataclass(frozen=True)
class ReplayOptions:
    """How to replay a trace, and what to write."""

    format: str | None = None  # recognised from the content without it
    cycles: int | None = None  # until drained without it
    output: Path | None = None  # stats CSV; `-` is stdout
    command_trace: Path | None = None  # command trace
    latencies: Path | None = None  # latency of every request
    timeline: TimelineOptions | None = None  # a window of the run
    inject: int = 1  # requests per memory cycle at most
    outstanding: int | None = None  # requests under way at most; as many as find room without it
    merging: bool = True
    show_progress: bool = False
    inputs: tuple[Path, ...] = ()  # files that are read beside the requests


def replay_file(path: Path, device: Device, options: ReplayOptions) -> replay_result.ReplayResult:
    """Replay the requests of `path`; write what `options` asks for.

    Raises
    ------
    InputError
        Broken trace, or an output that cannot be written; nothing is left behind.
    PpimError
        Requests are missing at the end of the run.
    """
    names = channel_names(device) if options.command_trace else []
    keep_inputs(
        [path, *options.inputs],
        *(options.output, options.command_trace, options.latencies),
        options.timeline.path if options.timeline else None,
        *(options.command_trace / name for name in names if options.command_trace),
    )
    trace = open_requests(path, options.format)
    with ExitStack() as outputs:
        csv_stream = outputs.enter_context(csv_file(options.output)) if options.output else None
        command_streams = (
            outputs.enter_context(command_files(options.command_trace, names))
            if options.command_trace
            else []
        )
        latencies = (
            outputs.enter_context(request_latencies.latency_file(options.latencies))
            if options.latencies
            else None
        )
        figures, front = _run(trace, device, options, command_streams, latencies)
        replay_result.check_conservation(figures, front, complete=options.cycles is None)
        if options.timeline is not None:
            temporary = outputs.enter_context(atomic_path(options.timeline.path))
            replay_timeline(path, trace.format, device, _engine_options(options), options.timeline, temporary)
        if csv_stream:
            replay.write_csv(figures, csv_stream)
    return replay_result.ReplayResult(figures, front)


def _run(
    trace: RequestTrace,
    device: Device,
    options: ReplayOptions,
    command_streams: list[BinaryIO],
    latencies: request_latencies.LatencyFile | None,
) -> tuple[replay.ReplayFigures, replay_result.FrontEnd]:
    run = HostReplay(
        device,
        command_trace=bool(command_streams),
        keep_latencies=latencies is not None,
        **_engine_options(options),
    )
    places = address.address_map(device)
    channels = range(device.organization.channels)
    n_requests, n_beyond, bits = 0, 0, device.organization.burst_bytes
    with (
        compile_notice("ppim replay"),
        progress_bar(None, "request", trace.path.name, show=options.show_progress) as bar,
    ):
        for chunk in trace.chunks:
            # A 64-bit address is a signed number to the kernel; its bits are the same.
            run.feed(chunk.address.view(np.int64), chunk.is_write, chunk.cycle)
            n_requests += chunk.address.size
            n_beyond += places.count_beyond(chunk.address)
            bits |= int(np.bitwise_or.reduce(chunk.address))
            if command_streams:
                write_all(command_streams, channels, run.take_commands())
            if latencies:
                latencies.write(run.take_latencies())
            bar.update(chunk.address.size)
        result = run.finish()
    if command_streams:
        write_all(command_streams, channels, result.command_streams or [])
    if latencies:
        latencies.write(run.take_latencies())
    figures = replay.ReplayFigures.of(device, result)
    front = replay_result.FrontEnd(
        path=str(trace.path),
        format=trace.format,
        requests=n_requests,
        beyond_device=n_beyond,
        inject=options.inject,
        outstanding=options.outstanding,
        merging=options.merging,
        refused_cycles=result.refused_cycles,
        last_accepted_cycle=result.last_accepted_cycle,
        request_bytes=bits & -bits,  # the lowest bit of any address
    )
    return figures, front


def _engine_options(options: ReplayOptions) -> dict[str, Any]:
    """How the requests are served."""
    return {
        "n_cycles": options.cycles,
        "inject": options.inject,
        "merge": options.merging,
        "outstanding": options.outstanding,
    }
