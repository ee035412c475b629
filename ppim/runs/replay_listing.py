"""Replay of a `ppim-program`: its instructions, as they stand, on the PIM units of a system."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ppim.dram.load import load_device
from ppim.engine import commands as drams
from ppim.errors import InputError
from ppim.program import checks, feed, state
from ppim.program.builder import recipe as b
from ppim.program.listing import build, form as f, header as h, machine, read
from ppim.runs import collect
from ppim.runs.replay_program import ALGORITHM
from ppim.stats import counters, energy, latency, result as results
from ppim.systems import spec


class ListingReplay:
    """A program file of the format `ppim-program` on the PIM units of a system.

    Parameters
    ----------
    path : Path
        Plain or gzip.
    system : SystemSpec
        Its mapping, cache contents and prefetches do not act: the file has them.

    Raises
    ------
    InputError
        A file that is not of the format, or a system that cannot execute it; all of the file is checked.
    """

    def __init__(self, path: Path, system: spec.SystemSpec) -> None:
        if system.kind != "pim":
            raise InputError(f"system {system.name}: has no PIM units; a PIM program needs some")
        if system.dimm is not None:
            raise InputError(
                f"system {system.name}: a program is for one memory; use a system without [dimm]"
            )
        self.path = path
        self.device = device = load_device(system.memory.device, system.memory.overrides)
        self.header = header = h.read_header(path)
        h.check_header(path, header, device, system)
        fetches = header.units.prefetch
        self.system = replace(
            system,
            placement=replace(system.placement, mapping=header.units.mapping),
            prefetch=spec.PrefetchSpec(
                prefetch=fetches, prefetch_subtables=system.prefetch.prefetch_subtables
            ),
        )
        checks.check_units(device, self.system)
        self._given = system
        self.maker = machine.maker_for(header, device, system)
        self.geometry = self.maker.geometry
        self.survey = read.Survey()
        builder = build.Builder(path, self.maker)
        for rows in read.whole_turns(self._blocks(self.survey)):
            builder.build(rows)
        self.survey.most_delivers = builder.most_delivers

    def _blocks(self, survey: read.Survey | None = None) -> Iterator[read.Rows]:
        for rows in read.read_rows(self.path, self.header, self.geometry):
            if survey is not None:
                survey.see(rows)
            yield rows

    def run(
        self, advance: Callable[[int], object] = lambda _: None, commands: drams.CommandSink | None = None
    ) -> results.SimulationResult:
        """Replay all of it.

        Parameters
        ----------
        advance : callable
            Told the number of instructions each time some have been taken.
        commands : callable, optional
            Given all DRAM commands by channel, in the order of their issue, piece by piece.
        """
        begin = time.perf_counter()
        geometry = self.geometry
        streams = 1 if self.maker.is_global else geometry.channels
        self.rings = state.make_rings(streams, *(feed.FIRST_RING,) * 4)
        self.engine = drams.make_pim_engine(
            self.device,
            self.system,
            self.rings,
            sink=commands,
            delivers_per_lookup=self.survey.most_delivers,
            max_row_bursts=self.survey.most_bursts,
        )
        self.latencies = latency.Latencies([self.device.timing.tCK])
        self.counts = np.zeros((geometry.channels, b.N_BUILD_COUNTS), dtype=np.int64)
        self.unit_accesses = np.zeros((geometry.channels, geometry.units_per_channel), dtype=np.int64)
        builder = build.Builder(self.path, self.maker)
        for rows in read.whole_turns(self._blocks()):
            piece = builder.build(rows)
            self._put(piece)
            self._count(rows, piece)
            advance(len(piece.instructions))
        build.close_last(builder.turns, self.rings)
        self.engine.run(final=True)
        self.latencies.take([self.engine])
        self.engine.finish()
        if len(self.survey.counts):
            self._take_counts()
        return replace(self._result(), seconds=time.perf_counter() - begin)

    def _put(self, piece: build.Piece) -> None:
        """Have a piece run, when there is room for it."""
        while short := build.lacks(piece, self.rings):
            self.engine.run(final=False)
            self.latencies.take([self.engine])
            if build.lacks(piece, self.rings):
                self.rings.marks[state.SHORT] = short
                self.rings = feed.grow_rings(self.rings)
                self.engine.resize(self.rings)
        build.put(piece, self.rings)
        self.engine.run(final=False)
        self.latencies.take([self.engine])

    def _count(self, rows: read.Rows, piece: build.Piece) -> None:
        """Count what the lines say; for what the file counts itself, `_take_counts` has the last word."""
        counts, words = self.counts, rows[:, f.LINE_WORD]
        counts[:, b.MACS] += piece.added
        counts[:, b.COLLECTED] += piece.collected
        np.add.at(counts[:, b.LOOKUPS], rows[words == f.LOOKUP_LINE, f.CHANNEL], 1)
        demand = rows[(words >= f.READ_LINE) & (words <= f.HIT_LINE)]
        channel, unit = np.maximum(demand[:, f.CHANNEL], 0), np.maximum(demand[:, f.UNIT], 0)
        np.add.at(counts[:, b.ACCESSES], channel, 1)
        np.add.at(self.unit_accesses, (channel, unit), 1)
        hits = demand[:, f.LINE_WORD] == f.HIT_LINE
        np.add.at(counts[:, b.CACHE_HITS], channel[hits], 1)
        np.add.at(counts[:, b.SRAM_READS], channel[hits], demand[hits, f.BURSTS])
        counts[:, b.BYTES_CACHE] = counts[:, b.SRAM_READS] * self.geometry.burst_bytes

    def _take_counts(self) -> None:
        """What the file counts, of all channels and units."""
        own = self.survey.counts
        of_unit = (own[:, f.LINE_GIVEN] & f.mask_of(("unit",))) != 0
        channels = own[~of_unit]
        for column, counted in f.COUNTED:
            self.counts[:, counted] = 0
            np.add.at(self.counts[:, counted], channels[:, f.CHANNEL], channels[:, column])
        units = own[of_unit]
        self.unit_accesses[:] = 0
        np.add.at(self.unit_accesses, (units[:, f.CHANNEL], units[:, f.UNIT]), units[:, f.ACCESSES])

    def _result(self) -> results.SimulationResult:
        org = self.device.organization
        built = counters.Table(self.counts, b)
        sources = {
            **collect.engine_sources([self.engine]),
            "built": built,
            "units": {"MOST": self.unit_accesses.max(axis=1)},
        }
        sources["run"] |= {"BATCHES": np.full(org.channels, self.survey.batches)}
        counts = counters.evaluate("pim", sources, org.channels, org.burst_bytes)
        return results.SimulationResult(
            trace=self.path,
            algorithm=ALGORITHM,
            system=self.system,
            device=self.device,
            memory=results.FIRST_MEMORY if self.device.is_hbm else results.SECOND_MEMORY,
            cycles=self.engine.cycles,
            batches=self.survey.batches,
            counts=counts,
            unit_accesses=self.unit_accesses,
            issue_slots=int(self.rings.stream[:, state.SLOTS].sum()),
            limits=self.engine.limits,
            warnings=tuple(self._warnings()),
            energy=energy.pim_energy(
                self.device, self.system, sources, counts, self.engine.active_cycles, self.engine.cycles
            ),
            latency=self.latencies.distributions(),
            program={f.WORDS[word]: int(self.survey.lines[word]) for word in f.INSTRUCTIONS},
        )

    def _warnings(self) -> Iterator[str]:
        given, made = self._given.prefetch.prefetch, self.header.units.prefetch
        if given != made:
            yield f"prefetch={given} has no effect here: the program was made with {made}"
