"""Shrinking as a decision: over plans whose failure is known, with no simulation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callboard.models.base import freeze
from callboard.runtime.chaos.shrinking import shrink
from callboard.runtime.faults.findings import Finding, Outcome
from callboard.runtime.faults.plan import Apply, Hold, Plan, Remove
from callboard.runtime.faults.vocabulary import NodeCrash, Partition


def hold(number: int, for_s: float = 1.2345) -> Hold:
    return Hold("a", "b", 1, "Ping", f"key-{number}", 1, for_s)


PLAN = Plan(
    scenario="made",
    seed=1,
    nodes=3,
    apiservers=2,
    controllers=2,
    operations=(*(Apply(at_s=float(n), tree=freeze({"n": n})) for n in range(6)), Remove(at_s=7.0, resource="pods", name="a")),
    faults=tuple(NodeCrash(target=f"node-{n}", at_s=1.37 * n, for_s=3.21) for n in range(1, 4))
    + (Partition(a="node-1", at_s=2.0, for_s=1.0),),
    holds=tuple(hold(number) for number in range(40)),
)


def failing(oracle: str = "wrong") -> Outcome:
    return Outcome(Finding(oracle, "pods/default/a", "it is wrong", 3.0, 30), 100, 9.0, "hash")


FINE = Outcome(None, 100, 9.0, "hash")


def player(fails: Callable[[Plan], bool]) -> Callable[[Plan], Outcome]:
    return lambda plan: failing() if fails(plan) else FINE


def test_what_a_failure_does_not_need_is_taken_away() -> None:
    needed = {"key-7", "key-31"}

    def fails(plan: Plan) -> bool:
        held = {one.subject for one in plan.holds}
        return needed <= held and any(isinstance(one, Partition) for one in plan.faults) and len(plan.operations) > 0

    shrunk = shrink(PLAN, failing(), player(fails))
    assert {one.subject for one in shrunk.plan.holds} == needed
    assert [type(one) for one in shrunk.plan.faults] == [Partition]
    assert len(shrunk.plan.operations) == 1
    assert (shrunk.plan.nodes, shrunk.plan.apiservers, shrunk.plan.controllers) == (1, 1, 1)
    assert shrunk.finished


def test_lengths_become_round_and_short_where_that_still_fails() -> None:
    shrunk = shrink(PLAN, failing(), player(lambda plan: any(one.subject == "key-3" and one.for_s >= 0.7 for one in plan.holds)))
    assert [one.for_s for one in shrunk.plan.holds] == [1.0]


def test_a_failure_of_another_oracle_is_another_story() -> None:
    def play(plan: Plan) -> Outcome:
        return failing() if len(plan.holds) == len(PLAN.holds) else failing("something else")

    shrunk = shrink(PLAN, failing(), play)
    assert len(shrunk.plan.holds) == len(PLAN.holds)
    assert shrunk.outcome.finding is not None
    assert shrunk.outcome.finding.oracle == "wrong"


def test_the_budget_counts_replays_and_leaves_the_best_so_far() -> None:
    played: list[Plan] = []

    def play(plan: Plan) -> Outcome:
        played.append(plan)
        return failing()

    shrunk = shrink(PLAN, failing(), play, budget_replays=2)
    assert (shrunk.replays, len(played), shrunk.finished) == (2, 2, False)
    assert shrunk.plan == played[-1]


def test_no_plan_is_played_twice() -> None:
    seen: list[Plan] = []

    def play(plan: Plan) -> Outcome:
        assert plan not in seen
        seen.append(plan)
        return failing() if len(plan.holds) >= 3 and len(plan.faults) >= 2 else FINE

    assert len(shrink(PLAN, failing(), play).plan.holds) == 3


def test_what_did_not_fail_cannot_be_made_smaller() -> None:
    with pytest.raises(ValueError, match="did not fail"):
        shrink(PLAN, FINE, lambda _plan: FINE)
