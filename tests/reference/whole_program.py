"""The whole program of a small trace as the compiled builder writes it, and the engine's run of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppim.dram.device import Device
from ppim.dram.load import load_device
from ppim.engine.pim.engine import PimEngine
from ppim.engine.pim.pair import PimPair, clock_ratio
from ppim.engine.pim.state import DONE, LOG_FULL
from ppim.jit.pack import pack
from ppim.mapping.base import moves_rows
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.program.builder import recipe as b
from ppim.program.builder.kernels import build_turns, flush_transfers, prefetch_all
from ppim.program.builder.moves import TURNS, emit_moves
from ppim.program.feed import as_accesses
from ppim.program.owners import Owners
from ppim.program.prepare import Prepared, prepare
from ppim.program.split import SplitReader, split
from ppim.program.state import (
    HEAD,
    NEXT_LOOKUP,
    NEXT_SUM,
    NEXT_TURN,
    SLOTS,
    TAIL,
    TURN_BATCH,
    TURN_LEFT,
    Rings,
    make_rings,
    pack_rings,
)
from ppim.program.tiers import is_split, split_trace
from ppim.runs.rounds import Rounds
from ppim.systems.spec import SystemSpec
from ppim.trace.profile import access_profile
from ppim.trace.reader import TraceChunk, no_accesses
from tests.reference.pim_twin import Command
from tests.reference.pim_words import in_words
from tests.reference.small_traces import SmallTrace


@dataclass(frozen=True)
class WholeProgram:
    """Tables of a program (`ppim.program.instruction`), and what the builder counted.

    Attributes
    ----------
    streams : list of ndarray
        Instructions of each stream.
    turn_left : ndarray
        Completions that each turn waits for.
    rings : Rings
        What the engine takes, and changes.
    """

    prepared: Prepared
    streams: list[np.ndarray]
    lookups: np.ndarray
    sums: np.ndarray
    turn_batch: np.ndarray
    turn_left: np.ndarray
    counts: np.ndarray
    unit_accesses: np.ndarray
    rings: Rings


def build_whole(trace: SmallTrace, device: Device, system: SystemSpec, *, shares: int = 0) -> WholeProgram:
    """Build every turn of a trace, on a system of one memory, before any instruction is sent.

    Owners of lookups are found beforehand in so many shares, if any.
    """
    prepared = prepare(trace.meta, device, system, lambda: access_profile(trace))
    is_whole = prepared.recipe.turns_ahead > 0
    chunks = [trace.accesses] if is_whole else list(trace.chunks())
    rounds = None
    if moves_rows(system.placement.mapping):
        rounds = Rounds(trace.meta, prepared, device)
        chunks = [piece for chunk in chunks for piece in rounds.pieces(chunk)]
    return _build_chunks(trace, prepared, chunks, shares, rounds)


def devices_of(system: SystemSpec) -> list[Device]:
    """The device of each memory."""
    systems = [system] if system.dimm is None else [system, system.second]
    return [load_device(part.memory.device, part.memory.overrides) for part in systems]


def build_parts(
    trace: SmallTrace, system: SystemSpec, devices: list[Device] | None = None
) -> list[WholeProgram]:
    """The whole program of each memory of a system; devices by name unless they are given."""
    devices = devices or devices_of(system)
    if not is_split(system):
        return [build_whole(trace, devices[0], system)]
    how = split_trace(trace, system, UnitGeometry.of(devices[0], system.pim.level))
    programs = []
    systems = [system] if system.dimm is None else [system, system.second]
    for memory, (part, device) in enumerate(zip(systems, devices, strict=True)):
        reader = SplitReader(trace, how, memory)
        prepared = prepare(
            how.metas[memory],
            device,
            part,
            lambda reader=reader: access_profile(reader),
            tied=len(devices) > 1 and system.pim.turns_wait,
            host_holds_shared=memory > 0 and part.pim.consumer == "host",
        )
        programs.append(_build_chunks(trace, prepared, [split(trace.accesses, how)[memory]]))
    return programs


def _build_chunks(
    trace: SmallTrace,
    prepared: Prepared,
    chunks: list[TraceChunk],
    shares: int = 0,
    rounds: Rounds | None = None,
) -> WholeProgram:
    recipe, placement = prepared.recipe, prepared.placement
    state = b.make_build_state(recipe)
    accesses = len(trace.accesses.row)
    transfers = (len(trace.bags) + trace.meta.batch_size) * len(trace.schemes) * prepared.geometry.units
    prefetches = (len(trace.bags) + 1) * int(recipe.resident.sum())
    n_streams = 1 if recipe.global_stream else recipe.channels
    moved = 0 if rounds is None else len(chunks) * prepared.system.placement.adaptive_moves
    room = 2 * (accesses + transfers + prefetches + moved) + 1
    slices = max(recipe.slices, 1)
    instructions = room
    if recipe.parts:
        slices = recipe.most_pieces * recipe.most_units
        instructions *= recipe.most_pieces * (1 + recipe.in_order * recipe.most_units)
    rings = make_rings(n_streams, instructions, slices * room, slices * room, room)
    if recipe.fetch_at_start:
        prefetch_all(rings, recipe, placement, state)
    scratch = b.make_scratch(recipe, rings)
    for chunk in chunks:
        n = len(chunk.row)
        if rounds is not None:
            moves = rounds.moves_before(chunk)
            if len(moves):
                batch = -TURNS * int(chunk.batch[0])
                emit_moves(pack_rings(rings), pack(recipe), pack(state), moves, len(moves), batch)
            rounds.see(chunk)
        accesses = as_accesses(chunk, n)
        if shares and not recipe.slices and not recipe.parts:
            accesses, jobs = Owners(
                prepared, shares, as_accesses(no_accesses(prepared.has_wide_rows), 0)
            ).jobs(accesses)
            for job in jobs:
                job()
        assert build_turns(rings, recipe, placement, state, accesses, 0, scratch) == n
    _flush_in_least_room(rings, recipe, state)
    n_turns = rings.marks[NEXT_TURN]
    return WholeProgram(
        prepared=prepared,
        streams=[rings.instructions[i, : rings.stream[i, TAIL]].copy() for i in range(n_streams)],
        lookups=rings.lookups[: rings.marks[NEXT_LOOKUP]].copy(),
        sums=rings.sums[: rings.marks[NEXT_SUM]].copy(),
        turn_batch=rings.turns[:n_turns, TURN_BATCH].copy(),
        turn_left=rings.turns[:n_turns, TURN_LEFT].copy(),
        counts=state.counts,
        unit_accesses=state.unit_accesses.reshape(recipe.units_per_channel, -1).T.ravel(),
        rings=rings,
    )


def _flush_in_least_room(rings: Rings, recipe: b.Recipe, state: b.BuildState) -> None:
    """Send the last transfers as soon as the builder sees room for them, which must be enough."""
    stream, capacity, room = rings.stream, rings.instruction_mask + 1, 0
    before = stream[:, TAIL].copy()
    stream[:, HEAD] = before - capacity
    while not flush_transfers(rings, recipe, state):
        room += 1
        stream[:, HEAD] = before - capacity + room
    assert (stream[:, TAIL] - before).max() <= room
    stream[:, HEAD] = 0


@dataclass(frozen=True)
class WholeRun:
    """The engine's run of a whole program.

    Attributes
    ----------
    commands : list of list of Command
        Of each channel.
    counters : ndarray, shape (channels, N_COUNTERS)
    slots : ndarray, shape (streams,)
    """

    cycles: int
    commands: list[list[Command]]
    counters: np.ndarray
    slots: np.ndarray


def run_whole(program: WholeProgram, device: Device) -> WholeRun:
    """Run a program that was built before, and keep its commands."""
    return _run([program], [device])[0]


def run_parts(programs: list[WholeProgram], system: SystemSpec) -> list[WholeRun]:
    """Run the programs of a system's memories in step."""
    return _run(programs, devices_of(system))


