"""Who is held, and for how long: ways to explore orders of messages. All of them only ever make messages later, so that what one of them
did is a list of holds. Which is used is written in a plan as text: `random-walk`, `pct/3`, `staleness`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from callboard.runtime.errors import CallboardError
from callboard.runtime.faults.recording import Strategy, oldest_first
from callboard.runtime.faults.strategies.orders import delay_bounded, pct, pos, random_walk
from callboard.runtime.faults.strategies.staleness import staleness

Maker = Callable[[random.Random, int, float], Strategy]
"""Makes a strategy for one run from a random source, a depth, and for how many seconds the run goes on."""

STRATEGIES: Mapping[str, Maker] = {
    "oldest-first": lambda _rng, _depth, _lasts_s: oldest_first,
    "random-walk": random_walk,
    "pct": pct,
    "pos": pos,
    "delay-bounded": delay_bounded,
    "staleness": staleness,
}
PORTFOLIO = ("random-walk", "pct/3", "staleness", "pos", "delay-bounded/3", "oldest-first", "pct/5", "staleness/2")
"""What schedules use in turn."""


class UnknownStrategy(CallboardError):
    """There is no strategy of this name."""


def strategy_named(text: str, seed: int | str, lasts_s: float) -> Strategy:
    """The strategy of this name and depth (`pct/3`), with a random source of its own for this seed.

    Raises:
        UnknownStrategy: there is none of this name, or its depth is no number from 1 on.
    """
    name, _, depth = text.partition("/")
    maker = STRATEGIES.get(name)
    if maker is None or (depth and not (depth.isdecimal() and int(depth) > 0)):
        raise UnknownStrategy(f"there is no strategy {text!r}; there are {', '.join(STRATEGIES)}, with a depth if you like (pct/3)")
    return maker(random.Random(f"strategy/{text}/{seed}"), int(depth or 3), lasts_s)
