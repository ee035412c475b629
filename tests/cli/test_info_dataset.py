"""`ppim info` of datasets: what would be read, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ppim.cli import main

CLICKS = "user,item,shop\nu1,a,1\nu2,b,\nu3,a,3\nu4,a,3\n"


@pytest.fixture
def clicks(tmp_path: Path) -> str:
    """Four clicks, one without a shop."""
    file = tmp_path / "clicks.csv"
    file.write_text(CLICKS)
    return str(file)


def facts(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    main(["info", *arguments, "--format", "json"])
    return json.loads(capsys.readouterr().out)


def test_columns_of_a_csv(clicks: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--dataset", "csv", "--dataset-option", "columns=item,shop", "--dataset-option", "values=text")
    found = facts(capsys, clicks, *options)
    assert (found["dataset"], found["samples_looked_at"], found["one_hot"]) == ("csv", 4, True)
    item, shop = found["tables"]
    assert (item["name"], item["distinct"], item["missing"], item["most_frequent"]) == (
        "item",
        2,
        "0 %",
        "75 %",
    )
    assert (shop["name"], shop["distinct"], shop["missing"]) == ("shop", 2, "25 %")
    first = item["first_values"].split()
    assert first[0] == first[2] == first[3] != first[1]
    assert shop["first_values"].split()[1] == "-"


def test_histories_are_bags(clicks: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = facts(
        capsys,
        clicks,
        "--dataset",
        "history",
        "--dataset-option",
        "user=user",
        "--dataset-option",
        "item=item",
    )
    assert not found["one_hot"]
    (table,) = found["tables"]
    assert found["samples_looked_at"] * table["lookups"] == pytest.approx(4, abs=0.02)


def test_a_recognised_file_needs_no_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "u.data"
    file.write_text("1\t5\t3\t10\n1\t6\t3\t9\n2\t7\t3\t9\n")
    assert facts(capsys, str(file))["dataset"] == "movielens"
    main(["info", str(file)])
    out = capsys.readouterr().out
    assert f"make a trace of it: ppim gen-trace {file} -o trace.parquet\n" in out


def test_the_command_that_it_names_works(
    clicks: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["info", clicks, "--dataset", "csv", "--dataset-option", "columns=item,shop"])
    command = capsys.readouterr().out.split("make a trace of it: ppim ")[1]
    main(command.split())
    capsys.readouterr()
    assert facts(capsys, "trace.parquet")["samples"] == 4


def test_synthetic_is_a_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    found = facts(capsys, "synthetic")
    assert (found["samples_looked_at"], len(found["tables"])) == (1000, 26)
    assert found["tables"][2]["rows"] == 10_131_227


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--dataset names the format"),
        (["--dataset", "cvs"], "did you mean csv?"),
        (["--dataset", "csv", "--dataset-option", "columns=itm"], "itm"),
        (["--dataset", "csv", "--dataset-option", "colums=item"], "did you mean columns"),
    ],
)
def test_mistakes_are_one_line(
    clicks: str, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["info", clicks, *arguments])
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert captured.err.count("\n") == 1
