"""Programs in the authors' text format: held to plain Python that knows only the format's description."""

from __future__ import annotations

import dataclasses
import gzip
import io
import itertools
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ppim.config import parse_settings
from ppim.dram.device import Device
from ppim.dram.load import load_device
from ppim.errors import InputError
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.program import instruction as i
from ppim.program.authors import form as a
from ppim.program.authors.read import read_lines, read_turns, survey_program
from ppim.program.authors.text import LINE_BYTES, LINE_COLUMNS, MOST_BURSTS, format_lines
from ppim.program.authors.write import ProgramWriter
from ppim.program.prepare import prepare
from ppim.runs.replay_program import ProgramReplay
from ppim.runs.simulate import simulate
from ppim.systems.chosen import choose_system
from ppim.systems.spec import Level, SystemSpec
from ppim.trace.profile import access_profile
from tests.reference.program_twin import Step, TwinProgram, build_twin
from tests.reference.small_traces import SmallTrace, small_trace
from tests.unit.program.test_against_twin import random_device, random_system, random_trace

DEVICES = ("hbm2-4gb", "ddr4-8gb-x8-3200", "hbm2-8gb")
LEVELS: tuple[Level, ...] = ("channel", "rank", "bankgroup", "bank")
SEEDS = range(60)


def byte_address(device: Device, mapping: str, **fields: int) -> int:
    """An address put together bit by bit from a map's string, most significant field first."""
    org = device.organization
    sizes = {
        "ro": org.rows,
        "ra": org.ranks,
        "ba": org.banks_per_group,
        "co": org.bursts_per_row,
        "bg": org.bankgroups,
        "ch": org.channels,
    }
    bits = ""
    for at in range(0, len(mapping), 2):
        name = mapping[at : at + 2]
        width = (sizes[name] - 1).bit_length()
        bits += format(fields.get(name, 0), f"0{width}b") if width else ""
    return int(bits or "0", 2) * org.burst_bytes


def place_fields(
    device: Device, geometry: UnitGeometry, channel: int, unit: int, local: int
) -> dict[str, int]:
    """Where a unit-local burst lies: columns first, then the unit's banks, then rows."""
    org = device.organization
    column = local % org.bursts_per_row
    bank = local // org.bursts_per_row % geometry.banks_per_unit
    row = local // org.bursts_per_row // geometry.banks_per_unit
    flat = unit * geometry.banks_per_unit + bank
    return {
        "ch": channel,
        "ra": flat // (org.bankgroups * org.banks_per_group),
        "bg": flat // org.banks_per_group % org.bankgroups,
        "ba": flat % org.banks_per_group,
        "ro": row,
        "co": column,
    }


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", DEVICES)
def test_addresses_say_where_a_burst_lies(name: str, level: Level) -> None:
    device = load_device(name)
    geometry = UnitGeometry.of(device, level)
    units = a.UnitAddresses(device, geometry)
    rng = np.random.default_rng(7)
    channel = rng.integers(geometry.channels, size=200)
    unit = rng.integers(geometry.units_per_channel, size=200)
    local = rng.integers(geometry.unit_bursts, size=200)
    for bits, mapping in ((units.first, a.FIRST_MAP), (units.second, a.SECOND_MAP)):
        addresses = units.encode(bits, channel, unit, local)
        for k in range(200):
            fields = place_fields(device, geometry, int(channel[k]), int(unit[k]), int(local[k]))
            assert addresses[k] == byte_address(device, mapping, **fields)
        for got, want in zip(units.decode(bits, addresses), (channel, unit, local), strict=True):
            assert (got == want).all()


def test_the_maps_of_hbm2_have_the_published_bits() -> None:
    device = load_device("hbm2-4gb")
    first = a.UnitAddresses(device, UnitGeometry.of(device, "bankgroup")).first
    second = a.UnitAddresses(device, UnitGeometry.of(device, "bankgroup")).second
    # Lowest bits of channel, rank, bank group, bank, row, column.
    assert (first.positions[0], *first.positions[2:]) == (6, 9, 16, 18, 11)
    assert (second.positions[0], *second.positions[2:]) == (29, 27, 11, 13, 6)
    assert first.top_bit == second.top_bit == 32


