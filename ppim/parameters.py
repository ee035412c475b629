"""Parameters as fields of frozen records: default, unit, meaning and range of each."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from ppim.registry import Registry

# What a number may at most be: far beyond any machine, and small enough for the engine's tables and arithmetic.
MOST_CYCLES = 1 << 16
MOST_ENTRIES = 1 << 10
MOST_ACCUMULATORS = 1 << 16
MOST_BYTES = 1 << 32
MOST_NUMBER = 1 << 30
MOST_CORES = 1 << 10
MOST_NS = 1_000_000
LEAST_GHZ, MOST_GHZ = 0.001, 1000
MOST_PICOJOULES = 1e9


def parameter(
    default: Any,
    unit: str,
    meaning: str,
    *,
    least: float | None = None,
    most: float | None = None,
    registry: Registry[Any] | None = None,
) -> Any:
    """A field with its default, its unit ("" for a name or a switch) and what it says of the system.

    `ppim systems show` prints them. "cycles" are of the memory clock. A number lies in `least` to `most`, a name is
    one of a `registry` whose variants have a `meaning`.
    """
    metadata = {"unit": unit, "meaning": meaning, "range": (least, most), "registry": registry}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Section:
    """A record of parameters, each checked against its range."""

    def __post_init__(self) -> None:
        for parameter_field in dataclasses.fields(self):
            least, most = parameter_field.metadata.get("range", (None, None))
            value = getattr(self, parameter_field.name)
            if least is not None and not least <= value <= most:  # NaN is in no range
                raise ValueError(f"{parameter_field.name}: {value} is not in {least:,} to {most:,}")
