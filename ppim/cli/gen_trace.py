"""`ppim gen-trace`: a dataset becomes a trace of subtable accesses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from ppim.cli.options import NamesOption
from ppim.errors import InputError

if TYPE_CHECKING:
    from ppim.datasets.base import Dataset, Source
    from ppim.datasets.rows import RowMap
    from ppim.trace.generate import Recipe
    from ppim.trace.schema import PoolingMeta
    from ppim.weight_sharing.base import WeightSharing

SYNTHETIC = "synthetic"
STDOUT = Path("-")
DEFAULT_POOLING = 10
# Multi-hot sizes of the 26 Criteo 1TB tables in MLPerf v2's data (facebookresearch/dlrm, torchrec_dlrm).
MLPERF_POOLING: tuple[int, ...] = (
    3, 2, 1, 2, 6, 1, 1, 1, 1, 7, 3, 8, 1, 6, 9, 5, 1, 1, 1, 12, 100, 27, 10, 3, 1, 1,
)  # fmt: skip


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
@click.option(
    "--collisions", type=click.IntRange(1), help="Ids that share a row (qr, hash, ...).  [default: 4]"
)
@click.option("--tt-rank", type=click.IntRange(1), help="Rank of the tensor train (tt-rec).  [default: 16]")
@click.option(
    "--algorithm-option", multiple=True, metavar="KEY=VALUE", help="Another option of the algorithm."
)
@click.option(
    "--vector-bytes", type=click.IntRange(4), default=128, show_default=True, help="Embedding vector."
)
@click.option(
    "--dense-below",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Keep tables of fewer rows dense.",
)
@click.option(
    "--batch-size", type=click.IntRange(1), default=4, show_default=True, help="Samples in a batch."
)
@click.option("--pooling", type=click.IntRange(1), help="Lookups in a bag.  [default: 10]")
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
    help="Rows of the tables: the dataset's own, numbered as first seen, or N.  [default: the dataset's if known]",
)
@click.option("--max-samples", type=click.IntRange(1), help="Stop after this many samples.")
@click.option("--tables", metavar="T,T,...", help="Only these tables, by number or name.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="What to do with a row that cannot be read.",
)
@click.option("--threads", type=click.IntRange(1), help="Encoding threads.  [default: one per processor]")
def command(dataset: tuple[str, ...], output: Path, **options: Any) -> None:
    """Turn DATASET (a path, several day files, or the word synthetic) into a trace of subtable accesses.

    The trace is a Parquet file that knows nothing of memory: one trace serves every system and device.
    """
    if output != STDOUT:
        _generate(dataset, output, options)
        return
    import shutil
    import sys
    import tempfile

    with tempfile.TemporaryDirectory(prefix="ppim-") as folder:
        whole = Path(folder, "trace.parquet")
        _generate(dataset, whole, options)
        with whole.open("rb") as stream:
            shutil.copyfileobj(stream, sys.stdout.buffer)


def _generate(words: tuple[str, ...], output: Path, options: dict[str, Any]) -> None:
    from dataclasses import asdict

    from ppim.files import atomic_path, keep_inputs
    from ppim.jit import compile_notice
    from ppim.trace.generate import generate

    keep_inputs([Path(word) for word in words if words != (SYNTHETIC,)], output)
    with atomic_path(output) as temporary, compile_notice("gen-trace"):
        name, paths = _dataset(words, options["dataset_name"])
        source, paths, dataset = _open(name, paths, options)
        keep_inputs([*paths, *dataset.other_inputs()], output)
        dataset_options = asdict(dataset)  # type: ignore[call-overload]
        sharing = _sharing(options)
        recipe = _recipe(source, name, options)
        describe = {
            "dataset": name,
            "dataset_sha256": _fingerprint(paths),
            "dataset_options": dataset_options,
            "command_line": _command_line(name, paths, dataset_options, sharing, recipe, options),
        }
        with _Bar(source, "gen-trace") as bar:
            meta = generate(
                source, sharing, recipe, temporary, describe, bar.update, options["threads"] or _processors()
            )
        size = temporary.stat().st_size
    progress = source.progress
    if progress.skipped:
        click.echo(
            f"gen-trace: skipped {progress.skipped} rows, the first: {progress.first_skipped}", err=True
        )
    click.echo(
        f"gen-trace: {meta.samples} samples, {meta.batches} batches, {meta.lookups} lookups, "
        f"{meta.accesses} accesses -> {output} ({size} bytes)",
        err=True,
    )


class _Bar:
    """Progress in bytes of the files with the rows beside it, or in samples where there are no files."""

    def __init__(self, source: Source, label: str) -> None:
        from ppim.progress import progress_bar

        self._by_bytes = source.total_bytes is not None
        total = source.total_bytes if self._by_bytes else source.total_samples
        self._bar = progress_bar(total, "B" if self._by_bytes else "sample", label)

    def update(self, source: Source) -> None:
        done = source.progress.bytes if self._by_bytes else source.progress.rows
        self._bar.update(done - self._bar.n)
        if self._by_bytes:
            self._bar.set_postfix_str(f"{source.progress.rows:,} rows", refresh=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def _dataset(words: tuple[str, ...], name: str | None) -> tuple[str, list[Path]]:
    """Dataset name and paths; the format is recognised, and said, where no name is given."""
    from ppim.datasets.base import DATASETS, recognise
    from ppim.datasets.streams import read_head

    if words == (SYNTHETIC,) and name in (None, SYNTHETIC):
        return SYNTHETIC, []
    paths = [Path(word) for word in words]
    if name is None:
        name = recognise(paths[0], read_head(paths[0]))
        click.echo(f"gen-trace: {paths[0]}: recognised as {name}", err=True)
    if not DATASETS.get(name).needs_path:
        raise InputError(f"dataset {name} reads no file; give the word {SYNTHETIC} instead of {words[0]}")
    return name, paths


def _open(name: str, paths: list[Path], options: dict[str, Any]) -> tuple[Source, list[Path], Dataset]:
    """The source, its paths in the order they are read, and the dataset with its options."""
    from ppim.datasets.base import ReadOptions, make_dataset

    dataset = make_dataset(name, _pairs(options["dataset_option"], "--dataset-option"))
    paths = dataset.order(paths)
    read = ReadOptions(options["max_samples"], options["on_error"], seed=options["seed"])
    return dataset.open(paths, read), paths, dataset


def _sharing(options: dict[str, Any]) -> WeightSharing:
    from ppim.weight_sharing.base import WeightSharing

    parameters = {"vector_bytes": options["vector_bytes"], "dense_below": options["dense_below"]}
    for key in ("collisions", "tt_rank"):
        if options[key] is not None:
            parameters[key] = options[key]
    parameters |= _pairs(options["algorithm_option"], "--algorithm-option")
    return WeightSharing.from_parameters(options["algorithm"], parameters)


def _recipe(source: Source, name: str, options: dict[str, Any]) -> Recipe:
    from ppim.trace.generate import Recipe, table_numbers

    words = options["tables"].split(",") if options["tables"] else []
    tables = table_numbers(source, words)
    pooling = _pooling(source, name, tables, options)
    return Recipe(
        tables, _rows(source, tables, options["rows"]), pooling, options["batch_size"], options["seed"]
    )


def _rows(source: Source, tables: tuple[int, ...], policy: str | None) -> RowMap:
    from ppim.datasets.rows import FoldedRows, SeenRows

    known = [source.tables[table].rows for table in tables]
    if policy is None:
        policy = "dataset" if None not in known else "seen"
    if policy == "dataset":
        for table, rows in zip(tables, known, strict=True):
            if rows is None:
                raise InputError(
                    f"--rows dataset: the dataset does not say how many rows table {source.tables[table].name} has; "
                    "give --rows seen or --rows N"
                )
        return FoldedRows([rows for rows in known if rows is not None])
    if policy == "seen":
        with _Bar(source, "numbering rows") as bar:
            return SeenRows(source, tables, bar.update)
    if not policy.isdigit() or not 1 <= int(policy) < 1 << 63:
        raise InputError(f"--rows {policy}: write dataset, seen or a number of rows")
    return FoldedRows([int(policy)] * len(tables))


def _pooling(source: Source, name: str, tables: tuple[int, ...], options: dict[str, Any]) -> PoolingMeta:
    from ppim.trace.schema import PoolingMeta

    distribution = options["pooling_distribution"]
    if distribution is None:
        distribution = "pareto" if source.one_hot else "dataset"
    if distribution == "dataset":
        if options["pooling"] is not None or options["pooling_list"] is not None:
            raise InputError(
                "--pooling: the bags are the dataset's own; leave it out or give --pooling-distribution pareto"
            )
        return PoolingMeta("dataset")
    if not source.one_hot:
        raise InputError(
            f"--pooling-distribution {distribution}: dataset {name} has bags of its own; "
            "give --pooling-distribution dataset"
        )
    return PoolingMeta(distribution, _factors(len(source.tables), tables, options))


def _factors(n_tables: int, tables: tuple[int, ...], options: dict[str, Any]) -> tuple[int, ...]:
    """Bag size of each chosen table; a list may speak of the chosen tables or of all of the dataset's."""
    words = options["pooling_list"]
    if words is None:
        return (options["pooling"] or DEFAULT_POOLING,) * len(tables)
    if options["pooling"] is not None:
        raise InputError("--pooling and --pooling-list: give one of them")
    if words == "mlperf":
        sizes = MLPERF_POOLING
    elif all(word.strip().isdigit() and int(word) for word in words.split(",")):
        sizes = tuple(int(word) for word in words.split(","))
    else:
        raise InputError(f"--pooling-list {words}: write positive numbers with commas between, or mlperf")
    if len(sizes) == n_tables:
        return tuple(sizes[table] for table in tables)
    if len(sizes) == len(tables):
        return sizes
    raise InputError(f"--pooling-list: {len(sizes)} sizes for {len(tables)} tables; give one for each")


