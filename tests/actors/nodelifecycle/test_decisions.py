"""Taints that follow conditions, who must leave and when, zones and rates, stray pods."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.nodelifecycle.conditions import NEVER_POSTED, STOPPED, with_not_ready, with_taints, with_unknown
from callboard.actors.nodelifecycle.eviction import EvictionBook, TokenBucket, passed_before_s, toleration_s, zone_rate, zone_state
from callboard.actors.nodelifecycle.pods import PodBook
from callboard.models.api.core import Node, NodeCondition, Pod, Taint, Toleration
from callboard.models.base import replace
from callboard.models.podstatus import condition, is_ready
from callboard.models.times import parse, rfc3339
from tests.actors.scheduler.objects import key_of, node, pod, taint, tolerate

NOW = parse("2026-11-24T12:30:00Z")
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


def _taints(one: Node) -> list[tuple[str, str]]:
    assert one.spec is not None
    return [(each.key, each.effect) for each in one.spec.taints]


# -- conditions and taints --------------------------------------------------------------------------------------------------------------


def test_a_lost_node_is_unknown_in_the_words_of_kubernetes() -> None:
    lost = with_unknown(node("a"), NOW)
    ready, pressure = (next(one for one in lost.conditions if one.type == type_) for type_ in ("Ready", "MemoryPressure"))
    assert (ready.status, ready.reason, ready.message) == ("Unknown", *STOPPED)
    assert ready.last_heartbeat_time == "2026-11-24T12:00:00Z"  # what the kubelet wrote stays
    assert ready.last_transition_time == "2026-11-24T12:30:00Z"
    assert (pressure.status, pressure.reason, pressure.message) == ("Unknown", *NEVER_POSTED)


@pytest.mark.parametrize(
    ("ready", "may_evict", "expected"),
    [
        ("True", True, []),
        ("False", False, [(NOT_READY, "NoSchedule")]),
        ("False", True, [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
        ("Unknown", True, [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
        ("", True, []),
    ],
)
def test_taints_follow_readiness(ready: str, may_evict: bool, expected: list[tuple[str, str]]) -> None:
    assert _taints(with_taints(node("a", ready=ready), NOW, may_evict=may_evict)) == expected


def test_taints_of_others_stay_and_ours_change_with_the_condition() -> None:
    before = node("a", ready="Unknown", taints=(taint("team", "red"), taint(NOT_READY), taint(NOT_READY, effect="NoExecute")))
    after = with_taints(before, NOW, may_evict=True)
    assert _taints(after) == [("team", "NoSchedule"), (UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]
    assert with_taints(after, NOW + 60, may_evict=True) is after
    assert after.spec is not None
    assert after.status is not None
    healed = replace(after, status=node("a").status)
    assert _taints(with_taints(healed, NOW, may_evict=True)) == [("team", "NoSchedule")]


@pytest.mark.parametrize("kind", ["memory", "disk", "pid"])
@pytest.mark.parametrize(("status", "tainted"), [("True", True), ("False", False), ("Unknown", False)])
def test_a_node_under_pressure_takes_no_new_pods_until_it_is_over(kind: str, status: str, tainted: bool) -> None:
    """TaintNodesByCondition, nodeConditionToTaintKeyStatusMap: only True counts, and nobody is evicted by it."""
    names = {"memory": "MemoryPressure", "disk": "DiskPressure", "pid": "PIDPressure"}
    found = node("a", ready="True")
    assert found.status is not None
    pressed = replace(found.status, conditions=(*found.status.conditions, NodeCondition(type=names[kind], status=status)))
    after = with_taints(replace(found, status=pressed), NOW, may_evict=True)
    assert _taints(after) == ([(f"node.kubernetes.io/{kind}-pressure", "NoSchedule")] if tainted else [])
    relieved = with_taints(replace(after, status=found.status), NOW, may_evict=True)
    assert _taints(relieved) == []


def test_a_cordoned_node_carries_its_taint_until_it_is_uncordoned() -> None:
    cordoned = with_taints(node("a", cordoned=True), NOW, may_evict=False)
    assert _taints(cordoned) == [("node.kubernetes.io/unschedulable", "NoSchedule")]
    assert cordoned.spec is not None
    assert _taints(with_taints(replace(cordoned, spec=replace(cordoned.spec, unschedulable=None)), NOW, may_evict=False)) == []


def test_a_pod_of_a_lost_node_is_not_ready_and_keeps_the_rest_of_its_status() -> None:
    before = pod("p", bound="a", phase="Running", ready=True)
    after = replace(before, status=with_not_ready(before, NOW))
    assert not is_ready(after)
    assert condition(after, "Ready").last_transition_time == rfc3339(NOW)
    assert after.status is not None
    assert after.status.phase == "Running"


# -- tolerations ------------------------------------------------------------------------------------------------------------------------

_LOST = taint(UNREACHABLE, effect="NoExecute")
_OTHER = taint("maintenance", effect="NoExecute")


@pytest.mark.parametrize(
    ("tolerations", "taints", "expected"),
    [
        ((), (_LOST,), 0.0),
        ((tolerate(UNREACHABLE, "NoExecute", 300),), (_LOST,), 300.0),
        ((tolerate(UNREACHABLE, "NoExecute"),), (_LOST,), None),
        ((tolerate(UNREACHABLE, "NoExecute", -5),), (_LOST,), 0.0),
        ((tolerate(UNREACHABLE, "NoSchedule", 300),), (_LOST,), 0.0),
        ((tolerate(UNREACHABLE, "NoExecute", 300),), (_LOST, _OTHER), 0.0),
        ((tolerate(UNREACHABLE, "NoExecute", 300), tolerate("maintenance", "NoExecute", 60)), (_LOST, _OTHER), 60.0),
        ((tolerate(UNREACHABLE, "NoExecute", 300), tolerate("maintenance")), (_LOST, _OTHER), 300.0),
        ((Toleration(operator="Exists"),), (_LOST, _OTHER), None),
    ],
)
def test_how_long_a_pod_may_stay(tolerations: tuple[Toleration, ...], taints: tuple[Taint, ...], expected: float | None) -> None:
    assert toleration_s(tolerations, taints) == expected


def _started(*, at_s: float = 100.0, pods: tuple[Pod, ...]) -> EvictionBook:
    book = EvictionBook()
    for one in pods:
        book.start(one, at_s)
    return book


def _patient(**more: Any) -> Pod:
    return pod("p", bound="a", tolerations=(tolerate(UNREACHABLE, "NoExecute", 5),), **more)


def test_the_time_of_a_pod_begins_when_it_is_first_seen_on_the_tainted_node() -> None:
    book = _started(pods=(_patient(),))
    book.start(_patient(), 103.0)
    assert [book.left_s(_patient(), (_LOST,), clock_s) for clock_s in (100.5, 102.0, 105.0)] == [4.5, 3.0, 0.0]


def test_a_pod_that_tolerates_nothing_goes_at_once_and_one_that_tolerates_all_never() -> None:
    hasty, staying = pod("q", bound="a"), pod("r", bound="a", tolerations=(Toleration(operator="Exists"),))
    book = _started(pods=(hasty, staying))
    assert book.left_s(hasty, (_LOST,), 100.0) == 0.0
    assert book.left_s(staying, (_LOST,), 100.0) is None


def test_a_pod_made_anew_under_the_same_name_has_its_own_time() -> None:
    book = _started(pods=(_patient(),))
    book.start(_patient(uid="another"), 104.0)
    assert book.left_s(_patient(uid="another"), (_LOST,), 105.0) == 4.0


def test_a_taint_that_went_away_and_came_back_starts_the_time_anew() -> None:
    book = _started(pods=(_patient(),))
    book.forget(_patient().metadata.uid)
    assert book.left_s(_patient(), (_LOST,), 105.0) is None, "no time has begun"
    book.start(_patient(), 105.0)
    assert book.left_s(_patient(), (_LOST,), 105.0) == 5.0


def test_a_terminating_pod_is_not_evicted_again() -> None:
    going = pod("p", bound="a", deleted="2026-11-24T12:00:00Z")
    assert _started(pods=(going,)).left_s(going, (_LOST,), 100.0) is None


def test_what_passed_before_a_restart_counts_but_never_too_much() -> None:
    one = pod("p", bound="a")  # made at 11:00
    assert passed_before_s(one, (taint(UNREACHABLE, time_added="2026-11-24T12:29:00Z"),), NOW) == 59.0
    assert passed_before_s(one, (taint(UNREACHABLE, time_added="2026-11-24T10:00:00Z"),), NOW) == 5399.0
    assert passed_before_s(one, (taint(UNREACHABLE, time_added="2026-11-24T13:00:00Z"),), NOW) == 0.0
    assert passed_before_s(one, (taint("users-own"),), NOW) == 0.0


# -- zones and rates ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ready", "not_ready", "expected"),
    [
        (3, 0, "normal"),
        (2, 1, "normal"),
        (1, 2, "normal"),
        (0, 1, "full"),
        (0, 3, "full"),
        (0, 0, "normal"),
        (2, 3, "partial"),
        (3, 3, "normal"),
        (45, 55, "partial"),
    ],
)
def test_how_much_of_a_zone_is_lost(ready: int, not_ready: int, expected: str) -> None:
    assert zone_state(ready, not_ready) == expected


def test_a_partly_lost_zone_slows_down_if_it_is_large_and_stops_if_it_is_small() -> None:
    assert [zone_rate("partial", size, 0.1, 0.01) for size in (50, 51)] == [0.0, 0.01]
    assert [zone_rate(state, 10, 0.1, 0.01) for state in ("normal", "full")] == [0.1, 0.1]


@given(st.lists(st.floats(0, 30), min_size=1, max_size=30), st.floats(0.01, 5))
def test_a_bucket_never_gives_more_than_its_rate_and_one(pauses: list[float], rate: float) -> None:
    bucket = TokenBucket(0.0)
    clock = given_away = 0.0
    for pause in pauses:
        clock += pause
        given_away += bucket.take(clock, rate)
        assert given_away <= 1 + clock * rate + 1e-6


def test_a_bucket_gives_one_at_once_and_nothing_at_rate_zero() -> None:
    bucket = TokenBucket(100.0)
    assert not bucket.take(100.0, 0.0)
    assert bucket.take(100.0, 0.1)
    assert [bucket.take(clock, 0.1) for clock in (105.0, 109.0, 110.0)] == [False, False, True]


# -- stray pods ---------------------------------------------------------------------------------------------------------------------------


def test_the_book_knows_pods_by_node_the_finished_and_the_stuck() -> None:
    book = PodBook()
    bound, finished = pod("bound", bound="a"), pod("finished", bound="a", phase="Failed")
    stuck = pod("stuck", deleted="2026-11-24T12:00:00Z")
    for one in (bound, finished, stuck):
        book.changed(key_of(one), None, one)
    assert list(book.on("a")) == [key_of(bound), key_of(finished)]
    assert book.surplus(0) == (finished,)
    assert book.surplus(1) == ()
    assert book.stuck() == (stuck,)
    for one in (bound, finished, stuck):
        book.changed(key_of(one), one, None)
    assert (book.nodes(), book.surplus(0), book.stuck()) == ((), (), ())


def test_the_oldest_finished_pods_are_surplus_first() -> None:
    book = PodBook()
    for hour in (12, 10, 11):
        one = pod(f"p{hour}", bound="a", phase="Succeeded")
        one = replace(one, metadata=replace(one.metadata, creation_timestamp=f"2026-11-24T{hour}:00:00Z"))
        book.changed(key_of(one), None, one)
    assert [one.metadata.name for one in book.surplus(1)] == ["p10", "p11"]


def test_a_bucket_that_is_looked_at_seldom_gives_all_that_came_since_but_saves_up_no_more() -> None:
    bucket = TokenBucket(0.0, period_s=0.25)
    given = [sum(bucket.take(0.25 * look, 20.0) for _ in range(100)) for look in range(5)]
    assert given == [1, 5, 5, 5, 5]
    assert sum(bucket.take(3600.0, 20.0) for _ in range(100)) == 5
