"""What is counted: each column of a stats CSV once, with its unit, its meaning, and where the number comes from.

The CSVs, their pages in docs/formats.md, `ppim info` and the summaries follow from these lists.

A source is a sum or difference of terms; a term is a number, or `namespace.NAME`, also `* burst_bytes`. A run says
what its namespaces hold (`Sources`); a column whose namespace it has not does not apply to it and stays empty.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Counts = dict[str, NDArray[np.int64]]
"""Column -> its value in each channel."""


Over = Literal["sum", "same", "most", "none"]


@dataclass(frozen=True)
class Counter:
    """One column of a stats CSV.

    Attributes
    ----------
    unit : str
        "" for a name.
    pim, host : str
        Source in runs of PIM units and of hosts; "" where it applies to none of them.
    over : {"sum", "same", "most", "none"}
        What the channels' values give together: a sum, the one value that all have, the greatest, or nothing.
    of : str
        What it is a part of, so that a share in percent tells something: columns, joined by +; "" for nothing.
    """

    name: str
    unit: str
    meaning: str
    pim: str = ""
    host: str = ""
    over: Over = "sum"
    of: str = ""


def counter(
    name: str,
    unit: str,
    meaning: str,
    *,
    pim: str = "",
    host: str = "",
    both: str = "",
    over: Over = "sum",
    of: str = "",
) -> Counter:
    """A counter; `both` is the source in either kind of run."""
    return Counter(name, unit, meaning, pim or both, host or both, over, of)


IDENTITY = {
    "run": "trace, system and settings",
    "trace": "file name",
    "algorithm": "weight sharing of the trace",
    "system": "name of the system",
    "mapping": "placement of subtables",
    "prefetch": "rows fetched ahead",
    "device": "memory device",
    "settings": "what differs from the system's file, options included: `key=value` as `--set` takes it, sorted, joined by `;`",
    "memory": "`hbm` or `dimm`",
    "channel": "number of the channel",
}
"""Columns that say what a line is of."""

VERDICT = {"binding_limit": "name of what sets `limit_cycles`; empty for a host"}
"""Columns behind the figures of the stats CSV of `ppim simulate`, which judge them."""

OF_RESULT = "result"
"""Namespace of a result's own figures, which are not kept among its counts."""

OF_ENERGY = "energy"
"""Namespace of energies, which follow from the counts (`ppim.stats.energy`)."""

