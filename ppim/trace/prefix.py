"""The beginning of a trace, in whole batches, as a trace of its own."""

from pathlib import Path

import numpy as np

from ppim.files import atomic_path
from ppim.trace.reader import TraceChunk, TraceReader
from ppim.trace.writer import TraceWriter


def write_prefix(source: str | Path, output: Path, batches: int) -> None:
    """Write the first batches of a trace.

    Parameters
    ----------
    source : path
        Of the trace.
    output : Path
        Appears whole or not at all.
    batches : int
        1 to those that the trace has; a batch may be without accesses.

    Raises
    ------
    InputError
        A trace that cannot be read.
    """
    with TraceReader(source) as reader, atomic_path(output) as temporary:
        meta = reader.meta
        lookups = 0
        with TraceWriter(temporary, meta) as writer:
            for chunk in reader.chunks(whole_batches=True):
                n = int(np.searchsorted(chunk.batch, batches))
                if n:
                    part = TraceChunk(*(column[:n] for column in chunk))
                    lookups += _lookups(part)
                    writer.write(part)
                if n < len(chunk.batch):
                    break
            samples = min(meta.samples, batches * meta.batch_size)
            writer.close(samples=samples, batches=batches, lookups=lookups)


def _lookups(chunk: TraceChunk) -> int:
    """Lookups of whole batches: each begins where batch, table, sample or lookup changes."""
    changes = np.zeros(len(chunk.batch), dtype=bool)
    changes[0] = True
    for column in (chunk.batch, chunk.table, chunk.sample, chunk.lookup):
        changes[1:] |= column[1:] != column[:-1]
    return int(np.count_nonzero(changes))
