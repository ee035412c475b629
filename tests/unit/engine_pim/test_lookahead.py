"""Channels that run ahead of each other do what they do in step."""

import numpy as np
import pytest

from ppim.config import parse_settings
from ppim.engine.pim.engine import PimEngine
from ppim.engine.pim.lookahead import FURTHEST_AHEAD, IN_STEP
from ppim.runs.simulate import simulate
from ppim.stats.result import SimulationResult
from ppim.systems.chosen import choose_system
from tests.reference.small_traces import small_trace

# Settings on top of pim-base, and cycles that a channel of HBM2 may be ahead (RL 14, bursts of 2 cycles).
SYSTEMS = [
    ((), 16),
    (("deliver=in-order",), 16),
    (("host_latency=20",), 36),
    (("barrier=batch",), 16),
    (("barrier=none", "unit_queue=2"), 16),
    (("level=rank", "unit_buffer_bursts=8"), 16),
    (("barrier=none", "turns_open=1"), 16),
    (("barrier=none", "turns_open=2", "unit_queue=3"), 16),
    (("barrier=none", "turns_open=2", "host_latency=9", "deliver=in-order"), 25),
    (("barrier=none", "turns_open=2", "mapping=hot", "collect=rank", "transfer=all"), 16),
    (("barrier=none", "turns_open=3", "mapping=duplicate"), 16),
    (("mapping=duplicate", "level=rank"), FURTHEST_AHEAD),
    (("frontend=global",), IN_STEP),
    (("collect=base-die",), IN_STEP),
    (("unit_accumulators=2",), 16),
    (("unit_accumulators=2", "barrier=none", "turns_open=2"), 16),
    (("unit_accumulators=1", "barrier=none", "mapping=hot", "collect=rank"), 16),
]


def run(settings: tuple[str, ...]) -> SimulationResult:
    trace = small_trace("qr", {"collisions": 4, "vector_bytes": 128}, samples=12, pooling=(1, 9))
    return simulate(trace, choose_system("pim-base", parse_settings(settings)).spec)


@pytest.mark.parametrize(("settings", "ahead"), SYSTEMS)
def test_channels_ahead_of_each_other_do_what_they_do_in_step(
    settings: tuple[str, ...], ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    arguments = PimEngine.arguments
    assert isinstance(arguments, property)

    def noted(engine: PimEngine) -> object:
        seen.append(engine.ahead)
        return arguments.__get__(engine)

    monkeypatch.setattr(PimEngine, "arguments", property(noted))
    apart = run(settings)
    assert set(seen) == {ahead}
    monkeypatch.setattr("ppim.engine.pim.engine.lookahead", lambda *_args, **_kwargs: IN_STEP)
    in_step = run(settings)
    assert seen[-1] == IN_STEP
    assert apart.cycles == in_step.cycles
    assert apart.counts.keys() == in_step.counts.keys()
    for name, counts in apart.counts.items():
        assert np.array_equal(counts, in_step.counts[name]), name
    assert apart.limits == in_step.limits


@pytest.mark.parametrize("settings", [settings for settings, _ in SYSTEMS[:1] + SYSTEMS[-3:]])
def test_room_for_times_changes_nothing(settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that is complete while times of GnRs have no room is released when they have, for the cycle that it was."""
    expected = run(settings)
    monkeypatch.setattr("ppim.engine.pim.memory.INITIAL_TIMES", 2)
    found = run(settings)
    assert found.cycles == expected.cycles
    for name, counts in expected.counts.items():
        assert np.array_equal(found.counts[name], counts), name
