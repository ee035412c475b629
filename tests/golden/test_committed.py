"""The committed cases: the commands, counts and energies that DRAMsim3 gave, in every clone."""

from __future__ import annotations

from typing import Any

import pytest

from ppim.engine.host import replay
from ppim.engine.host.replay import has_fast_kernel
from tests.golden.committed import RECIPES, cases, n_cycles, requests
from tests.golden.compare import check_channel

CASES = cases()


def _parameters() -> list[Any]:
    parameters = []
    for name, recipe in RECIPES.items():
        if has_fast_kernel(recipe.device, follow_defects=recipe.follow_defects):
            parameters.append(pytest.param(name, False, id=name))
        parameters.append(pytest.param(name, True, id=f"{name}, general"))
    return parameters


@pytest.mark.parametrize(("name", "general_kernel"), _parameters())
def test_committed_case(name: str, general_kernel: bool) -> None:
    recipe = RECIPES[name]
    result = replay(
        recipe.device,
        *zip(*requests(recipe), strict=True),
        n_cycles=n_cycles(recipe),
        follow_defects=recipe.follow_defects,
        command_trace=True,
        general_kernel=general_kernel,
    )
    for channel, expected in enumerate(CASES[name]):
        check_channel(recipe.device, result, channel, expected)


def test_every_recipe_has_its_answer() -> None:
    assert set(CASES) == set(RECIPES)


def test_the_cases_reach_what_they_are_for() -> None:
    """Refreshes, writes, hits, conflicts, lost reads and a standstill are in the answers."""
    for name, channels in CASES.items():
        for channel in channels:
            stats = channel["stats"]
            slept = stats["num_srefe_cmds"] > 0
            assert stats["num_ref_cmds"] + stats["num_refb_cmds"] >= 1 or slept, name
            assert stats["num_act_cmds"] >= 10, name
    done = {
        name: sum(channel["stats"]["num_reads_done"] + channel["stats"]["num_writes_done"] for channel in of)
        for name, of in CASES.items()
    }
    unfinished = {name for name, recipe in RECIPES.items() if done[name] < recipe.n_requests}
    assert unfinished == {name for name, recipe in RECIPES.items() if recipe.follow_defects}
