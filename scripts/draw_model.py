"""The drawings of docs/drawings/, made from the model: devices, placements and runs say what they show.

`python scripts/draw_model.py` writes them; a test compares them, so that no drawing outlives what it shows.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from ppim.datasets.base import DATASETS
from ppim.dram.device import Device
from ppim.dram.load import load_device
from ppim.mapping.base import MAPPINGS
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.locate import find_copy, locate_row
from ppim.mapping.placing.parts import split_units
from ppim.mapping.placing.placement import DUPLICATED, NO_COPY, SLICED, Placement
from ppim.mapping.placing.spec import PlacementSpec
from ppim.runs import generate_files, simulate_files
from ppim.stats.result import SimulationResult
from ppim.systems.chosen import choose_system
from ppim.systems.load import load_system, system_names
from ppim.trace.profile import access_profile
from ppim.trace.reader import TraceChunk, TraceReader
from ppim.weight_sharing.base import ALGORITHMS, WeightSharing, second_matrices

FOLDER = Path(__file__).parents[1] / "docs" / "drawings"
INK, PALE, GREY = "#1b1f24", "#f3f5f7", "#8a94a0"
LARGE, SHARED, SUM, HOST = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
"""Colours that all readers can tell apart (Okabe and Ito): large rows, shared rows, sums, the host."""

FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"


class Drawing:
    """Shapes in the order in which they are drawn, on white, so that it can be read on any page."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.shapes: list[str] = []

    def box(
        self, x: float, y: float, w: float, h: float, fill: str = PALE, line: str = INK, radius: float = 4
    ) -> None:
        self.shapes.append(
            f"<rect x='{x:g}' y='{y:g}' width='{w:g}' height='{h:g}' rx='{radius:g}' fill='{fill}' stroke='{line}'/>"
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: int = 13,
        anchor: str = "start",
        fill: str = INK,
        bold: bool = False,
    ) -> None:
        weight = " font-weight='bold'" if bold else ""
        self.shapes.append(
            f"<text x='{x:g}' y='{y:g}' font-size='{size}' text-anchor='{anchor}' fill='{fill}'{weight}>"
            f"{escape(words)}</text>"
        )

    def lines(self, x: float, y: float, lines: Sequence[str], size: int = 12, anchor: str = "start") -> None:
        """Text line by line, the first one bold."""
        for number, words in enumerate(lines):
            self.text(x, y + number * (size + 5), words, size, anchor, bold=number == 0)

    def arrow(self, points: Sequence[tuple[float, float]], colour: str = INK, dashed: bool = False) -> None:
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        dash = " stroke-dasharray='5 4'" if dashed else ""
        self.shapes.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'{dash} "
            f"marker-end='url(#tip-{colour[1:]})'/>"
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = GREY, width: float = 1) -> None:
        self.shapes.append(
            f"<line x1='{x1:g}' y1='{y1:g}' x2='{x2:g}' y2='{y2:g}' stroke='{colour}' stroke-width='{width:g}'/>"
        )

    def svg(self) -> str:
        tips = "".join(
            f"<marker id='tip-{colour[1:]}' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='6' markerHeight='6' "
            f"orient='auto'><path d='M0,0 L8,4 L0,8 z' fill='{colour}'/></marker>"
            for colour in (INK, GREY, LARGE, SHARED, SUM, HOST)
        )
        return "\n".join(
            [
                (
                    f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}' "
                    f"width='{self.width}' height='{self.height}' role='img' {FONT}>"
                ),
                f"<title>{escape(self.title)}</title>",
                f"<defs>{tips}</defs>",
                f"<rect width='{self.width}' height='{self.height}' fill='#ffffff'/>",
                *self.shapes,
                "</svg>",
                "",
            ]
        )