def text_of_lines(rows: np.ndarray) -> str:
    return "".join(
        "\n" if kind == a.BLANK_LINE else f"HBM {a.COMMANDS[kind]} {address} {bursts} \n"
        for kind, address, bursts in rows.tolist()
    )


def test_text_and_numbers_give_each_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = np.zeros((20_000, LINE_COLUMNS), dtype=np.int64)  # several blocks of text
    rows[:, 0] = rng.integers(a.BLANK_LINE + 1, size=len(rows))
    rows[:, 1] = np.floor(2.0 ** rng.uniform(0, 62.9, len(rows))).astype(np.int64) - 1
    rows[:, 2] = np.floor(2.0 ** rng.uniform(0, 20, len(rows))).astype(np.int64) - 1
    rows[:3, 1] = (0, 2**63 - 1, 10)
    rows[:3, 2] = (0, MOST_BURSTS, 9)
    rows[rows[:, 0] == a.BLANK_LINE, 1:] = 0
    text = np.empty(len(rows) * LINE_BYTES, dtype=np.uint8)
    written = text[: format_lines(rows, text)].tobytes().decode()
    assert written == text_of_lines(rows)
    path = tmp_path / "program"
    path.write_text(written)
    parts = list(read_lines(path))
    assert len(parts) > 1
    assert (np.concatenate([part.rows for part in parts]) == rows).all()


def text_of_twin(twin: TwinProgram, device: Device, geometry: UnitGeometry) -> str:
    """A program of one stream as the format's description has it."""
    lines: list[str] = []

    def put(command: str, mapping: str, channel: int, unit: int, local: int, bursts: int) -> None:
        address = byte_address(device, mapping, **place_fields(device, geometry, channel, unit, local))
        lines.append(f"HBM {command} {address} {bursts} ")

    steps: list[Step | None] = [*twin.streams[0], None]
    for x, after in itertools.pairwise(steps):
        assert x is not None
        if x.kind == i.TRANSFER:
            lines.append(f"HBM TR 0 {x.bursts} ")
        elif x.kind == i.PREFETCH:
            put("PR", a.SECOND_MAP, 0, 0, x.address, x.bursts)
        else:
            put("RD", a.FIRST_MAP, x.channel, x.unit, x.address, x.bursts)
            if x.kind == i.READ_OUT:
                assert x.lookup is not None
                _, _, channel, unit = twin.lookups[x.lookup].sum
                put("DR", a.FIRST_MAP, channel, unit, 0, x.bursts)
        demand = (i.READ, i.READ_OUT, i.HIT)
        if x.kind in demand and after and (after.kind not in demand or after.turn != x.turn):
            lines.append("")
    return "".join(f"{line}\n" for line in [*lines, ""]) if lines else ""


def one_stream(system: SystemSpec) -> SystemSpec:
    return dataclasses.replace(system, pim=dataclasses.replace(system.pim, frontend="global"))


def written_program(trace: SmallTrace, device: Device, system: SystemSpec) -> str:
    prepared = prepare(trace.meta, device, system, lambda: access_profile(trace))
    stream = io.BytesIO()
    writer = ProgramWriter(prepared, device, stream)
    for chunk in trace.chunks():
        writer.feed(chunk)
    writer.finish()
    return stream.getvalue().decode()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_file_of_a_trace(seed: int) -> None:
    rng = np.random.default_rng([seed, 0xA17])
    trace, device, system = random_trace(rng, seed), random_device(rng), random_system(rng)
    prepared = prepare(trace.meta, device, system, lambda: access_profile(trace))
    twin = build_twin(trace, prepared.geometry, prepared.placement, one_stream(system), device.timing.tCK)
    got, want = written_program(trace, device, system), text_of_twin(twin, device, prepared.geometry)
    # Row 0 of a HIT is not defined: it reads nothing.
    assert _without_places_of_hits(got) == _without_places_of_hits(want)


def _without_places_of_hits(text: str) -> list[str]:
    return [
        "HBM RD 0 " if line.startswith("HBM RD") and line.endswith(" 0 ") else line
        for line in text.split("\n")
    ]


