"""A strategy after Sieve's (OSDI 2022): components act on what they have been told, so hold what one of them is told."""

from __future__ import annotations

import random

from callboard.runtime.faults.recording import Strategy
from callboard.runtime.systems.links import Passage

TELLING = frozenset({"WatchBatch", "StoreChanged"})
WINDOW_S = (0.3, 6.0)


def staleness(rng: random.Random, depth: int, lasts_s: float) -> Strategy:
    """`depth` times one reader, chosen among those that are told something just then, hears nothing for a while: a controller of its
    watches, or an apiserver of the store."""
    begins = sorted(rng.random() * lasts_s for _ in range(depth))
    windows: dict[str, float] = {}
    began_s: list[float] = []

    def strategy(passage: Passage, now_s: float) -> float:
        if passage.type not in TELLING:
            return 0.0
        if not began_s:
            began_s.append(now_s)
        until_s = windows.get(passage.target, 0.0)
        if until_s > now_s:
            return until_s - now_s
        if begins and now_s - began_s[0] >= begins[0] and rng.random() < 0.2:
            begins.pop(0)
            windows[passage.target] = now_s + WINDOW_S[0] + rng.random() * (WINDOW_S[1] - WINDOW_S[0])
            return windows[passage.target] - now_s
        return 0.0

    return strategy
