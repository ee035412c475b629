"""The `ppim` command. Commands live one a file in this folder and are imported only when called."""

import atexit
import gc
import importlib
import io
import os
import pkgutil
import resource
import sys
from typing import Any

import click

from ppim import __version__, interrupt
from ppim.cli.words import complain
from ppim.errors import InputError, PpimError, near_names

NO_COMMANDS = {"options", "words"}
"""Modules of this folder that are none."""

LEAST_STACK = 256 * 1024
"""Bytes of stack with which all runs, compilation included; with too few the end is a segmentation fault."""

GARBAGE_AFTER = 200_000
"""New objects after which Python looks for garbage: more than a short run makes, as all that it imports stays."""


class LazyGroup(click.Group):
    """Commands are the modules of this folder; each holds a `command` (file `gen_trace` = `gen-trace`).

    What they need they import when they are called, so that `ppim --help` imports no numba, numpy or pandas.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        names = {module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)}
        return sorted(names - NO_COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called; a mistyped one with near names."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            near = near_names(args[0], self.list_commands(ctx)) or "`ppim --help` lists the commands"
            raise click.UsageError(f"No such command {args[0]!r}; {near}", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        return importlib.import_module(f"{__name__}.{name.replace('-', '_')}").command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Simulate processing-in-memory for recommendation models' embedding layers.

    A dataset becomes a trace of subtable accesses (gen-trace); a trace is replayed on a memory system
    (simulate); plain memory requests are replayed exactly as DRAMsim3 would (replay).

    \b
    To begin:
        ppim gen-trace synthetic -o trace.parquet --max-samples 200
        ppim compare trace.parquet --systems pim-base,proactivepim
    """


def run() -> None:
    """`main` for a process of its own, which ends without freeing objects one by one.

    The compiler's objects take a third of a second, more than all else in a short command.
    """
    status = 0
    gc.set_threshold(GARBAGE_AFTER)
    _replace_closed_streams()
    _check_stack()
    try:
        main()
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        status = end.code or 0
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(status)  # Python tells of output that went nowhere
    atexit._run_exitfuncs()
    os._exit(status)


def main(arguments: list[str] | None = None) -> Any:
    """Every error of the user's is one line on stderr and exit status 2."""
    try:
        with interrupt.heeded():
            cli.main(args=arguments, prog_name="ppim", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PpimError as error:
        complain(_as_given(str(error)))
        sys.exit(error.exit_code)
    except MemoryError as error:
        complain(f"{str(error) or 'out of memory'}; {_more_memory()}")
        sys.exit(InputError.exit_code)
    except (click.Abort, KeyboardInterrupt):  # an Abort is a RuntimeError, too
        complain("interrupted")
        sys.exit(interrupt.INTERRUPTED)
    except BrokenPipeError:
        _end_of_pipe()
    except RuntimeError as error:
        if "thread" not in str(error):
            raise
        complain(f"no more threads can be started ({error}); give fewer --threads")
        sys.exit(PpimError.exit_code)
    except SystemError:  # CPython's, where it finds no memory for the error itself
        if _most_memory() is None:
            raise
        complain(f"out of memory; {_more_memory()}")
        sys.exit(InputError.exit_code)
    except ImportError as error:
        if not _is_unloaded(error):
            raise
        complain(f"a library cannot be loaded; {_more_memory()}")
        sys.exit(PpimError.exit_code)
    except OSError as error:
        if _is_unloaded(error):
            complain(f"a library cannot be loaded; {_more_memory()}")
            sys.exit(PpimError.exit_code)
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{error.strerror or error}; nothing was written")
        sys.exit(PpimError.exit_code)


def _as_given(message: str) -> str:
    from ppim.files import as_given

    return as_given(message)


def _is_unloaded(error: Exception) -> bool:
    """Whether a library did not fit into the address space, in the words of the loader or of llvmlite."""
    return "shared object" in str(error) and _most_memory() is not None


def _most_memory() -> int | None:
    """Bytes of address space that the process may have; None without a limit."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _more_memory() -> str:
    """What helps where memory is short."""
    limit = _most_memory()
    if limit is None:
        return "give smaller caches, queues or batches"
    return (
        f"its memory is limited to {limit >> 20:,} MiB: raise that (ulimit -v unlimited), "
        "or give smaller caches, queues or batches"
    )


def _check_stack() -> None:
    """Compiled code cannot tell of a stack that is too small: the process would end by a signal."""
    limit = resource.getrlimit(resource.RLIMIT_STACK)[0]
    if limit != resource.RLIM_INFINITY and limit < LEAST_STACK:
        complain(
            f"the stack is limited to {limit // 1024} KiB, and {LEAST_STACK // 1024} KiB are needed; "
            "raise the limit (ulimit -s 8192)"
        )
        os._exit(PpimError.exit_code)


def _replace_closed_streams() -> None:
    """Called with stdout or stderr closed: what is to be written there fails in one line, or is not told."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # so that no output file is taken for one of the three
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - cannot be written, and says so
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding has not is no reason to fail
            stream.reconfigure(errors="backslashreplace")


def _end_of_pipe() -> None:
    """Whoever read our output has left; Python's own flush at the end must not complain of it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(PpimError.exit_code)
