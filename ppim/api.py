"""The front door for Python, and what the command line is made of: its options are these parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ppim.dram import load
from ppim.errors import InputError

if TYPE_CHECKING:
    from ppim.runs.generate_files import GeneratedTrace
    from ppim.stats.replay_result import ReplayResult
    from ppim.stats.result import SimulationResult
    from ppim.systems.chosen import ChosenSystem
    from ppim.timeline.windows import TimelineOptions

__all__ = ["generate_trace", "replay", "simulate"]

PathOrText = str | os.PathLike[str]
SYNTHETIC = "synthetic"
DEFAULT_PROGRAM_SYSTEM = "proactivepim-paper"


def generate_trace(
    dataset: PathOrText | Sequence[PathOrText],
    output: PathOrText,
    *,
    dataset_format: str | None = None,
    dataset_options: Mapping[str, Any] | None = None,
    algorithm: str = "qr",
    algorithm_options: Mapping[str, Any] | None = None,
    collisions: int | None = None,
    tt_rank: int | None = None,
    vector_bytes: int = 128,
    dense_below: int = 0,
    batch_size: int = 4,
    pooling: int | None = None,
    pooling_distribution: str | None = None,
    pooling_list: str | Sequence[int] | None = None,
    rows: str | int | None = None,
    max_samples: int | None = None,
    tables: str | Sequence[int | str] | None = None,
    seed: int = 0,
    on_error: Literal["fail", "skip"] = "fail",
    threads: int | None = None,
    progress: bool = False,
) -> GeneratedTrace:
    """Make a dataset into a trace of subtable accesses, as `ppim gen-trace` does.

    Parameters
    ----------
    dataset : path, sequence of paths, or "synthetic"
    output : path
        The trace, which appears whole or not at all.
    dataset_format : str, optional
        Name of the format; recognised from the content without it.
    dataset_options, algorithm_options : mapping of str to value, optional
        Options of the dataset's and the algorithm's own.
    algorithm : str
        Weight sharing: `dense`, `hash`, `qr`, `tt-rec`, ...
    collisions : int, optional
        Ids that share a row (qr, hash, ...); 4 without it.
    tt_rank : int, optional
        Rank of the tensor train (tt-rec); 16 without it.
    vector_bytes : int
        Bytes of an embedding vector.
    dense_below : int
        Tables of fewer rows stay dense.
    batch_size : int
        Samples in a batch.
    pooling : int, optional
        Lookups in a bag; 10 without it.
    pooling_distribution : {"pareto", "uniform", "dataset"}, optional
        Where lookups after the first come from; `dataset`: its own bags.
    pooling_list : sequence of int or "mlperf", optional
        Lookups in a bag of each table.
    rows : {"dataset", "seen"} or int, optional
        Rows of the tables.
    max_samples : int, optional
        Stop after so many.
    tables : sequence of int or str, optional
        Only these, by number or name.
    seed : int
    on_error : {"fail", "skip"}
        What to do with a row that cannot be read.
    threads : int, optional
        Encoding threads; one for each processor without it.
    progress : bool
        Show a progress bar, where stderr is a terminal.

    Returns
    -------
    GeneratedTrace
        Path, metadata, size in bytes, and how many rows were skipped.

    Raises
    ------
    InputError
        A dataset, option or output that cannot be used.
    """
    from ppim.runs import generate_files

    words = (dataset,) if isinstance(dataset, str | os.PathLike) else tuple(dataset)
    if not words:
        raise InputError(f"dataset: no file; give paths, or {SYNTHETIC}")
    options = generate_files.TraceOptions(
        dataset_format=dataset_format,
        dataset_options=dataset_options or {},
        algorithm=algorithm,
        algorithm_options=algorithm_options or {},
        collisions=collisions,
        tt_rank=tt_rank,
        vector_bytes=vector_bytes,
        dense_below=dense_below,
        batch_size=batch_size,
        pooling=pooling,
        pooling_distribution=pooling_distribution,
        pooling_list=_joined(pooling_list),
        rows=_joined(rows),
        max_samples=max_samples,
        tables=_joined(tables),
        seed=seed,
        on_error=on_error,
        threads=threads,
    )
    return generate_files.generate_file(
        tuple(os.fspath(word) for word in words), Path(output), options, show_progress=progress
    )


def _joined(words: str | int | Sequence[int | str] | None) -> str | None:
    """As the command line writes it."""
    if words is None or isinstance(words, str):
        return words
    return str(words) if isinstance(words, int) else ",".join(map(str, words))


def simulate(
    trace: PathOrText,
    system: PathOrText = "proactivepim",
    *,
    mapping: str | None = None,
    prefetch: str | None = None,
    device: PathOrText | None = None,
    settings: Mapping[str, Any] | None = None,
    threads: int = 1,
    output: PathOrText | None = None,
    units: PathOrText | None = None,
    summary: PathOrText | None = None,
    program: PathOrText | None = None,
    program_format: str | None = None,
    command_trace: PathOrText | None = None,
    timeline: PathOrText | None = None,
    from_cycle: int | None = None,
    cycles: int | None = None,
    turn: int | None = None,
    progress: bool = False,
) -> SimulationResult:
    """Run a trace through a memory system and count what happens, as `ppim simulate` does.

    Parameters
    ----------
    trace : path
        A file made by `generate_trace`.
    system : str or path
        A name of `systems()`, or a system's .toml file.
    mapping, prefetch, device : str, optional
        Replace those of the system.
    settings : mapping of str to value, optional
        Other parameters of the system or its device, by the names that `--set` takes: `{"barrier": "none"}`.
    threads : int
        Threads to simulate on; the result is the same.
    output, units, summary, program, command_trace : path, optional
        Write the stats CSV, the units CSV, the summary, the program, and the DRAM commands (a folder). They appear
        when the run has ended well, or not at all.
    program_format : {"ppim-program", "authors"}, optional
        Format of the program; without it `ppim-program` if its name ends in .ppim or .ppim.gz, else `authors`.
    timeline : path, optional
        Write a window of the run in the trace-event format (docs/timeline.md), .json or .json.gz.
    from_cycle, cycles, turn : int, optional
        The window: so many cycles from a cycle on, or one turn; the first two turns without them.
    progress : bool
        Show a progress bar, where stderr is a terminal.

    Returns
    -------
    SimulationResult
        `cycles`, `time_ns`, `totals`, `limits`, `channels` and `units` as pandas frames, `configuration`,
        `speedup_over(other)`, `write_csv(path)`, `write_json(path)`.

    Raises
    ------
    InputError
        A trace, system, setting or output that cannot be used.

    Examples
    --------
    >>> base = ppim.simulate("trace.parquet", "pim-base")
    >>> full = ppim.simulate("trace.parquet", settings={"barrier": "none"})
    >>> full.speedup_over(base)
    """
    from ppim.runs.simulate_files import simulate_file

    _in_range("threads", threads)
    chosen = _choose(system, settings, device, mapping=mapping, prefetch=prefetch)
    return simulate_file(
        Path(trace),
        chosen,
        output=_path(output),
        units=_path(units),
        summary=_path(summary),
        threads=threads,
        program=_path(program),
        program_format=program_format,
        command_trace=_path(command_trace),
        timeline=_timeline(timeline, from_cycle, cycles, turn),
        show_progress=progress,
    )


def replay(
    requests: PathOrText,
    *,
    format: str | None = None,
    device: PathOrText | None = None,
    system: PathOrText | None = None,
    settings: Mapping[str, Any] | None = None,
    cycles: int | None = None,
    inject: int | None = None,
    outstanding: int | None = None,
    merge: bool = True,
    output: PathOrText | None = None,
    command_trace: PathOrText | None = None,
    latencies: PathOrText | None = None,
    timeline: PathOrText | None = None,
    from_cycle: int | None = None,
    turn: int | None = None,
    progress: bool = False,
) -> ReplayResult | SimulationResult:
    """Replay plain requests exactly as DRAMsim3, or a PIM program, as `ppim replay` does.

    Parameters
    ----------
    requests : path
        A text file, plain or gzip.
    format : str, optional
        Name of its format; recognised from the content without it.
    device : str or path, optional
        A name of `devices()`, a device's .toml or a DRAMsim3 .ini; `hbm2-4gb` without it.
    system : str or path, optional
        For a program: whose PIM units run it; without it the one that the program names, with its settings, else
        `proactivepim-paper`.
    settings : mapping of str to value, optional
        Parameters of the device (or of the system) to replace.
    cycles : int, optional
        Run so many memory cycles; otherwise until every request is served.
    inject : int, optional
        Requests per memory cycle at most; 1 without it.
    outstanding : int, optional
        Requests under way at most, of which the next one waits for any; as many as find room without it.
    merge : bool
        Serve requests to one address together, as DRAMsim3 does.
    output, command_trace, latencies : path, optional
        Write the stats CSV, the DRAM commands (a folder), and how long each plain request took (a .csv or .parquet file).
    timeline : path, optional
        Write a window of the run in the trace-event format (docs/timeline.md), .json or .json.gz.
    from_cycle, turn : int, optional
        The window, as of `simulate`; with `from_cycle`, `cycles` are its length and not the run's.
    progress : bool
        Show a progress bar, where stderr is a terminal.

    Returns
    -------
    ReplayResult or SimulationResult
        Of plain requests, or of a program: `cycles`, `time_ns`, `totals`, `channels` as a pandas frame.

    Raises
    ------
    InputError
        Requests, a device, a setting or an output that cannot be used.
    """
    from ppim.files import rereadable
    from ppim.requests.read import find_format

    path = Path(requests)
    with rereadable([path]) as (readable,):
        if readable != path:  # a pipe, whose copy is replayed
            return replay(
                readable,
                format=format,
                device=device,
                system=system,
                settings=settings,
                cycles=cycles,
                inject=inject,
                outstanding=outstanding,
                merge=merge,
                output=output,
                command_trace=command_trace,
                latencies=latencies,
                timeline=timeline,
                from_cycle=from_cycle,
                turn=turn,
                progress=progress,
            )
    variant = find_format(path, format)
    files = {"output": _path(output), "command_trace": _path(command_trace)}
    if variant is not None and variant.is_program:
        from ppim.runs import program_files, programs

        _refuse_plain_options(
            path,
            {
                "--cycles": None if timeline else cycles,
                "--inject": inject,
                "--outstanding": outstanding,
                "--no-merge": None if merge else 1,
                "--latencies": latencies,
            },
        )
        made: Mapping[str, Any] = {}
        if system is None:
            system, made = programs.made_for(path, variant.name)
        if device is not None:  # goes before the program's own
            made = {name: value for name, value in made.items() if name not in ("device", "memory.device")}
        system = system or DEFAULT_PROGRAM_SYSTEM
        chosen = _choose(system, {**made, **(settings or {})}, device, for_program=True)
        if made:  # only what the user sets is warned of
            known = _choose(system, made, None, for_program=True).warnings
            chosen = replace(chosen, warnings=tuple(text for text in chosen.warnings if text not in known))
        return program_files.replay_program_file(
            path,
            chosen,
            variant.name,
            timeline=_timeline(timeline, from_cycle, cycles, turn),
            show_progress=progress,
            **files,
        )
    if system is not None:
        raise InputError(f"--system: for PIM programs, but {path} has plain requests; use --device")
    from ppim.runs import replay_files

    for name, number in (("cycles", cycles), ("inject", inject), ("outstanding", outstanding)):
        if number is not None:
            _in_range(name, number)
    name = _text(device) or load.DEFAULT_DEVICE
    described_by = load.device_file(name)
    window = _timeline(timeline, from_cycle, cycles if timeline else None, turn)
    options = replay_files.ReplayOptions(
        format=format,
        cycles=cycles if from_cycle is None else None,
        inject=inject or 1,
        outstanding=outstanding,
        merging=merge,
        inputs=() if described_by is None else (described_by,),
        show_progress=progress,
        latencies=_path(latencies),
        timeline=window,
        **files,
    )
    return replay_files.replay_file(path, load.load_device(name, settings), options)


def _timeline(
    path: PathOrText | None, from_cycle: int | None, cycles: int | None, turn: int | None
) -> TimelineOptions | None:
    if path is None:
        for name, number in (("from-cycle", from_cycle), ("cycles", cycles), ("turn", turn)):
            if number is not None:
                raise InputError(f"--{name}: is of a timeline; give --timeline FILE.json too")
        return None
    from ppim.timeline.windows import TimelineOptions

    return TimelineOptions(Path(path), from_cycle, cycles, turn)


def _choose(
    system: PathOrText, settings: Mapping[str, Any] | None, device: PathOrText | None, **more: Any
) -> ChosenSystem:
    from ppim.systems.chosen import choose_system

    return choose_system(os.fspath(system), settings, device=_text(device), **more)


def _refuse_plain_options(path: Path, given: Mapping[str, object]) -> None:
    """A PIM program has no use for options of plain requests."""
    for option, value in given.items():
        if value is not None:
            raise InputError(f"{option}: for plain requests, but {path} is a PIM program; leave it out")


# Threads that a machine has; cycles of a quarter of an hour; requests that no queue could take.
_MOST = {"threads": 1 << 10, "cycles": 1 << 40, "inject": 1 << 20, "outstanding": 1 << 16}


def _in_range(name: str, number: int) -> None:
    if not isinstance(number, int) or not 1 <= number <= _MOST[name]:
        raise InputError(f"{name}: {number!r:.40} is no whole number from 1 to {_MOST[name]:,}")


def _path(path: PathOrText | None) -> Path | None:
    return None if path is None else Path(path)


def _text(path: PathOrText | None) -> str | None:
    return None if path is None else os.fspath(path)
