"""The commands of the documentation: found, run in a folder of their own, and what they print written beside them.

A block of commands is fenced as `sh`, or indented with lines that begin with `ppim`; one of Python begins with
`import ppim`. A `text` block right below it holds
what it prints on stdout; `python scripts/run_docs.py` writes these anew, and a test compares them. A comment
`<!-- not run: why -->` above a block leaves it out.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAMPLE = "traces/sample-qr.parquet"
NOT_RUN = "<!-- not run:"
CRITEO_ROWS = 60
SMALL_SWEEP = """[constants]
dataset = "synthetic"
max_samples = 8
[grid]
cache_bytes = [256, 1024]
"""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)$")
_COMMAND = re.compile(r"^ *(?:\$ )?(ppim |python -m ppim )")


@dataclass
class Block:
    """A block of a page.

    Attributes
    ----------
    first, stop : int
        Lines of its content, half open.
    indent : str
    language : str
        "" for an indented block.
    is_run : bool
    """

    first: int
    stop: int
    indent: str
    language: str
    is_run: bool = True


def pages() -> list[Path]:
    """All pages with commands for readers."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "traces" / "README.md"]
    return [*found, *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text: str) -> list[Block]:
    """Fenced blocks, and indented ones with commands."""
    lines = text.splitlines()
    found: list[Block] = []
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is not None:
            stop = next(n for n in range(at + 1, len(lines)) if lines[n] == f"{fence['indent']}```")
            above = lines[at - 1].strip() if at else ""
            found.append(
                Block(at + 1, stop, fence["indent"], fence["language"], not above.startswith(NOT_RUN))
            )
            at = stop + 1
        elif _COMMAND.match(lines[at]) and lines[at].startswith("    "):
            stop = at
            while stop < len(lines) and lines[stop].startswith("    "):
                stop += 1
            above = lines[at - 2].strip() if at > 1 else ""
            found.append(Block(at, stop, "    ", "", not above.startswith(NOT_RUN)))
            at = stop
        else:
            at += 1
    return found


def script_of(lines: list[str], block: Block) -> str:
    """What is given to the shell."""
    return "\n".join(line.removeprefix(block.indent) for line in lines[block.first : block.stop])


def is_commands(lines: list[str], block: Block) -> bool:
    """Whether a block is one of commands of ours that is run, or of Python that uses the package."""
    script = script_of(lines, block)
    if block.language == "python":
        return block.is_run and script.startswith("import ppim\n")
    return block.is_run and block.language in ("sh", "") and "ppim " in script


def run(script: str, folder: Path, language: str = "sh") -> subprocess.CompletedProcess[str]:
    """Paste a block into a shell that has the command, or into Python."""
    shell = [sys.executable, "-c"] if language == "python" else ["bash", "-euo", "pipefail", "-c"]
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        [*shell, script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def with_outputs(path: Path, folder: Path) -> tuple[str, list[str]]:
    """The page with what its commands print today, and what went wrong."""
    lines = path.read_text(encoding="utf-8").splitlines()
    problems: list[str] = []
    found = blocks("\n".join(lines))
    shift = 0
    for number, block in enumerate(found):
        block.first += shift
        block.stop += shift
        if not is_commands(lines, block):
            continue
        script = script_of(lines, block)
        done = run(script, folder, block.language)
        if done.returncode != 0:
            problems.append(f"{path.relative_to(ROOT)}:{block.first}: {script}\n{done.stderr}")
        after = found[number + 1] if number + 1 < len(found) else None
        if (
            after is None
            or after.language != "text"
            or after.first + shift > block.stop + 4
            or not after.is_run
        ):
            continue
        printed = [f"{after.indent}{line}".rstrip() for line in done.stdout.splitlines()]
        first, stop = after.first + shift, after.stop + shift
        lines[first:stop] = printed
        shift += len(printed) - (stop - first)
    return "\n".join(lines) + "\n", problems


def kitchen(folder: Path) -> None:
    """The files that pages speak of: a trace, results, requests, and datasets of a few lines."""
    (folder / "traces").mkdir()
    shutil.copy(ROOT / SAMPLE, folder / SAMPLE)
    for name in ("sweeps", "searches"):
        shutil.copytree(ROOT / "scripts" / name, folder / "scripts" / name)
    (folder / "requests.trace").write_text("".join(f"{64 * n:#x} READ {n}\n" for n in range(200)))
    (folder / "train.txt").write_text("".join(_criteo_line(n) for n in range(CRITEO_ROWS)))
    users = [f"u{n % 40}" for n in range(400)]
    clicks = [f"{user},i{n * 7 % 90},s{n % 5}\n" for n, user in enumerate(users)]
    (folder / "clicks.csv").write_text("user,item,shop\n" + "".join(clicks))
    behaviour = [f"{n % 40},{n * 7 % 90},{n % 9},pv,{1_511_544_000 + n}\n" for n in range(400)]
    (folder / "UserBehavior.csv").write_text("".join(behaviour))
    (folder / "small.toml").write_text(SMALL_SWEEP)
    preparation = [
        "ppim gen-trace synthetic -o trace.parquet --max-samples 60",
        "ppim simulate trace.parquet --system cpu -o cpu.csv",
        "ppim simulate trace.parquet --system pim-base -o base.csv --summary base.json --units units.csv",
        "ppim simulate trace.parquet -o full.csv --summary full.json",
        "ppim sweep small.toml -o sweeps/cache --jobs 1",
    ]
    done = run("\n".join(preparation), folder)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)


def _criteo_line(n: int) -> str:
    """A row of the form of Criteo Kaggle's: label, 13 numbers, 26 categories; made up."""
    numbers = [str((n * k) % 97) for k in range(1, 14)]
    categories = [f"{(n * n + 31 * k) % (50 * k) * 2654435761 % 2**32:08x}" for k in range(1, 27)]
    return "\t".join([str(n % 2), *numbers, *categories]) + "\n"


def main() -> None:
    """Write the outputs of all pages, or of those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files; all without them.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder, "prepared")
        prepared.mkdir()
        kitchen(prepared)
        failed = False
        for path in [page.resolve() for page in arguments.pages] or pages():
            place = Path(folder, path.relative_to(ROOT).as_posix().replace("/", "-"))
            shutil.copytree(prepared, place)
            text, problems = with_outputs(path, place)
            for problem in problems:
                failed = True
                sys.stderr.write(f"{problem}\n")
            if not problems and text != path.read_text(encoding="utf-8"):
                path.write_text(text, encoding="utf-8")
                sys.stdout.write(f"{path.relative_to(ROOT)}: written\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
