"""One run in every text form: the same commands, the same verdict; and what is no command trace."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ppim.check.judge import CheckResult, Memory, Options, check_trace
from ppim.dram.load import load_device
from ppim.errors import InputError

DEVICE = load_device("ddr4-8gb-x8-3200", {"organization.channels": 2})
# cycle, command, rank, group, bank, row, column of one channel; the last read is a cycle too early (tCCD_L)
RUN = (
    (10, "activate", 1, 2, 3, 77, 0),
    (40, "read", 1, 2, 3, 77, 5),
    (47, "read", 1, 2, 3, 77, 6),
    (100, "precharge", 1, 2, 3, 77, 0),
)
SHORT = {"activate": "ACT", "read": "RD", "precharge": "PRE", "refresh": "REF"}


def ours(folder: Path) -> Path:
    lines = (f"{c} {n} {r} {g} {b} {row} {col}" for c, n, r, g, b, row, col in RUN)
    (folder / "channel-1.cmd").write_text("\n".join(lines))
    return folder


def dramsim3(folder: Path) -> Path:
    """As its CMD_TRACE builds write it, with hexadecimal rows and a refresh's -1 as -0x1."""
    lines = [
        f"{c:<18} {n:<20} {1:>3} {r:>3} {g:>3} {b:>3} {hex(row):>8} {hex(col):>8}"
        for c, n, r, g, b, row, col in RUN
    ]
    lines.append(f"{500:<18} {'refresh':<20} {1:>3} {1:>3} {-1:>3} {-1:>3} {'-0x1':>8} {'-0x1':>8}")
    path = folder / "dramsim3ch_1cmd.trace"
    path.write_text("\n".join(lines) + "\n")
    return path


def ramulator2(folder: Path) -> Path:
    names = {**SHORT, "precharge": "PREpb"}
    header = "clock,command,Channel,Rank,BankGroup,Bank,Row,Column,type,source"
    lines = [f"{c},{names[n]},1,{r},{g},{b},{row},{col},0,-1" for c, n, r, g, b, row, col in RUN]
    lines[-1] = "100,PREab,1,1,-1,-1,-1,-1,-1,-1"
    path = folder / "trace.csv.ch1"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def printed(folder: Path) -> Path:
    lines = [
        f"{SHORT[n]:>5} {c:>10}: {1:>5} {r:>5} {g:>5} {b:>5} {row:>5} {col:>5}"
        for c, n, r, g, b, row, col in RUN
    ]
    path = folder / "printed.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def recorded(folder: Path) -> Path:
    """A file for each rank, without rows; of rank 0 a refresh."""
    lines = [f"{c},{SHORT[n]},{g * 4 + b}" for c, n, _, g, b, _, _ in RUN]
    (folder / "cmd-trace-chan-1-rank-1.cmdtrace").write_text("\n".join([*lines[:-1], "100,PREA"]) + "\n")
    (folder / "cmd-trace-chan-1-rank-0.cmdtrace").write_text("60,REF\n")
    return folder


def check(path: Path, **options: object) -> CheckResult:
    (result,) = check_trace(path, {"hbm": Memory(DEVICE)}, Options(**options))  # type: ignore[arg-type]
    return result