SIMULATION = (
    counter("cycles", "cycles", "length of the run", both="result.cycles", over="same"),
    counter("time_ns", "ns", "length of the run", both="result.time_ns", over="same"),
    counter("batches", "batches", "of the trace", both="run.BATCHES", over="same"),
    counter(
        "lookups",
        "lookups",
        "whose unit is in this channel (host: whose first row begins in it)",
        pim="built.LOOKUPS",
        host="llc.LOOKUPS",
    ),
    counter(
        "accesses",
        "accesses",
        "of the trace, by the channel of the unit that uses the row",
        pim="built.ACCESSES",
        host="llc.ACCESSES",
    ),
    counter(
        "instructions",
        "instructions",
        "PIM instructions received, broadcasts and delivers included (host: requests)",
        pim="engine.INSTRUCTIONS",
        host="requests.READS + requests.WRITES",
    ),
    counter("reads", "commands", "READ, one a burst", pim="engine.READS", host="commands.READ"),
    counter(
        "writes",
        "commands",
        "WRITE; in PIM units of rows that move",
        pim="engine.WRITES",
        host="commands.WRITE",
    ),
    counter("activates", "commands", "ACTIVATE", pim="engine.ACTIVATES", host="commands.ACTIVATE"),
    counter("precharges", "commands", "PRECHARGE", pim="engine.PRECHARGES", host="commands.PRECHARGE"),
    counter("refreshes", "commands", "REFRESH", pim="engine.REFRESHES", host="commands.REFRESH"),
    counter(
        "row_hits",
        "commands",
        "column commands that were not the first after their ACTIVATE",
        pim="engine.ROW_HITS",
        host="requests.ROW_HITS",
        of="reads + writes",
    ),
    counter(
        "row_misses",
        "commands",
        "column commands that were",
        pim="engine.READS + engine.WRITES - engine.ROW_HITS",
        host="requests.COLUMN_COMMANDS - requests.ROW_HITS",
        of="reads + writes",
    ),
    counter(
        "cache_hits",
        "accesses",
        "served by the unit's SRAM (host: whose bursts were all in the LLC)",
        pim="built.CACHE_HITS",
        host="llc.HITS",
        of="accesses",
    ),
    counter(
        "cache_misses",
        "accesses",
        "that looked into a cache and were read from DRAM",
        pim="built.CACHE_MISSES",
        host="llc.ACCESSES - llc.HITS",
        of="accesses",
    ),
    counter(
        "prefetch_reads",
        "commands",
        "READ of prefetches; a host's cache fetches on demand",
        pim="engine.PREFETCH_READS",
        host="0",
        of="reads",
    ),
    counter(
        "bytes_dram",
        "bytes",
        "of all column commands",
        pim="engine.READS * burst_bytes + engine.WRITES * burst_bytes",
        host="requests.COLUMN_COMMANDS * burst_bytes",
    ),
    counter("bytes_cache", "bytes", "served by SRAM", pim="built.BYTES_CACHE", host="llc.BYTES_HIT"),
    counter(
        "bytes_external",
        "bytes",
        "over the channel's external data bus",
        pim=(
            "engine.READ_OUT_BURSTS * burst_bytes + engine.DELIVER_BURSTS * burst_bytes "
            "+ engine.TRANSFER_BURSTS * burst_bytes + engine.WRITES * burst_bytes"
        ),
        host="requests.COLUMN_COMMANDS * burst_bytes",
    ),
    counter(
        "bytes_delivered",
        "bytes",
        "of these, what the host delivered to PIM units",
        pim="engine.DELIVER_BURSTS * burst_bytes",
        of="bytes_external",
    ),
    counter(
        "transfer_cycles",
        "cycles",
        "of the external bus taken by result transfers",
        pim="engine.TRANSFER_CYCLES",
        of="cycles",
    ),
    counter("compute_cycles", "cycles", "of arithmetic, summed over units", pim="engine.COMPUTE_CYCLES"),
    counter(
        "busy_cycles",
        "cycles",
        "with a command, with data moving into a unit, or on the external bus",
        pim="classes.BUSY",
        of="cycles",
    ),
    counter(
        "stall_refresh_cycles",
        "cycles",
        "other ones in which a refresh holds back what waits in a bank's queue",
        pim="classes.STALL_REFRESH",
        of="cycles",
    ),
    counter(
        "stall_compute_cycles",
        "cycles",
        "other ones in which a transfer or a full buffer waits for arithmetic only",
        pim="classes.STALL_COMPUTE",
        of="cycles",
    ),
    counter(
        "stall_bus_cycles",
        "cycles",
        "other ones in which a deliver or transfer has reserved the bus and does not move",
        pim="classes.STALL_BUS",
        of="cycles",
    ),
    counter(
        "stall_bank_cycles",
        "cycles",
        "other ones in which a bank's queue waits, or data that were read are on their way",
        pim="classes.STALL_BANK",
        of="cycles",
    ),
    counter(
        "stall_issue_cycles",
        "cycles",
        "other ones in which an instruction's slot lasts or it is on its way to a unit",
        pim="classes.STALL_ISSUE",
        of="cycles",
    ),
    counter(
        "idle_cycles",
        "cycles",
        "all other ones: at a barrier, or waiting for other channels or the host",
        pim="classes.IDLE",
        of="cycles",
    ),
    counter(
        "unit_accesses_max",
        "accesses",
        "of the channel's most loaded unit, counted where the row lies, not where it is used",
        pim="units.MOST",
        over="most",
        of="unit_accesses_mean",
    ),
    counter(
        "unit_accesses_mean",
        "accesses",
        "the same per unit of the channel",
        pim="result.unit_accesses_mean",
        over="none",
    ),
    counter(
        "limit_cycles",
        "cycles",
        "greatest of the lower bounds of `cycles`, the same in all channels",
        pim="run.LIMIT",
        over="same",
        of="cycles",
    ),
    counter(
        "energy_activate_pj",
        "pJ",
        "of ACTIVATE, precharge contained",
        both="energy.ACTIVATE",
        of="energy_total_pj",
    ),
    counter("energy_read_pj", "pJ", "of READ, without I/O", both="energy.READ", of="energy_total_pj"),
    counter("energy_write_pj", "pJ", "of WRITE, without I/O", both="energy.WRITE", of="energy_total_pj"),
    counter("energy_refresh_pj", "pJ", "of REFRESH", both="energy.REFRESH", of="energy_total_pj"),
    counter(
        "energy_background_pj",
        "pJ",
        "of standby, with and without open banks",
        both="energy.BACKGROUND",
        of="energy_total_pj",
    ),
    counter(
        "energy_cache_pj",
        "pJ",
        "of units' SRAMs (host: of the LLC), where there are any: data read and written",
        both="energy.CACHE",
        of="energy_total_pj",
    ),
    counter(
        "energy_compute_pj",
        "pJ",
        "of units' multiply-accumulates",
        pim="energy.COMPUTE",
        of="energy_total_pj",
    ),
    counter(
        "energy_collect_pj",
        "pJ",
        "of additions by collectors, in the channel that vectors come from",
        pim="energy.COLLECT",
        of="energy_total_pj",
    ),
    counter(
        "energy_io_pj",
        "pJ",
        "of what crosses the channel's pins: data, and instructions of PIM units",
        both="energy.IO",
        of="energy_total_pj",
    ),
    counter("energy_total_pj", "pJ", "of all these; empty where a figure is not known", both="energy.TOTAL"),
    counter(
        "partial_sum_hits",
        "accesses",
        "saved by vectors of whole lookups that are kept",
        pim="kept.PARTIAL_SUM_HITS",
        of="accesses",
    ),
    counter("moves", "rows", "that moved into a unit of the channel", pim="moved.MOVES"),
    counter(
        "moved_bytes",
        "bytes",
        "of these rows: read out of a unit, over the bus, and over the bus of this channel into another",
        pim="wrote.WRITES * burst_bytes",
        of="bytes_external",
    ),
)
"""Columns of the stats CSV of `ppim simulate` behind those of the identity, in order."""

