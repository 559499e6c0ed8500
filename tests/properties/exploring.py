"""How random worlds are explored: so many examples, in chunks that run beside each other, and what it means that one comes to rest."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from callboard import Simulation

FIRST_SEED = int(os.environ.get("CALLBOARD_SEED", "1"))
"""Another one explores other worlds."""
STAYS_FOR_S = 10.0


def examples(ordinary: int) -> int:
    """So many, or as `CALLBOARD_EXAMPLES` says, to look for rarer bugs: `CALLBOARD_EXAMPLES=5000 make test ARGS=tests/properties`."""
    return int(os.environ.get("CALLBOARD_EXAMPLES", str(ordinary)))


def explore(worlds: SearchStrategy[Any], judge: Callable[[Any], None], count: int, chunk: int) -> None:
    """Judge `count` random worlds, those of this chunk."""

    @seed(FIRST_SEED * 1000 + chunk)
    @settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink)
    )
    @given(worlds)
    def run(world: Any) -> None:
        judge(world)

    run()


def comes_to_rest(s: Simulation, wrong: Callable[[Simulation], object], within_s: float) -> None:
    """Let a world go on until nothing is wrong with it, and a while longer; end it."""
    try:
        deadline_s = s.now + within_s
        while (found := wrong(s)) and s.now < deadline_s:
            s.advance(1.0)
        assert not found, f"{within_s:g} s after the last act or fault: {found}"
        s.advance(STAYS_FOR_S)
        assert not wrong(s), f"it was right and did not stay so: {wrong(s)}"
    finally:
        s.stop()
