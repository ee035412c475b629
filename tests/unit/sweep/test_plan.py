"""Sweep files: what runs they mean, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppim.errors import InputError
from ppim.sweep.plan import Plan, read_plan
from ppim.sweep.resolve import resolve

START = '[constants]\ndataset = "synthetic"\n'


def plan_of(tmp_path: Path, text: str, start: str = START) -> Plan:
    """The plan of a file with this text."""
    path = tmp_path / "sweep.toml"
    path.write_text(start + text)
    return read_plan(path)


def axes_of(plan: Plan) -> list[tuple[object, ...]]:
    """Values of the axes of each run."""
    return [tuple(run.axes.get(name) for name in plan.axes) for run in plan.runs]


def test_grid_is_every_value_with_every_other(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path, '[grid]\nalgorithm = ["qr", "dense"]\nsystem = ["cpu", "recnmp"]\nbarrier = "none"\n'
    )
    assert list(plan.axes) == ["algorithm", "system", "barrier"]
    assert axes_of(plan) == [
        ("qr", "cpu", "none"),
        ("qr", "recnmp", "none"),
        ("dense", "cpu", "none"),
        ("dense", "recnmp", "none"),
    ]
    run = plan.runs[1]
    assert run.trace == {"dataset": "synthetic", "algorithm": "qr"}
    assert run.run == {"system": "recnmp"}
    assert run.settings == {"barrier": "none"}


def test_zipped_axes_go_along(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        '[grid]\npooling = [1, 2]\n[[zip]]\nmapping = ["interleave", "duplicate"]\nprefetch = ["none", "table"]\n',
    )
    assert axes_of(plan) == [
        (1, "interleave", "none"),
        (1, "duplicate", "table"),
        (2, "interleave", "none"),
        (2, "duplicate", "table"),
    ]


def test_points_are_runs_of_their_own(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        '[grid]\nsystem = ["cpu"]\n[[point]]\nsystem = "recnmp"\nseed = 3\n[[point]]\nsystem = "cpu"\n',
    )
    assert axes_of(plan) == [("cpu", None), ("recnmp", 3)], "a point that the grid has already is one run"


def test_exclude_drops_what_matches_all_of_a_rule(tmp_path: Path) -> None:
    text = '[grid]\nsystem = ["cpu", "space"]\npooling = [1, 2, 3]\n[[exclude]]\nsystem = "space"\npooling = [2, 3]\n'
    assert axes_of(plan_of(tmp_path, text)) == [("cpu", 1), ("cpu", 2), ("cpu", 3), ("space", 1)]


def test_names_with_dots(tmp_path: Path) -> None:
    text = '[grid]\nset."memory.timing.tFAW" = [16, 30]\ntrace.seed = [1]\ndataset_options.zipf = [0.5]\nset.seed = [7]\n'
    run = plan_of(tmp_path, text).runs[0]
    assert run.settings == {"memory.timing.tFAW": 16, "seed": 7}
    assert run.trace == {"dataset": "synthetic", "seed": 1, "dataset_options": {"zipf": 0.5}}


def test_a_baseline_has_the_run_s_other_values(tmp_path: Path) -> None:
    text = '[grid]\nsystem = ["cpu", "space"]\npooling = [1, 2]\n[baselines]\nhost = {system = "cpu"}\n'
    plan = plan_of(tmp_path, text)
    found = {tuple(run.axes.values()): plan.baseline_of(run, "host") for run in plan.runs}
    assert {key: base.axes["pooling"] for key, base in found.items() if base} == {
        ("cpu", 1): 1, ("cpu", 2): 2, ("space", 1): 1, ("space", 2): 2,
    }  # fmt: skip
    assert all(base is not None and base.axes["system"] == "cpu" for base in found.values())


def test_true_is_not_one(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "[[point]]\ntt_reuse = true\n[[point]]\ntt_reuse = 1\n")
    assert len(plan.runs) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[gird]\nsystem = ['cpu']\n", "unknown table 'gird'; did you mean grid"),
        ("", r"nothing varies; give a \[grid\]"),
        ("[grid]\nsystem = []\n", "grid.system: has no value"),
        ("[grid]\nsystem = ['cpu', 'cpu']\n", "grid.system: has a value twice"),
        ("[grid]\ntrace.colisions = [4]\n", "unknown parameter of trace 'colisions'; did you mean collisions"),
        ("[grid]\ndataset = ['x']\n", "grid: dataset is in constants too"),
        ("[grid]\nseed = [1]\ntrace.seed = [2]\n", "grid: trace.seed is in grid too"),
        ("[[zip]]\nsystem = ['cpu', 'space']\nseed = [1]\n", r"zip 1: axes of different or no length \(system 2, seed 1\)"),
        ("[zip]\nsystem = ['cpu']\n", r"zip: takes tables, each written as \[\[zip\]\]"),
        ("[grid]\nsystem = ['cpu']\n[[exclude]]\nsystem = 'cpu'\n", "no run is left"),
        ("[grid]\nsystem = ['cpu']\n[[exclude]]\nsistem = 'cpu'\n", "unknown axis 'sistem'"),
        ("[grid]\nsystem = ['cpu']\n[baselines]\nb = {pooling = 1}\n", "baselines.b: unknown axis 'pooling'"),
        ("[grid]\nsystem = ['cpu']\n[baselines]\nb = {system = 'space'}\n", "baselines.b: no run has these values"),
        ("[grid]\nseed = [[1], [2]]\nsystem = [2020-01-01]\n", "is no number, text, or list"),
        ("[grid]\na = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n" + "".join(
            f"{name} = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n" for name in "bcdefg"), "10,000,000 runs, more than 1,000,000"),
        ("trace = 'x.parquet'\n[grid]\nsystem = ['cpu']\n", "give one of them"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        plan_of(tmp_path, text)


def test_seeds_are_axes(tmp_path: Path) -> None:
    start = "seeds = ['sead']\n" + START
    with pytest.raises(InputError, match="seeds: unknown axis 'sead'; did you mean seed"):
        plan_of(tmp_path, "[grid]\nseed = [1]\n", start)


def test_a_run_needs_a_trace_or_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give one of them"):
        plan_of(tmp_path, "[grid]\nsystem = ['cpu']\n", start="")
    with pytest.raises(InputError, match="no dataset; give one"):
        plan_of(tmp_path, "[grid]\nseed = [1]\n", start="")


HISTORIES = "".join(f"{user}\t{item}\t3\t{user + item}\n" for user in range(1, 30) for item in range(1, 12))


def test_an_alternative_is_taken_by_datasets_that_have_it(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text(HISTORIES)
    text = '[grid]\npooling = [2, 5]\n[alternatives]\npooling = "history"\n'
    synthetic = resolve(plan_of(tmp_path, text, START + "max_samples = 3\n"))
    assert [run.trace_options["pooling"] for run in synthetic] == [2, 5]
    assert [run.accesses for run in synthetic] == [3 * 26 * 2 * n for n in (2, 5)]
    histories = resolve(plan_of(tmp_path, text, '[constants]\ndataset = "u.data"\nmax_samples = 4\n'))
    assert [run.trace_options["dataset_options"] for run in histories] == [{"history": 2}, {"history": 5}]
    assert all("pooling" not in run.trace_options for run in histories)
    assert [run.accesses for run in histories] == [4 * 2 * n for n in (2, 5)]


@pytest.mark.parametrize(
    ("line", "words"),
    [('poling = "history"', "poling"), ("pooling = 3", "alternatives.pooling: is the name of")],
)
def test_alternatives_that_are_none(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        plan_of(tmp_path, f"[grid]\npooling = [2, 5]\n[alternatives]\n{line}\n")