COLUMNS = {each.name: each for each in SIMULATION}

CYCLE_CLASSES = tuple(each.name for each in SIMULATION if each.pim.startswith("classes."))
"""Columns that together account for every cycle of each channel."""

ON_REPLAY_LINES = {"device": "preset or file name", "channel": "number of the channel"}
"""Columns of the stats CSV of `ppim replay` that say what a line is of."""

REPLAY = (
    counter("cycles", "cycles", "length of the run: `--cycles`, or up to the last completion", over="same"),
    counter(
        "last_command_cycle",
        "cycle",
        "of the channel's last READ or WRITE; empty if there was none",
        over="none",
    ),
    counter("requests", "requests", "that the channel took in"),
    counter(
        "merged",
        "requests",
        "of these, served by the command of another request to the same byte address",
        of="requests",
    ),
    counter(
        "forwarded", "requests", "of these, reads answered from a write that was still waiting", of="requests"
    ),
    counter("reads", "commands", "READ issued, with or without auto-precharge"),
    counter("writes", "commands", "WRITE issued, with or without auto-precharge"),
    counter("activates", "commands", "ACTIVATE issued"),
    counter("precharges", "commands", "explicit PRECHARGE issued"),
    counter("refreshes", "commands", "REFRESH issued, of ranks and of banks"),
    counter(
        "row_hits",
        "commands",
        "column commands that were not the first after their ACTIVATE",
        of="reads + writes",
    ),
    counter(
        "average_read_latency_cycles",
        "cycles",
        "mean over completed reads, from the cycle after acceptance to the last data; 0 without reads",
        over="none",
    ),
    counter("read_latency_50_cycles", "cycles", "that half of them do not exceed", over="none"),
    counter("read_latency_95_cycles", "cycles", "that 95 % do not exceed", over="none"),
    counter("read_latency_99_cycles", "cycles", "that 99 % do not exceed", over="none"),
    counter("read_latency_max_cycles", "cycles", "of the slowest read", over="none"),
    counter("bytes_dram", "bytes", "of all column commands"),
    counter("energy_activate_pj", "pJ", "of ACTIVATE, precharge contained", of="energy_total_pj"),
    counter("energy_read_pj", "pJ", "of READ; I/O and termination are not modelled", of="energy_total_pj"),
    counter("energy_write_pj", "pJ", "of WRITE; I/O and termination are not modelled", of="energy_total_pj"),
    counter("energy_refresh_pj", "pJ", "of REFRESH", of="energy_total_pj"),
    counter(
        "energy_background_pj",
        "pJ",
        "of standby, with and without open banks, and self-refresh",
        of="energy_total_pj",
    ),
    counter("energy_total_pj", "pJ", "of all these"),
)
"""Columns of the stats CSV of `ppim replay` behind device and channel, in order."""

