"""Files of the days of Criteo 1TB: `day_0...` to `day_23...`, whatever follows the number."""

import re
from collections.abc import Sequence
from pathlib import Path

_DAY = re.compile(r"day_(\d+)", re.ASCII)


def by_day(paths: Sequence[Path]) -> list[Path]:
    """Day files by their day (a shell lists day_10 before day_2); others as given."""
    days = [_DAY.match(path.name) for path in paths]
    if not all(days):
        return list(paths)
    return sorted(paths, key=lambda path: int(_DAY.match(path.name)[1]))  # type: ignore[index]
