"""Options that several commands have, or that need more than click gives."""

import re
from pathlib import Path
from typing import Any

import click

PACKAGE = Path(__file__).parent.parent


def registered_names(folder: str, register: str) -> list[str]:
    """Names under which the files of a folder register something, sorted; the files are not imported.

    Parameters
    ----------
    folder : str
        Of this package.
    register : str
        What they call with the name, at the start of a line: "MAPPINGS.register".
    """
    call = re.compile(rf'^@?(?:\w+\.)?{re.escape(register)}\(\s*"([^"]+)"', re.MULTILINE)
    return sorted(
        name
        for file in (PACKAGE / folder).glob("*.py")
        for name in call.findall(file.read_text(encoding="utf-8"))
    )


class NamesOption(click.Option):
    """An option that takes a registered name; `{names}` in its help stands for those there are.

    Help may not import what registers them: it would take a second.
    """

    def __init__(self, *arguments: Any, folder: str, register: str, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.folder, self.register = folder, register

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option and its help, names filled in."""
        record = super().get_help_record(ctx)
        *first, last = registered_names(self.folder, self.register)
        return record and (record[0], record[1].replace("{names}", f"{', '.join(first)} or {last}"))
