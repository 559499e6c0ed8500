"""What is played next: more of what shows something new, never nothing of the rest, and the same however many workers there are."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.runtime.chaos.drawing import KINDS
from callboard.runtime.chaos.exploring import Wish, explore
from callboard.runtime.chaos.guiding import FAULTS_MOST, FLOOR, LAG, LATEST_S, LONGEST_S, NEW_ENOUGH, Guide, shares, varied
from callboard.runtime.chaos.portfolio import plan_of
from callboard.runtime.faults.plan import Plan

FINDS = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 1e6), min_size=1)


@given(FINDS)
def test_shares_sum_up_to_all_and_nobody_gets_less_than_the_floor(yields: dict[str, float]) -> None:
    found = shares(yields)
    assert sum(found) == pytest.approx(1.0)
    assert min(found) >= FLOOR / len(yields) - 1e-12


def test_who_finds_all_that_is_new_gets_what_is_above_the_floors_of_the_others() -> None:
    assert shares({"a": 10.0, "b": 0.0}) == [0.75, 0.25]
    assert shares({"a": 0.0, "b": 0.0}) == [0.5, 0.5]


def sees(plan: Plan) -> frozenset[int]:
    """Made up: what a schedule shows depends on its seed; every tenth shows something new."""
    return frozenset(range(plan.seed * 100, plan.seed * 100 + NEW_ENOUGH)) if plan.seed % 10 == 0 else frozenset()


def played(window: int, count: int = 3 * LAG, first_seed: int = 5) -> list[Plan]:
    """Plans of a guide that hears of outcomes when `window` of them are under way, the last begun first."""
    guide = Guide(first_seed)
    plans: list[Plan] = []
    under_way: list[Plan] = []
    while len(plans) < count:
        while len(under_way) < window and not guide.waits():
            plans.append(guide.plan())
            under_way.append(plans[-1])
        done = under_way.pop()
        guide.tell(done.seed, sees(done), 2000)
        if guide.waits() and not under_way:
            raise AssertionError("it waits for what it has been told")
    return plans[:count]


def test_plans_do_not_depend_on_how_many_workers_there_are_or_who_is_quicker() -> None:
    one = played(1)
    assert one == played(7) == played(LAG)
    assert [plan.seed for plan in one] == list(range(5, 5 + 3 * LAG))


def test_schedules_that_showed_something_new_get_variations() -> None:
    plans = played(1)
    fresh = {seed: plan_of(seed) for seed in range(5, 5 + 3 * LAG)}
    workloads = [plan.operations for plan in plans]
    again = [plan for plan in plans if plan.operations != fresh[plan.seed].operations and workloads.count(plan.operations) > 1]
    assert len(again) > LAG / 4
    assert all(plan.holds == () for plan in plans)


def test_before_anything_can_be_learned_and_without_learning_the_seed_alone_decides() -> None:
    plain = Guide(0, learns=False)
    assert [plain.plan() for _ in range(2 * LAG)] == [plan_of(seed) for seed in range(2 * LAG)]
    assert not plain.waits(10 * LAG)


def test_what_is_limited_stays_limited() -> None:
    guide = Guide(0, kinds=("NodeCrash",), scenarios=("rollouts",), strategies=("pct/3",))
    for _ in range(4 * LAG):
        plan = guide.plan()
        guide.tell(plan.seed, frozenset([plan.seed * 3, plan.seed * 3 + 1, plan.seed * 3 + 2]), 2000)
        assert (plan.scenario, plan.strategy) == ("rollouts", "pct/3")
        assert {type(fault).__name__ for fault in plan.faults} <= {"NodeCrash"}


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_variation_differs_in_one_fault_at_most(seed: int, chance: int) -> None:
    parent = plan_of(seed)
    child = varied(random.Random(chance), parent)
    assert child.operations == parent.operations
    assert len(set(parent.faults) - set(child.faults)) <= 1
    assert len(set(child.faults) - set(parent.faults)) <= 1
    assert [fault.at_s for fault in child.faults] == sorted(fault.at_s for fault in child.faults)
    assert {type(fault).__name__ for fault in child.faults} <= {*KINDS, *(type(fault).__name__ for fault in parent.faults)}


def test_variations_of_variations_do_not_get_longer_and_longer() -> None:
    rng, plan = random.Random(1), plan_of(3)
    most, until_s = max(len(plan.faults), FAULTS_MOST), max(plan.lasts_s, LATEST_S + LONGEST_S, *(one.at_s + 40 for one in plan.faults))
    for _ in range(300):
        plan = varied(rng, plan)
        assert len(plan.faults) <= most
        assert plan.lasts_s <= until_s


def test_one_worker_and_two_play_the_same() -> None:
    wish = Wish(schedules=10, scenarios=("names",))
    one, two = (sorted((p.seed, p.steps, p.coverage) for p in explore(wish, jobs)) for jobs in (1, 2))
    assert one == two
