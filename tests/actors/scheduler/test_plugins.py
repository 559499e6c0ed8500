"""What each scoring plugin prefers, one example per documented rule (kubernetes.io: Scheduler Configuration, Assigning Pods to Nodes)."""

from __future__ import annotations

from typing import Any

from callboard.actors.scheduler.plugins import WEIGHTS, balanced_allocation, least_allocated
from callboard.models.api.core import (
    Affinity,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    TopologySpreadConstraint,
    WeightedPodAffinityTerm,
)
from callboard.models.api.meta import LabelSelector
from callboard.models.base import FrozenMap

from .objects import Desk, node, pod, taint, tolerate

GIB = 1024**3
WEB = LabelSelector(match_labels=FrozenMap(app="web"))


def test_the_weights_are_those_of_the_default_configuration() -> None:
    assert WEIGHTS == {
        "TaintToleration": 3,
        "NodeAffinity": 2,
        "PodTopologySpread": 2,
        "InterPodAffinity": 2,
        "NodeResourcesFit": 1,
        "NodeResourcesBalancedAllocation": 1,
    }


def test_least_allocated_is_the_mean_of_the_free_shares() -> None:
    assert least_allocated(4000, 8 * GIB, 1000, 4 * GIB) == (75 + 50) // 2
    assert least_allocated(4000, 8 * GIB, 5000, 8 * GIB) == 0
    assert least_allocated(4000, 0, 1000, 0) == 75


def test_balanced_allocation_is_a_hundred_less_the_standard_deviation_of_the_used_shares() -> None:
    assert balanced_allocation(4000, 8 * GIB, 2000, 4 * GIB) == 100
    assert balanced_allocation(4000, 8 * GIB, 4000, 0) == 50
    assert balanced_allocation(4000, 8 * GIB, 8000, 8 * GIB) == 100  # a share counts as one at most


def test_taint_toleration_prefers_the_node_with_fewest_intolerable_preferences() -> None:
    avoid = tuple(taint(key, effect="PreferNoSchedule") for key in "xy")
    desk = Desk(node("two", taints=avoid), node("one", taints=avoid[:1]))
    assert desk.place(pod("p")) == "one"
    assert desk.place(pod("q", tolerations=(tolerate("x"), tolerate("y")), cpu="1")) == "two"


def _weighted(weight: int, **labels: str) -> WeightedPodAffinityTerm:
    term = PodAffinityTerm(label_selector=LabelSelector(match_labels=FrozenMap(labels)), topology_key="zone")
    return WeightedPodAffinityTerm(weight=weight, pod_affinity_term=term)


def test_inter_pod_affinity_sums_weights_of_preferred_terms_by_domain() -> None:
    zones = [node(zone, labels={"zone": zone}) for zone in "xyz"]
    desk = Desk(*zones)
    desk.bound(pod("cache", bound="x", labels={"app": "cache"}), pod("noisy", bound="y", labels={"app": "noisy"}))
    near = PodAffinity(preferred_during_scheduling_ignored_during_execution=(_weighted(10, app="cache"),))
    apart = PodAntiAffinity(preferred_during_scheduling_ignored_during_execution=(_weighted(100, app="noisy"),))
    assert desk.place(pod("friend", affinity=Affinity(pod_affinity=near))) == "x"
    assert desk.place(pod("foe", affinity=Affinity(pod_anti_affinity=apart))) != "y"


def test_inter_pod_affinity_is_symmetric_for_preferred_terms_of_placed_pods() -> None:
    desk = Desk(*(node(zone, labels={"zone": zone}) for zone in "xyz"))
    near = PodAffinity(preferred_during_scheduling_ignored_during_execution=(_weighted(10, app="web"),))
    desk.bound(pod("fan", bound="y", affinity=Affinity(pod_affinity=near)))
    assert desk.place(pod("web", labels={"app": "web"})) == "y"


def _soft(key: str = "zone", **fields: Any) -> tuple[TopologySpreadConstraint, ...]:
    rule: dict[str, Any] = {"max_skew": 1, "topology_key": key, "when_unsatisfiable": "ScheduleAnyway", "label_selector": WEB, **fields}
    return (TopologySpreadConstraint(**rule),)


def test_schedule_anyway_prefers_the_emptier_domain_and_refuses_none() -> None:
    desk = Desk(node("x1", labels={"zone": "x"}), node("x2", labels={"zone": "x"}), node("y1", labels={"zone": "y"}, pods="2"))
    homes = [desk.place(pod(f"web-{number}", labels={"app": "web"}, topology_spread_constraints=_soft())) for number in range(5)]
    assert sorted(home[0] for home in homes[:4]) == ["x", "x", "y", "y"]
    assert homes[4][0] == "x"


def _hard(**fields: Any) -> tuple[TopologySpreadConstraint, ...]:
    return _soft(when_unsatisfiable="DoNotSchedule", **fields)


def test_match_label_keys_spread_every_revision_by_itself() -> None:
    desk = Desk(node("x", labels={"zone": "x"}), node("y", labels={"zone": "y"}))
    old = [pod(f"old-{number}", bound="x", labels={"app": "web", "hash": "1"}) for number in range(3)]
    desk.bound(*old)
    new = pod("new", labels={"app": "web", "hash": "2"}, node_selector=FrozenMap(zone="x"), topology_spread_constraints=_hard())
    keyed = pod(
        "keyed",
        labels={"app": "web", "hash": "2"},
        topology_spread_constraints=_hard(match_label_keys=("hash",), node_affinity_policy="Ignore"),
        node_selector=FrozenMap(zone="x"),
    )
    assert desk.place(pod("other", labels={"app": "web", "hash": "2"}, topology_spread_constraints=_hard())) == "y"
    assert desk.place(new) == "x"  # nodeAffinityPolicy Honor: zone y doesn't count for it
    assert desk.place(keyed) == "x"


def test_node_taints_policy_decides_whether_tainted_nodes_make_a_domain() -> None:
    desk = Desk(node("x", labels={"zone": "x"}), node("y", labels={"zone": "y"}, taints=(taint("t"),)))
    desk.bound(pod("web", bound="x", labels={"app": "web"}))
    assert desk.place(pod("ignoring", labels={"app": "web"}, topology_spread_constraints=_hard())) == ""
    assert desk.place(pod("honouring", labels={"app": "web"}, topology_spread_constraints=_hard(node_taints_policy="Honor"))) == "x"
