"""A system's file that says only what differs from another one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ppim.dram.load import PRESET_FOLDER as DEVICES
from ppim.errors import InputError
from ppim.systems.explain import DEFAULT, explain_system, is_system
from ppim.systems.inputs import input_files
from ppim.systems.load import load_system


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_the_rest_is_the_bases(tmp_path: Path) -> None:
    mine = load_system(write(tmp_path, "mine.toml", 'base = "recnmp"\n[pim]\nlevel = "bank"\n'))
    base = load_system("recnmp")
    assert mine.pim == dataclasses.replace(base.pim, level="bank")
    for part in ("kind", "memory", "placement", "cache", "prefetch", "compute", "paper_algorithms"):
        assert getattr(mine, part) == getattr(base, part)
    assert mine.name == "mine"
    assert mine.title == "recnmp, changed"
    assert mine.source == f"mine.toml, on top of recnmp: {base.source}"


def test_a_file_may_be_based_on_a_file_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    write(tmp_path, "memory.toml", (DEVICES / "hbm2-8gb.toml").read_text())
    write(tmp_path, "below.toml", 'base = "proactivepim"\n[memory]\ndevice = "memory.toml"\n')
    top = write(
        tmp_path, "top.toml", 'base = "below.toml"\ntitle = "Mine"\n[cache]\n# measured\ncache_bytes = 4096\n'
    )
    system = load_system(top)
    assert system.title == "Mine"
    assert system.cache.cache_bytes == 4096
    assert Path(system.memory.device) == tmp_path / "memory.toml"
    assert [path.name for path in input_files(top, system)][1:] == ["below.toml", "top.toml", "memory.toml"]


def test_parameters_say_where_they_are_from(tmp_path: Path) -> None:
    mine = write(tmp_path, "mine.toml", 'base = "proactivepim"\n[cache]\n# measured\ncache_bytes = 4096\n')
    assert is_system(mine)
    found = {parameter.name: parameter for parameter in explain_system(mine)}
    assert (found["cache_bytes"].value, found["cache_bytes"].origin) == (4096, "measured")
    bases = {parameter.name: parameter for parameter in explain_system("proactivepim")}
    assert found["instruction_bits"] == bases["instruction_bits"]
    assert found["unit_window"].origin == DEFAULT


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('base = "proactivpim"\n', ["mine.toml: base", "did you mean proactivepim"]),
        ("base = 3\n", ["mine.toml: base", "not a string"]),
        ('base = "mine.toml"\n', ["mine.toml: base", "based on this file itself"]),
        ('base = "gone.toml"\n', ["gone.toml", "cannot be read"]),
        ('base = "proactivepim"\n[pim]\nlevle = "bank"\n', ["mine.toml", "did you mean level"]),
        ('base = "cpu"\n[pim]\nlevel = "bank"\n', ["mine.toml", "pim"]),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as refused:
        load_system(write(tmp_path, "mine.toml", text))
    for word in words:
        assert word in str(refused.value)