def data_flow() -> Drawing:
    """From a dataset to figures, with how many kinds of each there are."""
    d = Drawing(860, 330, "From a dataset file to figures")
    algorithms = ["qr, tt-rec,", f"{len(ALGORITHMS.names())} in all"]
    top = [
        ("dataset file", f"{len(DATASETS.names())} formats,", "read as a stream"),
        ("lookups", "row ids of tables,", "in bags, in batches"),
        ("trace (a file)", "rows of subtables;", "knows no memory"),
    ]
    bottom = [
        ("program", "PIM instructions", "with addresses"),
        ("engine", "every DRAM command", "in its cycle"),
        ("counts", "by channel and unit:", "CSV, plots, report"),
    ]
    for number, words in enumerate(top):
        d.box(20 + 300 * number, 30, 200, 80)
        d.lines(120 + 300 * number, 57, words, anchor="middle")
    for number, words in enumerate(bottom):
        d.box(20 + 300 * number, 220, 200, 80)
        d.lines(120 + 300 * number, 247, words, anchor="middle")
    for x, words in ((220, "reader"), (520, "weight sharing")):
        d.arrow([(x, 70), (x + 98, 70)])
        d.text(x + 48, 60, words, 11, "middle", GREY)
    for number, words in enumerate(algorithms):
        d.text(568, 88 + 14 * number, words, 10, "middle", GREY)
    d.arrow([(720, 110), (720, 165), (120, 165), (120, 218)])
    d.text(420, 155, "mapping + system", 12, "middle")
    d.text(
        420,
        184,
        f"{len(MAPPINGS.names())} mappings: {', '.join(MAPPINGS.names())};  {len(system_names())} systems",
        11,
        "middle",
        GREY,
    )
    for x in (220, 520):
        d.arrow([(x, 260), (x + 98, 260)])
    d.text(568, 250, "energy, limits", 11, "middle", GREY)
    return d


def _gb_per_s(device: Device, interval_cycles: int) -> float:
    """Of one burst every so many cycles."""
    return device.organization.burst_bytes / (interval_cycles * device.timing.tCK)