def _run(programs: list[WholeProgram], devices: list[Device]) -> list[WholeRun]:
    engines = [
        PimEngine(
            device,
            program.prepared.system,
            program.rings,
            delivers_per_lookup=program.prepared.delivers_per_lookup,
            max_row_bursts=int(program.prepared.placement.row_bursts.max()),
            keep_commands=1 << 16,
            tied=bool(program.prepared.recipe.tied),
        )
        for program, device in zip(programs, devices, strict=True)
    ]
    runner: PimEngine | PimPair = engines[0]
    if len(engines) > 1:
        clocks = [device.timing.tCK for device in devices]
        runner = PimPair((engines[0], engines[1]), clock_ratio(clocks[0], clocks[1]))
    commands: list[list[list[Command]]] = [
        [[] for _ in range(device.organization.channels)] for device in devices
    ]
    for step in (lambda: runner.run(final=True), runner.finish):
        status = LOG_FULL
        while status == LOG_FULL:
            status = step()
            for found, engine, device in zip(commands, engines, devices, strict=True):
                for channel, taken in enumerate(engine.take_commands()):
                    found[channel] += in_words(device, taken, 1 << 60)
        assert status == DONE
    ends = runner.cycles if isinstance(runner, PimPair) else (runner.cycles,)
    for end, found in zip(ends, commands, strict=True):
        assert all(command.cycle < end for of_channel in found for command in of_channel)
    return [
        WholeRun(end, found, engine.counters.copy(), program.rings.stream[:, SLOTS].copy())
        for end, found, engine, program in zip(ends, commands, engines, programs, strict=True)
    ]
