"""Slices as a file in the trace-event format, which Perfetto and other viewers open.

The viewer's microseconds are nanoseconds here: its own nanoseconds, which it rounds to, are then picoseconds.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ppim.timeline.slices import FRONT_END, Tracks

PICOSECONDS = 1000  # in a nanosecond
BIT_MORE = 2e-4  # ns, on the begin of a slice that has a fraction
BIT_LESS = 1e-6  # ns, off a length that is added to a fraction
CHANNELS = 1000  # more than a memory has: processes of the next memory begin behind


def trace_events(memories: Sequence[tuple[str, float, Tracks]]) -> Iterator[dict[str, Any]]:
    """Events of memories, each with its name (empty: the only one), its clock period in ns, and its tracks."""
    for number, (name, period_ns, tracks) in enumerate(memories):
        seen: set[int] = set()
        before = f"{name} " if name else ""
        for thread, (track, slices) in enumerate(tracks.items(), 1):
            process = number * CHANNELS + track.channel + 1
            if process not in seen:
                seen.add(process)
                shown = "front end" if track.channel == FRONT_END else f"channel {track.channel}"
                yield _metadata("process_name", process, 0, {"name": before + shown})
                yield _metadata("process_sort_index", process, 0, {"sort_index": process})
            yield _metadata("thread_name", process, thread, {"name": track.name})
            yield _metadata("thread_sort_index", process, thread, {"sort_index": thread})
            for one in slices:
                event: dict[str, Any] = {"name": one.name, "pid": process, "tid": thread}
                start, end = (round(at * period_ns * PICOSECONDS) for at in (one.start, one.end))
                event["ts"] = _time(start)
                if one.end > one.start:
                    event |= {"ph": "X", "dur": _length(start, end)}
                else:
                    event |= {"ph": "i", "s": "t"}
                if one.args:
                    event["args"] = one.args
                yield event


def _metadata(what: str, process: int, thread: int, args: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": args}


def _time(picoseconds: int) -> int | float:
    """In ns. Viewers cut off what is below a picosecond: a bit more than a fraction keeps it whole."""
    whole, rest = divmod(picoseconds, PICOSECONDS)
    return whole if rest == 0 else round(picoseconds / PICOSECONDS + BIT_MORE, 4)


def _length(start: int, end: int) -> int | float:
    """In ns; a little short where fractions are added, so that no slice reaches into the next one."""
    if start % PICOSECONDS == 0 == end % PICOSECONDS:
        return (end - start) // PICOSECONDS
    begins_later = BIT_MORE if start % PICOSECONDS and end % PICOSECONDS == 0 else 0.0
    return round((end - start) / PICOSECONDS - begins_later - BIT_LESS, 6)


def write_timeline(
    path: Path, final: Path, memories: Sequence[tuple[str, float, Tracks]], about: Mapping[str, Any]
) -> None:
    """Write the file; `final` is the name that it will have, gzip if that ends in .gz.

    Parameters
    ----------
    path, final : Path
    memories : sequence of (name, clock period in ns, tracks)
    about : mapping
        What the window is of.
    """
    head = {
        "displayTimeUnit": "ns",
        "otherData": {**about, "unit_of_ts_and_dur": "1 here is 1 ns of the run"},
    }
    with path.open("wb") as raw:
        stream = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) if final.suffix == ".gz" else raw
        stream.write((json.dumps(head)[:-1] + ', "traceEvents": [\n').encode())
        first, encode = True, json.JSONEncoder(separators=(",", ":")).encode
        for event in trace_events(memories):
            text = encode(event)
            stream.write((text if first else ",\n" + text).encode())
            first = False
        stream.write(b"\n]}\n")
        if stream is not raw:
            stream.close()
