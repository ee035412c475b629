"""Request traces: every format, plain and gzip, and one clear line for what is wrong."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from ppim.errors import InputError, UnknownNameError
from ppim.requests.base import FORMATS, LARGEST_CYCLE, Requests
from ppim.requests.kernels import parse_block
from ppim.requests.read import open_requests
from ppim.requests.text import BLOCK_BYTES, first_words, line_blocks
from tests.golden.devices import DRAMSIM3


def write(folder: Path, content: str | bytes, name: str = "requests.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder: Path, content: str | bytes, format_name: str | None = None) -> Requests:
    return open_requests(write(folder, content), format_name).read_all()


def as_tuples(requests: Requests) -> list[tuple[int, bool, int]]:
    return list(zip(*(column.tolist() for column in requests), strict=True))


@pytest.mark.parametrize("name", ["dramsim3", "ramulator"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_block_may_end_at_every_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, end: str
) -> None:
    lines = {
        "dramsim3": ["0x40 READ 0", "", "80 WRITE 5 ", "0XC0  P_MEM_WR 17"],
        "ramulator": ["0x40 R", "", "0x80 W ", "0xC0   R"],
    }[name]
    content = end.join([*lines, *lines]) + end
    whole = as_tuples(read(tmp_path, content, name))
    assert len(whole) == 6
    for block_bytes in range(max(map(len, lines)) + len(end), len(content) + 3):
        monkeypatch.setattr(line_blocks, "__defaults__", (block_bytes,))
        assert as_tuples(read(tmp_path, content, name)) == whole, block_bytes


def test_dramsim3_words_and_cycles(tmp_path: Path) -> None:
    text = "0x40 READ 0\n80 WRITE 5\n0XC0 P_MEM_WR 5\n0x00FFffFFffFFffFFff BOFF 3\n0x0 P_FETCH 1152921504606846976\n"
    assert as_tuples(read(tmp_path, text)) == [
        (0x40, False, 0), (0x80, True, 5), (0xC0, True, 5), (2**64 - 1, True, 3), (0, False, LARGEST_CYCLE),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "0x40 READ 7\n0x80 write 9\n",
        "0x40 READ 7\r\n0x80 write 9\r\n",
        "0x40 READ 7\n0x80 write 9",
        "\n  0x40\tREAD   7  \n\n0x80 write 9\n\n",
    ],
    ids=["plain", "CRLF", "no last newline", "blanks"],
)
def test_white_space_does_not_matter(tmp_path: Path, text: str) -> None:
    assert as_tuples(read(tmp_path, text)) == [(0x40, False, 7), (0x80, True, 9)]


def test_cycles_keep_the_order_of_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "0x0 READ 9\n0x0 READ 3\n").cycle.tolist() == [9, 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LD 0x40\nST 128\nLD 010\n", [(0x40, False, 0), (128, True, 0), (10, False, 0)]),
        ("0x40 R\n128 W\n", [(0x40, False, 0), (128, True, 0)]),
    ],
)
def test_ramulator_lines(tmp_path: Path, text: str, expected: list) -> None:
    trace = open_requests(write(tmp_path, text))
    assert trace.format == "ramulator"
    assert as_tuples(trace.read_all()) == expected


@pytest.mark.parametrize("text", [b"\0\0\n", b"0x80\0READ 1\n", b"\0" * 300_000])
def test_nul_bytes_are_no_blanks(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "t.trace").write_bytes(b"0x40 READ 0\n\n" + text)
    with pytest.raises(InputError, match=r"t.trace:3: has NUL bytes"):
        open_requests(tmp_path / "t.trace").read_all()


@pytest.mark.parametrize("end", [b"", b"0x40 READ 0", b"\t 0x40 READ 0\n"])
def test_blank_lines_without_number_take_no_time(tmp_path: Path, end: bytes) -> None:
    with gzip.open(tmp_path / "t.gz", "wb", compresslevel=1) as stream:
        for _ in range(64):
            stream.write(b"\n" * (1 << 20))
        stream.write(end)
    start = time.process_time()
    assert first_words(tmp_path / "t.gz") == end.split()
    assert time.process_time() - start < 5  # a line at a time takes longer


def test_gzip_is_told_by_its_content(tmp_path: Path) -> None:
    assert as_tuples(read(tmp_path, gzip.compress(b"0x40 READ 7\n"))) == [(0x40, False, 7)]


@pytest.mark.parametrize("content", [b"", b"\n\r\n  \n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_has_no_requests(tmp_path: Path, content: bytes) -> None:
    trace = open_requests(write(tmp_path, content))
    assert trace.format == "empty"
    assert trace.read_all().address.size == 0


@pytest.mark.parametrize("name", FORMATS.names())
def test_an_empty_file_of_a_named_format(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, "", name).address.size == 0


GOOD = "0x40 READ 0\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0x80", "an unknown operation"),
        ("0x80 READ", "no cycle"),
        ("0x80 READ 1 2", "something follows the request"),
        ("0x80 Write 1", r"an unknown operation \(known: READ, read, P_MEM_RD, P_FETCH, WRITE"),
        ("0x80 P_MEM_WRITE 1", "an unknown operation"),
        ("0xG0 READ 1", "no hexadecimal address"),
        ("0x READ 1", "no hexadecimal address"),
        ("READ 0x80 1", "no hexadecimal address"),
        ("-80 READ 1", "no hexadecimal address"),
        ("0x10000000000000000 READ 1", "an address is too large"),
        ("0x80 READ -1", "no cycle"),
        ("0x80 READ 1.5", "no cycle"),
        ("0x80 READ 0x10", "no cycle"),
        ("0x80 READ 1152921504606846977", r"a cycle is above 2\^60"),
        ("0x80 READ 99999999999999999999999", r"a cycle is above 2\^60"),
        ("0x80 READ 1; LD 5 " + "x" * 500, r"x\.\.\.'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, GOOD + "\r\n" + GOOD + line + "\n" + GOOD)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'requests.txt'}:4: ")
    assert "\n" not in text
    assert len(text) < len(str(tmp_path)) + 250


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("LD 0x40\nLX 0x40\n", ":2: an unknown operation"),
        ("LD 0x40\nLD 12ab\n", ":2: no decimal, or hexadecimal after 0x, address"),
        ("LD 0x40\nLD\n", ":2: no decimal"),
        ("0x40 R\n0x40 R 7\n", ":2: something follows"),
        ("0x40 R\n99999999999999999999 R\n", ":2: an address is too large"),
    ],
)
def test_a_bad_ramulator_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize("first", ["hello", "1,2,3", "5 0x40 0x80 0x90", "\x00\x01\x02", "0x40 READ later"])
def test_an_unknown_format_lists_the_known_ones(tmp_path: Path, first: str) -> None:
    with pytest.raises(
        InputError, match=r"is of no known format \(.*dramsim3: `0xADDRESS READ\|WRITE CYCLE`"
    ):
        open_requests(write(tmp_path, first + "\n"))


def test_an_unknown_format_name_offers_near_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean ramulator"):
        open_requests(write(tmp_path, GOOD), "ramulator2")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: cannot be read \(No such file"):
        open_requests(tmp_path / "nowhere")


@pytest.mark.parametrize("cut", [5, 30])
def test_a_damaged_gzip_file_is_named(tmp_path: Path, cut: int) -> None:
    packed = gzip.compress(GOOD.encode() * 100)
    with pytest.raises(InputError, match="the gzip file is cut short or damaged"):
        read(tmp_path, packed[:cut])


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r":2: a line of more than \d+ bytes"):
        read(tmp_path, GOOD + "7" * (BLOCK_BYTES + 10))


@given(
    lines=st.lists(st.binary(max_size=12).map(lambda line: line.translate(None, b"\n\0")), max_size=30),
    last_newline=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_blocks_hold_every_line_once(tmp_path_factory, lines: list[bytes], last_newline: bool) -> None:
    content = b"\n".join(lines) + (b"\n" if last_newline else b"")
    path = write(tmp_path_factory.mktemp("blocks"), content)
    if content[:2] == b"\x1f\x8b":
        return
    joined, expected_line = b"", 1
    for block, first_line, n_lines in line_blocks(path, block_bytes=16):
        assert first_line == expected_line
        assert n_lines == block.tobytes().count(b"\n")
        assert block[-1] == ord("\n")
        joined += block.tobytes()
        expected_line += n_lines
    complete = content if not content or content.endswith(b"\n") else content + b"\n"
    assert joined == complete


@given(
    requests=st.lists(
        st.tuples(st.integers(0, 2**64 - 1), st.booleans(), st.integers(0, LARGEST_CYCLE)), max_size=40
    ),
    upper=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(tmp_path_factory, requests: list, upper: bool) -> None:
    spell = (lambda value: f"0x{value:X}") if upper else (lambda value: f"{value:x}")
    text = "".join(f"{spell(a)} {'WRITE' if w else 'READ'} {c}\n" for a, w, c in requests)
    assert as_tuples(read(tmp_path_factory.mktemp("trip"), text, "dramsim3")) == requests


def test_many_blocks_make_one_trace_and_one_kernel(tmp_path: Path) -> None:
    n_requests = 60_000
    text = "".join(f"{64 * i:#x} {'WRITE' if i % 3 == 0 else 'READ'} {i}\n" for i in range(n_requests))
    trace = open_requests(write(tmp_path, text))
    chunks = list(trace.chunks)
    assert len(chunks) > 1
    requests = Requests.concatenate(chunks)
    np.testing.assert_array_equal(requests.address, 64 * np.arange(n_requests, dtype=np.uint64))
    np.testing.assert_array_equal(requests.is_write, np.arange(n_requests) % 3 == 0)
    np.testing.assert_array_equal(requests.cycle, np.arange(n_requests))
    assert len(parse_block.signatures) == 1


def test_a_golden_trace() -> None:
    if not DRAMSIM3.is_dir():
        pytest.skip(f"the golden cases are not at {DRAMSIM3} (set PPIM_SHARED)")
    path = min((DRAMSIM3 / "traces").glob("*mix70*.gz"))
    trace = open_requests(path)
    assert trace.format == "dramsim3"
    requests = trace.read_all()
    with gzip.open(path, "rt") as stream:
        expected = [line.split() for line in stream]
    assert as_tuples(requests) == [(int(a, 16), w == "WRITE", int(c)) for a, w, c in expected]