def _pairs(words: tuple[str, ...], option: str) -> dict[str, Any]:
    """KEY=VALUE words with values read as TOML would, and as plain text where they are not TOML."""
    import tomllib

    pairs: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"{option} {word}: write KEY=VALUE")
        try:
            pairs[key.replace("-", "_")] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            pairs[key.replace("-", "_")] = value
    return pairs


def _fingerprint(paths: list[Path]) -> str | None:
    from ppim.datasets.streams import fingerprint

    return fingerprint(paths) if paths else None


def _command_line(
    name: str,
    paths: list[Path],
    dataset_options: dict[str, Any],
    sharing: WeightSharing,
    recipe: Recipe,
    options: dict[str, Any],
) -> str:
    """The command that makes this trace again, without what does not change it (output name, folders)."""
    import json
    import shlex

    words = [path.name for path in paths] or [SYNTHETIC]
    settings: dict[str, Any] = {"dataset": name, "algorithm": sharing.name}
    parameters = sharing.parameters
    for key in ("collisions", "tt_rank", "vector_bytes", "dense_below"):
        if key in parameters:
            settings[key] = parameters.pop(key)
    settings |= {"batch_size": recipe.batch_size}
    if recipe.pooling.factors:
        settings["pooling_list"] = ",".join(map(str, recipe.pooling.factors))
    settings["pooling_distribution"] = recipe.pooling.distribution
    for key in ("rows", "max_samples", "tables"):
        if options[key] is not None:
            settings[key] = options[key]
    settings |= {"seed": recipe.seed, "on_error": options["on_error"]}
    words += [f"--{key.replace('_', '-')}={value}" for key, value in settings.items()]
    words += [f"--algorithm-option={key}={json.dumps(value)}" for key, value in parameters.items()]
    words += [f"--dataset-option={key}={json.dumps(value)}" for key, value in dataset_options.items()]
    return shlex.join(["ppim", "gen-trace", *words])


def _processors() -> int:
    """Processors this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
