"""What a run depends on of the machine that it is on: what `ppim doctor` says, and what a summary keeps."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ppim import __version__
from ppim.jit import kernel_cache
from ppim.tables import Description, Table

COMPUTING = ("numba", "llvmlite", "numpy", "pyarrow")
"""Packages that compute or write results."""

NEEDED = ("numba", "llvmlite", "numpy", "pandas", "pyarrow", "click", "tqdm")
EXTRAS = {
    "matplotlib": "plot",
    "plotly": "report",
    "distributed": "sweep",
    "hwcomponents-cacti": "energy",
    "mkdocs-material": "docs",
}
"""Package -> the extra that brings it."""

HEADINGS = ("what", "value", "remark")
LEAST_FREE_BYTES = 1 << 30
"""Room on a disk below which a trace or its temporary files may not fit."""

MEBIBYTE, GIBIBYTE = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Finding:
    """One thing of the machine.

    Attributes
    ----------
    what, value, remark : str
    is_problem : bool
        The remark says what should be mended.
    """

    what: str
    value: str
    remark: str = ""
    is_problem: bool = False


def examine() -> list[Finding]:
    """All that is looked at, in order."""
    return [*_versions(), *_processors(), *_kernels(), *_disks()]


def describe(findings: list[Finding]) -> Description:
    """Findings as a table, with what should be mended below it."""
    table = Table("findings", HEADINGS, tuple((each.what, each.value, each.remark) for each in findings))
    problems = [f"{each.what}: {each.remark}" for each in findings if each.is_problem]
    verdict = problems or ["all is well"]
    return Description((table, "", *verdict), (table,), {"problems": problems})


@cache
def environment() -> dict[str, str]:
    """What a run was made with, for its summary: results are the same elsewhere, and this says where to look if not."""

    from importlib import metadata

    from llvmlite import binding

    versions = {name: metadata.version(name) for name in COMPUTING}
    return {
        "python": platform.python_version(),
        **versions,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name(),
    }


def _versions() -> Iterator[Finding]:
    from importlib import metadata

    yield Finding("ppim", __version__, str(Path(__file__).parent))
    yield Finding("Python", platform.python_version(), sys.executable)
    yield Finding("system", f"{platform.system()} {platform.machine()}")
    for name in NEEDED:
        yield Finding(name, metadata.version(name))
    for name, extra in EXTRAS.items():
        try:
            yield Finding(name, metadata.version(name), f"extra {extra}")
        except metadata.PackageNotFoundError:
            yield Finding(name, "not there", f"extra {extra}: pip install 'ppim[{extra}]'")


def _processors() -> Iterator[Finding]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding(
        "processors", str(usable), f"of {os.cpu_count()}; --threads and --jobs take so many at most"
    )
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        yield Finding(
            "memory", f"{total / GIBIBYTE:.1f} GiB", "a run takes less than 1 GiB, whatever its trace"
        )


def _kernels() -> Iterator[Finding]:
    """Where compiled kernels are, how many, and whether more can be kept."""
    root = kernel_cache.cache_root()
    if root is None:
        yield Finding(
            "kernel cache", "nowhere", "no home folder; set NUMBA_CACHE_DIR to a folder of yours", True
        )
        return
    reason = _why_not_writable(root)
    where = "set by NUMBA_CACHE_DIR" if os.environ.get("NUMBA_CACHE_DIR") else "NUMBA_CACHE_DIR moves it"
    yield Finding(
        "kernel cache",
        str(root),
        f"{reason}; kernels are compiled at every run; set NUMBA_CACHE_DIR" if reason else where,
        bool(reason),
    )
    files = [file.stat().st_size for file in root.rglob(f"*{kernel_cache.SUFFIX}")] if root.is_dir() else []
    hint = "" if files else "`ppim warm-up` compiles them ahead"
    yield Finding("kernels", str(len(files)), hint or f"{sum(files) / MEBIBYTE:.0f} MiB")
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        yield Finding(
            "compiler", "off", "NUMBA_DISABLE_JIT is set: everything is hundreds of times slower", True
        )


def _why_not_writable(folder: Path) -> str:
    """Why no file can be made in a folder, or in the nearest one above it that is there; empty where it can."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder}: {error.strerror}"


def _disks() -> Iterator[Finding]:
    for what, folder in (("current folder", Path.cwd()), ("temporary files", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        is_low = free < LEAST_FREE_BYTES
        remark = "less than 1 GiB is free; TMPDIR names another folder for temporary files" if is_low else ""
        yield Finding(what, f"{free / GIBIBYTE:.1f} GiB free", remark or str(folder), is_low)
