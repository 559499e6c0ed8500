"""Whatever users do to a DaemonSet and its nodes, and whatever goes wrong meanwhile: at no step has a node two active pods of it beyond a
surge, and in the end every eligible node has one ready pod, of the last template."""

from __future__ import annotations

import pytest

from tests.properties.daemonsets import DONE_WITHIN_S, KNOWN, Life, lives, play, unfinished
from tests.properties.exploring import comes_to_rest, examples, explore

CHUNKS = 4
EXAMPLES = examples(48)


def keeps_its_promises(life: Life) -> None:
    """Play a life; fail with the promise that was broken."""
    comes_to_rest(play(life), unfinished, DONE_WITHIN_S)


@pytest.mark.parametrize("name", KNOWN)
def test_known_lives_keep_their_promises(name: str) -> None:
    keeps_its_promises(KNOWN[name])


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_node_has_two_pods_at_any_step_and_every_eligible_node_has_a_ready_one_in_the_end(chunk: int) -> None:
    explore(lives(), keeps_its_promises, EXAMPLES // CHUNKS, chunk)
