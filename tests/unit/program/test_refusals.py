"""Settings that make no sense together are refused in one line, before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from ppim.errors import InputError
from ppim.program.prepare import Prepared, prepare
from ppim.systems.spec import PlacementSpec, SystemSpec
from ppim.trace.profile import access_profile
from ppim.weight_sharing.base import ALGORITHMS
from tests.reference.pim_programs import make_device, make_system
from tests.reference.small_traces import small_trace


def prepared(
    algorithm: str = "qr", mapping: str = "duplicate", tt_split: Any = "none", **parameters: Any
) -> Prepared:
    trace = small_trace(algorithm, {"tt_rank": 2} if algorithm == "tt-rec" else {})
    system = make_system(**parameters)
    system = SystemSpec(**{**vars(system), "placement": PlacementSpec(mapping=mapping, tt_split=tt_split)})
    return prepare(trace.meta, make_device(channels=2, rows=1024), system, lambda: access_profile(trace))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"consumer": "host", "prefetch": "table"}, "prefetch: with consumer=host .* table .*give none"),
        ({"consumer": "host", "transfer": "all"}, "transfer: with consumer=host .* all .*give non-empty"),
        ({"consumer": "host", "policy": "lru"}, "policy: with consumer=host .* lru .*give none"),
        ({"consumer": "host", "deliver": "in-order"}, "deliver: with consumer=host .*give ahead"),
        ({"consumer": "host", "unit_accumulators": 2}, "unit_accumulators: with consumer=host .*give 0"),
        ({"unit_accumulators": 2, "frontend": "global"}, "unit_accumulators: .* transfer of its own"),
        ({"unit_accumulators": 2, "transfer": "all"}, "unit_accumulators: .* transfer of its own"),
        ({"unit_accumulators": 2, "mapping": "vertical"}, "unit_accumulators: with mapping vertical"),
        ({"consumer": "host", "collect": "tree"}, "collect: with consumer=host .*give host"),
        ({"consumer": "host", "dedup": "turn"}, "dedup: with consumer=host .*give none"),
        ({"mapping": "vertical", "collect": "tree"}, "mapping vertical: .* collect=host"),
        ({"mapping": "vertical", "dedup": "turn"}, "mapping vertical: .* dedup=none"),
        ({"algorithm": "tt-rec", "dedup": "turn"}, "dedup: .*tt_reorder=false"),
        ({"dedup": "turn", "unit_accumulators": 2}, "dedup: .*unit_accumulators=0"),
        ({"prefetch": "table", "policy": "lru"}, "policy is lru"),
        ({"mapping": "vertical", "consumer": "host"}, "consumer: with mapping vertical .* host .*give unit"),
        ({"mapping": "vertical", "prefetch": "table"}, "mapping vertical: .*--prefetch none"),
        ({"mapping": "vertical", "algorithm": "tt-rec"}, "mapping vertical: tt-rec multiplies matrices"),
        ({"mapping": "interleave", "prefetch": "table"}, "mapping interleave: .*--prefetch none"),
        ({"prefetch_subtables": ("r", "R")}, "prefetch_subtables: 'R' .* this trace has r; known: .*core1"),
        ({"prefetch_subtables": ("q",)}, "prefetch_subtables: 'q' is no shared subtable.* this trace has r"),
        (
            {"algorithm": "tt-rec", "prefetch_subtables": ("core2",)},
            "prefetch_subtables: 'core2' .* this trace has core1, core3",
        ),
        (
            {"algorithm": "tt-rec", "tt_split": "all", "consumer": "host"},
            "consumer: with tt_split=all .*give unit, or tt_split=none",
        ),
        (
            {
                "algorithm": "tt-rec",
                "tt_split": "bankgroups",
                "dedup": "turn",
                "tt_reorder": False,
                "tt_reuse": False,
            },
            "dedup: with tt_split=bankgroups .*give none, or tt_split=none",
        ),
        (
            {"algorithm": "tt-rec", "tt_split": "bankgroups", "unit_accumulators": 2},
            "unit_accumulators: with tt_split=bankgroups .*give 0, or tt_split=none",
        ),
        ({"algorithm": "dense", "prefetch_subtables": ("dense",)}, "this trace has none; known: .*r"),
        ({"demand_subtables": ("q",)}, "demand_subtables: 'q' is no shared subtable.* this trace has r"),
        (
            {"demand_subtables": ("r",), "mapping": "interleave"},
            "mapping interleave: .*demand_subtables=\\[\\]",
        ),
        ({"demand_subtables": ("r",), "policy": "lru"}, "demand_subtables: .*policy=scratchpad"),
        ({"demand_subtables": ("r",), "prefetch": "table"}, "demand_subtables: 'r' is prefetched already"),
        (
            {"demand_subtables": ("r",), "consumer": "host"},
            "demand_subtables: with consumer=host .*give \\[\\]",
        ),
    ],
)
def test_settings_that_exclude_each_other(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        prepared(**settings)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("mapping", ["duplicate", "interleave", "table", "hot"])
def test_a_split_is_for_second_cores_that_are_spread(mapping: str) -> None:
    for algorithm in ("qr", "dense"):
        assert not prepared(algorithm, mapping, tt_split="all", dedup="turn").recipe.parts
    assert bool(prepared("tt-rec", mapping, tt_split="all").recipe.parts) == (
        mapping in ("duplicate", "interleave")
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS.names())
def test_a_system_may_name_subtables_of_other_algorithms(algorithm: str) -> None:
    """The same file serves all of them."""
    inner = {"tt-rec": {"core2"}, "kqr": {"d3"}}.get(algorithm, set())  # with 3 cores, 3 parts
    names = {name for other in ALGORITHMS.names() for name in ALGORITHMS.get(other).shared_names} - inner
    own = sorted(names)
    assert prepared(algorithm, prefetch="table", prefetch_subtables=tuple(own)).recipe.tables
