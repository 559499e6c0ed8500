"""Required rules between pods: affinity, anti-affinity, spreading. None is ever ignored."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.scheduler.decision import Placement
from callboard.models.api.core import Affinity, Node, Pod, PodAffinity, PodAffinityTerm, PodAntiAffinity, TopologySpreadConstraint
from callboard.models.api.meta import LabelSelector
from callboard.models.base import FrozenMap

from .objects import Desk, node, pod

HOST = "kubernetes.io/hostname"


def _selector(**labels: str) -> LabelSelector:
    return LabelSelector(match_labels=FrozenMap(labels))


def near(key: str = "zone", **labels: str) -> Affinity:
    """Wants to be in the domain of a pod with these labels."""
    term = PodAffinityTerm(label_selector=_selector(**labels), topology_key=key)
    return Affinity(pod_affinity=PodAffinity(required_during_scheduling_ignored_during_execution=(term,)))


def apart(key: str = HOST, **fields: Any) -> Affinity:
    """Wants to be in another domain than pods with label app=web."""
    term = PodAffinityTerm(label_selector=_selector(app="web"), topology_key=key, **fields)
    return Affinity(pod_anti_affinity=PodAntiAffinity(required_during_scheduling_ignored_during_execution=(term,)))


def spread(max_skew: int = 1, key: str = "zone", **fields: Any) -> tuple[TopologySpreadConstraint, ...]:
    """Pods with label app=web are spread evenly."""
    rule = TopologySpreadConstraint(
        max_skew=max_skew, topology_key=key, when_unsatisfiable="DoNotSchedule", label_selector=_selector(app="web"), **fields
    )
    return (rule,)


def _zoned() -> tuple[Node, ...]:
    return tuple(node(f"{zone}{number}", labels={"zone": zone}) for zone in "xyz" for number in (1, 2))


def _web(name: str, **fields: Any) -> Pod:
    return pod(name, labels={"app": "web"}, **fields)


def test_replicas_that_keep_apart_get_a_node_each_and_the_next_one_waits() -> None:
    desk = Desk(node("a"), node("b"))
    assert sorted(desk.place(_web(name, affinity=apart())) for name in ("first", "second")) == ["a", "b"]
    assert desk.why_not(_web("third", affinity=apart())) == ("0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.")


def test_a_placed_pod_keeps_others_away_that_have_no_rules_themselves() -> None:
    desk = Desk(node("a"), node("b", cordoned=True))
    desk.bound(pod("hermit", bound="a", affinity=apart()))
    assert desk.why_not(_web("plain")) == (
        "0/2 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules, 1 node(s) were unschedulable."
    )
    assert desk.place(pod("other", labels={"app": "db"})) == "a"


def test_anti_affinity_holds_within_its_namespaces_only() -> None:
    desk = Desk(node("a"))
    desk.bound(_web("there", bound="a", namespace="shop"))

    def goes(**fields: Any) -> bool:
        return desk.choose(pod("p", affinity=apart(**fields))) == Placement("a")

    assert goes()
    assert not goes(namespaces=("shop",))
    assert not goes(namespace_selector=LabelSelector())
    assert not goes(namespaces=("none",), namespace_selector=LabelSelector())
    assert goes(namespace_selector=_selector(team="red"))
    desk.table.set_namespace("shop", {"team": "red"})
    assert not goes(namespace_selector=_selector(team="red"))
    assert goes(namespace_selector=_selector(team="blue"))


def test_affinity_needs_a_friend_in_the_domain() -> None:
    desk = Desk(*_zoned())
    lonely = pod("client", affinity=near(app="db"))
    assert desk.why_not(lonely) == "0/6 nodes are available: 6 node(s) didn't match pod affinity rules."
    desk.bound(pod("db", labels={"app": "db"}, bound="y1"))
    assert desk.place(lonely) in ("y1", "y2")


def test_the_first_of_a_circle_of_friends_may_begin_and_the_others_follow() -> None:
    desk = Desk(*_zoned())
    homes = {desk.place(_web(f"web-{number}", affinity=near(app="web")))[0] for number in range(4)}
    assert len(homes) == 1


def test_spreading_keeps_the_skew_and_counts_only_living_pods_of_the_selector() -> None:
    desk = Desk(*_zoned())
    homes = [desk.place(_web(f"web-{number}", topology_spread_constraints=spread()))[0] for number in range(9)]
    assert all(homes.count(zone) == 3 for zone in "xyz")
    desk.bound(pod("other", labels={"app": "db"}, bound="x1"), _web("going", bound="x1", deleted="2026-11-24T12:00:00Z"))
    assert desk.place(_web("tenth", topology_spread_constraints=spread())) != ""


def test_spreading_waits_rather_than_break_the_skew() -> None:
    desk = Desk(node("x", labels={"zone": "x"}), node("y", labels={"zone": "y"}, cpu="1"), node("nowhere"))
    assert [desk.place(_web(name, cpu="1", topology_spread_constraints=spread())) for name in ("p1", "p2")] != ["x", "x"]
    assert desk.place(_web("p3", cpu="1", topology_spread_constraints=spread())) == "x"
    assert desk.why_not(_web("p4", cpu="1", topology_spread_constraints=spread())) == (
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match pod topology spread constraints, "
        "1 node(s) didn't match pod topology spread constraints (missing required label)."
    )


def test_fewer_domains_than_wanted_count_as_empty_ones() -> None:
    desk = Desk(node("x", labels={"zone": "x"}))
    rule = spread(min_domains=2)
    assert [desk.place(_web(name, topology_spread_constraints=rule)) for name in ("p1", "p2")] == ["x", ""]


def test_a_rule_that_may_be_broken_keeps_nobody_waiting() -> None:
    desk = Desk(node("x", labels={"zone": "x"}))
    soft = (TopologySpreadConstraint(max_skew=1, topology_key="rack", when_unsatisfiable="ScheduleAnyway", label_selector=_selector()),)
    assert desk.place(_web("p", topology_spread_constraints=soft)) == "x"


@given(st.lists(st.sampled_from(["apart", "plain", "zone"]), max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_two_pods_that_keep_apart_ever_share_a_domain(kinds: list[str]) -> None:
    desk = Desk(*_zoned())
    homes: list[tuple[str, str]] = []
    for number, kind in enumerate(kinds):
        rule = {"apart": apart(), "zone": apart("zone"), "plain": None}[kind]
        home = desk.place(_web(f"web-{number}", affinity=rule))
        if home:
            homes.append((kind, home))
    for index, (kind, home) in enumerate(homes):
        for other, other_home in homes[index + 1 :]:
            if "zone" in (kind, other):
                assert home[0] != other_home[0]
            elif "apart" in (kind, other):
                assert home != other_home
