"""Whatever goes wrong for a while, afterwards every count, every EndpointSlice and every proxy table is right."""

from __future__ import annotations

import pytest

from tests.properties.exploring import comes_to_rest, examples, explore
from tests.properties.judges import CONVERGES_WITHIN_S, Steps, difference
from tests.properties.known import KNOWN
from tests.properties.worlds import World, play, worlds

CHUNKS = 8
EXAMPLES = examples(320)


def converges(world: World) -> None:
    """Play a world; fail with what is different from what it should be."""
    comes_to_rest(play(world, lambda s: s.invariant(Steps().hold)), difference, CONVERGES_WITHIN_S)


@pytest.mark.parametrize("name", KNOWN)
def test_known_worlds_converge(name: str) -> None:
    converges(KNOWN[name])


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_after_the_last_fault_counts_slices_and_proxy_tables_are_right(chunk: int) -> None:
    explore(worlds(), converges, EXAMPLES // CHUNKS, chunk)