PAPER = "proactivepim-paper"


def replay(tmp_path: Path, text: str, *settings: str) -> ProgramReplay:
    path = tmp_path / "program.txt"
    path.write_text(text)
    return ProgramReplay(path, choose_system(PAPER, parse_settings(settings)).spec)


def at(channel: int, group: int, row: int = 0) -> int:
    return byte_address(load_device("hbm2-4gb"), a.FIRST_MAP, ch=channel, bg=group, ro=row)


def test_turns_end_where_reads_do(tmp_path: Path) -> None:
    text = (
        "HBM PR 0 1 \nHBM TR 0 2 \nHBM RD 0 2 \n\n\nHBM TR 0 2 \nHBM PR 64 1 \nHBM RD 0 2 \nHBM DR 64 2 \n"
        "HBM RD 0 2 \nHBM TR 0 2 \nHBM RD 0 2 \n\nDIMM RD 0 2 \nHBM RD 0 2 \n\nHBM TR 0 2 \n"
    )
    job = replay(tmp_path, text)
    turns = [
        t.items[start:stop, a.ITEM_KIND].tolist()
        for t in read_turns(job.path, job.units)
        for start, stop in zip(t.starts[:-1], t.starts[1:], strict=True)
    ]
    read, deliver, transfer, prefetch, blank = range(5)
    assert turns == [
        [prefetch, transfer, read, blank, blank, transfer, prefetch],
        [read, deliver, read, transfer],
        [read, blank],
        [read, blank, transfer],
    ]
    assert job.survey.dimm_lines == 1


def test_counts_of_a_small_program(tmp_path: Path) -> None:
    # Two bags in four bank groups: eight transfers; the second read of the first bag is delivered to where the first
    # one is read, and those of the second bag lie together: two lookups of two reads.
    reads = f"HBM RD {at(0, 0)} 2 \nHBM RD {at(1, 2)} 3 \nHBM DR {at(0, 0)} 3 \nHBM RD {at(2, 3)} 1 \nHBM RD {at(2, 3, 5)} 1 \n"
    result = replay(tmp_path, f"HBM PR 0 2 \n{reads}\n" + "HBM TR 0 2 \n" * 8).run()
    assert result.issue_slots == 14
    assert result.total("accesses") == 4
    assert result.counts["lookups"].tolist() == [1, 0, 1, 0, 0, 0, 0, 0]
    assert result.total("prefetch_reads") == 32 * 2
    assert result.total("reads") == 32 * 2 + 2 + 3 + 1 + 1
    assert result.total("bytes_delivered") == 3 * 64
    # The first bag has one sum, and the second one: two transfers carry something.
    assert result.total("bytes_external") == (3 + 3 + 2 * 2) * 64
    assert result.system.prefetch.prefetch == "table"
    # Two lookups of at most 3 x 16 elements: one cycle each with 64 multiply-accumulate units.
    assert result.total("compute_cycles") == 2


@pytest.mark.parametrize(
    ("reads", "lookups"),
    [
        # (channel, bank group, where the row is delivered to)
        ([(0, 0, None), (1, 2, (0, 0)), (2, 3, None), (2, 3, None)], 2),
        (
            [(0, 0, None), (0, 0, None), (2, 3, None), (2, 3, None)],
            4,
        ),  # nothing travels: nothing says that they are pairs
        ([(0, 0, None), (1, 2, (0, 1))], 2),  # the second one belongs elsewhere
        ([(1, 2, (0, 0)), (0, 0, None)], 2),  # the first one travels
        ([(0, 0, None), (1, 2, (0, 0)), (2, 3, None)], 3),  # one is left over
    ],
)
def test_reads_that_make_one_lookup(
    tmp_path: Path, reads: list[tuple[int, int, tuple[int, int] | None]], lookups: int
) -> None:
    text = ""
    for row, (channel, group, to) in enumerate(reads):
        text += f"HBM RD {at(channel, group, row)} 2 \n"
        text += f"HBM DR {at(*to)} 2 \n" if to else ""
    result = replay(tmp_path, f"{text}\n" + "HBM TR 0 2 \n" * 4).run()
    assert result.total("lookups") == result.total("compute_cycles") == lookups
    assert result.total("accesses") == len(reads)


