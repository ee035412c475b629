"""Programs in the format `ppim-program`: a replay is the simulation, and what is wrong is named with its line."""

from __future__ import annotations

import dataclasses
import gzip
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ppim.config import parse_settings
from ppim.dram.load import load_device
from ppim.errors import InputError
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.program.builder import recipe as b
from ppim.program.listing import form as f, header as h
from ppim.program.listing.read import read_rows
from ppim.program.listing.text import LINE_BYTES, MOST_DIGITS, format_lines
from ppim.program.listing.write import ListingWriter
from ppim.requests.text import line_blocks
from ppim.runs import simulate as simulations
from ppim.runs.replay_listing import ListingReplay
from ppim.runs.simulate import simulate
from ppim.stats.result import SimulationResult
from ppim.systems.chosen import choose_system
from ppim.systems.spec import SystemSpec
from tests.conftest import ROOT
from tests.reference.pim_programs import pick
from tests.reference.small_traces import SmallTrace, small_trace
from tests.unit.program.test_against_twin import case, case_of_parts, case_of_rows, set_leaves

SEEDS = range(70)
PART_SEEDS = range(30)
ROW_SEEDS = range(24)


def same(simulated: SimulationResult, replayed: SimulationResult) -> None:
    """All that was counted, limits, loads, latencies and energies, to the last digit."""
    assert replayed.cycles == simulated.cycles
    assert replayed.counts.keys() == simulated.counts.keys()
    for name, counts in simulated.counts.items():
        assert replayed.counts[name].tolist() == counts.tolist(), name
    assert replayed.unit_accesses is not None
    assert simulated.unit_accesses is not None
    assert replayed.unit_accesses.tolist() == simulated.unit_accesses.tolist()
    assert replayed.limits == simulated.limits
    assert replayed.latency == simulated.latency
    assert replayed.issue_slots == simulated.issue_slots
    assert replayed.batches == simulated.batches
    assert replayed.energy is not None
    assert simulated.energy is not None
    assert replayed.energy.missing == simulated.energy.missing
    assert {name: part.tolist() for name, part in replayed.energy.parts.items()} == {
        name: part.tolist() for name, part in simulated.energy.parts.items()
    }


