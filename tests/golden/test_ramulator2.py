"""DDR5, HBM3 and HBM2 in pseudo channels beside Ramulator 2.1, and what each distance comes from."""

from __future__ import annotations

import numba
import pytest

from tests.conftest import ROOT
from tests.golden import ramulator2
from tests.golden.ramulator2 import CONTROLLER, NONE, Case, Figures

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without compilation")

DOCUMENT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
FIGURES: dict[Case, dict[str, Figures]] = {}
for _case, _changed, _figures in ramulator2.committed():
    FIGURES.setdefault(_case, {})[_changed] = _figures
CASES = list(FIGURES)
WITHIN = 0.05
CLOSE = 0.015
"""What remains where the controller is the same: refreshes, that close banks one by one here, and a clock here and there."""
LATENCY_CLOSE = 0.075
# What our device rules leave out, and the patterns that show it (docs/reliability.md).
LEFT_OUT = {
    ("hbm2-4gb", 2, 1, "random"): "controller+bus",
    ("hbm2-4gb", 2, 1, "mixed"): "controller+bus",
    ("hbm2-4gb", 2, 1, "zipf"): "controller+bus",
    ("ddr5-16gb-x8-4800", 1, 1, "random"): "controller+bus",
    ("hbm3-16gb-6400", 1, 2, "sequential"): "controller+tCCDR",
}


def name_of(case: Case) -> str:
    return f"{case.device}-{case.memories}-{case.stack_ids}-{case.pattern}-{case.every}"


def test_every_pattern_at_two_loads() -> None:
    for device, memories in ((device, memories) for device in ramulator2.MAPPING for memories in (1, 2)):
        for pattern in ("random", "sequential", "mixed", "zipf"):
            loads = [
                case.every
                for case in CASES
                if (case.device, case.memories, case.stack_ids, case.pattern)
                == (device, memories, 1, pattern)
            ]
            assert len(loads) == 2


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_with_the_same_controller_cycles_agree(case: Case) -> None:
    """And where a rule of the device is left out here, they do without that rule there."""
    key = (case.device, case.memories, case.stack_ids, case.pattern)
    changed = LEFT_OUT.get(key, CONTROLLER)
    there = FIGURES[case].get(changed, FIGURES[case][CONTROLLER])
    here = ramulator2.ours(case)
    assert here.cycles == pytest.approx(there.cycles, rel=CLOSE)
    assert here.read_latency == pytest.approx(there.read_latency, rel=LATENCY_CLOSE)


@pytest.mark.parametrize("key", LEFT_OUT, ids=str)
def test_what_is_left_out_is_what_makes_the_distance(key: tuple[str, int, int, str]) -> None:
    (case,) = (
        case
        for case in CASES
        if (case.device, case.memories, case.stack_ids, case.pattern, case.every) == (*key, 1)
    )
    here, found = ramulator2.ours(case).cycles, FIGURES[case]
    with_rule, without = (abs(here / found[name].cycles - 1) for name in (CONTROLLER, LEFT_OUT[key]))
    assert with_rule > 2 * without


def test_the_table_is_what_comes_out() -> None:
    for line in ramulator2.table_lines():
        assert line in DOCUMENT


def test_beyond_five_per_cent_are_only_those_that_the_page_explains() -> None:
    """Ramulator as it is: queues, order and drain differ, so that eleven of 28 full-speed runs are further off."""
    beyond = {
        (*(case.device, case.memories, case.stack_ids), case.pattern)
        for case in CASES
        if abs(ramulator2.ours(case).cycles / FIGURES[case][NONE].cycles - 1) > WITHIN
    }
    assert beyond == {
        ("ddr5-16gb-x8-4800", 2, 1, "mixed"),
        ("ddr5-16gb-x8-4800", 2, 1, "zipf"),
        ("hbm3-16gb-6400", 1, 1, "zipf"),
        ("hbm3-16gb-6400", 2, 1, "sequential"),
        ("hbm3-16gb-6400", 2, 1, "zipf"),
        ("hbm3-16gb-6400", 1, 2, "sequential"),
        ("hbm2-4gb", 1, 1, "mixed"),
        ("hbm2-4gb", 2, 1, "random"),
        ("hbm2-4gb", 2, 1, "sequential"),
        ("hbm2-4gb", 2, 1, "mixed"),
        ("hbm2-4gb", 2, 1, "zipf"),
    }


@pytest.mark.parametrize(
    ("case", "rule", "form", "there"),
    list(ramulator2.rule_cases()),
    ids=lambda value: value.pattern if isinstance(value, ramulator2.RuleCase) else None,
)
def test_where_one_rule_counts_both_are_the_closed_form(
    case: ramulator2.RuleCase, rule: str, form: float, there: float
) -> None:
    here = ramulator2.our_cycles_a_request(case)
    assert here == pytest.approx(form, abs=0.01), rule
    shared_bus = case.device == "hbm2-4gb" and case.memories == 2 and case.pattern == "all banks, new rows"
    if shared_bus:  # ACTIVATE and PRECHARGE of both take three clocks of the row bus that they share
        assert there == pytest.approx(3, abs=0.01)
    else:
        assert there == pytest.approx(form, rel=0.03)
