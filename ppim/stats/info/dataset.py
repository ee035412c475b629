"""`ppim info` of a dataset: what `ppim gen-trace` would read, and a preview of its first samples."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppim.datasets import base, streams
from ppim.datasets.base import MISSING
from ppim.errors import InputError
from ppim.stats.info.base import KINDS, InfoKind
from ppim.systems.chosen import setting_texts
from ppim.tables import Description, Table

SYNTHETIC = "synthetic"
SAMPLES = 1000
"""Samples that are looked at."""

SHOWN = 4
"""Samples of the preview, and values of a bag in it."""

HASH_SHOWN = (1 << 24) - 1
LARGEST_PLAIN = 1 << 53
"""Values above it are hashes, shown as such."""

HEADINGS = ("table", "name", "rows", "lookups", "distinct", "missing", "most_frequent", "first_values")


@dataclass
class _Seen:
    """What one table has in the samples that were looked at."""

    values: list[NDArray[np.uint64]] = field(default_factory=list)
    first: list[str] = field(default_factory=list)


def _name(target: str) -> str | None:
    """The dataset whose format a file has, as far as its content tells."""
    if target == SYNTHETIC:
        return SYNTHETIC
    path = Path(target)
    try:
        return base.recognise(path, streams.read_head(path)) if path.is_file() else None
    except InputError:
        return None


def describe_dataset(
    target: str, name: str | None = None, options: Mapping[str, Any] | None = None
) -> Description:
    """What would be read of a dataset, from its first samples.

    Parameters
    ----------
    target : str
        A file, or the word synthetic.
    name : str, optional
        Of the format; recognised from the content without it.
    options : mapping of str to value, optional
        The dataset's own.

    Raises
    ------
    InputError
        A file that is not of this format, or an option that it does not have.
    """
    if name is None:
        name = _name(target) or base.recognise(Path(target), streams.read_head(Path(target)))
    dataset = base.make_dataset(name, dict(options or {}))
    paths = [] if target == SYNTHETIC else dataset.order([Path(target)])
    source = dataset.open(paths, base.ReadOptions(max_samples=SAMPLES))
    seen = [_Seen() for _ in source.tables]
    samples = 0
    for chunk in source.chunks():
        samples += chunk.n_samples
        for table, each in enumerate(seen):
            _look_at(chunk, table, each)
    rows = tuple(
        _row(number, spec, each, samples)
        for number, (spec, each) in enumerate(zip(source.tables, seen, strict=True))
    )
    tables = Table("tables", HEADINGS, rows)
    bags = "one value a sample and table" if source.one_hot else "bags of its own"
    facts = {"dataset": name, "samples_looked_at": samples, "one_hot": source.one_hot}
    command = _command(target, name, options or {})
    return Description(tuple(_lines(target, name, dataset, bags, samples, tables, command)), (tables,), facts)


def _look_at(chunk: base.SampleChunk, table: int, seen: _Seen) -> None:
    values = chunk.values[table]
    seen.values.append(np.asarray(values, dtype=np.uint64))
    for sample in range(min(chunk.n_samples, SHOWN - len(seen.first))):
        if chunk.offsets is None:
            seen.first.append(_shown(values[sample]))
        else:
            begin, end = chunk.offsets[table][sample : sample + 2]
            more = "..." if end - begin > SHOWN else ""
            seen.first.append(
                f"[{' '.join(_shown(value) for value in values[begin : min(end, begin + SHOWN)])}{more}]"
            )


def _shown(value: Any) -> str:
    number = int(value)
    if number == int(MISSING):
        return "-"
    return str(number) if number < LARGEST_PLAIN else f"#{number & HASH_SHOWN:06x}"


def _row(number: int, spec: base.TableSpec, seen: _Seen, samples: int) -> tuple[Any, ...]:
    values = np.concatenate(seen.values) if seen.values else np.empty(0, dtype=np.uint64)
    kinds, counts = np.unique(values, return_counts=True)
    missing = int((values == MISSING).sum())
    return (
        number,
        spec.name,
        spec.rows,
        round(values.size / samples, 2) if samples else None,
        int(kinds.size - bool(missing)),
        _percent(missing, values.size),
        _percent(int(counts.max(initial=0)), values.size),
        " ".join(seen.first),
    )


def _percent(part: int, whole: int) -> str | None:
    return f"{100 * part / whole:.0f} %" if whole else None


def _lines(
    target: str, name: str, dataset: base.Dataset, bags: str, samples: int, tables: Table, command: str
) -> Iterator[str | Table]:
    """For people."""
    yield f"{target}: dataset {name}: {dataset.summary}"
    yield f"{len(tables.rows)} tables, {bags}; its first {samples:,} samples:"
    yield ""
    yield tables
    yield ""
    yield (
        "rows: of the whole table, where the dataset says so (else gen-trace numbers values as it sees them); lookups: of a "
        "sample, on average; distinct, missing, most_frequent: values, empty ones, and the share of the commonest one, in "
        "these samples; first_values: of the first samples, # begins a hash of text, - is empty"
    )
    options = [each.name for each in fields(dataset)]  # type: ignore[arg-type]
    if options:
        yield f"--dataset-option takes: {', '.join(options)}"
    yield f"make a trace of it: {command}"


def _command(target: str, name: str, options: Mapping[str, Any]) -> str:
    words = ["ppim", "gen-trace", target, "-o", "trace.parquet"]
    if target != SYNTHETIC and _name(target) != name:
        words += ["--dataset", name]
    for key, text in setting_texts(options).items():
        words += ["--dataset-option", f"{key}={text}"]
    return shlex.join(words)


def _names() -> Sequence[str]:
    return (SYNTHETIC,)


KINDS.register("dataset")(
    InfoKind(
        "a file of ppim gen-trace, or synthetic",
        lambda target: _name(target) is not None,
        describe_dataset,
        _names,
        is_general=True,
    )
)
