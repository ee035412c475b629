"""An unknown name comes with its near matches, or with all there are."""

from __future__ import annotations

from pathlib import Path

from ppim.errors import InputError, PpimError, UnknownNameError, unreadable


def test_near_matches_are_offered() -> None:
    error = UnknownNameError("device", "hbm2-4bg", ["hbm2-4gb", "hbm2-8gb", "ddr3-1gb-x8-1333"])
    assert str(error) == "unknown device 'hbm2-4bg'; did you mean hbm2-4gb or hbm2-8gb?"


def test_without_a_near_match_all_are_listed_sorted() -> None:
    assert str(UnknownNameError("mapping", "xyz", ["interleave", "duplicate"])) == (
        "unknown mapping 'xyz'; known: duplicate, interleave"
    )


def test_input_errors_exit_with_2_and_others_with_1() -> None:
    assert PpimError.exit_code == 1
    assert InputError.exit_code == 2
    assert issubclass(UnknownNameError, InputError)


def test_a_file_that_is_not_there_offers_those_beside_it(tmp_path: Path) -> None:
    (tmp_path / "trace.parquet").write_text("")
    gone = FileNotFoundError(2, "No such file or directory")
    near = unreadable(tmp_path / "trace.parqet", gone, "give a trace")
    assert str(near).endswith(f"(No such file or directory); did you mean {tmp_path / 'trace.parquet'}?")
    assert str(unreadable("far/away", gone, "give a trace")).endswith("directory); give a trace")
    assert str(unreadable("synthetc", gone, also=["synthetic"])).endswith("; did you mean synthetic?")
    refused = PermissionError(13, "Permission denied")
    assert str(unreadable(tmp_path / "trace.parqet", refused, "mend")).endswith("(Permission denied); mend")
