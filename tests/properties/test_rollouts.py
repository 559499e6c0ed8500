"""Whatever users do to a Deployment and whatever goes wrong meanwhile: at every step the rolling update keeps its two promises, and in the
end the last template is rolled out."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.properties.rollouts import DONE_WITHIN_S, KNOWN, Fences, Rollout, play, rollouts, unfinished

CHUNKS = 4
EXAMPLES = int(os.environ.get("CALLBOARD_EXAMPLES", "64"))
FIRST_SEED = int(os.environ.get("CALLBOARD_SEED", "1"))


def keeps_its_promises(rollout: Rollout) -> None:
    """Play a rollout; fail with the promise that was broken."""
    s = play(rollout, lambda s: s.invariant(Fences().hold))
    try:
        deadline_s = s.now + DONE_WITHIN_S
        while (wrong := unfinished(s)) and s.now < deadline_s:
            s.advance(1.0)
        assert not wrong, f"{DONE_WITHIN_S:g} s after the last act: {wrong}"
        s.advance(10.0)
        assert not unfinished(s), f"it was done and did not stay so: {unfinished(s)}"
    finally:
        s.stop()


@pytest.mark.parametrize("name", KNOWN)
def test_known_rollouts_keep_their_promises(name: str) -> None:
    keeps_its_promises(KNOWN[name])


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_available_pods_never_below_and_pods_never_above_what_was_promised_at_every_step_of_every_rollout(chunk: int) -> None:
    @seed(FIRST_SEED * 1000 + chunk)
    @settings(
        max_examples=EXAMPLES // CHUNKS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(rollouts())
    def run(rollout: Rollout) -> None:
        keeps_its_promises(rollout)

    run()
