"""Whatever users do to a Deployment and whatever goes wrong meanwhile: at every step the rolling update keeps its two promises, and in the
end the last template is rolled out."""

from __future__ import annotations

import pytest

from tests.properties.exploring import comes_to_rest, examples, explore
from tests.properties.rollouts import DONE_WITHIN_S, KNOWN, Fences, Rollout, play, rollouts, unfinished

CHUNKS = 4
EXAMPLES = examples(64)


def keeps_its_promises(rollout: Rollout) -> None:
    """Play a rollout; fail with the promise that was broken."""
    comes_to_rest(play(rollout, lambda s: s.invariant(Fences().hold)), unfinished, DONE_WITHIN_S)


@pytest.mark.parametrize("name", KNOWN)
def test_known_rollouts_keep_their_promises(name: str) -> None:
    keeps_its_promises(KNOWN[name])


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_available_pods_never_below_and_pods_never_above_what_was_promised_at_every_step_of_every_rollout(chunk: int) -> None:
    explore(rollouts(), keeps_its_promises, EXAMPLES // CHUNKS, chunk)
