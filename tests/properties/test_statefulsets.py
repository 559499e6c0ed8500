"""Whatever users do to a StatefulSet and whatever goes wrong meanwhile: at every step each identity runs once at most and the order is
kept, and in the end every ordinal has its pod, of the last template."""

from __future__ import annotations

import pytest

from tests.properties.exploring import comes_to_rest, examples, explore
from tests.properties.statefulsets import DONE_WITHIN_S, KNOWN, Life, Promises, lives, play, unfinished

CHUNKS = 4
EXAMPLES = examples(64)


def keeps_its_promises(life: Life) -> None:
    """Play a life; fail with the promise that was broken."""
    comes_to_rest(play(life, Promises(life).watch), unfinished, DONE_WITHIN_S)


@pytest.mark.parametrize("name", KNOWN)
def test_known_lives_keep_their_promises(name: str) -> None:
    keeps_its_promises(KNOWN[name])


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_identities_are_unique_and_the_order_is_kept_at_every_step_and_ordinals_are_complete_in_the_end(chunk: int) -> None:
    explore(lives(), keeps_its_promises, EXAMPLES // CHUNKS, chunk)
