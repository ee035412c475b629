"""`ppim doctor`: what is installed here, and whether all is well."""

import click

from ppim.cli.options import show, table_options

PROBLEMS = 1


@click.command(short_help="Say what is installed here, and what should be mended.")
@table_options
def command(form: str, wide: bool) -> None:
    """Look at versions, processors, memory, the cache of compiled kernels, and disks.

    The exit status is 0 if all is well, and 1 if something should be mended. What it prints belongs into a report of a
    fault.
    """
    import sys

    from ppim.machine import describe, examine

    findings = examine()
    show(describe(findings), form, wide)
    if any(each.is_problem for each in findings):
        sys.exit(PROBLEMS)
