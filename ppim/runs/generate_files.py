"""A dataset becomes a trace: what `ppim gen-trace` does, from files to a file."""

import dataclasses
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from ppim import files
from ppim.datasets import base as datasets, rows as row_maps, streams
from ppim.errors import InputError
from ppim.jit import compile_notice
from ppim.progress import progress_bar
from ppim.stats import cautions
from ppim.text_files import printable
from ppim.trace import generate as traces, schema
from ppim.weight_sharing import base

SYNTHETIC = "synthetic"
DEFAULT_POOLING = 10
# Multi-hot sizes of the 26 Criteo 1TB tables in MLPerf v2's data (facebookresearch/dlrm, torchrec_dlrm).
MLPERF_POOLING: tuple[int, ...] = (
    3, 2, 1, 2, 6, 1, 1, 1, 1, 7, 3, 8, 1, 6, 9, 5, 1, 1, 1, 12, 100, 27, 10, 3, 1, 1,
)  # fmt: skip
_CHOICES = {"pooling_distribution": ("pareto", "uniform", "dataset"), "on_error": ("fail", "skip")}
_MOST_NUMBER = (1 << 63) - 1
_MOST_DIGITS = 19
# Least and most of a number: what fits in a word, a batch in memory, a row in a bank, and threads that a machine has.
_RANGE = {
    "collisions": (1, _MOST_NUMBER),
    "tt_rank": (1, 1 << 20),
    "vector_bytes": (4, base.MAX_ROW_BYTES),
    "dense_below": (0, _MOST_NUMBER),
    "batch_size": (1, schema.MAX_BATCH_SIZE),
    "pooling": (1, schema.MAX_BATCH_SIZE),
    "max_samples": (1, _MOST_NUMBER),
    "seed": (0, _MOST_NUMBER),
    "threads": (1, 1 << 10),
}


