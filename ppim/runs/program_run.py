"""A program built from a trace and run by one engine, a chunk at a time."""

from ppim.dram.device import Device
from ppim.engine.commands import CommandSink, make_pim_engine
from ppim.engine.pim import board, drive, parts, run, state
from ppim.jit.pack import pack
from ppim.program import feed, prepare, state as rings
from ppim.program.builder import kernels, recipe
from ppim.trace.reader import no_accesses


def most_parts(prepared: prepare.Prepared, device: Device, threads: int, commands: CommandSink | None) -> int:
    """Parts in which the memory may be simulated, of its channels, for so many threads."""
    if parts.channels_depend(prepared.system, prepared.delivers_per_lookup) and (
        commands is not None
        or prepared.recipe.dedup
        or not parts.parts_can_meet(prepared.system, prepared.delivers_per_lookup)
    ):
        return 1
    return min(threads, device.organization.channels)


class ProgramRun:
    """The program for a memory's channels, or a part of them, and the engine that runs it.

    Parameters
    ----------
    prepared : Prepared
    device : Device
    part : Part, optional
    tied : bool
        As of `PimEngine`. The programs of tied memories are built and run by others (`feed_together`, `PimPair`).
    commands : callable, optional
        Given all DRAM commands.
    """

    def __init__(
        self,
        prepared: prepare.Prepared,
        device: Device,
        *,
        part: parts.Part | None = None,
        tied: bool = False,
        commands: CommandSink | None = None,
    ) -> None:
        self.prepared = prepared
        self.program = feed.ProgramFeed(prepared, None if part is None else part.channels)
        self.engine = make_pim_engine(
            device,
            prepared.system,
            self.program.rings,
            sink=commands,
            delivers_per_lookup=prepared.delivers_per_lookup,
            max_row_bursts=int(prepared.placement.row_bursts.max()),
            part=part,
            tied=tied,
        )
        self.engine.call = self._build_and_run  # type: ignore[method-assign]
        self._recipe, self._placement = (
            pack(self.program.recipe),
            pack(prepared.placement),
        )  # they do not change
        self._job = 0
        self.nothing = feed.as_accesses(no_accesses(prepared.has_wide_rows), 0)
        self._take(self.nothing)
        self.program.begin(self.engine)

    @property
    def is_divisible(self) -> bool:
        """Whether its engine can be that of a part; where parts meet in sums, only the engine by unit can."""
        system, delivers = self.prepared.system, self.prepared.delivers_per_lookup
        return self.engine.by_unit is not None or not parts.channels_depend(system, delivers)

    def feed(self, accesses: recipe.Accesses) -> None:
        """Build and run a stretch of the trace."""
        self._take(accesses)
        self.engine.run(final=False)
        self.program.shed()
        self._take(self.nothing)  # its memory can be used for another

    def finish(self) -> None:
        """Build and run the last transfers."""
        self.program.end()
        self.engine.run(final=True)

    def give_up(self) -> None:
        """Have all parts that wait for this run's stop."""
        board.give_up(self.engine.board)

    def _take(self, accesses: recipe.Accesses) -> None:
        self._accesses, self._position = accesses, 0
        self._job += 1

    def _build_and_run(self, final: bool, until: int) -> int:
        program = self.program
        while True:
            builder = drive.Builder(
                kernels.is_joint(program.recipe),
                self._recipe,
                self._placement,
                pack(program.state),
                pack(self._accesses),
                len(self._accesses.row),
                program.scratch,
            )
            status, self._position = drive.build_and_run(
                run.pack_engine(self.engine.arguments), builder, self._position, self._job, int(final), until
            )
            if status != state.NO_ROOM:
                return int(status)
            self._make_room()

    def _make_room(self) -> None:
        """Let the engine take what waits in the streams, or make longer rings for it.

        A channel with much work in a long turn waits until others have got theirs: a bit for each thing that can be
        true of a cycle takes less memory than instructions do.
        """
        program = self.program
        if program.rings.marks[rings.SHORT] == rings.SHORT_INSTRUCTIONS and self.engine.lacks_bits:
            self.engine.grow_bits()
        else:
            program.grow()
