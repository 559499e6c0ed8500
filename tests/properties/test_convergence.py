"""Whatever goes wrong for a while, afterwards every count, every EndpointSlice and every proxy table is right."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.properties.judges import CONVERGES_WITHIN_S, Steps, difference
from tests.properties.known import KNOWN
from tests.properties.worlds import World, play, worlds

CHUNKS = 8
EXAMPLES = int(os.environ.get("CALLBOARD_EXAMPLES", "320"))
"""At least 300; more, to look for rarer bugs: `CALLBOARD_EXAMPLES=5000 make test ARGS=tests/properties`."""
PHASES = (Phase.generate, Phase.shrink)
FIRST_SEED = int(os.environ.get("CALLBOARD_SEED", "1"))


def converges(world: World) -> None:
    """Play a world; fail with what is different from what it should be."""
    s = play(world, lambda s: s.invariant(Steps().hold))
    try:
        deadline_s = s.now + CONVERGES_WITHIN_S
        while (wrong := difference(s)) and s.now < deadline_s:
            s.advance(1.0)
        assert not wrong, f"{CONVERGES_WITHIN_S:g} s after the last fault: {wrong}"
        s.advance(10.0)
        assert not difference(s), f"it was right and did not stay so: {difference(s)}"
    finally:
        s.stop()


@pytest.mark.parametrize("name", KNOWN)
def test_known_worlds_converge(name: str) -> None:
    converges(KNOWN[name])


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_after_the_last_fault_counts_slices_and_proxy_tables_are_right(chunk: int) -> None:
    @seed(FIRST_SEED * 1000 + chunk)
    @settings(
        max_examples=EXAMPLES // CHUNKS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(worlds())
    def run(world: World) -> None:
        converges(world)

    run()