def round_trip(path: Path, trace: SmallTrace, system: SystemSpec) -> None:
    with path.open("wb") as stream:
        simulated = simulate(trace, system, program=partial(ListingWriter, stream=stream))  # type: ignore[arg-type]
    same(simulated, ListingReplay(path, system).run())


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Devices made up by a test, in place of those that systems name."""
    made: dict[str, object] = {}

    def load(*_: object) -> object:
        return made["device"]

    monkeypatch.setattr(simulations, "load_device", load)
    monkeypatch.setattr("ppim.runs.replay_listing.load_device", load)
    # Programs in many pieces, few lines each.
    monkeypatch.setattr("ppim.program.listing.read.line_blocks", partial(line_blocks, block_bytes=512))
    return made


def with_time(seed: int, system: SystemSpec) -> SystemSpec:
    """The same program, waited for in another way."""
    rng = np.random.default_rng([seed, 0x71E])
    barrier = pick(rng, "table", "batch", "none", "none")
    return set_leaves(
        system,
        barrier=barrier,
        turns_open=pick(rng, 0, 1, 2) if barrier == "none" else 0,
        unit_buffer_bursts=pick(rng, 0, 0, 64) if system.pim.consumer == "unit" else 0,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_replay_is_the_simulation(tmp_path: Path, devices: dict[str, object], seed: int) -> None:
    trace, devices["device"], system = case(seed)
    round_trip(tmp_path / "p.ppim", trace, with_time(seed, system))


@pytest.mark.parametrize("seed", PART_SEEDS)
def test_a_replay_of_rows_in_parts_is_the_simulation(
    tmp_path: Path, devices: dict[str, object], seed: int
) -> None:
    trace, devices["device"], system = case_of_parts(seed)
    round_trip(tmp_path / "p.ppim", trace, with_time(seed, system))


@pytest.mark.parametrize("seed", ROW_SEEDS)
def test_a_replay_of_rows_that_are_read_once_is_the_simulation(
    tmp_path: Path, devices: dict[str, object], seed: int
) -> None:
    trace, devices["device"], system = case_of_rows(seed)
    round_trip(tmp_path / "p.ppim", trace, with_time(seed, system))


def test_programs_of_rows_that_are_read_once_have_receivers(tmp_path: Path) -> None:
    trace, path = small_trace("qr", {"vector_bytes": 128}), tmp_path / "p.ppim"
    with path.open("wb") as stream:
        simulate(trace, choose_system("fafnir").spec, program=partial(ListingWriter, stream=stream))  # type: ignore[arg-type]
    text = path.read_text()
    assert re.search(r"^readout .* lookup=\d+ sharers=\d+ step=\*$", text, re.MULTILINE)
    assert re.search(r"^receiver number=\d+ lookup=\d+$", text, re.MULTILINE)


def test_a_row_for_three_units_by_hand(tmp_path: Path) -> None:
    """One readout of 2 bursts, and a deliver to each of three units, of which one has two lookups."""
    text = (
        f"{HEADER}turn number=0\n"
        "lookup number=0 channel=0 unit=0 macs=64\nlookup number=1 channel=0 unit=0 macs=64\n"
        "lookup number=2 channel=1 unit=0 macs=64\nlookup number=3 channel=1 unit=1 macs=64\n"
        "receiver number=4 lookup=0 sharers=1\nreceiver number=5 lookup=2\nreceiver number=6 lookup=3\n"
        "readout channel=0 unit=1 bank=0 row=0 column=0 bursts=2 lookup=4 sharers=2 step=*\n"
    )
    result = replay(tmp_path, text).run()
    # HBM2: ACT 2, READ 16 and 18, with the host at 18 + 16 = 34. Channel 1 has a deliver at 34, bus [38, 42), and one
    # when its slot of 85 / 28 cycles is over, at 37, behind it on the bus: [42, 46); one cycle of arithmetic.
    assert result.total("reads") == 2
    assert result.counts["instructions"].tolist() == [2, 2, 0, 0, 0, 0, 0, 0]
    assert result.counts["compute_cycles"].tolist() == [2, 2, 0, 0, 0, 0, 0, 0]
    assert result.counts["lookups"].tolist() == [2, 2, 0, 0, 0, 0, 0, 0]
    assert result.total("bytes_delivered") == 3 * 128
    assert result.cycles == 47


@pytest.mark.parametrize("algorithm", ["dense", "qr", "tt-rec"])
@pytest.mark.parametrize(
    ("made_on", "replayed_on"),
    [
        ("barrier=table", "barrier=none"),
        ("barrier=none", "barrier=batch"),
        ("macs=1", "macs=64"),
        ("macs=64", "mac_ghz=0.1"),
        ("collect=host", "collect=base-die"),
        ("collect=rank", "collect=host"),
        ("unit_queue=16", "unit_queue=4"),
        ("unit_accumulators=2", "unit_accumulators=0"),
    ],
)
def test_on_another_system_a_program_is_run_with_its_settings(
    tmp_path: Path, algorithm: str, made_on: str, replayed_on: str
) -> None:
    """The program of one system on another is what the other's own simulation is, where both have one program."""
    trace, path = small_trace(algorithm, {"vector_bytes": 128}), tmp_path / "p.ppim"
    made, other = (
        choose_system("pim-base", parse_settings([setting])).spec for setting in (made_on, replayed_on)
    )
    with path.open("wb") as stream:
        simulate(trace, made, program=partial(ListingWriter, stream=stream))  # type: ignore[arg-type]
    replayed = ListingReplay(path, other).run()
    simulated = simulate(trace, other)  # type: ignore[arg-type]
    if not made_on.startswith("unit_accumulators"):
        same(simulated, replayed)
    else:  # sums leave early in the one program, and late in the other
        assert replayed.total("reads") == simulated.total("reads")
        assert replayed.total("bytes_external") == simulated.total("bytes_external")


