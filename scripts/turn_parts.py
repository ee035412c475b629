"""What a turn's time goes into where rows travel in program order, from a run's timeline (docs/timeline.md).

From the last deliver of a turn one goes back along what it had to wait for: while its stream stood still, for the row
that it delivers, up to the slot of that row's read-out; else for the slot before it in its stream.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

STREAMS = ("READ", "READ_OUT", "HIT", "DELIVER")
PART_OF_A_CYCLE = 1  # a slot may begin so much later than the one before it has ended


@dataclass(frozen=True)
class TurnParts:
    """Of one turn, in cycles; or means over turns.

    Attributes
    ----------
    length : float
        From its first slot to its end.
    rows : float
        Rows that travel one behind the other, up to its last deliver.
    travel : float
        What these take, from a read-out's slot to its deliver's.
    slots : float
        Slots on that way.
    sums : float
        From the last deliver to the turn's end.
    """

    length: float
    rows: float
    travel: float
    slots: float
    sums: float


def parts_of_turns(timeline: Path) -> TurnParts:
    """Means over all turns of a timeline with a deliver."""
    events = [event for event in json.loads(timeline.read_text())["traceEvents"] if event["ph"] == "X"]
    sent = defaultdict(list)
    turns = {}
    for event in events:
        said = event.get("args", {})
        if event["name"] in STREAMS and {"turn", "lookup"} <= set(said):
            sent[said["turn"]].append(event)
        elif set(said) == {"turn", "batch", "table"}:
            turns[said["turn"]] = (event["ts"], event["ts"] + event["dur"])
    found = [
        parts_of_turn(sent[turn], *turns[turn])
        for turn in sorted(turns)
        if any(event["name"] == "DELIVER" for event in sent[turn])
    ]
    return TurnParts(*(fmean(getattr(one, name) for one in found) for name in TurnParts.__annotations__))


def parts_of_turn(sent: list[dict[str, Any]], start: float, end: float) -> TurnParts:
    """The parts of a turn, from its demand's and its delivers' slots."""
    streams = defaultdict(list)
    for event in sorted(sent, key=lambda event: event["ts"]):
        streams[event["pid"]].append(event)
    before = {id(late): early for stream in streams.values() for early, late in pairwise(stream)}
    read_outs = {event["args"]["lookup"]: event for event in sent if event["name"] == "READ_OUT"}
    last = max((event for event in sent if event["name"] == "DELIVER"), key=lambda event: event["ts"])
    rows, travel, slots = 0, 0.0, 0.0
    event = last
    while event is not None:
        earlier = before.get(id(event))
        free = start if earlier is None else earlier["ts"] + earlier["dur"]
        if event["name"] == "DELIVER" and event["ts"] - free > PART_OF_A_CYCLE:
            rows += 1
            earlier = read_outs[event["args"]["lookup"]]
            travel += event["ts"] - earlier["ts"]
        else:
            slots += event["ts"] - (start if earlier is None else earlier["ts"])
        event = earlier
    return TurnParts(end - start, rows, travel, slots, end - last["ts"])
