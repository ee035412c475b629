"""`ppim info` of a trace: what it was made from, and table by table what sharing saves and what is reused."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ppim.progress import progress_bar
from ppim.stats.info.base import KINDS, InfoKind
from ppim.trace import schema
from ppim.trace.locality import Locality, measure_locality
from ppim.trace.reader import TraceReader

_MAGIC = b"PAR1"
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
_SCOPES = ("reuse_gnr", "reuse_batch", "reuse_overall")


def _recognises(target: str) -> bool:
    try:
        with Path(target).open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def _describe(target: str) -> Iterator[str]:
    with TraceReader(target) as reader, progress_bar(reader.n_accesses, "access", "info") as bar:
        locality = measure_locality(reader, bar.update)
    meta = locality.meta
    yield f"trace of {meta.dataset}, algorithm {meta.algorithm} {_parameters(meta)}"
    yield f"made by: {meta.command_line} (ppim {meta.ppim_version})"
    yield f"dataset SHA-256 of the first MiB: {meta.dataset_sha256 or 'no file'}"
    yield (
        f"{meta.samples} samples, {meta.batches} batches of {meta.batch_size}, {meta.lookups} lookups "
        f"(pooling {_pooling(meta)}), {meta.accesses} accesses"
    )
    yield ""
    yield from _aligned([(*_HEADINGS, *_SCOPES), *_table_rows(locality)])
    yield ""
    yield "by kind of subtable"
    yield from _aligned(
        [("subtable", "shared", "rows", "bytes", "accesses", *_SCOPES), *_kind_rows(locality)]
    )
    yield ""
    yield "shared: share of accesses that go to shared subtables; reuse: share of accesses whose row was accessed before"
    yield "in the same gather-and-reduce (one bag), in the same table's turn of the batch, anywhere in the trace"


def _parameters(meta: schema.TraceMeta) -> str:
    return ", ".join(f"{key} {value}" for key, value in meta.parameters.items())


def _pooling(meta: schema.TraceMeta) -> str:
    factors = sorted(set(meta.pooling.factors))
    return f"{meta.pooling.distribution}{', ' + ', '.join(map(str, factors)) if factors else ''}"


def _table_rows(locality: Locality) -> Iterator[tuple[str, ...]]:
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
) -> tuple[str, ...]:
    before = sum(table.rows for table in tables) * int(locality.meta.parameters["vector_bytes"])
    after = sum(part.size_bytes for table in tables for part in table.subtables)
    kinds = list(dict.fromkeys("+".join(part.name for part in table.subtables) for table in tables))
    accesses = int(locality.accesses[parts].sum())
    to_shared = int(locality.accesses[parts[shared[parts]]].sum())
    per_lookup = list(dict.fromkeys(str(table.accesses_per_lookup) for table in tables))
    return (
        number,
        name,
        str(sum(table.rows for table in tables)),
        ",".join(kinds),
        str(before),
        str(after),
        f"{before / after:.2f}",
        ",".join(per_lookup),
        _share(to_shared, accesses),
        *(_share(int(repeats[parts].sum()), accesses) for repeats in locality.repeats),
    )


def _kind_rows(locality: Locality) -> Iterator[tuple[str, ...]]:
    members: dict[tuple[str, bool], list[int]] = defaultdict(list)
    parts = [part for table in locality.meta.tables for part in table.subtables]
    for flat, part in enumerate(parts):
        members[part.name, part.shared].append(flat)
    for (name, shared), places in members.items():
        accesses = int(locality.accesses[places].sum())
        yield (
            name,
            "yes" if shared else "no",
            str(sum(parts[flat].rows for flat in places)),
            str(sum(parts[flat].size_bytes for flat in places)),
            str(accesses),
            *(_share(int(repeats[places].sum()), accesses) for repeats in locality.repeats),
        )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.4f}" if whole else "-"


def _aligned(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(word.rjust(width) for word, width in zip(row, widths, strict=True))


KINDS.register("trace")(InfoKind("a .parquet file of ppim gen-trace", _recognises, _describe))