def example() -> str:
    """The program in the documentation."""
    (text,) = re.findall(r"```\n(ppim-program 1\n.*?)```", (ROOT / "docs/formats.md").read_text(), re.DOTALL)
    return str(text)


def replay(tmp_path: Path, text: str, *settings: str) -> ListingReplay:
    path = tmp_path / "p.ppim"
    path.write_text(text)
    return ListingReplay(path, choose_system("pim-base", parse_settings(settings)).spec)


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    result = replay(tmp_path, example()).run()
    assert result.program == {
        "read": 2, "readout": 1, "hit": 1, "deliver": 0, "transfer": 3, "prefetch": 0,
    }  # fmt: skip
    # One line for each lookup and instruction; without lines of counts each of them counts.
    assert result.counts["lookups"].tolist() == [2, 0, 0, 1, 0, 1, 0, 0]
    assert result.total("accesses") == 4
    assert result.total("cache_hits") == 1
    assert result.total("reads") == 2 + 2 + 8
    assert result.total("bytes_delivered") == 2 * 64
    assert result.total("bytes_external") == (2 + 2 + 3 * 2) * 64
    # macs = 64: one cycle each for the 32 of turn 0, 32 and 16 for turn 1.
    assert result.counts["compute_cycles"].tolist() == [48, 0, 0, 1, 0, 1, 0, 0]
    assert result.total("activates") == 3


def test_what_lines_of_counts_say_is_in_the_columns_of_their_names(tmp_path: Path) -> None:
    """Each in its own column: what is written and read alike wrong would come back unnoticed."""
    line = "counts channel=3 lookups=11 accesses=12 hits=5 misses=7 bytes=640 loads=9 fills=4\n"
    replayed = replay(tmp_path, example() + line)
    result = replayed.run()
    names = ("lookups", "accesses", "cache_hits", "cache_misses", "bytes_cache")
    assert [int(result.counts[name][3]) for name in names] == [11, 12, 5, 7, 640]
    assert [result.total(name) for name in names] == [11, 12, 5, 7, 640]
    assert replayed.counts[3, [b.SRAM_READS, b.SRAM_FILLS]].tolist() == [9, 4]


def test_cycles_of_one_read_by_hand(tmp_path: Path) -> None:
    text = (
        f"{HEADER}turn number=0\nlookup number=0 channel=0 unit=0 macs=640\n"
        "read channel=0 unit=0 bank=0 row=0 column=0 bursts=2 lookup=0\ntransfer channel=0 unit=0 bag=0\n"
    )
    timing = load_device("hbm2-4gb").timing
    result = replay(tmp_path, text).run()
    # Slot 0; ACTIVATE two cycles on; the second READ behind the first; data; 640 / 64 cycles; the bus.
    read = 2 + timing.tRCDRD + max(timing.burst_cycles, timing.tCCD_L)
    there = read + timing.read_delay
    assert result.cycles == there + 10 + 2 * max(timing.burst_cycles, timing.tCCD_S)


def test_without_reads(tmp_path: Path) -> None:
    assert replay(tmp_path, HEADER).run().cycles == 0
    result = replay(
        tmp_path, f"{HEADER}turn number=0\ntransfer channel=0 unit=0\nturn number=1 batch=3\n"
    ).run()
    assert result.total("instructions") == 1
    assert result.batches == 4


def test_gzip_blanks_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(gzip.compress(example().replace(" ", "\t ").replace("\n", "  \r\n").encode()))
    survey = ListingReplay(path, choose_system("pim-base").spec).survey
    assert survey.lines.tolist() == [2, 4, 2, 1, 1, 0, 3, 0, 0, 0]


