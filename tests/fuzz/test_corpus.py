"""Every saved input of the fuzzer: read, or refused in one line; the seeds are right inputs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fuzz.seeds import CORPUS, SEED, SEEDS
from tests.fuzz.targets import TARGETS, must_refuse_or_read

# Without compilation hashes overflow aloud.
pytestmark = pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
FILES = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


def test_every_reader_has_seeds() -> None:
    assert set(SEEDS) == set(TARGETS) == {path.parent.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_read_or_refused(path: Path, tmp_path: Path) -> None:
    target = TARGETS[path.parent.name]
    copy = tmp_path / f"input{target.suffix}"
    shutil.copyfile(path, copy)
    was_read = must_refuse_or_read(target, copy)
    if path.name.startswith(SEED):
        assert was_read, "a seed is a right input"
