"""Progress bars on stderr when it is a terminal, silence otherwise."""

import sys
from typing import Any, Self

from ppim import interrupt


class _Silence:
    """Stands for a bar that nobody sees; tqdm takes longer to import than a short run's work takes."""

    n: float = 0

    def update(self, n: float = 1) -> None:
        """Nothing is shown; a Ctrl-C that was lost is found again."""
        interrupt.check()
        self.n += n

    def set_postfix_str(self, text: str, *, refresh: bool = True) -> None:
        """Nothing is shown."""

    def close(self) -> None:
        """There is nothing to close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """There is nothing to close."""


def progress_bar(total: int | None, unit: str, description: str, *, show: bool = True, **options: Any) -> Any:
    """A tqdm bar that shows only on a terminal, if at all (`unit` is what is counted, e.g. "row")."""
    if not (show and sys.stderr.isatty()):
        return _Silence()
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
        **options,
    )