def test_text_and_numbers_give_each_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    device = load_device("hbm2-4gb")
    geometry = UnitGeometry.of(device, "bankgroup")
    rows = np.zeros((20_000, f.LINE_COLUMNS), dtype=np.int64)  # several blocks of text
    rows[:, f.LINE_WORD] = words = rng.integers(len(f.WORDS), size=len(rows))
    may = rng.integers(1 << len(f.KEYS), size=len(rows)) & f.MAY_MASK[words]
    rows[:, f.LINE_GIVEN] = f.MUST_MASK[words] | may
    most = {f.BURSTS: 100, f.CHANNEL: 8, f.UNIT: 4, f.BANK: 4, f.ROW: 16000, f.COLUMN: 32}
    for bit in range(len(f.KEYS)):
        column = f.FIRST_KEY + bit
        value = rng.integers(1, most.get(column, 1 << 16), size=len(rows))
        rows[:, column] = np.where(rows[:, f.LINE_GIVEN] >> bit & 1, value, 0)
    rows[words == f.READ_LINE, f.UNIT] = -1
    text = np.empty(len(rows) * LINE_BYTES, dtype=np.uint8)
    written = text[: format_lines(rows, text)].tobytes().decode()
    assert "unit=*" in written
    path = tmp_path / "p"
    path.write_text(HEADER + written)
    header = h.read_header(path)
    parts = [part.copy() for part in read_rows(path, header, geometry)]
    assert len(parts) > 1
    read = np.concatenate(parts)
    rows[:, f.LINE_NUMBER] = HEADER.count("\n") + 1 + np.arange(len(rows))
    assert (read == rows).all()


def test_headers_are_read_as_they_are_written(tmp_path: Path) -> None:
    header = h.read_header(_file(tmp_path, HEADER))
    full = dataclasses.replace(header, system="a.toml", settings=("macs=3", 'prefetch_subtables=["r", "#"]'))
    assert h.read_header(_file(tmp_path, h.header_lines(full))) == dataclasses.replace(full, lines=6)


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "p"
    path.write_text(text)
    return path


