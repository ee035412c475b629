"""`ppim info` of a trace: what it was made from, and table by table what sharing saves and what is reused."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ppim.parquet_footer import MAGIC
from ppim.progress import progress_bar
from ppim.stats.info.base import KINDS, InfoKind
from ppim.tables import Description, Table
from ppim.trace import schema
from ppim.trace.locality import Locality, measure_locality
from ppim.trace.reader import TraceReader

_HEADINGS = (
    "table",
    "name",
    "rows",
    "subtables",
    "before_bytes",
    "after_bytes",
    "ratio",
    "accesses/lookup",
    "shared",
)
_KIND_HEADINGS = ("subtable", "shared", "rows", "bytes", "accesses")
_SCOPES = ("reuse_gnr", "reuse_batch", "reuse_overall")
MOST_SHOWN = 100
"""Tables that are shown to people; machines get all."""
_MOST_COMMAND = 400  # characters of a command line


def _recognises(target: str) -> bool:
    try:
        with Path(target).open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _describe(target: str) -> Description:
    with TraceReader(target) as reader, progress_bar(reader.n_accesses, "access", "info") as bar:
        locality = measure_locality(reader, bar.update)
    meta = locality.meta
    tables = Table("tables", (*_HEADINGS, *_SCOPES), tuple(_table_rows(locality)))
    kinds = Table("subtables", (*_KIND_HEADINGS, *_SCOPES), tuple(_kind_rows(locality)))
    lines = (
        f"trace of {meta.dataset}, algorithm {meta.algorithm} {_parameters(meta)}",
        f"made by: {_shortened(meta.command_line)} (ppim {meta.ppim_version})",
        f"dataset SHA-256 of the first MiB: {meta.dataset_sha256 or 'no file'}",
        (
            f"{meta.samples} samples, {meta.batches} batches of {meta.batch_size}, {meta.lookups} lookups "
            f"(pooling {_pooling(meta)}), {meta.accesses} accesses"
        ),
        "",
        *_first_tables(tables),
        "",
        "by kind of subtable",
        _for_people(kinds),
        "",
        (
            "shared: share of accesses that go to shared subtables; reuse: share of accesses whose row was accessed "
            "before in the same gather-and-reduce (one bag), in the same table's turn of the batch, anywhere in the trace"
        ),
    )
    facts = {
        "dataset": meta.dataset,
        "algorithm": meta.algorithm,
        **meta.parameters,
        "made_by": meta.command_line,
        "ppim_version": meta.ppim_version,
        "dataset_sha256": meta.dataset_sha256,
        "samples": meta.samples,
        "batches": meta.batches,
        "batch_size": meta.batch_size,
        "lookups": meta.lookups,
        "accesses": meta.accesses,
        "pooling": _pooling(meta),
    }
    return Description(lines, (tables, kinds), facts)


def _shortened(command: str) -> str:
    """The beginning of a command line that nobody would read to its end."""
    return command if len(command) <= _MOST_COMMAND else command[:_MOST_COMMAND] + " ..."


def _first_tables(tables: Table) -> Iterator[Table | str]:
    """The first tables and what they have together, and how to see the others."""
    left_out = len(tables.rows) - 1 - MOST_SHOWN
    if left_out <= 0:
        yield _for_people(tables)
        return
    yield _for_people(dataclasses.replace(tables, rows=(*tables.rows[:MOST_SHOWN], tables.rows[-1])))
    yield f"tables {MOST_SHOWN} to {MOST_SHOWN + left_out - 1} are left out here; --format csv or json has them all"


def _for_people(table: Table) -> Table:
    """Ratios with two digits behind the point, shares with four, words for what there is and is not."""
    rows = (
        tuple(
            f"{cell:.2f}" if name == "ratio" else f"{cell:.4f}" if isinstance(cell, float) else cell
            for name, cell in zip(table.headings, row, strict=True)
        )
        for row in table.rows
    )
    return dataclasses.replace(table, rows=tuple(rows))


def _parameters(meta: schema.TraceMeta) -> str:
    return ", ".join(f"{key} {value}" for key, value in meta.parameters.items())


def _pooling(meta: schema.TraceMeta) -> str:
    factors = sorted(set(meta.pooling.factors))
    return f"{meta.pooling.distribution}{', ' + ', '.join(map(str, factors)) if factors else ''}"


def _table_rows(locality: Locality) -> Iterator[tuple[Any, ...]]:
    shared = locality.shared()
    for number, table in enumerate(locality.meta.tables):
        part = locality.subtables_of(number)
        yield _table_row(
            locality, str(number), table.name, (table,), np.arange(part.start, part.stop), shared
        )
    yield _table_row(locality, "all", "", locality.meta.tables, np.arange(shared.size), shared)


def _table_row(
    locality: Locality,
    number: str,
    name: str,
    tables: tuple[schema.TableMeta, ...],
    parts: np.ndarray,
    shared: np.ndarray,
) -> tuple[Any, ...]:
    before = sum(table.rows for table in tables) * int(locality.meta.parameters["vector_bytes"])
    after = sum(part.size_bytes for table in tables for part in table.subtables)
    kinds = list(dict.fromkeys("+".join(part.name for part in table.subtables) for table in tables))
    accesses = int(locality.accesses[parts].sum())
    to_shared = int(locality.accesses[parts[shared[parts]]].sum())
    per_lookup = list(dict.fromkeys(str(table.accesses_per_lookup) for table in tables))
    return (
        number,
        name,
        sum(table.rows for table in tables),
        ",".join(kinds),
        before,
        after,
        before / after,
        ",".join(per_lookup),
        _share(to_shared, accesses),
        *(_share(int(repeats[parts].sum()), accesses) for repeats in locality.repeats),
    )


def _kind_rows(locality: Locality) -> Iterator[tuple[Any, ...]]:
    members: dict[tuple[str, bool], list[int]] = defaultdict(list)
    parts = [part for table in locality.meta.tables for part in table.subtables]
    for flat, part in enumerate(parts):
        members[part.name, part.shared].append(flat)
    for (name, shared), places in members.items():
        accesses = int(locality.accesses[places].sum())
        yield (
            name,
            shared,
            sum(parts[flat].rows for flat in places),
            sum(parts[flat].size_bytes for flat in places),
            accesses,
            *(_share(int(repeats[places].sum()), accesses) for repeats in locality.repeats),
        )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


KINDS.register("trace")(InfoKind("a .parquet file of ppim gen-trace", _recognises, _describe))