@dataclasses.dataclass(frozen=True)
class TraceOptions:
    """What `ppim gen-trace` has options for; None: the default that its help names."""

    dataset_format: str | None = None
    dataset_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    algorithm: str = "qr"
    algorithm_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    collisions: int | None = None
    tt_rank: int | None = None
    vector_bytes: int = 128
    dense_below: int = 0
    batch_size: int = 4
    pooling: int | None = None
    pooling_distribution: str | None = None
    pooling_list: str | None = None
    rows: str | None = None
    max_samples: int | None = None
    tables: str | None = None
    seed: int = 0
    on_error: Literal["fail", "skip"] = "fail"
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGE.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or not least <= value <= most):
                raise InputError(f"{name}: {value!r:.40} is no whole number from {least:,} to {most:,}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in (*choices, getattr(TraceOptions, name)):
                raise InputError(f"{name}: {getattr(self, name)!r} is not one of {', '.join(choices)}")


@dataclasses.dataclass(frozen=True)
class GeneratedTrace:
    """A trace that was made.

    Attributes
    ----------
    path : Path
    meta : TraceMeta
        What it says of itself.
    size_bytes : int
    skipped : int
        Rows of the dataset that could not be read.
    first_skipped : str
        Where the first of them is, and why.
    """

    path: Path
    meta: schema.TraceMeta
    size_bytes: int
    skipped: int = 0
    first_skipped: str = ""

    def notes(self) -> Iterator[str]:
        """What a person should know of it."""
        if self.skipped:
            yield f"gen-trace: skipped {self.skipped} rows, the first: {self.first_skipped}"
        for sentence in cautions.made_up(self.meta):
            yield f"note: {sentence}"

    def summary(self) -> Iterator[str]:
        """What it holds, for a person."""
        meta = self.meta
        yield (
            f"gen-trace: {meta.samples} samples, {meta.batches} batches, {meta.lookups} lookups, "
            f"{meta.accesses} accesses -> {self.path} ({self.size_bytes} bytes)"
        )


def generate_file(
    words: tuple[str, ...], output: Path, options: TraceOptions, *, show_progress: bool = False
) -> GeneratedTrace:
    """Make a trace from files of a dataset, or from the word `synthetic`.

    Raises
    ------
    InputError
        A dataset, option or output that cannot be used; nothing is left behind.
    """
    given = [Path(word) for word in words if words != (SYNTHETIC,)]
    files.keep_inputs(given, output)
    with (
        files.atomic_path(output) as temporary,
        files.rereadable(given) as readable,
        files.unchanged(readable),
        compile_notice("gen-trace"),
    ):
        name, paths = _dataset(tuple(map(str, readable)) or words, options.dataset_format)
        source, paths, dataset = _open(name, paths, options)
        files.keep_inputs([*paths, *dataset.other_inputs()], output)
        dataset_options = dataclasses.asdict(dataset)  # type: ignore[call-overload]
        sharing = _sharing(options)
        recipe = _recipe(source, name, options, show_progress)
        describe = {
            "dataset": name,
            "dataset_sha256": streams.fingerprint(paths) if paths else None,
            "dataset_options": dataset_options,
            "command_line": _command_line(name, paths, dataset_options, sharing, recipe, options),
        }
        with _Bar(source, "gen-trace", show_progress) as bar:
            meta = traces.generate(
                source, sharing, recipe, temporary, describe, bar.update, options.threads or _processors()
            )
        size = temporary.stat().st_size
    progress = source.progress
    return GeneratedTrace(output, meta, size, progress.skipped, str(progress.first_skipped or ""))


class _Bar:
    """Progress in bytes of the files with the rows beside it, or in samples where there are no files."""

    def __init__(self, source: datasets.Source, label: str, show: bool) -> None:
        self._by_bytes = source.total_bytes is not None
        total = source.total_bytes if self._by_bytes else source.total_samples
        self._bar = progress_bar(total, "B" if self._by_bytes else "sample", label, show=show)

    def update(self, source: datasets.Source) -> None:
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
    if words == (SYNTHETIC,) and name in (None, SYNTHETIC):
        return SYNTHETIC, []
    paths = [Path(word) for word in words]
    if name is None:
        name = datasets.recognise(paths[0], streams.read_head(paths[0]))
        sys.stderr.write(f"gen-trace: {paths[0]}: recognised as {name}\n")
    if not datasets.DATASETS.get(name).needs_path:
        raise InputError(f"dataset {name} reads no file; give the word {SYNTHETIC} instead of {words[0]}")
    return name, paths


def _open(
    name: str, paths: list[Path], options: TraceOptions
) -> tuple[datasets.Source, list[Path], datasets.Dataset]:
    """The source, its paths in the order they are read, and the dataset with its options."""
    dataset = datasets.make_dataset(name, dict(options.dataset_options))
    paths = dataset.order(paths)
    read = datasets.ReadOptions(options.max_samples, options.on_error, seed=options.seed)
    return dataset.open(paths, read), paths, dataset


def _sharing(options: TraceOptions) -> base.WeightSharing:

    parameters = {"vector_bytes": options.vector_bytes, "dense_below": options.dense_below}
    for key in ("collisions", "tt_rank"):
        if getattr(options, key) is not None:
            parameters[key] = getattr(options, key)
            if key in options.algorithm_options:
                option = key.replace("_", "-")
                raise InputError(f"--{option} and --algorithm-option {key}: the same twice; give one of them")
    parameters |= options.algorithm_options
    return base.WeightSharing.from_parameters(options.algorithm, parameters)


def _recipe(source: datasets.Source, name: str, options: TraceOptions, show_progress: bool) -> traces.Recipe:

    words = options.tables.split(",") if options.tables else []
    tables = traces.table_numbers(source, words)
    pooling = _pooling(source, name, tables, options)
    return traces.Recipe(
        tables, _rows(source, tables, options.rows, show_progress), pooling, options.batch_size, options.seed
    )


def _rows(
    source: datasets.Source, tables: tuple[int, ...], policy: str | None, show_progress: bool
) -> row_maps.RowMap:

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
        exact = [source.tables[table].exact for table in tables]
        return row_maps.FoldedRows([rows for rows in known if rows is not None], exact)
    if policy == "seen":
        with _Bar(source, "numbering rows", show_progress) as bar:
            return row_maps.SeenRows(source, tables, bar.update)
    if not _is_number(policy) or not 1 <= int(policy) <= _MOST_NUMBER:
        raise InputError(f"--rows {policy:.40}: write dataset, seen or a number of rows")
    for table, rows in zip(tables, known, strict=True):
        if source.tables[table].exact and rows is not None and rows > int(policy):
            raise InputError(
                f"--rows {policy}: table {source.tables[table].name} has ids that need {rows:,} rows, each an item of "
                "its own; give --rows dataset, --rows seen or that many"
            )
    # At most N, as DLRM's max-ind-range.
    return row_maps.FoldedRows([int(policy) if rows is None else min(int(policy), rows) for rows in known])


def _is_number(word: str) -> bool:
    """Whether a word is a whole number in digits of ASCII, and not of a length that takes long to read."""
    return word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS


def _pooling(
    source: datasets.Source, name: str, tables: tuple[int, ...], options: TraceOptions
) -> schema.PoolingMeta:

    distribution = options.pooling_distribution
    if distribution is None:
        distribution = "pareto" if source.one_hot else "dataset"
    if distribution == "dataset":
        if options.pooling is not None or options.pooling_list is not None:
            advice = "leave it out or give --pooling-distribution pareto"
            raise InputError(
                f"--pooling: the bags are the dataset's own; {advice if source.one_hot else source.pooling_advice}"
            )
        return schema.PoolingMeta("dataset")
    if not source.one_hot:
        raise InputError(
            f"--pooling-distribution {distribution}: dataset {name} has bags of its own; "
            "give --pooling-distribution dataset"
        )
    return schema.PoolingMeta(distribution, _factors(len(source.tables), tables, options))


def _factors(n_tables: int, tables: tuple[int, ...], options: TraceOptions) -> tuple[int, ...]:
    """Bag size of each chosen table; a list may speak of the chosen tables or of all of the dataset's."""
    words = options.pooling_list
    if words is None:
        return (options.pooling or DEFAULT_POOLING,) * len(tables)
    if options.pooling is not None:
        raise InputError("--pooling and --pooling-list: give one of them")
    if words == "mlperf":
        sizes = MLPERF_POOLING
    elif all(
        _is_number(word.strip()) and 1 <= int(word) <= schema.MAX_BATCH_SIZE for word in words.split(",")
    ):
        sizes = tuple(int(word) for word in words.split(","))
    else:
        raise InputError(f"--pooling-list {words}: write positive numbers with commas between, or mlperf")
    if len(sizes) == n_tables:
        return tuple(sizes[table] for table in tables)
    if len(sizes) == len(tables):
        return sizes
    raise InputError(f"--pooling-list: {len(sizes)} sizes for {len(tables)} tables; give one for each")


def _command_line(
    name: str,
    paths: list[Path],
    dataset_options: dict[str, Any],
    sharing: base.WeightSharing,
    recipe: traces.Recipe,
    options: TraceOptions,
) -> str:
    """The command that makes this trace again, without what does not change it (output name, folders)."""
    words = [printable(path.name) for path in paths] or [SYNTHETIC]
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
        if getattr(options, key) is not None:
            settings[key] = getattr(options, key)
    settings |= {"seed": recipe.seed, "on_error": options.on_error}
    words += [f"--{key.replace('_', '-')}={value}" for key, value in settings.items()]
    words += [f"--algorithm-option={key}={json.dumps(value)}" for key, value in parameters.items()]
    words += [
        f"--dataset-option={key}={json.dumps(value)}"
        for key, value in dataset_options.items()
        if value is not None
    ]
    return printable(shlex.join(["ppim", "gen-trace", *words]))


def _processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