@pytest.mark.parametrize(
    ("write", "form"),
    [
        (ours, "ppim"),
        (dramsim3, "dramsim3"),
        (ramulator2, "ramulator2"),
        (printed, "ramulator-printed"),
        (recorded, "ramulator-recorded"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_every_form_says_the_same(tmp_path: Path, write: object, form: str, packed: bool) -> None:
    path = write(tmp_path)  # type: ignore[operator]
    if packed:
        for file in list(tmp_path.iterdir()):
            (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
        path = path if path.is_dir() else path.with_name(f"{path.name}.gz")
    result = check(path, refresh_slack=1)
    assert result.forms == (form,)
    (found,) = (violation for violation in result.violations)
    assert (found.channel, found.constraint, found.margin, found.distance) == (1, "tCCD_L read-read", -1, 8)
    assert found.later is not None
    assert found.earlier is not None
    assert (found.later.cycle, found.earlier.cycle) == (47, 40)
    assert (found.later.rank, found.later.bankgroup, found.later.bank) == (1, 2, 3)
    assert found.later.row == (-1 if form == "ramulator-recorded" else 77)
    more = {"dramsim3": 1, "ramulator-recorded": 1}.get(form, 0)
    assert result.commands == len(RUN) + more
    assert result.last_cycle == (500 if form == "dramsim3" else 100)


def test_a_form_can_be_named(tmp_path: Path) -> None:
    assert check(ours(tmp_path), form="ppim").forms == ("ppim",)
    with pytest.raises(InputError, match="is no line of a command trace"):
        check(tmp_path, form="ramulator2")
    with pytest.raises(InputError, match="did you mean ramulator2"):
        check(tmp_path, form="ramulator-2")


def test_all_banks_precharged_at_once(tmp_path: Path) -> None:
    """Open banks close, each by its own distances; closed ones stay as they are."""
    header = "clock,command,Channel,Rank,BankGroup,Bank,Row,Column,type,source\n"
    head = header + "10,ACT,0,0,0,0,7,0,0,0\n40,RD,0,0,0,0,7,0,0,0\n"
    path = tmp_path / "t"
    path.write_text(head + "62,PREab,0,0,-1,-1,-1,-1,0,0\n84,ACT,0,0,0,0,8,0,0,0\n")
    assert check(path).violations == ()
    path.write_text(head + "61,PREab,0,0,-1,-1,-1,-1,0,0\n83,ACT,0,0,0,1,8,0,0,0\n")
    assert [(v.constraint, v.margin) for v in check(path).violations] == [("tRAS", -1)]


def test_a_stack_id_is_a_bit_of_the_bank_group(tmp_path: Path) -> None:
    """Activates of both stack ids of a pseudo channel share its window; all of its banks are refreshed at once."""
    device = load_device("hbm3-16gb-6400")
    window, spacing = device.timing.tFAW, device.timing.tRRD_S
    path = tmp_path / "t"

    def blamed(fifth: int) -> list[tuple[str, int, int]]:
        cycles = [*range(0, 4 * spacing, spacing), fifth]
        lines = [f"{cycle},ACT,0,1,{n % 2},{n // 2},0,7,0" for n, cycle in enumerate(cycles)]
        lines += ["200,PREab,0,1,-1,-1,-1,-1,-1", "300,REFab,0,1,-1,-1,-1,-1,-1"]
        path.write_text(
            "\n".join(["clock,command,Channel,PseudoChannel,Sid,BankGroup,Bank,Row,Column", *lines])
        )
        (result,) = check_trace(path, {"hbm": Memory(device)}, Options(refresh_slack=8))
        assert result.commands == len(lines)
        return [
            (found.constraint, found.margin, found.later.bankgroup)
            for found in result.violations
            if found.later is not None
        ]

    assert blamed(window) == []
    assert blamed(window - 1) == [("tFAW", -1, 2)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello world\n", "is no line of a command trace"),
        ("\x00\x01\x02", "is no line of a command trace"),
        ("10 activate 0 0 0 5\n", "is no line of a command trace"),
        ("10 activate 0 0 0 5 -1\n20 read 0 0 0 5\n", ":2: the line is too short"),
        ("10 activate 0 0 0 5 -1\n20 read 0 0 0 5 1 2\n", ":2: '2' is a word too many"),
        ("10 activate 0 0 0 5 -1\n20 raed 0 0 0 5 1\n", ":2: 'raed' is not one of the commands read,"),
        ("10 activate 0 0 0 5 -1\n20 read 0 x 0 5 1\n", ":2: 'x' is not a whole number"),
        ("10 activate 0 0 0 5 -1\n\n\n20 read 0 0x 0 5 1\n", ":4: '0x' is not a whole number"),
        (
            "10 activate 0 0 0 5 -1\n99999999999999999999 read 0 0 0 5 1\n",
            ":2: '99999999999999999999' is larger",
        ),
        ("10 activate 0 0 0 5 -1\n-3 read 0 0 0 5 1\n", ":2: cycle -3 is not in 0 to"),
        ("10 activate 2 0 0 5 -1\n", ":1: rank 2 is not in 0 to 1 of ddr4"),
        ("10 activate 0 4 0 5 -1\n", ":1: bank group 4 is not in 0 to 3"),
        ("10 activate 0 0 4 5 -1\n", ":1: bank 4 is not in 0 to 3"),
        ("10 activate 0 0 0 65536 -1\n", ":1: row 65536 is not in 0 to 65,535"),
        ("10 activate 0 0 0 5 -1\n40 read 0 0 0 5 128\n", ":2: column 128 is not in 0 to 127"),
        ("10 activate 0 -1 0 5 -1\n", ":1: bank group -1 is not"),
        ("10 activate 7 0 0 0 5 0\n", ":1: channel 7 is not in 0 to 1"),
    ],
)
def test_what_is_no_trace_of_the_device(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "commands.txt"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        check(path)
    assert words in str(raised.value)
    assert str(raised.value).startswith(str(path))


def test_folders_without_traces(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        check(tmp_path / "none")
    (tmp_path / "stats.csv").touch()
    with pytest.raises(InputError, match=r"holds no command trace; they are called channel-<k>.cmd"):
        check(tmp_path)
    (tmp_path / "dimm-channel-0.cmd").touch()
    with pytest.raises(InputError, match="is of a second memory, dimm"):
        check(tmp_path)


def test_an_empty_trace_is_legal(tmp_path: Path) -> None:
    (tmp_path / "channel-0.cmd").write_text("\n\n")
    result = check(tmp_path)
    assert (result.commands, result.n_violations, result.forms) == (0, 0, ("empty",))


def test_many_blocks(tmp_path: Path) -> None:
    """State goes on from block to block, and line numbers do."""
    lines = []
    for k in range(20_000):
        lines += [f"{k * 80} activate 0 {k % 4} 0 {k} -1", f"{k * 80 + 52} precharge 0 {k % 4} 0 -1 -1"]
    path = tmp_path / "channel-0.cmd"
    path.write_text("\n".join(lines))
    assert path.stat().st_size > 4 * 2**18
    result = check(path, refresh_slack=64)
    late = {violation.constraint for violation in result.violations}
    assert late <= {"refresh late"}
    lines[30_000] = lines[30_000].replace(" activate", " read").replace(" -1", " 0")
    path.write_text("\n".join(lines))
    broken = [v for v in check(path, refresh_slack=64).violations if v.constraint == "closed bank"]
    assert [violation.later.line for violation in broken if violation.later] == [30_001, 30_002]
