"""`ppim gen-trace`: a dataset becomes a trace of subtable accesses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ppim.cli.options import NamesOption, Size, Whole, print_lines

if TYPE_CHECKING:
    from ppim.api import GeneratedTrace

STDOUT = Path("-")


@click.command(short_help="Turn a dataset into a trace of subtable accesses.")
@click.argument("dataset", nargs=-1, required=True)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The trace to write; - for stdout."
)
@click.option(
    "--dataset",
    "dataset_name",
    cls=NamesOption,
    folder="datasets",
    register="DATASETS.register",
    metavar="NAME",
    help="Format of DATASET: {names}.  [default: recognised from its content]",
)
@click.option("--dataset-option", multiple=True, metavar="KEY=VALUE", help="An option of the dataset's own.")
@click.option(
    "--algorithm",
    cls=NamesOption,
    folder="weight_sharing",
    register="ALGORITHMS.register",
    default="qr",
    show_default=True,
    metavar="NAME",
    help="Weight sharing: {names}.",
)
@click.option("--collisions", type=Whole(1), help="Ids that share a row (qr, hash, ...).  [default: 4]")
@click.option("--tt-rank", type=Whole(1), help="Rank of the tensor train (tt-rec).  [default: 16]")
@click.option(
    "--algorithm-option", multiple=True, metavar="KEY=VALUE", help="Another option of the algorithm."
)
@click.option(
    "--vector-bytes",
    type=Size(4),
    default=128,
    show_default=True,
    metavar="SIZE",
    help="Embedding vector; 256, or 1KiB.",
)
@click.option(
    "--dense-below",
    type=Whole(0),
    default=0,
    show_default=True,
    help="Keep tables of fewer rows dense.",
)
@click.option("--batch-size", type=Whole(1), default=4, show_default=True, help="Samples in a batch.")
@click.option("--pooling", type=Whole(1), help="Lookups in a bag.  [default: 10]")
@click.option(
    "--pooling-distribution",
    type=click.Choice(["pareto", "uniform", "dataset"]),
    help="Where lookups after the first come from; dataset: its own bags.  [default: pareto for one-hot data]",
)
@click.option(
    "--pooling-list",
    metavar="N,N,...|mlperf",
    help="Lookups in a bag of each table; mlperf: MLPerf v2's sizes.",
)
@click.option(
    "--rows",
    metavar="dataset|seen|N",
    help="Rows of the tables: the dataset's own, numbered as first seen, or at most N.  [default: the dataset's if known]",
)
@click.option("--max-samples", type=Whole(1), help="Stop after this many samples.")
@click.option("--tables", metavar="T,T,...", help="Only these tables, by number or name.")
@click.option("--seed", type=Whole(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="What to do with a row that cannot be read.",
)
@click.option("--threads", type=Whole(1), help="Encoding threads.  [default: one per processor]")
def command(dataset: tuple[str, ...], output: Path, **options: Any) -> None:
    """Turn DATASET (a path, several day files, or the word synthetic) into a trace of subtable accesses.

    The trace is a Parquet file that knows nothing of memory: one trace serves every system and device.

    synthetic is Criteo-like; with --dataset-option profile=production its caches hit as in production.
    """
    from ppim import api
    from ppim.config import parse_pairs

    pairs: dict[str, Any] = {
        f"{kind}_options": parse_pairs(options.pop(f"{kind}_option"), f"--{kind}-option")
        for kind in ("dataset", "algorithm")
    }

    def generate(to: Path) -> api.GeneratedTrace:
        return api.generate_trace(
            dataset, to, dataset_format=options.pop("dataset_name"), progress=True, **pairs, **options
        )

    if output == STDOUT:
        made = _to_stdout(generate)
    else:
        made = generate(output)
    print_lines(made.notes(), to_stderr=True)
    print_lines(made.summary(), to_stderr=output == STDOUT)


def _to_stdout(generate: Callable[[Path], GeneratedTrace]) -> GeneratedTrace:
    """Make the trace as a file, then copy it: Parquet ends with its index."""
    import dataclasses
    import shutil
    import sys

    from ppim.temporary import temporary_folder

    with temporary_folder() as folder:
        whole = folder / "trace.parquet"
        made = generate(whole)
        with whole.open("rb") as stream:
            shutil.copyfileobj(stream, sys.stdout.buffer)
    return dataclasses.replace(made, path=STDOUT)
