"""Figures: what they show is what the results say, every text is whole, and no two texts lie on each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from ppim.cli import main
from ppim.errors import InputError
from ppim.figures.base import FIGURES, Options
from ppim.figures.front import Front, Point, read_front
from ppim.figures.source import Curve, Loads, read_loads, read_skew
from ppim.figures.style import drawing
from ppim.figures.write import plot
from ppim.report.results import Study, read_study
from ppim.stats.counters import COLUMNS
from tests.conftest import ROOT
from tests.unit.report.runs import ENERGY, write_host, write_run, write_sweep

LONG = "instruction_interval=1;placement.placement_seed=12;pim.cross_unit_timing=faw-only"
WIDTHS = (3.0, 7.2)


def drawn(kind: str, source: Any, **options: Any) -> Figure:
    """A figure as it is written."""
    with drawing():
        figure = FIGURES.get(kind).draw(source, Options(**options))
        figure.canvas.draw()
    return figure


def texts(figure: Figure) -> Iterator[Text]:
    """All that can be read."""
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and isinstance(text, Text):
            yield text


def shown_on_axis(figure: Figure) -> set[int]:
    """Labels of ticks inside the limits: matplotlib keeps others and does not draw them."""
    shown = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks() + axis.get_minor_ticks():
                slack = 1e-9 * (abs(high) + abs(low))
                if low - slack <= tick.get_loc() <= high + slack:
                    shown |= {id(tick.label1)} if tick.label1.get_visible() else set()
    return shown


def check_is_readable(figure: Figure) -> None:
    """Every text lies inside the figure, and none lies on another one."""
    renderer = figure.canvas.get_renderer()
    on_axis = shown_on_axis(figure)
    ticks = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks() + axis.get_minor_ticks()
        for label in (tick.label1, tick.label2)
    }
    boxes = {}
    for text in texts(figure):
        if id(text) in ticks and id(text) not in on_axis:
            continue
        box = text.get_window_extent(renderer)
        assert box.x0 >= -0.5, text.get_text()
        assert box.y0 >= -0.5, text.get_text()
        assert box.x1 <= figure.bbox.width + 0.5, text.get_text()
        assert box.y1 <= figure.bbox.height + 0.5, text.get_text()
        assert text.get_fontsize() >= 6, "too small to be read in print"
        boxes[id(text)] = (text.get_text(), box.padded(-0.75))
    for (one, box), (other, its) in itertools.combinations(boxes.values(), 2):
        assert not box.overlaps(its), f"{one!r} lies on {other!r}"


@pytest.fixture
def runs(tmp_path: Path) -> Study:
    """A host, and PIM systems with long names."""
    paths = [
        write_host(tmp_path, "cpu", 900_000),
        write_run(tmp_path, "pim-base", 3_000_000, prefetch_reads=0, bytes_delivered=256),
        write_run(tmp_path, "proactivepim", 1_000_000, prefetch_reads=12, stall_bank_cycles=200_000),
        write_run(tmp_path, "proactivepim", 777_777, LONG, prefetch_reads=12),
    ]
    return read_study(paths)


@pytest.fixture
def sweep(tmp_path: Path) -> Study:
    """Four curves over five sizes, with seeds."""
    points = [
        {
            "system": system,
            "policy": policy,
            "cache_bytes": size,
            "seed": seed,
            "cycles": cycles * (seed + 10) // 10,
        }
        for system, policy, cycles in [
            ("base", "lru", 4000),
            ("base", "scratchpad", 4000),
            ("fast", "lru", 2000),
            ("fast", "scratchpad", 1000),
        ]
        for size in (1024, 4096, 16384, 40960, 131072)
        for seed in (0, 1, 2)
    ]
    for point in points:
        if point["system"] == "fast":
            point["cycles"] -= point["cache_bytes"] // 256
    return read_study([write_sweep(tmp_path / "sweep", points, seeds=("seed",))])


def loads(channels: int, units: int) -> Loads:
    accesses = np.arange(channels * units, dtype=np.int64).reshape(channels, units)
    return Loads(f"trace/proactivepim+{LONG}", "hbm", accesses)


def curves() -> list[Curve]:
    rows = np.array([1.0, 10.0, 1000.0])
    return [Curve(f"C{n}", part, rows, rows / 1000) for n in range(3) for part in ("q", "r", "core1")]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["speed-up", "time", "traffic"])
def test_bars_are_readable(runs: Study, sweep: Study, kind: str, width: float) -> None:
    check_is_readable(drawn(kind, runs, width=width))
    check_is_readable(drawn(kind, sweep, width=width))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("x", "y"), [(None, None), ("system", "hits"), ("policy", "bytes-dram")])
def test_curves_are_readable(sweep: Study, width: float, x: str | None, y: str | None) -> None:
    few = sweep.where({"cache_bytes": [1024, 131072]}) if x else sweep
    check_is_readable(drawn("sensitivity", few, width=width, x=x, y=y))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("shape", [(8, 4), (16, 64), (1, 1)])
def test_heat_maps_are_readable(width: float, shape: tuple[int, int]) -> None:
    check_is_readable(drawn("units", [loads(*shape), loads(*shape)], width=width))


@pytest.mark.parametrize("width", WIDTHS)
def test_skew_is_readable(width: float) -> None:
    check_is_readable(drawn("skew", curves(), width=width))


def test_every_axis_has_its_unit(runs: Study, sweep: Study) -> None:
    """In brackets; a channel, a system or a count of rows has none."""
    for kind, source in [("speed-up", runs), ("time", runs), ("traffic", runs), ("sensitivity", sweep)]:
        for axes in drawn(kind, source).axes:
            assert axes.get_xlabel().endswith(")"), kind
            if kind == "sensitivity":
                assert axes.get_ylabel().endswith(")")


def bars_of(figure: Figure, place: int = 0) -> list[tuple[float, float]]:
    """(start, width) of all bars of an axes."""
    return [(patch.get_x(), patch.get_width()) for patch in figure.axes[place].patches]


def test_speed_up_bars_are_the_quotients_of_times(runs: Study) -> None:
    figure = drawn("speed-up", runs, baseline="pim-base")
    assert [width for _, width in bars_of(figure)] == pytest.approx([3e6 / 9e5, 1, 3, 3e6 / 777_777])


def test_a_wide_range_is_on_a_logarithmic_scale_that_starts_at_one(tmp_path: Path) -> None:
    study = read_study([write_run(tmp_path, n, c) for n, c in [("a", 10_000), ("b", 100), ("c", 90_000)]])
    figure = drawn("speed-up", study, baseline="a")
    assert figure.axes[0].get_xscale() == "log"
    assert [start + width for start, width in bars_of(figure)] == pytest.approx([1, 100, 1 / 9])
    check_is_readable(figure)


def test_parts_of_a_bar_are_those_of_the_run_and_reach_its_end(runs: Study) -> None:
    figure = drawn("time", runs)
    ends: dict[float, float] = {}
    for patch in figure.axes[0].patches:
        ends[patch.get_y()] = max(ends.get(patch.get_y(), 0), patch.get_x() + patch.get_width())
    assert [ends[y] for y in sorted(ends)] == pytest.approx([0.9, 3, 1, 0.777777])  # ms


def test_seeds_are_averaged_with_their_spread(sweep: Study) -> None:
    figure = drawn("sensitivity", sweep, y="time")
    (first, *_), labels = figure.axes[0].containers, [t.get_text() for t in figure.legends[0].get_texts()]
    assert labels == ["base, lru", "base, scratchpad", "fast, lru", "fast, scratchpad"]
    line, _, bars = first
    assert list(line.get_xdata()) == [1024, 4096, 16384, 40960, 131072]
    assert line.get_ydata() == pytest.approx([4.4] * 5)  # us, of 4000, 4400 and 4800 ns
    low, high = bars[0].get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((4.0, 4.8))  # the standard deviation is 0.4


@pytest.mark.skipif("energy_total_pj" not in COLUMNS, reason="no column of energy is counted")
@pytest.mark.parametrize("width", WIDTHS)
def test_energy_of_a_lookup(tmp_path: Path, width: float) -> None:
    study = read_study([write_run(tmp_path, "a", 90, **ENERGY), write_run(tmp_path, "b", 90)])
    figure = drawn("energy", study, width=width)
    check_is_readable(figure)
    assert sum(size for _, size in bars_of(figure)) == pytest.approx(2000 / 50)  # pJ
    assert "no total" in [text.get_text() for text in texts(figure)]


def test_energy_that_nobody_counted_is_said(runs: Study) -> None:
    with pytest.raises(InputError, match="no run has energy_total_pj"):
        drawn("energy", runs)


def test_what_does_not_fit_is_refused(tmp_path: Path, sweep: Study) -> None:
    with pytest.raises(InputError, match="curves are more than the 8 that can be told apart"):
        drawn("sensitivity", sweep, x="policy")
    with pytest.raises(InputError, match="runs are more than the 8 that fit"):
        drawn("units", [loads(2, 2)] * 9)
    points = [{"system": "base", "macs": n, "cycles": n + 1} for n in range(61)]
    with pytest.raises(InputError, match="61 bars are more than the 60 that fit"):
        drawn("speed-up", read_study([write_sweep(tmp_path / "many", points)]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"x": "cash_bytes"}, "--x: .*cache_bytes"),
        ({"y": "tme"}, "--y: .*time"),
        ({"baseline": "nobody"}, "no run 'nobody'"),
    ],
)
def test_names_that_are_not_there(sweep: Study, options: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        drawn("sensitivity", sweep, **options)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_results_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    results = [write_run(tmp_path, "a", 100), write_run(tmp_path, "b", 50)]
    for name in ("one", "two"):
        assert plot(results, tmp_path / f"{name}.{suffix}") == "speed-up"
    content = (tmp_path / f"one.{suffix}").read_bytes()
    assert content == (tmp_path / f"two.{suffix}").read_bytes()
    assert content.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix])
    if suffix == "pdf":
        assert b"/Type3" not in content, "publishers refuse Type 3 fonts"
    if suffix == "png":
        height, width, _ = matplotlib.image.imread(tmp_path / "one.png").shape
        assert width == 3.5 * 300
        assert height < width


def ppim(*arguments: object) -> int:
    try:
        main([str(each) for each in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_command_finds_the_kind_that_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path, "a", 100)
    units = tmp_path / "units.csv"
    units.write_text("run,memory,channel,unit,accesses\nt/a,hbm,0,0,3\nt/a,hbm,0,1,5\n")
    points = [{"system": "base", "pooling": n, "cycles": 10 * n} for n in (1, 2)]
    folder = write_sweep(tmp_path / "sweep", points)
    for inputs, kind in [
        ([run], "time"),
        ([run, write_run(tmp_path, "b", 60)], "speed-up"),
        ([folder], "sensitivity"),
        ([folder / "runs.csv"], "sensitivity"),
        ([units], "units"),
        ([ROOT / "traces" / "sample-qr.parquet"], "skew"),
    ]:
        assert ppim("plot", *inputs, "-o", tmp_path / "f.svg") == 0
        assert f"{kind} -> " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.csv", "-o", "f.gif"], "write a .png, .svg or .pdf figure"),
        (["nowhere.csv", "-o", "f.svg"], "nowhere.csv: cannot be read (No such file"),
        (["a.csv", "units.csv", "-o", "f.svg"], "files of 2 kinds"),
        (["a.csv", "--kind", "units", "-o", "f.svg"], "drawn from the CSVs of ppim simulate --units"),
        (["a.csv", "--kind", "speedup", "-o", "f.svg"], "speed-up"),
        (["units.csv", "--where", "system=a", "-o", "f.svg"], "--where: chooses runs"),
        (["a.csv", "--where", "system", "-o", "f.svg"], "KEY=VALUE"),
        (["gap.csv", "-o", "f.svg"], "units are missing"),
        (["word.csv", "-o", "f.svg"], "is no whole number; write it in digits 0 to 9"),
        (["empty.csv", "-o", "f.svg"], "has no unit: hosts have none"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path, "a", 100)
    header = "run,memory,channel,unit,accesses\n"
    Path("units.csv").write_text(header + "t/a,hbm,0,0,3\n")
    Path("gap.csv").write_text(header + "t/a,hbm,0,0,3\nt/a,hbm,1,1,3\n")
    Path("word.csv").write_text(header + "t/a,hbm,0,zero,3\n")
    Path("empty.csv").write_text(header)
    assert ppim("plot", *arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert not list(tmp_path.glob("f.*"))


def test_loads_and_skew_are_those_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "u.csv").write_text("run,memory,channel,unit,accesses\nt/a,hbm,1,0,4\nt/a,hbm,0,0,3\n")
    (only,) = read_loads([tmp_path / "u.csv"])
    assert only.accesses.tolist() == [[3], [4]]
    header = "table,name,subtable,first_rank,rows,accesses_per_row,cumulative_accesses,cumulative_share\n"
    (tmp_path / "s.csv").write_text(f"{header}0,C1,q,0,1,6,6,0.6\n0,C1,q,1,2,2,10,1.0\n0,C1,q,3,9,0,10,1.0\n")
    (curve,) = read_skew([tmp_path / "s.csv"])
    assert curve.rows.tolist() == [1, 2, 3]
    assert curve.share.tolist() == pytest.approx([0.6, 0.8, 1.0])


def test_a_trace_and_its_profile_give_one_curve(tmp_path: Path) -> None:
    trace = ROOT / "traces" / "sample-qr.parquet"
    assert ppim("profile", trace, "-o", tmp_path / "p.csv") == 0
    for one, other in zip(read_skew([trace]), read_skew([tmp_path / "p.csv"]), strict=True):
        assert (one.table, one.subtable) == (other.table, other.subtable)
        assert np.array_equal(one.rows, other.rows)
        assert np.allclose(one.share, other.share)


# The front of a search.

POINTS = [
    Point(6.1, 1_310_720, 458_752, is_start=True, is_on_front=False),
    Point(4.6, 32_768, 524_288, is_start=False, is_on_front=True),
    Point(5.7, 8_192, 458_752, is_start=False, is_on_front=True),
    Point(7.4, 8_192, 524_288, is_start=False, is_on_front=False),
]
NO_SRAM = Point(6.8, 0, 458_752, is_start=False, is_on_front=True)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("points", [POINTS, [*POINTS, NO_SRAM], [POINTS[1]], [NO_SRAM]], ids=len)
def test_front_shows_each_design_at_its_costs(points: list[Point], width: float) -> None:
    figure = drawn("front", Front("ns_per_lookup", points), width=width)
    check_is_readable(figure)
    axes, bar = figure.axes
    shown = {tuple(place) for dots in axes.collections for place in dots.get_offsets().tolist()}
    assert shown == {(point.sram_bytes, point.objective) for point in points}
    assert axes.get_xlabel() == "SRAM of all units (B)"
    assert axes.get_ylabel() == "time of a lookup (ns)"
    assert bar.get_ylabel() == "copies (KiB)"
    (front,) = [dots for dots in axes.collections if dots.get_array() is not None]
    expected = sorted(point.copied_bytes / 1024 for point in points if point.is_on_front)
    assert sorted(front.get_array().tolist()) == expected
    left, right = axes.get_xlim()
    assert all(left < point.sram_bytes < right for point in points)


def test_front_of_energy_has_its_unit() -> None:
    figure = drawn("front", Front("pj_per_lookup", [POINTS[1], Point(2e4, 0, 0, False, True)]))
    assert figure.axes[0].get_ylabel() == "energy of a lookup (nJ)"
    check_is_readable(figure)


FRONT_HEADER = "id,macs,status,error,is_start,is_on_front,batches,ns_per_lookup,sram_bytes,copied_bytes,start_over_this\n"


def test_front_is_read_from_the_table_of_designs(tmp_path: Path) -> None:
    (tmp_path / "designs.csv").write_text(
        f"{FRONT_HEADER}a,4,done,,True,False,16,6.5,100,200,1\nb,8,cut short,,False,False,5,3,10,20,2\n"
        "c,16,failed,oh,False,False,16,,,,\nd,2,done,,False,True,16,5.5,50,0,1.2\n"
    )
    assert read_front([tmp_path]).points == [
        Point(6.5, 100, 200, is_start=True, is_on_front=False),
        Point(5.5, 50, 0, is_start=False, is_on_front=True),
    ]
    assert plot([tmp_path / "designs.csv"], tmp_path / "front.png") == "front"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "has no design"),
        ("c,16,failed,oh,False,False,16,,,,\n", "no design ran on the whole trace"),
        ("a,4,done,,True,False,16,six,100,200,1\n", ":2: 'six' is no number"),
        ("a,4,done,,True,False,16,nan,100,200,1\n", ":2: 'nan' is no number"),
        ("a,4,done,,True,False,16,6,-1,200,1\n", ":2: -1.0 is no cost"),
        ("a,4,done\n", ":2: "),
    ],
)
def test_tables_of_designs_that_are_damaged(tmp_path: Path, lines: str, words: str) -> None:
    (tmp_path / "designs.csv").write_text(FRONT_HEADER + lines)
    with pytest.raises(InputError) as found:
        plot([tmp_path], tmp_path / "front.png")
    assert words in str(found.value)
    assert not (tmp_path / "front.png").exists()