HEADER = (
    "ppim-program 1\n"
    "memory channels=8 ranks=1 bankgroups=4 banks=4 rows=16384 columns=32 burst_bytes=64\n"
    "units level=bankgroup frontend=per-channel vector_bursts=2\n"
)
PLACE = "channel=0 unit=0 bank=0 row=0 column=0 bursts=2"
RIGHT = f"turn number=0\nlookup number=0 channel=0 unit=0 macs=1\nread {PLACE} lookup=0\n"
TAKEN = "transfer channel=0 unit=0 bag=0\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("jump channel=0", 1, "an unknown word in 'jump channel=0'; known: turn, lookup"),
        ("turn=0", 1, "an unknown word"),
        ("turn number", 1, "words that are no key=value"),
        ("turn number=x", 1, "a value that is no whole number"),
        ("turn number=-1", 1, "a value that is no whole number"),
        ("turn number=1e3", 1, "a value that is no whole number"),
        (f"turn number={'9' * (MOST_DIGITS + 1)}", 1, "a value that is no whole number"),
        ("turn numbers=0", 1, "an unknown key"),
        ("turn number=0 number=0", 1, "a key that is given twice"),
        ("turn batch=0", 1, "a line of turn lacks number="),
        ("turn number=0 macs=3", 1, "a line of turn has no macs="),
        ("turn number=*", 1, r"number=\* on a line that has one"),
        ("turn number=1", 1, "turn 1 where turn 0 comes"),
        ("turn number=0\nturn number=2", 2, "turn 2 where turn 1 comes"),
        ("turn number=0 batch=1\nturn number=1", 2, "a batch before"),
        (f"read {PLACE} lookup=0", 1, "before the first line of `turn`"),
        (RIGHT + "units level=bank", 4, "a line of the header behind"),
        (RIGHT + f"read {PLACE} lookup=1", 4, "a lookup that its turn does not have"),
        (RIGHT + f"read {PLACE} lookup=0 sharers=1", 4, "a lookup that its turn does not have"),
        (RIGHT + "read channel=0 unit=1 bank=0 row=0 column=0 bursts=1 lookup=0", 4, "a lookup of another unit"),
        (RIGHT + "read channel=0 unit=* bank=0 row=0 column=0 bursts=1 lookup=0", 4, "a step of less than 1"),
        (RIGHT + f"read {PLACE} lookup=0 step=1", 4, "a step, but one unit executes it"),
        (RIGHT + "read channel=* unit=* bank=0 row=0 column=0 bursts=1 lookup=0", 4, "a line for each|step of less"),
        (RIGHT + "read channel=* unit=0 bank=0 row=0 column=0 bursts=1 lookup=0", 4, r"channel=\* needs unit=\*"),
        (RIGHT + "read channel=8 unit=0 bank=0 row=0 column=0 bursts=1 lookup=0", 4, "channel is more than 7"),
        (RIGHT + "read channel=0 unit=0 bank=0 row=16384 column=0 bursts=1 lookup=0", 4, "row is more than 16,383"),
        (RIGHT + "read channel=0 unit=0 bank=0 row=0 column=0 bursts=0 lookup=0", 4, "an instruction of no bursts"),
        (RIGHT + "read channel=0 unit=0 bank=3 row=16383 column=31 bursts=2 lookup=0", 4, "runs over the end"),
        (RIGHT + "lookup number=2 channel=0 unit=0 macs=1", 4, "lookup 2 where lookup 1 of the turn comes"),
        (RIGHT + "lookup number=1 channel=0 unit=0 macs=1", 4, "that no read, readout or hit names"),
        (RIGHT + "transfer channel=0 unit=1 bag=0", 4, "to which the unit has added nothing"),
        (RIGHT + "transfer channel=0 unit=0 bag=7", 4, "to which the unit has added nothing"),
        (RIGHT + TAKEN + TAKEN, 5, "a sum that has left already"),
        (RIGHT + "deliver channel=0 unit=0 bursts=2 lookup=0", 4, "a deliver, in a program"),
        (RIGHT + "prefetch turn=1 channel=0 bank=0 row=0 column=0 bursts=2", 4, "a prefetch, in a program"),
        (RIGHT + "receiver number=1 lookup=1", 4, "a receiver of a receiver"),
        (RIGHT + "receiver number=1 lookup=0 sharers=3", 4, "a lookup that its turn does not have"),
        (RIGHT + f"receiver number=1 lookup=0\nread {PLACE} lookup=1", 5, r"a receiver, which a readout of step=\* names"),
        (RIGHT + f"readout {PLACE} lookup=0 step=*", 4, "a lookup that is no receiver"),
        (RIGHT + "receiver number=1 lookup=0\n" + f"readout {PLACE} lookup=1 step=*\n" * 2, 6, "a receiver that a readout has named"),
        (RIGHT + "lookup number=1 channel=1 unit=0 macs=1\nreceiver number=2 lookup=0 sharers=1", 5, "lookups of several units"),
        (RIGHT.replace("read", "lookup", 1), 3, "a line of lookup lacks number="),
    ],
)  # fmt: skip
def test_broken_lines_are_named(tmp_path: Path, text: str, line: int, message: str) -> None:
    before = "# a comment\n" * 30_000  # in the second block of text
    number = HEADER.count("\n") + 30_000 + line
    with pytest.raises(InputError, match=rf"p.ppim:{number}: .*({message})"):
        replay(tmp_path, f"{HEADER}{before}{text}\n")


