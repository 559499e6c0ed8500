"""Who has to go for a pod of a higher priority: DefaultPreemption's rules, each named, and properties over random clusters."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.scheduler.preemption import (
    Budget,
    Candidate,
    Hopeless,
    Preempt,
    choose_candidate,
    importance,
    preempt,
    split_by_budget,
)
from callboard.actors.scheduler.table import Placed
from callboard.models.api.core import Affinity, Pod, PodAffinity, PodAffinityTerm, PodAntiAffinity, TopologySpreadConstraint
from callboard.models.api.meta import LabelSelector
from callboard.models.base import FrozenMap
from callboard.models.selectors import parse_labels

from .objects import Desk, key_of, node, pod, taint

EARLY, LATE = "2026-11-24T11:00:00Z", "2026-11-24T11:30:00Z"
WEB = LabelSelector(match_labels=FrozenMap(app="web"))


def low(name: str, on: str, priority: int = 1, **fields: Any) -> Pod:
    """A placed pod of a low priority that takes a core."""
    fields.setdefault("cpu", "1")
    return pod(name, bound=on, priority=priority, **fields)


def high(priority: int = 10, **fields: Any) -> Pod:
    """A pod that waits, of a high priority."""
    fields.setdefault("cpu", "1")
    return pod("high", priority=priority, **fields)


def test_only_pods_of_a_lower_priority_go() -> None:
    desk = Desk(node("a", cpu="2"))
    desk.bound(low("equal", "a", 10), low("lower", "a", 9))
    assert desk.victims(high()) == ("a", ["lower"])
    desk.gone(pod("lower"))
    desk.bound(low("another", "a", 10))
    plan = desk.preempt(high())
    assert plan == Hopeless("0/1 nodes are available: 1 No preemption victims found for incoming pod.")


def test_as_many_as_possible_are_reprieved_the_important_ones_first() -> None:
    """selectVictimsOnNode: all lower pods are taken away, then put back by priority, then by age, while the pod still fits."""
    desk = Desk(node("a", cpu="4"))
    desk.bound(low("p1", "a", 1), low("p3", "a", 3), low("p2-young", "a", 2, started=LATE), low("p2-old", "a", 2, started=EARLY))
    assert desk.victims(high(cpu="2")) == ("a", ["p2-young", "p1"])


def test_a_small_pod_is_reprieved_although_a_more_important_large_one_is_not() -> None:
    desk = Desk(node("a", cpu="4"))
    desk.bound(low("large", "a", 5, cpu="3"), low("small", "a", 1, cpu="1"))
    assert desk.victims(high(cpu="3")) == ("a", ["large"])


def test_preemption_policy_never_waits_in_the_words_of_kubernetes() -> None:
    desk = Desk(node("a", cpu="1"))
    desk.bound(low("lower", "a"))
    plan = desk.preempt(high(preemption_policy="Never"))
    assert plan == Hopeless("not eligible due to preemptionPolicy=Never.")


def test_nodes_that_no_removal_can_help_are_counted_as_not_helpful() -> None:
    desk = Desk(node("tainted", taints=(taint("x"),)), node("cordoned", cordoned=True), node("small", cpu="1"), node("full", cpu="2"))
    desk.bound(low("lower", "tainted"), low("lower-too", "small"), low("equal", "full", 10, cpu="2"))
    plan = desk.preempt(high(cpu="2"))
    assert plan == Hopeless(
        "0/4 nodes are available: 1 No preemption victims found for incoming pod, 3 Preemption is not helpful for scheduling."
    )


def test_a_node_where_it_would_not_fit_even_then_tells_why() -> None:
    desk = Desk(node("a", cpu="3"))
    desk.bound(low("lower", "a"), low("equal", "a", 10, cpu="2"))
    assert desk.preempt(high(cpu="2")) == Hopeless("0/1 nodes are available: 1 Insufficient cpu.")


def test_an_equal_pod_is_told_the_same_until_something_changes() -> None:
    desk = Desk(node("a", cpu="1"))
    desk.bound(low("equal", "a", 10))
    assert isinstance(desk.preempt(high()), Hopeless)
    assert desk.preempt(high()) == desk.preempt(high())
    desk.table.set_node(node("b", cpu="1"))
    desk.bound(low("lower", "b"))
    assert desk.victims(high()) == ("b", ["lower"])


# -- which node -------------------------------------------------------------------------------------------------------------------------


def _placed(desk: Desk, one: Pod) -> Placed:
    assert one.spec is not None
    return Placed(one, desk.book.of(one), one.spec.node_name)


def _candidate(where: str, *priorities: int, violations: int = 0, started: str = EARLY) -> Candidate:
    desk = Desk()
    pods = [low(f"{where}-{number}", where, priority, started=started) for number, priority in enumerate(priorities)]
    return Candidate(where, tuple(_placed(desk, one) for one in pods), violations)


def test_the_node_is_picked_by_the_documented_order() -> None:
    """pickOneNodeForPreemption: violations, highest priority, sum of priorities, number of victims, latest start."""

    def picked(*candidates: Candidate) -> str:
        return choose_candidate(candidates).node

    assert picked(_candidate("a", 1, violations=1), _candidate("b", 9, 9, 9)) == "b"
    assert picked(_candidate("a", 5), _candidate("b", 4, 4, 4)) == "b"
    assert picked(_candidate("a", 5, 4), _candidate("b", 5, 3)) == "b"
    assert picked(_candidate("a", 5, -1, -1), _candidate("b", 5, -1)) == "b"
    assert picked(_candidate("a", 5, started=EARLY), _candidate("b", 5, started=LATE)) == "b"
    assert picked(_candidate("a", 5), _candidate("b", 5)) == "a"


def test_pods_of_a_broken_budget_are_reprieved_first_and_their_nodes_avoided() -> None:
    """filterPodsWithPDBViolation: every pod uses up its budget, and those beyond it would violate it."""
    budget = Budget("default", parse_labels("app=web"), allowed=0)
    desk = Desk(node("a", cpu="2"))
    desk.bound(low("web", "a", 1, labels={"app": "web"}), low("other", "a", 5))
    assert desk.victims(high()) == ("a", ["web"])
    assert desk.victims(high(), budget) == ("a", ["other"])
    desk.table.set_node(node("b", cpu="1"))
    desk.bound(low("costly", "b", 9))
    desk.gone(pod("other"))
    desk.bound(low("equal", "a", 10))
    assert desk.victims(high()) == ("a", ["web"])
    assert desk.victims(high(), budget) == ("b", ["costly"])


def test_a_budget_that_cannot_be_kept_anywhere_is_broken_rather_than_waited_for() -> None:
    desk = Desk(node("a", cpu="1"))
    desk.bound(low("web", "a", 1, labels={"app": "web"}))
    plan = desk.preempt(high(), Budget("default", parse_labels("app=web"), allowed=0))
    assert isinstance(plan, Preempt)
    assert plan.candidate.violations == 1


def test_a_budget_protects_its_own_namespace_only_and_spends_what_it_allows() -> None:
    desk = Desk()
    pods = [_placed(desk, low(f"web-{number}", "a", labels={"app": "web"})) for number in range(3)]
    web = parse_labels("app=web")

    def violating(*budgets: Budget) -> int:
        return len(split_by_budget(pods, budgets)[0])

    assert violating(Budget("default", web, allowed=2)) == 1
    assert violating(Budget("shop", web, allowed=0)) == 0
    assert violating(Budget("default", parse_labels(""), allowed=0)) == 0
    assert violating(Budget("default", web, allowed=0, disrupted=("web-0",))) == 2


# -- rules between pods -----------------------------------------------------------------------------------------------------------------


def _apart() -> Affinity:
    term = PodAffinityTerm(label_selector=WEB, topology_key="zone")
    return Affinity(pod_anti_affinity=PodAntiAffinity(required_during_scheduling_ignored_during_execution=(term,)))


def test_a_pod_that_keeps_apart_removes_whom_it_keeps_apart_from() -> None:
    desk = Desk(node("a", labels={"zone": "z"}), node("b", labels={"zone": "z"}))
    desk.bound(low("web", "a", labels={"app": "web"}), low("other", "a"))
    assert desk.victims(high(affinity=_apart())) == ("a", ["web"])


def test_a_placed_pod_that_keeps_apart_is_removed_for_one_it_keeps_out() -> None:
    desk = Desk(node("a", labels={"zone": "z"}))
    desk.bound(low("hermit", "a", affinity=_apart()))
    assert desk.victims(high(labels={"app": "web"})) == ("a", ["hermit"])


def test_a_friend_that_the_pod_needs_is_no_victim_that_helps() -> None:
    term = PodAffinityTerm(label_selector=WEB, topology_key="zone")
    near = Affinity(pod_affinity=PodAffinity(required_during_scheduling_ignored_during_execution=(term,)))
    desk = Desk(node("a", cpu="1", labels={"zone": "z"}))
    desk.bound(low("web", "a", labels={"app": "web"}))
    assert desk.preempt(high(affinity=near)) == Hopeless("0/1 nodes are available: 1 node(s) didn't match pod affinity rules.")


def test_skew_is_mended_by_removing_a_pod_of_the_same_selector() -> None:
    rule = TopologySpreadConstraint(max_skew=1, topology_key="zone", when_unsatisfiable="DoNotSchedule", label_selector=WEB)
    desk = Desk(node("a", labels={"zone": "x"}), node("b", labels={"zone": "y"}, cordoned=True))
    desk.bound(low("web", "a", labels={"app": "web"}), low("other", "a"))
    assert desk.victims(high(labels={"app": "web"}, topology_spread_constraints=(rule,))) == ("a", ["web"])


def test_ports_are_made_free() -> None:
    desk = Desk(node("a"))
    desk.bound(low("server", "a", port=8080), low("other", "a"))
    assert desk.victims(high(port=8080)) == ("a", ["server"])


# -- promises ---------------------------------------------------------------------------------------------------------------------------


def test_a_promised_place_is_held_against_lower_and_equal_priorities_only() -> None:
    """RunFilterPluginsWithNominatedPods: nominated pods of equal or higher priority count as if they were there."""
    desk = Desk(node("a", cpu="1"))
    desk.promise(high(10), "a")
    assert desk.why_not(pod("lower", cpu="1", priority=9)) == "0/1 nodes are available: 1 Insufficient cpu."
    assert desk.why_not(pod("equal", cpu="1", priority=10)) == "0/1 nodes are available: 1 Insufficient cpu."
    assert desk.place(pod("higher", cpu="1", priority=11)) == "a"


def test_a_promised_node_is_taken_before_a_better_one() -> None:
    desk = Desk(node("a"), node("b"))
    desk.bound(low("other", "a", cpu="3"))
    desk.promise(high(), "a")
    assert desk.place(high()) == "a"


def test_while_victims_terminate_on_its_node_a_pod_removes_nobody_else() -> None:
    desk = Desk(node("a", cpu="1"), node("b", cpu="1"))
    desk.bound(low("going", "a", deleted=LATE), low("staying", "b"))
    desk.promise(high(), "a")
    assert desk.preempt(high()) == Hopeless("not eligible due to a terminating pod on the nominated node.", keeps_promise=True)
    desk.table.set_node(node("a", cpu="1", taints=(taint("node.kubernetes.io/unreachable"),)))
    assert desk.victims(high()) == ("b", ["staying"])


def test_a_lower_promise_of_the_same_node_is_void() -> None:
    desk = Desk(node("a", cpu="1"))
    desk.bound(low("lower", "a"))
    desk.promise(pod("middle", cpu="1", priority=5), "a")
    plan = desk.preempt(high())
    assert isinstance(plan, Preempt)
    assert [one.key for one in plan.outranked] == ["pods/default/middle"]


# -- properties -------------------------------------------------------------------------------------------------------------------------

residents = st.lists(
    st.fixed_dictionaries(
        {
            "on": st.sampled_from(["a", "b", "c"]),
            "priority": st.integers(0, 4),
            "cpu": st.sampled_from(["500m", "1", "2"]),
            "labels": st.sampled_from([{}, {"app": "web"}, {"app": "db"}]),
            "port": st.sampled_from([0, 0, 8080]),
            "started": st.sampled_from(["", EARLY, LATE]),
        }
    ),
    max_size=12,
)
incoming = st.fixed_dictionaries(
    {
        "priority": st.integers(0, 5),
        "cpu": st.sampled_from(["500m", "1", "2", "3"]),
        "port": st.sampled_from([0, 8080]),
        "affinity": st.sampled_from([None, _apart()]),
        "labels": st.sampled_from([{}, {"app": "web"}]),
    }
)


def _crowded(facts: list[dict[str, Any]]) -> tuple[Desk, list[Pod]]:
    desk = Desk(
        node("a", cpu="2", labels={"zone": "x"}), node("b", cpu="3", labels={"zone": "y"}), node("c", cpu="4", labels={"zone": "y"})
    )
    pods = [low(f"p{number}", **one) for number, one in enumerate(facts)]
    desk.bound(*pods)
    return desk, pods


@given(residents, incoming, st.integers(0, 2))
@settings(max_examples=150, deadline=None)
def test_victims_are_lower_their_removal_suffices_and_none_of_them_could_stay(facts: list[Any], wanted: Any, allowed: int) -> None:
    desk, pods = _crowded(facts)
    one = pod("new", **wanted)
    budgets = [Budget("default", parse_labels("app=web"), allowed)]
    case = desk.decider.case(key_of(one), one, desk.book.of(one))
    if any(desk.decider.passes(case, row) for row in desk.table.rows.values()):
        return  # it fits without anybody going
    before = list(desk.table.used["cpu"])
    plan = preempt(desk.decider, case, budgets)
    assert list(desk.table.used["cpu"]) == before
    if isinstance(plan, Hopeless):
        for name in desk.table.rows:  # not even without all lower pods of a node would it fit there
            assert not _fits_without(
                facts, one, [each for each in pods if _on(each) == name and _priority(each) < wanted["priority"]], name
            )
        return
    gone = [placed.pod for placed in plan.candidate.victims]
    assert gone
    assert all(_priority(each) < wanted["priority"] and _on(each) == plan.candidate.node for each in gone)
    assert _fits_without(facts, one, gone, plan.candidate.node)
    assert list(plan.candidate.victims) == sorted(plan.candidate.victims, key=importance)
    for spared in gone:  # as many as possible are reprieved
        assert not _fits_without(facts, one, [each for each in gone if each is not spared], plan.candidate.node)


def _on(one: Pod) -> str:
    assert one.spec is not None
    return one.spec.node_name


def _priority(one: Pod) -> int:
    assert one.spec is not None
    return one.spec.priority or 0


def _fits_without(facts: list[Any], one: Pod, gone: list[Pod], where: str) -> bool:
    """Whether the pod passes all filters on a node of a fresh cluster that never had these pods."""
    desk, pods = _crowded(facts)
    names = [each.metadata.name for each in gone]
    for each in pods:
        if each.metadata.name in names:
            desk.gone(each)
    case = desk.decider.case(key_of(one), one, desk.book.of(one))
    return desk.decider.passes(case, desk.table.rows[where])
