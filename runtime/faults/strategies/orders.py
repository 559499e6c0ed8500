"""Strategies that reorder messages between lanes, whatever these carry.

Sources: PCT, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs" (ASPLOS 2010); POS, partial order sampling (CAV 2018);
delay-bounded scheduling (POPL 2011). All three were made for choosing who goes next; here they say who comes later.
"""

from __future__ import annotations

import random

from callboard.runtime.faults.recording import Strategy
from callboard.runtime.systems.links import Passage

SHORT_S, LONG_S = 0.02, 2.5
"""A hold that only reorders what is on its way, and one that outlives requests, retries and leases."""


def random_walk(rng: random.Random, _depth: int, _lasts_s: float) -> Strategy:
    """Every message may be held, some shortly, a few for long. How many is drawn once per run."""
    share = rng.choice((0.02, 0.1, 0.3))
    long_share = rng.choice((0.0, 0.1, 0.3))

    def strategy(_passage: Passage, _now_s: float) -> float:
        if rng.random() >= share:
            return 0.0
        return round(rng.random() * (LONG_S if rng.random() < long_share else SHORT_S), 4)

    return strategy


def pct(rng: random.Random, depth: int, lasts_s: float) -> Strategy:
    """Every link has a priority: the lower it is, the longer its messages take. At `depth - 1` moments the link of the message at hand goes
    to the very bottom for a while."""
    priorities: dict[tuple[str, str], float] = {}
    changes = sorted(rng.random() * lasts_s for _ in range(depth - 1))
    began_s: list[float] = []
    demoted: dict[tuple[str, str], float] = {}

    def strategy(passage: Passage, now_s: float) -> float:
        if not began_s:
            began_s.append(now_s)
        link = (passage.source, passage.target)
        if link not in priorities:
            priorities[link] = rng.random()
        if changes and now_s - began_s[0] >= changes[0]:
            changes.pop(0)
            demoted[link] = now_s + rng.random() * LONG_S
        until_s = demoted.get(link, 0.0)
        if until_s > now_s:
            return until_s - now_s
        return round(priorities[link] * SHORT_S, 4)

    return strategy


def pos(rng: random.Random, _depth: int, _lasts_s: float) -> Strategy:
    """Every message has a priority of its own: all that are on their way at one time come in a random order."""

    def strategy(_passage: Passage, _now_s: float) -> float:
        return round(rng.random() * SHORT_S, 4)

    return strategy


def delay_bounded(rng: random.Random, depth: int, lasts_s: float) -> Strategy:
    """Oldest first, but for `depth` messages that are held for long."""
    moments = sorted(rng.random() * lasts_s for _ in range(depth))
    began_s: list[float] = []

    def strategy(_passage: Passage, now_s: float) -> float:
        if not began_s:
            began_s.append(now_s)
        if moments and now_s - began_s[0] >= moments[0]:
            moments.pop(0)
            return round(0.1 + rng.random() * LONG_S, 2)
        return 0.0

    return strategy
