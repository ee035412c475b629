"""Lines of Markdown pages, wrapped at 115 characters: paragraphs and entries of lists that have a longer line.

Code, tables, headings and what is short enough stay as they are. `python scripts/wrap_docs.py [PAGE...]`; all pages
without a name.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from run_docs import ROOT, pages

WIDTH, LONGEST = 115, 119
_ENTRY = re.compile(r"^( *)([*+-] |\d+\. |:   )")
_MARK = re.compile(r" (?=(?:[-+*#>|:]|\d+\.)(?: |$))")
"""A space before what would be a mark of Markdown at the beginning of a line."""

_LINK_OR_CODE = re.compile(r"`[^`]*`")


def wrapped(text: str) -> str:
    """The page with its long paragraphs wrapped."""
    out: list[str] = []
    lines = text.split("\n")
    at = 0
    in_code = False
    in_entry = False
    while at < len(lines):
        line = lines[at]
        if line.lstrip().startswith("```"):
            in_code = not in_code
        entry = _ENTRY.match(line)
        is_indented = line.startswith("    ") and not entry and not in_entry
        if not line.strip():
            in_entry = in_entry and at + 1 < len(lines) and lines[at + 1].startswith("  ")
        elif not line.startswith(" "):
            in_entry = bool(entry)
        if in_code or is_indented or not line.strip() or re.match(r"^\s*(\||#|<|```|!\[|>)", line):
            out.append(line)
            at += 1
            continue
        stop = at + 1
        while stop < len(lines) and lines[stop].strip() and not _ENTRY.match(lines[stop]):
            if re.match(r"^\s*(\||#|<|```|!\[|>)", lines[stop]):
                break
            stop += 1
        block = lines[at:stop]
        out += _paragraph(block, entry) if max(map(len, block)) > LONGEST else block
        at = stop
    return "\n".join(out)


def _paragraph(block: list[str], entry: re.Match[str] | None) -> list[str]:
    """A paragraph or an entry of a list in lines of the right length; code between backquotes is not broken."""
    lead = entry[0] if entry else re.match(r" *", block[0])[0]  # type: ignore[index]
    hang = " " * len(lead)
    words = " ".join([block[0][len(lead) :], *(line.strip() for line in block[1:])])
    kept = _LINK_OR_CODE.sub(lambda code: code[0].replace(" ", "\0"), words)
    kept = _MARK.sub("\0", kept)
    return [
        line.replace("\0", " ")
        for line in textwrap.wrap(
            kept,
            WIDTH,
            initial_indent=lead,
            subsequent_indent=hang,
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def too_long(text: str) -> list[int]:
    """Lines that are longer than they may be."""
    return [number for number, line in enumerate(text.splitlines(), 1) if len(line) > LONGEST]


def main() -> None:
    """Wrap pages that are named, or all; with --check, say what is too long."""
    words = [word for word in sys.argv[1:] if word != "--check"]
    is_check = len(words) < len(sys.argv) - 1
    failed = False
    for page in [Path(name).resolve() for name in words] or [*pages(), ROOT / "CHANGELOG.md"]:
        text = page.read_text(encoding="utf-8")
        if is_check:
            for number in too_long(text):
                failed = True
                sys.stderr.write(f"{page.relative_to(ROOT)}:{number}: more than {LONGEST} characters\n")
        elif (new := wrapped(text)) != text:
            page.write_text(new, encoding="utf-8")
            sys.stdout.write(f"{page.relative_to(ROOT)}: wrapped\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