def test_no_prefetch_in_the_file_means_none(tmp_path: Path) -> None:
    assert replay(tmp_path, "HBM RD 0 2 \n").system.prefetch.prefetch == "none"


def test_transfers_of_sums_only(tmp_path: Path) -> None:
    # Three bags of two lookups in bank groups 0+1, 0+0 and 3+2: five sums, five transfers.
    groups = [(0, 1), (0, 0), (3, 2)]
    reads = "".join(f"HBM RD {at(4, g, 7)} 2 \n" for pair in groups for g in pair)
    for settings in ((), ("frontend=per-channel", "barrier=none")):
        result = replay(tmp_path, f"{reads}\n" + "HBM TR 0 2 \n" * 5, "transfer=non-empty", *settings).run()
        assert result.total("instructions") == 6 + 5 * (1 if settings else 8)
        assert result.total("bytes_external") == 5 * 2 * 64


@pytest.mark.parametrize("text", ["", "\n\n", "HBM PR 0 2 \n", "HBM TR 0 2 \n", "DIMM RD 0 2 \n"])
@pytest.mark.parametrize("frontend", ["global", "per-channel"])
def test_a_program_without_reads(tmp_path: Path, text: str, frontend: str) -> None:
    result = replay(tmp_path, text, f"frontend={frontend}").run()
    assert result.total("lookups") == 0
    assert result.total("reads") == (64 if "PR" in text else 0)


@pytest.mark.slow
def test_turns_larger_than_the_first_rings(tmp_path: Path) -> None:
    reads = "".join(f"HBM RD {at(k % 8, k // 8 % 4, k)} 2 \n" for k in range(9000))
    result = replay(tmp_path, (f"{reads}\n" + "HBM TR 0 2 \n" * 16) * 2).run()
    assert result.issue_slots == 2 * 9016
    assert result.total("reads") == 2 * 18000
    assert result.total("bytes_external") == 2 * 4 * 32 * 2 * 64


