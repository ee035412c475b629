"""Progress bars on stderr when it is a terminal, silence otherwise."""

import sys
from typing import Any

from ppim import interrupt


def progress_bar(total: int | None, unit: str, description: str, *, show: bool = True, **options: Any) -> Any:
    """A tqdm bar that shows only on a terminal, if at all (`unit` is what is counted, e.g. "row")."""
    from tqdm import tqdm

    class Bar(tqdm):
        """Where progress is told, a Ctrl-C that was lost is found again."""

        def update(self, n: float | None = 1) -> bool | None:
            interrupt.check()
            return super().update(n)

    return Bar(
        total=total,
        unit=unit,
        desc=description,
        unit_scale=True,
        disable=not (show and sys.stderr.isatty()),
        **options,
    )
