"""The files that describe a run's system: no output may take their place."""

from pathlib import Path

from ppim.dram.load import device_file
from ppim.systems import load, spec


def input_files(name_or_path: str, system: spec.SystemSpec) -> list[Path]:
    """Files that a system was made from: its own and those below it, where it is no preset, and those of its memories."""
    own = load.system_files(Path(name_or_path)) if Path(name_or_path).suffix.lower() == ".toml" else []
    memories = [system.memory] if system.dimm is None else [system.memory, system.dimm.memory]
    return [*own, *(path for memory in memories if (path := device_file(memory.device)) is not None)]