@pytest.mark.parametrize(
    ("units", "settings", "text", "line", "message"),
    [
        ("prefetch=table", [], RIGHT + "prefetch turn=0 channel=0 bank=0 row=0 column=0 bursts=2", 4, "for the turn 1 behind"),
        ("prefetch=next", [], RIGHT + "prefetch turn=1 channel=0 bank=0 row=0 column=0 bursts=2", 4, "for the turn 2 behind"),
        ("prefetch=all", [], RIGHT + "prefetch turn=0 channel=0 bank=0 row=0 column=0 bursts=2", 4, "before the first turn"),
        ("prefetch=next", [],
         "prefetch turn=1 channel=0 bank=0 row=0 column=0 bursts=2\nprefetch turn=0 channel=0 bank=0 row=0 column=0 bursts=2",
         2, "a prefetch for an earlier turn"),
        ("deliver=in-order", ["deliver=in-order"], RIGHT + f"readout {PLACE} lookup=0", 4, "a readout without its deliver"),
        ("deliver=in-order", ["deliver=in-order"],
         RIGHT + f"readout {PLACE} lookup=0\ndeliver channel=0 unit=0 bursts=1 lookup=0", 5, "another number of bursts"),
        ("deliver=in-order", ["deliver=in-order"],
         RIGHT + f"readout {PLACE} lookup=0\n" + "deliver channel=0 unit=0 bursts=2 lookup=0\n" * 2, 6, "or brings once"),
        ("", ["collect=base-die"], RIGHT, 2, "whose sum has no transfer"),
        ("consumer=host", ["consumer=host"], RIGHT, 3, "lines of readout only"),
        ("unit_accumulators=1", ["unit_accumulators=1"],
         RIGHT + f"lookup number=1 bag=1 channel=0 unit=0 macs=1\nread {PLACE} lookup=1\n" + TAKEN + TAKEN.replace("bag=0", "bag=1"),
         5, "more than 1 sums open"),
    ],
)  # fmt: skip
def test_what_a_program_may_not_do(
    tmp_path: Path, units: str, settings: list[str], text: str, line: int, message: str
) -> None:
    header = HEADER.replace("vector_bursts=2\n", f"vector_bursts=2 {units}\n")
    with pytest.raises(InputError, match=rf"p.ppim:{HEADER.count(chr(10)) + line}: .*{message}"):
        replay(tmp_path, f"{header}{text}\n", *settings)


@pytest.mark.parametrize(
    ("old", "new", "settings", "message"),
    [
        ("ppim-program 1", "ppim-program 2", [], "p.ppim:1: version '2'"),
        ("ppim-program 1", "ppim-programs 1", [], "p.ppim:1: .*begins with `ppim-program 1`"),
        ("memory", "memories", [], "the header has no line of `memory`"),
        ("rows=16384 ", "", [], "p.ppim:2: the line of memory lacks rows="),
        ("rows=16384", "rows=16384 rows=1", [], "p.ppim:2: rows is given twice"),
        ("rows=16384", "rows=big", [], "p.ppim:2: rows='big' is no whole number"),
        ("rows=16384", "rows=8192", [], r"for a memory of rows=8192 \(here 16384\)"),
        ("units level", "units levels", [], "p.ppim:3: .*a line of units has level="),
        ("vector_bursts=2", "vector_bursts=0", [], "vector_bursts=0 is not from 1"),
        ("level=bankgroup", "level=bank", [], "level=bank, system pim-base has bankgroup; use --set level=bank"),
        ("frontend=per-channel", "frontend=global", [], "use --set frontend=global"),
        ("vector_bursts=2", "vector_bursts=2 prefetch=soon", [], "p.ppim: .*soon"),
        ("vector_bursts=2", "vector_bursts=2 mapping=adaptive", [], "moves rows"),
        ("vector_bursts=2", "vector_bursts=2 mapping=vertical", ["collect=base-die"], "--set collect=host"),
        ("vector_bursts=2", "vector_bursts=2", ["unit_accumulators=2"], "use --set unit_accumulators=0"),
        ("vector_bursts=2", "vector_bursts=2", ["deliver=in-order"], "use --set deliver=ahead"),
    ],
)  # fmt: skip
def test_headers_that_do_not_go(
    tmp_path: Path, old: str, new: str, settings: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        replay(tmp_path, HEADER.replace(old, new), *settings)


def test_systems_without_units_or_with_two_memories(tmp_path: Path) -> None:
    path = _file(tmp_path, HEADER)
    with pytest.raises(InputError, match="has no PIM units"):
        ListingReplay(path, choose_system("cpu").spec)
    with pytest.raises(InputError, match="a program is for one memory"):
        ListingReplay(path, choose_system("heam").spec)
