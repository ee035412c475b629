"""The parameters of mappings."""

from dataclasses import dataclass
from typing import Literal

from ppim.parameters import MOST_BYTES, Section, parameter


@dataclass(frozen=True)
class PlacementSpec(Section):
    """Where subtables lie; `[placement]`."""

    mapping: str = parameter("duplicate", "", "which units get a row: a name of `--mapping`")
    placement_page: int = parameter(
        1, "rows", "of a subtable that stay together in a unit (hash)", least=1, most=MOST_BYTES
    )
    placement_seed: int = parameter(0, "", "of the hash, or of the pages")
    placement: Literal["hash", "page"] = parameter(
        "hash", "", "of rows that are spread: hashed over units, or striped over them in random pages"
    )
    page_bytes: int = parameter(
        4096, "bytes", "page of the random page allocation (page)", least=1, most=MOST_BYTES
    )
    stripe_bytes: int = parameter(
        64, "bytes", "of a page that lie in one unit, at least a row (page)", least=1, most=MOST_BYTES
    )
    stripe_order: Literal["channel-unit", "unit-channel"] = parameter(
        "channel-unit",
        "",
        "address bits above a stripe, lowest first: the next stripe is in the next channel, or unit (page)",
    )
    hot_fraction: float = parameter(
        0.05, "", "share that is copied into every unit (mappings hot, duplicate-hot)", least=0, most=1
    )
    hot_by: Literal["accesses", "entries"] = parameter(
        "accesses",
        "",
        "of what hot_fraction is a share: of the trace's accesses, or of all rows; shared subtables "
        "do not count where they are duplicated",
    )
    guest_rows: int = parameter(
        64,
        "rows",
        "of other units that have room in each unit (mappings adaptive and oracle)",
        least=1,
        most=1 << 20,
    )
    adaptive_batches: int = parameter(
        4,
        "batches",
        "between two looks at what is accessed, at which rows may move (adaptive)",
        least=1,
        most=1 << 30,
    )
    adaptive_moves: int = parameter(
        256, "rows", "that move at one of them, at most (adaptive)", least=0, most=1 << 20
    )
    adaptive_memory: float = parameter(
        0.9, "", "share of their weight that older counts keep at each look (adaptive)", least=0, most=1
    )
    adaptive_gain: float = parameter(
        1.0,
        "",
        "cycles that moves have to save until the next look for each that they take (adaptive)",
        least=0,
        most=1e9,
    )
    tt_split: Literal["none", "bankgroups", "all"] = parameter(
        "none",
        "",
        "TT-Rec: a second-core row is whole, or split over the units of a channel, or over those of all",
    )
    tt_granularity: Literal["slice", "matrix"] = parameter(
        "slice", "", "TT-Rec: what is placed together, all matrices of a second-core row, or each by itself"
    )
    partial_sum_fraction: float = parameter(
        0.0,
        "",
        "share of the trace's lookups that kept vectors save, most frequent ones first",
        least=0,
        most=1,
    )
    partial_sum_of: Literal["lookup", "pair"] = parameter(
        "lookup", "", "what a kept vector is: of one lookup, or the sum of two lookups of a bag"
    )
    partial_sum_candidates: int = parameter(
        4096,
        "lookups",
        "the most frequent ones, of which pairs may be kept (pair)",
        least=2,
        most=1 << 13,
    )
