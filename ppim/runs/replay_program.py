"""Replay of a program file: the authors' instructions, as they stand, on the PIM units of a system."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ppim.dram.load import load_device
from ppim.engine.commands import CommandSink, make_pim_engine
from ppim.errors import InputError
from ppim.jit.pack import pack
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.prefetch import base
from ppim.program import costs, feed, state
from ppim.program.authors import build as a, form, read
from ppim.runs.collect import engine_sources
from ppim.stats import counters, energy, latency, result as results
from ppim.systems.spec import PrefetchSpec, SystemSpec

ELEMENT_BYTES = 4  # the format's vectors are of 32-bit numbers
ALGORITHM = "program"  # what stands in the stats where a trace has its weight sharing


class ProgramReplay:
    """A program file on the PIM units of a system.

    Parameters
    ----------
    path : Path
        In the authors' text format, plain or gzip.
    system : SystemSpec
        Its mapping, cache contents and prefetches do not act: the file has them. Nor does an adder in the base die:
        the file does not say which sums are one bag's.

    Raises
    ------
    InputError
        A file that is not of the format, or a system that cannot replay one.
    """

    def __init__(self, path: Path, system: SystemSpec) -> None:
        if system.kind != "pim":
            raise InputError(f"system {system.name}: has no PIM units; a PIM program needs some")
        if system.dimm is not None:
            raise InputError(
                f"system {system.name}: the authors' format has no second memory; use a system without [dimm]"
            )
        if system.pim.barrier == "batch":
            raise InputError(
                f"system {system.name}: barrier batch, but the authors' format does not say where a batch ends; "
                "use --set barrier=table or --set barrier=none"
            )
        for name, given, plain in (
            ("deliver", system.pim.deliver, "ahead"),
            ("consumer", system.pim.consumer, "unit"),
            ("collect", system.pim.collect.replace("base-die", "host"), "host"),
            ("unit_accumulators", system.compute.unit_accumulators, 0),
        ):
            if given != plain:
                raise InputError(
                    f"system {system.name}: the authors' format has no program for {name} = {given}; "
                    f"use --set {name}={plain}"
                )
        self.path = path
        self.device = device = load_device(system.memory.device, system.memory.overrides)
        self.geometry = UnitGeometry.of(device, system.pim.level)
        self.units = form.UnitAddresses(device, self.geometry)
        self.survey: read.Survey = read.survey_program(path, self.units)
        self.leaves_out_adder = system.pim.collect == "base-die"
        self.system = _as_it_acts(system, self.survey)

    def run(
        self, advance: Callable[[int], object] = lambda _: None, commands: CommandSink | None = None
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
        system, geometry = self.system, self.geometry
        is_global = system.pim.frontend == "global"
        rings = state.make_rings(
            1 if is_global else geometry.channels,
            feed.FIRST_RING,
            feed.FIRST_RING,
            feed.FIRST_RING,
            feed.FIRST_RING,
        )
        self.engine = make_pim_engine(
            self.device,
            system,
            rings,
            sink=commands,
            delivers_per_lookup=int(self.survey.has_delivers),
            max_row_bursts=self.survey.most_bursts,
        )
        self.rings = rings
        self.latencies = latency.Latencies([self.device.timing.tCK])
        elements = geometry.burst_bytes // ELEMENT_BYTES
        self.layout = a.Layout(
            channels=geometry.channels,
            units_per_channel=geometry.units_per_channel,
            global_stream=int(is_global),
            transfer_all=int(system.pim.transfer == "all"),
            compute=np.array(
                [
                    costs.compute_cycles(bursts * elements, system.compute, self.device.timing.tCK)
                    for bursts in range(self.survey.most_bursts + 1)
                ],
                dtype=np.int64,
            ),
        )
        self.state = a.make_replay_state(geometry.channels, geometry.units_per_channel)
        for turns in read.read_turns(self.path, self.units):
            self._feed(turns)
            advance(len(turns.items))
        self.engine.run(final=True)
        self.latencies.take([self.engine])
        self.engine.finish()
        return replace(self._result(), seconds=time.perf_counter() - begin)

    def _feed(self, turns: read.Turns) -> None:
        self.state = a.with_room(self.state, turns.starts)
        turn, n = 0, len(turns.starts) - 1
        while turn < n:
            after = self._append(turns, turn)
            self.engine.run(final=False)
            self.latencies.take([self.engine])
            if after == turn:
                after = self._append(turns, turn)
                if after == turn:
                    self.rings = feed.grow_rings(self.rings)
                    self.engine.resize(self.rings)
            turn = after

    def _append(self, turns: read.Turns, turn: int) -> int:
        rings, layout, own = state.pack_rings(self.rings), pack(self.layout), pack(self.state)
        return int(a.append_turns(rings, layout, turns.items, turns.starts, own, turn))

    def _result(self) -> results.SimulationResult:
        org = self.device.organization
        unit_accesses = self.state.unit_accesses.reshape(-1, org.channels).T
        counted = self.state.counts
        lookups, accesses, hits = counted[:, a.LOOKUPS], counted[:, a.ACCESSES], counted[:, a.HITS]
        sources = {
            **engine_sources([self.engine]),
            "built": {"LOOKUPS": lookups, "ACCESSES": accesses, "CACHE_HITS": hits},
            "units": {"MOST": unit_accesses.max(axis=1)},
        }
        counts = counters.evaluate("pim", sources, org.channels, org.burst_bytes)
        added = {
            "MACS": counted[:, a.ADDED] * (org.burst_bytes // ELEMENT_BYTES),
            "SRAM_READS": counted[:, a.HIT_BURSTS],
            "SRAM_FILLS": np.zeros_like(hits),
        }
        spent = energy.pim_energy(
            self.device,
            self.system,
            {**sources, "built": added},
            counts,
            self.engine.active_cycles,
            self.engine.cycles,
        )
        gnr = self.latencies.gnrs.distribution(
            latency.picoseconds_in_ns
        )  # the file does not say where batches end
        return results.SimulationResult(
            trace=self.path,
            algorithm=ALGORITHM,
            system=self.system,
            device=self.device,
            memory=results.FIRST_MEMORY if self.device.is_hbm else results.SECOND_MEMORY,
            cycles=self.engine.cycles,
            batches=0,
            counts=counts,
            unit_accesses=unit_accesses,
            issue_slots=int(self.rings.stream[:, state.SLOTS].sum()),
            limits=self.engine.limits,
            warnings=tuple(self._warnings()),
            energy=spent,
            latency={"gnr": gnr} if gnr is not None else {},
            program=dict(zip(form.COMMANDS, self.survey.lines.tolist(), strict=True)),
        )

    def _warnings(self) -> list[str]:
        found = []
        if self.leaves_out_adder:
            found.append(
                "partial sums go to the host, as with collect=host: the authors' format does not say which are one bag's"
            )
        if self.survey.dimm_lines:
            found.append(
                f"{self.survey.dimm_lines:,} lines for the DIMM were left out, as the authors' simulator leaves them"
            )
        if self.survey.beyond_device:
            found.append(
                f"{self.survey.beyond_device:,} addresses lie beyond the device; their upper bits are ignored"
            )
        return found


def _as_it_acts(system: SystemSpec, survey: read.Survey) -> SystemSpec:
    """The system with what the file decides: no mapping, and prefetches if it has some."""
    name, policy = system.prefetch.prefetch, system.prefetch.policy
    usual = PrefetchSpec().prefetch
    if not survey.has_prefetches:
        name = base.NO_PREFETCH
    elif policy.phase == base.Phase.NEVER:
        name = usual
    elif policy.turns_ahead:
        raise InputError(
            f"system {system.name}: prefetch {name}, but the authors' format does not say which block a prefetch is "
            f"for; use --set prefetch={usual}"
        )
    return replace(
        system,
        pim=replace(system.pim, collect="host"),
        placement=replace(system.placement, mapping=""),
        prefetch=replace(system.prefetch, prefetch=name, prefetch_used=False),
    )
