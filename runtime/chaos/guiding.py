"""What to play next, from what has been seen so far: more of the strategies that show something new, and variations of schedules that did.

What is *seen* is coverage: who told whom what while what went wrong (`schedule.situation`). A schedule in which enough was new becomes a
parent; a part of the schedules that follow are a parent with one thing changed (coverage-guided fuzzing, as AFL does it with bytes; the
moving of the budget is a portfolio after P#'s, Deligiannis et al., FAST 2016, with a floor for everybody, since none dominates).

Everything is a function of the first seed and of the wish: the plan of a seed depends only on the outcomes of seeds `LAG` or more before
it, taken in order, so it does not matter how many workers there are or who is quicker.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence

from callboard.models.base import replace
from callboard.runtime.chaos import drawing
from callboard.runtime.chaos.portfolio import place_of, plan_of
from callboard.runtime.chaos.scenarios import SCENARIOS
from callboard.runtime.faults.plan import Plan
from callboard.runtime.faults.strategies import PORTFOLIO

LAG = 64
"""Between a schedule and the first one that may learn from it."""
MUTATED = 0.35
"""Which part of the schedules are variations of a parent, once there is one."""
NEW_ENOUGH = 3
PER_STEPS = 2500
"""A schedule becomes a parent if it has shown so many situations that nobody had seen, for every so many of its steps: long ones show more,
and cost more."""
PARENTS_LIMIT = 48
FAULTS_MOST = 8
LATEST_S, LONGEST_S = 14.0, 15.0
"""When a fault that is moved begins at the latest, and how long one that is stretched lasts at most: schedules must not get longer and
longer, since what is long shows more."""
FLOOR = 0.5
"""Of its equal share what each strategy keeps, whatever it finds."""
MEMORY = 0.97
"""How much what a strategy has found counts one schedule later: what is new gets rarer, and the budget has to move."""


class Guide:
    """Plans for seeds in order; to be told what became of each, in any order."""

    def __init__(
        self,
        first_seed: int,
        kinds: Sequence[str] = (),
        scenarios: Sequence[str] = (),
        strategies: Sequence[str] = (),
        *,
        learns: bool = True,
    ) -> None:
        """`kinds`, `scenarios` and `strategies` limit what is played; none named means all. One that does not learn takes them in turn."""
        self._kinds, self._scenarios, self._learns = tuple(kinds), tuple(scenarios), learns
        self._strategies = tuple(strategies) or PORTFOLIO
        self._next = self._learned = first_seed
        self._plans: dict[int, Plan] = {}
        self._heard: dict[int, tuple[frozenset[int], int]] = {}
        self._seen: set[int] = set()
        self._yields = dict.fromkeys(self._strategies, 0.0)
        self._parents: deque[Plan] = deque(maxlen=PARENTS_LIMIT)

    def waits(self, plans: int = 1) -> bool:
        """Whether one of the next so many plans depends on an outcome that has not been told."""
        if not self._learns:
            return False
        return any(seed not in self._heard for seed in range(self._learned, self._next + plans - LAG))

    def plan(self) -> Plan:
        """The schedule of the next seed. To be asked only when nothing is waited for (`waits`)."""
        seed = self._next
        self._next += 1
        plan = self._chosen(seed) if self._learns else self._drawn(seed, "")
        self._plans[seed] = plan
        return plan

    def tell(self, seed: int, coverage: frozenset[int], steps: int) -> None:
        """What the schedule of a seed has seen, in how many steps."""
        if self._learns:
            self._heard[seed] = (coverage, steps)

    def _chosen(self, seed: int) -> Plan:
        while self._learned <= seed - LAG:
            self._learn(self._plans.pop(self._learned), *self._heard.pop(self._learned))
        rng = random.Random(f"guide/{seed}")
        strategy = rng.choices(self._strategies, shares(self._yields))[0]
        if self._parents and rng.random() < MUTATED:
            return varied(rng, replace(rng.choice(self._parents), seed=seed, strategy=strategy, holds=()), self._kinds)
        return self._drawn(seed, strategy)

    def _drawn(self, seed: int, strategy: str) -> Plan:
        if not strategy:
            turns = len(self._scenarios or SCENARIOS)
            strategy = self._strategies[seed // turns % len(self._strategies)]
        return plan_of(seed, strategy=strategy, kinds=self._kinds, scenarios=self._scenarios)

    def _learn(self, plan: Plan, coverage: frozenset[int], steps: int) -> None:
        self._learned += 1
        new = len(coverage - self._seen)
        self._seen |= coverage
        for strategy in self._strategies:
            self._yields[strategy] *= MEMORY
        self._yields[plan.strategy] += new
        if new >= NEW_ENOUGH * max(1.0, steps / PER_STEPS):
            self._parents.append(plan)


def shares(yields: Mapping[str, float]) -> list[float]:
    """What part of the budget each gets, from what it has found lately: a floor for all, the rest in proportion. They sum up to 1."""
    found = sum(yields.values())
    equal = 1.0 / len(yields)
    return [FLOOR * equal + (1 - FLOOR) * (one / found if found else equal) for one in yields.values()]


def varied(rng: random.Random, parent: Plan, kinds: Sequence[str] = ()) -> Plan:
    """A schedule with one of its faults moved, made longer or shorter, taken away, or with another one besides."""
    faults = list(parent.faults)
    how = rng.choice(("move", "stretch", "add", "swap", "keep"))
    if how == "add" and len(faults) >= FAULTS_MOST:
        how = "swap"
    if how in ("add", "swap") or not faults:
        kind = rng.choice([kind for kind in drawing.KINDS if not kinds or kind in kinds])
        fault = drawing.draw(rng, kind, place_of(parent))
        if how == "swap" and faults:
            faults.pop(rng.randrange(len(faults)))
        faults.append(fault)
    elif how == "move":
        number = rng.randrange(len(faults))
        at_s = min(max(0.0, faults[number].at_s + rng.gauss(0.0, 1.0)), max(LATEST_S, faults[number].at_s))
        faults[number] = replace(faults[number], at_s=round(at_s, 2))
    elif how == "stretch":
        number = rng.randrange(len(faults))
        for_s = min(faults[number].for_s * rng.choice((0.5, 1.5, 2.0)), max(LONGEST_S, faults[number].for_s))
        faults[number] = replace(faults[number], for_s=round(for_s, 2))
    return replace(parent, faults=tuple(sorted(faults, key=lambda fault: fault.at_s)))
