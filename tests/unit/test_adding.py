"""What docs/adding.md says is enough: one file a thing, in a copy of the package, and nothing else is touched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pandas as pd
import pytest

from tests.conftest import ROOT

DOCS = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")


def example(heading: str, language: str) -> str:
    """The first code of a chapter of docs/adding.md."""
    chapter = DOCS.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    code = re.search(rf"^```{language}\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)
    assert code is not None
    return code[1]


def device() -> str:
    """The nearest file, as the chapter says."""
    text = (ROOT / "ppim" / "dram" / "devices" / "hbm2-4gb.toml").read_text()
    return text.replace("validated = true", "validated = false").replace("CL = 14", "CL = 15")


NEW = {
    "weight_sharing/pairs.py": example("A weight-sharing algorithm", "python"),
    "mapping/second_table.py": example("A mapping", "python"),
    "prefetch/next_used.py": example("A prefetch policy", "python"),
    "datasets/shop.py": example("A dataset", "python"),
    "systems/presets/new-system.toml": example("A system", "toml"),
    "dram/devices/new-device.toml": device(),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with one new file of each kind."""
    folder = tmp_path_factory.mktemp("copy")
    leave_out = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in ("ppim", "tests", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=leave_out)
    for name in ("pyproject.toml", "README.md", "Makefile"):
        shutil.copy(ROOT / name, folder)
    for name, text in NEW.items():
        assert not (folder / "ppim" / name).exists()
        (folder / "ppim" / name).write_text(text, encoding="utf-8")
    return folder


def run(copy: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_new_files_pass_the_checks_of_style_and_layers(copy: Path) -> None:
    code = [f"ppim/{name}" for name in NEW if name.endswith(".py")]
    run(copy, "ruff", "check", "--no-cache", *code)
    run(copy, "ruff", "format", "--check", "--no-cache", *code)
    run(copy, "importlinter.cli", "lint-imports", "--no-cache")


# Those of the tests that run over whatever there is; those that simulate are left to `make test-all`.
TESTS = [
    "cli/test_devices.py::test_devices_lists_every_preset_and_its_validation",
    "cli/test_devices.py::test_info_shows_every_device[new-device]",
    "cli/test_help.py::test_help_lists_what_there_is",
    "cli/test_systems.py::test_show_explains_every_parameter_that_acts[new-system]",
    "cli/test_systems.py::test_systems_lists_every_preset",
    "unit/datasets/test_formats.py::test_every_dataset_has_a_summary_and_refuses_unknown_options[shop]",
    "unit/datasets/test_formats.py::test_every_dataset_names_a_missing_file[shop]",
    "unit/dram/test_presets.py::test_a_preset_states_every_parameter[new-device]",
    "unit/dram/test_presets.py::test_every_preset_loads_and_names_its_sources[new-device]",
    "unit/prefetch/test_policies.py::test_used_rows_are_chosen_where_rows_are_fetched_each_turn[next-used]",
    "unit/systems/test_presets.py::test_every_number_of_a_preset_has_a_source[new-system]",
    "unit/systems/test_presets.py::test_every_preset_says_where_it_is_from[new-system]",
    "unit/weight_sharing/test_interface.py::test_accesses_of_a_lookup_never_go_back_to_an_earlier_subtable[pairs]",
    "unit/weight_sharing/test_interface.py::test_parameters_make_the_same_sharing_again[pairs]",
    "unit/weight_sharing/test_interface.py::test_rows_lie_inside_their_subtables[583-pairs]",
    "unit/weight_sharing/test_interface.py::test_vectors_have_their_size[pairs]",
]


def test_new_files_pass_the_tests_of_their_folders(copy: Path) -> None:
    told = run(copy, "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/{test}" for test in TESTS))
    assert f"{len(TESTS)} passed" in told


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="simulates at length")
def test_new_things_run_together(copy: Path, tmp_path: Path) -> None:
    clicks = tmp_path / "clicks.csv"
    clicks.write_text("user;item\n" + "".join(f"u{i % 7};i{i % 5}\n" for i in range(40)))
    trace, stats = tmp_path / "trace.parquet", tmp_path / "stats.csv"
    told = run(copy, "ppim", "gen-trace", str(clicks), "-o", str(trace), "--algorithm", "pairs")
    assert "shop" in told
    options = [
        "--system",
        "new-system",
        "--device",
        "new-device",
        "--mapping",
        "second-table",
        "--prefetch",
        "next-used",
    ]
    settings = ["--set", "placement_seed=3", "--set", "hot_fraction=0.5"]
    told = run(copy, "ppim", "simulate", str(trace), *options, *settings, "-o", str(stats))
    assert "hot_fraction has no effect here" in told
    assert "placement_seed has no effect" not in told
    rows = pd.read_csv(stats)
    assert set(rows["mapping"]) == {"second-table"}
    assert set(rows["prefetch"]) == {"next-used"}
    assert set(rows["device"]) == {"new-device"}
    # Half of the lookups are of the table that every unit has.
    assert rows["lookups"].sum() == rows["accesses"].sum() > 0