REPLAY_COLUMNS = {each.name: each for each in REPLAY}


class Namespace(Protocol):
    """Counts by name."""

    def __contains__(self, name: str, /) -> bool: ...

    def __getitem__(self, name: str, /) -> NDArray[np.int64]: ...


class Table:
    """Counts in the columns of an array, by the names that a module gives the columns.

    Parameters
    ----------
    counts : ndarray of int64, shape (channels, columns)
    names : module
        Has a constant for each column.
    """

    def __init__(self, counts: NDArray[np.int64], names: Any) -> None:
        self.counts, self.names = counts, names

    def __contains__(self, name: str) -> bool:
        return True  # a wrong name is an error, not a column that does not apply

    def __getitem__(self, name: str) -> NDArray[np.int64]:
        return self.counts[:, getattr(self.names, name)]


Sources = Mapping[str, Namespace]

_SIGN = re.compile(r"\s+([+-])\s+")
_BURSTS = " * burst_bytes"


def names_of(source: str) -> list[tuple[str, str]]:
    """(namespace, name) of every term of a source that is no number."""
    terms = (term.removesuffix(_BURSTS) for term in _SIGN.split(source)[::2])
    return [(space, name) for space, _, name in (term.partition(".") for term in terms) if name]


def evaluate(kind: Literal["pim", "host"], sources: Sources, channels: int, burst_bytes: int) -> Counts:
    """The counts of a run: all columns whose source it has, but for figures of the result itself."""
    counts = {}
    for each in SIMULATION:
        source = each.pim if kind == "pim" else each.host
        names = names_of(source)
        if not source or any(
            space == OF_RESULT or space not in sources or name not in sources[space] for space, name in names
        ):
            continue
        counts[each.name] = _value(source, sources, channels, burst_bytes)
    return counts


def _value(source: str, sources: Sources, channels: int, burst_bytes: int) -> NDArray[np.int64]:
    total = np.zeros(channels, dtype=np.int64)
    first, *others = _SIGN.split(source)
    for sign, term in [("+", first), *zip(others[::2], others[1::2], strict=True)]:
        space, _, name = term.removesuffix(_BURSTS).partition(".")
        value = sources[space][name] if name else int(space)
        total += (value if sign == "+" else -value) * (burst_bytes if term.endswith(_BURSTS) else 1)
    return total