def hbm() -> Drawing:
    """A stack, with units in bank groups and units in the base die."""
    device = load_device("hbm2-4gb")
    org, timing = device.organization, device.timing
    levels = {name: load_system(name).pim.level for name in ("proactivepim", "space")}
    assert levels == {"proactivepim": "bankgroup", "space": "channel"}
    d = Drawing(860, 470, "HBM with PIM units in bank groups and in the base die")
    for die in range(3):
        x, y = 60 + 14 * die, 24 + 12 * die
        d.box(x, y, 380, 250, fill="#ffffff" if die == 2 else PALE)
    x0, y0 = 88, 48
    d.text(x0 + 12, y0 + 22, f"DRAM die; one of {org.channels} channels:", 12, bold=True)
    for group in range(org.bankgroups):
        gx, gy = x0 + 14 + 88 * group, y0 + 36
        d.box(gx, gy, 80, 176)
        d.text(gx + 40, gy + 16, f"bank group {group}", 10, "middle")
        for bank in range(org.banks_per_group):
            d.box(gx + 8, gy + 24 + 26 * bank, 64, 20, fill="#ffffff")
            d.text(gx + 40, gy + 38 + 26 * bank, f"bank {bank}", 10, "middle")
        d.box(gx + 8, gy + 134, 64, 34, fill=SUM)
        d.text(gx + 40, gy + 149, "PIM unit", 10, "middle", "#ffffff", bold=True)
        d.text(gx + 40, gy + 162, "SRAM, MACs", 9, "middle", "#ffffff")
    d.box(60, 320, 408, 70)
    d.text(72, 342, "base die", 12, bold=True)
    d.box(170, 332, 286, 46, fill=HOST)
    d.text(313, 350, f"bd-PIM: one unit a channel, {org.channels} in all", 11, "middle", "#ffffff", bold=True)
    d.text(313, 367, "(systems with level = channel, as space)", 10, "middle", "#ffffff")
    d.arrow([(264, 300), (264, 330)], INK)
    d.text(274, 316, "TSVs: the channel's own bus", 10, fill=GREY)
    d.box(60, 420, 408, 34, fill="#ffffff")
    d.text(264, 441, "host (processor), over the interposer", 12, "middle", bold=True)
    d.arrow([(264, 390), (264, 418)], INK)
    right = 500
    inside = _gb_per_s(device, timing.tCCD_L)
    bus = _gb_per_s(device, timing.tCCD_S * max(timing.burst_cycles // timing.tCCD_S, 1))
    d.lines(
        right,
        60,
        [
            "bg-PIM: a unit in each bank group",
            f"({org.channels} x {org.bankgroups} = {org.channels * org.bankgroups} units; as proactivepim)",
            f"A burst of {org.burst_bytes} bytes every {timing.tCCD_L} cycles (tCCD_L):",
            f"{inside:.0f} GB/s a unit, {inside * org.bankgroups * org.channels:.0f} GB/s inside all units.",
            "What a unit needs and does not have,",
            "the host must bring it.",
        ],
    )
    d.lines(
        right,
        190,
        [
            "bd-PIM: a unit in the base die",
            "All banks of a channel send to it over one bus:",
            f"{bus:.0f} GB/s a channel, {bus * org.channels:.0f} GB/s in all.",
            "It sees every row of its channel.",
        ],
    )
    d.lines(
        right,
        290,
        [
            "The host",
            f"has the same {device.peak_gb_per_s:.0f} GB/s, and pays for",
            "every row that it reads out or delivers.",
        ],
    )
    d.lines(
        right,
        372,
        [
            f"An ACTIVATE opens a row of {org.row_bytes} bytes;",
            f"a bank needs {timing.tRC} cycles for the next one (tRC),",
            f"a channel has at most 4 in {timing.tFAW} cycles (tFAW).",
        ],
    )
    return d


CHANNELS, UNITS = 2, 4
SMALL = UnitGeometry(
    channels=CHANNELS, units_per_channel=UNITS, banks_per_unit=2, rows=64, bursts_per_row=8, burst_bytes=64
)
"""A memory small enough to be drawn."""

HOT_FRACTION = 0.3
"""Of the accesses that go to rows which `hot` copies, here."""

SAYS = {
    "interleave": ("interleave", "Every row has one place, by a hash.", "Operands seldom meet."),
    "duplicate": ("duplicate", "A copy of the shared subtable", "beside every unit: nothing travels."),
    "hot": ("hot", "Copies of the rows used most,", "whichever subtable they are of."),
    "table": ("table", "A table's subtables together,", "as far as a unit has room."),
    "vertical": ("vertical", "Every unit has a slice of each row.", "All of them work on each lookup."),
}


def _trace(folder: Path, algorithm: str = "qr", **options: object) -> Path:
    trace = folder / f"{algorithm}.parquet"
    generate_files.generate_file(
        (generate_files.SYNTHETIC,),
        trace,
        generate_files.TraceOptions(
            algorithm=algorithm,
            dataset_options={"rows": [400, 90], "popularity": "zipf"},
            **{"max_samples": 12, "vector_bytes": 512, **options},  # type: ignore[arg-type]
        ),
    )
    return trace


def mappings() -> Drawing:
    """Where the two rows of one lookup lie under each mapping, asked of the mappings themselves."""
    names = [name for name in SAYS if name in MAPPINGS.names()]
    height = 90
    d = Drawing(860, 60 + height * len(names), "What each mapping does to one QR lookup")
    with tempfile.TemporaryDirectory() as folder, TraceReader(_trace(Path(folder))) as reader:
        profile = access_profile(reader)
        placements = {
            name: MAPPINGS.get(name).place(
                reader.meta, SMALL, PlacementSpec(name, hot_fraction=HOT_FRACTION), lambda: profile
            )[0]
            for name in names
        }
        q, r = _lookup_that_shows(next(reader.chunks()), placements)
    d.text(20, 28, f"One lookup of QR: row {q} of q, row {r} of r.", 14, bold=True)
    d.box(430, 14, 16, 16, LARGE)
    d.text(452, 27, "the row of q", 12)
    d.box(550, 14, 16, 16, SHARED)
    d.text(572, 27, "the row of r (shared)", 12)
    for number, (name, placement) in enumerate(placements.items()):
        _draw_mapping(d, 50 + height * number, SAYS[name], placement, (q, r))
    return d


def _lookup_that_shows(chunk: TraceChunk, placements: dict[str, Placement]) -> tuple[int, int]:
    """Rows of a lookup of table 0 that lie apart, of which the shared one is a hot row and the other is none."""
    for q, r in chunk.row[chunk.table == 0].reshape(-1, 2).tolist():
        apart = _units_of(placements["interleave"], 0, q) != _units_of(placements["interleave"], 1, r)
        hot = [len(_units_of(placements["hot"], subtable, row)) > 1 for subtable, row in enumerate((q, r))]
        if apart and hot == [False, True]:
            return q, r
    raise LookupError("no lookup of the trace shows what the mappings do")


def _units_of(placement: Placement, subtable: int, row: int) -> list[int]:
    """Units that hold a row of table 0, or a copy or slice of it."""
    if placement.mode[0, subtable] in (DUPLICATED, SLICED):
        return list(range(placement.units))
    if placement.copy_mask and find_copy(placement, 0, subtable, row) != NO_COPY:
        return list(range(placement.units))
    return [int(locate_row(placement, 0, subtable, row)[0])]


def _draw_mapping(
    d: Drawing, y: float, says: Sequence[str], placement: Placement, rows: tuple[int, int]
) -> None:
    d.lines(20, y + 24, says)
    holders = [_units_of(placement, subtable, row) for subtable, row in enumerate(rows)]
    is_sliced = bool((placement.mode[0] == SLICED).any())
    centre = {}
    for channel in range(CHANNELS):
        x = 290 + 190 * channel
        d.box(x, y + 6, 180, 68)
        d.text(x + 90, y + 20, f"channel {channel}", 10, "middle", GREY)
        for unit in range(UNITS):
            ux, number = x + 8 + 42 * unit, channel * UNITS + unit
            d.box(ux, y + 26, 36, 40, fill="#ffffff")
            centre[number] = ux + 18
            for subtable, colour in enumerate((LARGE, SHARED)):
                if number in holders[subtable]:
                    size = 6 if is_sliced else 14
                    d.box(ux + 3 + 16 * subtable, y + 30, 14, size, fill=colour)
            if number in holders[0]:
                d.text(ux + 18, y + 61, "owner" if not is_sliced else "part", 9, "middle", SUM, bold=True)
    owner = holders[0][0]
    if is_sliced:
        text = ["every unit reads its slice,", "sums are sent in slices"]
    elif owner in holders[1]:
        text = ["both rows in one unit:", "no row crosses the bus"]
    else:
        text = ["the host reads r out and", "delivers it to the owner"]
        d.arrow(
            [(centre[holders[1][0]], y + 67), (centre[holders[1][0]], y + 82), (centre[owner], y + 82),
             (centre[owner], y + 69)],
            SHARED,
        )  # fmt: skip
    for number, words in enumerate(text):
        d.text(680, y + 36 + 16 * number, words, 11)


def tt_split() -> Drawing:
    """The second core of TT-Rec, its matrix rows dealt to the units of a channel."""
    geometry = UnitGeometry.of(load_device("hbm2-4gb"), "bankgroup")
    system = load_system("proactivepim")
    units = split_units(geometry, system.placement)
    with (
        tempfile.TemporaryDirectory() as folder,
        TraceReader(_trace(Path(folder), "tt-rec", tt_rank=16, vector_bytes=128)) as reader,
    ):
        meta = reader.meta
        sharing = WeightSharing.from_parameters(meta.algorithm, meta.parameters, "trace")
        matrices = second_matrices(sharing, meta.tables[0].rows)
        assert matrices is not None
        row_bytes = meta.tables[0].subtables[1].bytes_per_row
    rank, number = matrices.rows, matrices.number
    run = -(-rank // units)
    colours = [LARGE, SHARED, SUM, HOST, GREY, INK]
    d = Drawing(860, 400, "TT-Rec's second core split over the bank groups of a channel")
    d.text(
        20,
        28,
        f"One row of core 2: {number} matrices of {rank} x {rank} ({row_bytes:,} bytes)",
        14,
        bold=True,
    )
    for m in range(number):
        x = 20 + 120 * m
        d.text(x + 48, 54, f"matrix {m + 1} of J2", 10, "middle", GREY)
        for k in range(rank):
            d.box(x, 60 + 9 * k, 96, 8, fill=colours[k // run % len(colours)], line="#ffffff", radius=0)
    below = 60 + 9 * rank
    d.text(20, below + 18, f"{rank} rows k of each matrix, dealt in runs of {run}", 11, fill=GREY)
    for unit in range(units):
        x = 20 + 205 * unit
        y = below + 50
        d.box(x, y, 190, 96)
        d.box(x + 10, y + 12, 14, 14, fill=colours[unit])
        last = min(rank, (unit + 1) * run) - 1
        d.text(x + 30, y + 23, f"bank group {unit}: k {unit * run} to {last}", 11, bold=True)
        d.text(x + 10, y + 46, f"{row_bytes // units:,} bytes of the row,", 11)
        d.text(x + 10, y + 62, "core 1 and core 3 beside it;", 11)
        d.text(x + 10, y + 84, "its own part of the sum", 11, fill=SUM, bold=True)
    d.lines(
        540,
        76,
        [
            "One broadcast READ a channel",
            f"reads all {units} parts at once: {units} units work",
            "on a lookup that one unit had alone.",
            "The product is linear in k: parts of",
            "sums add up, in the base die or the host.",
        ],
    )
    return d


TURN_SYSTEM = {"organization.channels": 1, "instruction_bits": 28}


def turn() -> Drawing:
    """Commands of three turns of ProactivePIM on one channel, from a run."""
    with tempfile.TemporaryDirectory() as folder:
        trace = _trace(Path(folder), vector_bytes=128, batch_size=4, max_samples=8, pooling=8)
        commands = Path(folder, "commands")
        chosen = choose_system("proactivepim", TURN_SYSTEM)
        result = simulate_files.simulate_file(trace, chosen, command_trace=commands)
        lines = [line.split() for line in (commands / "channel-0.cmd").read_text().splitlines()]
        with TraceReader(trace) as reader:
            geometry = UnitGeometry.of(result.device, "bankgroup")
            placement, _ = MAPPINGS.get("duplicate").place(
                reader.meta, geometry, chosen.spec.placement, lambda: access_profile(reader)
            )
            places = _places(placement, reader)
            order = _turns(next(reader.chunks()))
    reads = []
    for cycle, kind, _, group, bank, row, column in lines:
        if kind == "read":
            burst = (int(row) * geometry.banks_per_unit + int(bank)) * geometry.bursts_per_row
            burst += int(column)
            reads.append((int(cycle), int(group), places.get((int(group), burst), PREFETCHED)))
    return _draw_turn(reads, order, result)


PREFETCHED = -1


def _places(placement: Placement, reader: TraceReader) -> dict[tuple[int, int], int]:
    """Table of what lies in each burst of each unit, of rows that lie once."""
    found = {}
    for table, meta in enumerate(reader.meta.tables):
        for row in range(meta.subtables[0].rows):
            unit, address = locate_row(placement, table, 0, row)
            for burst in range(int(placement.row_bursts[table, 0])):
                found[int(unit), int(address) + burst] = table
    return found


def _turns(chunk: TraceChunk) -> list[int]:
    """Table of each turn of the trace."""
    pairs = list(dict.fromkeys(zip(chunk.batch.tolist(), chunk.table.tolist(), strict=True)))
    return [table for _, table in pairs]


def _draw_turn(reads: list[tuple[int, int, int]], order: list[int], result: SimulationResult) -> Drawing:
    """Reads by unit and cycle, and the turns that they belong to: a barrier parts these."""
    demand = [(cycle, table) for cycle, _, table in sorted(reads) if table != PREFETCHED]
    spans: list[list[int]] = []
    for cycle, table in demand:
        if not spans or (len(spans) < len(order) and table == order[len(spans)] != order[len(spans) - 1]):
            spans.append([cycle, cycle])
        spans[-1][1] = cycle
    assert len(spans) == len(order)
    cycles, groups = result.cycles, result.device.organization.bankgroups
    d = Drawing(860, 400, "READs of a run, turn by turn")
    left, width, top, lane = 130, 700, 84, 40
    scale = width / cycles
    bottom = top + lane * groups
    prefetched = sum(table == PREFETCHED for _, _, table in reads)
    title = (
        f"ProactivePIM on one channel of HBM2: {len(order)} turns in {cycles:,} cycles (a run, not a sketch)"
    )
    d.text(20, 26, title, 14, bold=True)
    for number, (first, last) in enumerate(spans):
        x, w = left + first * scale, max((last - first) * scale, 2)
        d.box(x, 50, w, bottom - 44, fill=PALE, line=PALE, radius=0)
        d.text(x + w / 2, 66, f"turn {number + 1}", 11, "middle", bold=True)
    for group in range(groups):
        y = top + lane * group
        d.text(20, y + 20, f"bank group {group}", 12)
        d.line(left, y + 28, left + width, y + 28)
    for cycle, group, table in reads:
        x, y = left + cycle * scale, top + lane * group
        d.line(x, y + 8, x, y + 26, SHARED if table == PREFETCHED else LARGE, 1.5)
    delay = result.device.timing.read_delay
    d.text(20, bottom + 28, "bus of the channel", 12)
    for number, (_, last) in enumerate(spans):
        begin = left + (last + delay) * scale
        end = left + (spans[number + 1][0] if number + 1 < len(spans) else cycles) * scale
        d.box(begin, bottom + 14, max(end - begin, 2), 20, fill=SUM)
        d.text((begin + end) / 2, bottom + 48, f"sums {number + 1}", 10, "middle", SUM, bold=True)
    for tick in range(0, cycles, 50):
        d.text(left + tick * scale, bottom + 66, f"{tick}", 10, "middle", GREY)
    d.text(20, bottom + 66, "memory cycles", 10, fill=GREY)
    y = bottom + 96
    d.box(20, y - 10, 12, 12, LARGE)
    d.text(38, y, f"READ of a row of q ({len(demand)} bursts)", 11)
    d.box(270, y - 10, 12, 12, SHARED)
    d.text(288, y, f"READ of a prefetch: a row of r ({prefetched} bursts)", 11)
    d.box(590, y - 10, 12, 12, SUM)
    d.text(608, y, "the last sums of a turn leave", 11)
    d.lines(
        20,
        y + 26,
        [
            "A unit fetches r for the next turn as soon as it has issued its last READ of this one.",
            "The barrier: demand of the next turn begins when all sums of this one have left.",
        ],
        11,
    )
    return d


DRAWINGS: dict[str, Callable[[], Drawing]] = {
    "data-flow.svg": data_flow,
    "hbm.svg": hbm,
    "mappings.svg": mappings,
    "tt-split.svg": tt_split,
    "turn.svg": turn,
}
"""File -> what draws it."""


def main() -> None:
    """Write all drawings, into docs/drawings or a folder that is named."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in DRAWINGS.items():
        (folder / name).write_text(draw().svg(), encoding="utf-8")
        sys.stdout.write(f"{folder / name}\n")


if __name__ == "__main__":
    main()