def test_gzip_and_other_blanks(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(gzip.compress(b"HBM RD 64 2\r\n\t HBM  RD\t128 0 \r\n \r\nHBM TR 0 2"))
    device = load_device("hbm2-4gb")
    survey = survey_program(path, a.UnitAddresses(device, UnitGeometry.of(device, "bankgroup")))
    assert survey.lines.tolist() == [2, 0, 1, 0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SSD RD 0 2 ", "an unknown device"),
        ("HBM", "an unknown command"),
        ("HBM WR 0 2 ", r"an unknown command \(known: RD, DR, TR, PR\) in 'HBM WR 0 2'"),
        ("HBM RDWR 0 2 ", "an unknown command"),
        ("HBM RDRDRDRDRDRD 0 2 ", "an unknown command"),
        ("DIMM HBM 0 2 ", "an unknown command"),
        ("HBM RD", "no decimal byte address"),
        ("HBM RD -1 2 ", "no decimal byte address"),
        ("HBM RD 0x40 2 ", "no decimal byte address"),
        ("HBM RD 9223372036854775808 2 ", "no decimal byte address"),
        ("HBM RD 99999999999999999999 2 ", "no decimal byte address"),
        ("HBM RD 64 ", "no number of bursts"),
        ("HBM RD 64 2.5 ", "no number of bursts"),
        ("HBM RD 64 1048577 ", "no number of bursts"),
        ("HBM RD 64 2 7 ", "something follows"),
        ("HBM 4096 q 0 3 17", "older traces"),
        ("HBM TR 0 0 ", "an instruction of no bursts"),
        ("HBM DR 0 3 ", "a deliver .* does not follow"),
        ("\nHBM DR 0 2 ", "a deliver .* does not follow"),
        ("HBM RD 4294967232 2 ", "runs over the end"),
        ("HBM PR 4294967232 2 ", "runs over the end"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    number = 20_002 + line.count("\n")  # in the second block of text
    with pytest.raises(InputError, match=rf"program.txt:{number}: .*{message}"):
        replay(tmp_path, "HBM TR 64 2 \n" * 20_000 + f"HBM RD 64 2 \n{line}\nHBM RD 64 2 \n")


def test_systems_that_cannot_replay(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not say where a batch ends"):
        replay(tmp_path, "", "barrier=batch")
    replay(tmp_path, "HBM RD 0 2 \n", "prefetch=next")
    with pytest.raises(InputError, match="does not say which block a prefetch is for"):
        replay(tmp_path, "HBM PR 0 2 \nHBM RD 0 2 \n", "prefetch=next")
    with pytest.raises(InputError, match="has no PIM units"):
        ProgramReplay(tmp_path / "none", choose_system("cpu").spec)
    two = choose_system("heam", {"collect": "host"}).spec
    with pytest.raises(InputError, match="heam: the authors' format has no second memory"):
        ProgramReplay(tmp_path / "none", two)


@pytest.mark.parametrize(
    "setting",
    [
        "mapping=table",
        "placement_seed=4",
        "cache_bytes=64",
        'prefetch_subtables=["r"]',
        "dedup=turn",
        "tt_reuse=false",
    ],
)
def test_settings_that_a_program_decides_are_warned_of_and_change_nothing(
    tmp_path: Path, setting: str
) -> None:
    program = "HBM PR 0 2 \nHBM RD 0 2 \nHBM TR 0 2 \nHBM RD 4096 2 \nHBM TR 0 2 \n"
    chosen = choose_system(PAPER, parse_settings([setting]), for_program=True)
    (warning,) = chosen.warnings
    assert f"{setting.split('=')[0]} has no effect here: the program" in warning
    path = tmp_path / "program"
    plain = replay(tmp_path, program).run()
    path.write_text(program)
    changed = ProgramReplay(path, chosen.spec).run()
    assert changed.cycles == plain.cycles
    assert all((changed.counts[name] == plain.counts[name]).all() for name in plain.counts)


def test_settings_that_act_on_a_program_are_not_warned_of() -> None:
    for setting in ("barrier=table", "cache_latency=9", "prefetch=all", "tRCDRD=20", "macs=3"):
        assert choose_system(PAPER, parse_settings([setting]), for_program=True).warnings == ()
    (warning,) = choose_system(PAPER, {"instruction_bits": 3}, for_program=True).warnings
    assert "frontend=per-channel" in warning


@pytest.mark.parametrize(
    ("setting", "given"),
    [("deliver", "in-order"), ("consumer", "host"), ("collect", "tree"), ("unit_accumulators", "2")],
)
def test_what_a_file_does_not_have_is_not_replayed(tmp_path: Path, setting: str, given: str) -> None:
    with pytest.raises(InputError, match=f"no program for {setting} = {given}; use --set {setting}="):
        replay(tmp_path, "HBM RD 0 2 \n", f"{setting}={given}")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("consumer=host", "no read for the host"),
        ("mapping=vertical", "no read of several units"),
        ("unit_accumulators=2", "transfers between blocks only"),
    ],
)
def test_what_the_format_cannot_say_is_not_written(setting: str, message: str) -> None:
    system = choose_system("pim-base", parse_settings([setting])).spec
    device = load_device(system.memory.device)
    trace = small_trace("dense")
    prepared = prepare(trace.meta, device, system, lambda: access_profile(trace))
    with pytest.raises(InputError, match=message):
        ProgramWriter(prepared, device, io.BytesIO())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_replay_reads_and_delivers_what_the_simulation_does(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng([seed, 0x5E])
    trace, system = random_trace(rng, seed), random_system(rng)
    if system.prefetch.policy.turns_ahead:
        system = dataclasses.replace(system, prefetch=dataclasses.replace(system.prefetch, prefetch="table"))
    path = tmp_path / "program"
    with path.open("wb") as stream:
        simulated = simulate(trace, system, program=partial(ProgramWriter, stream=stream))  # type: ignore[arg-type]
    replayed = ProgramReplay(path, system).run()
    for name in ("reads", "prefetch_reads", "bytes_delivered"):
        assert (replayed.counts[name] == simulated.counts[name]).all(), name
    if system.pim.frontend == "global":
        assert replayed.issue_slots == simulated.issue_slots
