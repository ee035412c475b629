"""`ppim profile` and `ppim info` on the committed sample trace."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ppim.cli import main
from tests.conftest import ROOT

SAMPLE = ROOT / "traces" / "sample-qr.parquet"


def run(*arguments: object) -> int:
    try:
        main([str(word) for word in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_skew_curves_of_the_sample(tmp_path: Path) -> None:
    assert run("profile", SAMPLE, "-o", tmp_path / "p.csv") == 0
    curves = pd.read_csv(tmp_path / "p.csv")
    frame = pd.read_parquet(SAMPLE)
    for (table, subtable), accesses in frame.groupby(["table", "subtable"]):
        name = ("q", "r")[subtable]
        curve = curves[(curves["table"] == table) & (curves["subtable"] == name)]
        counts = accesses["row"].value_counts()
        assert (curve["rows"] * curve["accesses_per_row"]).sum() == len(accesses)
        assert curve[curve["accesses_per_row"] > 0]["rows"].sum() == len(counts)
        assert curve["accesses_per_row"].iloc[0] == counts.max()
        assert curve["accesses_per_row"].is_monotonic_decreasing
        assert curve["cumulative_share"].iloc[-1] == 1.0


def test_curves_on_stdout_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("profile", SAMPLE, "-o", "-") == 0
    assert capsys.readouterr().out.startswith("table,name,subtable,first_rank,")


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_plot(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is optional")
    assert run("profile", SAMPLE, "--plot", tmp_path / f"p.{kind}") == 0
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind]
    assert (tmp_path / f"p.{kind}").read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("profile", SAMPLE), "nothing to write"),
        (("profile", "nowhere.parquet", "-o", "-"), "nowhere.parquet: cannot be read"),
        (("profile", ROOT / "pyproject.toml", "-o", "-"), "not a Parquet file"),
    ],
)
def test_bad_input(capsys: pytest.CaptureFixture[str], arguments: tuple[object, ...], message: str) -> None:
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_info_of_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", SAMPLE) == 0
    out = capsys.readouterr().out
    assert "trace of synthetic, algorithm qr" in out
    assert "64 samples, 16 batches of 4, 6656 lookups (pooling pareto, 4), 13312 accesses" in out
