"""Making a failure small: fewer faults, fewer acts of users, a smaller cluster, fewer and shorter holds, as long as the same oracle fires.

The order is that of how much each removal explains: (1) faults, (2) operations, (3) topology, (4) holds, (5) lengths of holds and faults.
Removing goes by delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", TSE 2002). A candidate counts
only if the oracle of the same name fires: another failure is another story. Every candidate is a whole replay, so the budget is counted in
replays, never in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from callboard.models.base import replace
from callboard.runtime.faults.findings import Outcome
from callboard.runtime.faults.plan import Hold, Plan

BUDGET_REPLAYS = 2000
ROUND_S = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Lengths and moments that read better than what chance has drawn."""
T = TypeVar("T")
Play = Callable[[Plan], Outcome]


class Shrunk(msgspec.Struct, frozen=True):
    """The smallest plan that was found, what it came to, and what that cost. `finished` is False if the budget ended it."""

    plan: Plan
    outcome: Outcome
    replays: int
    finished: bool


class _Spent(Exception):
    """The budget of replays is spent."""


class _Search:
    def __init__(self, plan: Plan, outcome: Outcome, play: Play, budget_replays: int) -> None:
        assert outcome.finding is not None
        self.best, self.outcome = plan, outcome
        self.replays = 0
        self._oracle = outcome.finding.oracle
        self._play = play
        self._budget = budget_replays
        self._known: dict[bytes, bool] = {}

    def keeps(self, plan: Plan) -> bool:
        """Whether a candidate still fails in the same way; then it is the best so far."""
        key = msgspec.msgpack.encode(plan)
        if key in self._known:
            return self._known[key]
        if self.replays >= self._budget:
            raise _Spent
        self.replays += 1
        outcome = self._play(plan)
        held = outcome.finding is not None and outcome.finding.oracle == self._oracle
        self._known[key] = held
        if held:
            self.best, self.outcome = plan, outcome
        return held

    def fewest(self, parts: Sequence[T], put: Callable[[Plan, tuple[T, ...]], Plan]) -> None:
        """Delta debugging over one part of the plan."""
        left = tuple(parts)
        if left and self.keeps(put(self.best, ())):
            return
        pieces = 2
        while len(left) >= 2:
            size = max(1, len(left) // pieces)
            for start in range(0, len(left), size):
                candidate = left[:start] + left[start + size :]
                if candidate and self.keeps(put(self.best, candidate)):
                    left = candidate
                    pieces = max(pieces - 1, 2)
                    break
            else:
                if size == 1:
                    return
                pieces = min(len(left), pieces * 2)


def shrink(plan: Plan, outcome: Outcome, play: Play, budget_replays: int = BUDGET_REPLAYS) -> Shrunk:
    """The smallest plan that fails as this one did. `plan` has its holds written in; `play` plays a plan with just those.

    Raises:
        ValueError: the outcome is no failure.
    """
    if outcome.finding is None:
        raise ValueError("there is nothing to make smaller: this schedule did not fail")
    search = _Search(plan, outcome, play, budget_replays)
    finished = True
    try:
        before = None
        while before != search.best:
            before = search.best
            for step in (_faults, _operations, _topology, _holds, _lengths):
                step(search)
    except _Spent:
        finished = False
    return Shrunk(search.best, search.outcome, search.replays, finished)


def _faults(search: _Search) -> None:
    search.fewest(search.best.faults, lambda plan, faults: replace(plan, faults=faults))


def _operations(search: _Search) -> None:
    search.fewest(search.best.operations, lambda plan, operations: replace(plan, operations=operations))


def _topology(search: _Search) -> None:
    for field in ("nodes", "apiservers", "controllers"):
        for number in range(1, getattr(search.best, field)):
            if search.keeps(replace(search.best, **{field: number})):
                break


def _holds(search: _Search) -> None:
    search.fewest(search.best.holds, lambda plan, holds: replace(plan, holds=holds))


def _lengths(search: _Search) -> None:
    """Round, and rather short, numbers."""
    for number in range(len(search.best.holds)):
        for for_s in ROUND_S:
            hold = search.best.holds[number]
            if for_s >= hold.for_s or (for_s > 0 and search.keeps(_with_hold(search.best, number, replace(hold, for_s=for_s)))):
                break
    for number in range(len(search.best.faults)):
        for field in ("for_s", "at_s"):
            _round_fault(search, number, field)


def _with_hold(plan: Plan, number: int, hold: Hold) -> Plan:
    return replace(plan, holds=(*plan.holds[:number], hold, *plan.holds[number + 1 :]))


def _round_fault(search: _Search, number: int, field: str) -> None:
    fault: Any = search.best.faults[number]
    value = getattr(fault, field)
    for wanted in dict.fromkeys((*(one for one in ROUND_S if one < value), float(round(value)))):
        if wanted == value or (field == "for_s" and wanted == 0.0):
            continue
        changed = replace(fault, **{field: wanted})
        if search.keeps(replace(search.best, faults=(*search.best.faults[:number], changed, *search.best.faults[number + 1 :]))):
            return
