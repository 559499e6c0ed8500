"""Where pods go and what is said when they can't go anywhere: filters, scores, ties, messages."""

from __future__ import annotations

import pytest

from callboard.actors.scheduler.decision import NO_NODES
from callboard.actors.scheduler.demand import demand_of
from callboard.models.api.core import (
    Affinity,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodSpec,
    PreferredSchedulingTerm,
    ResourceRequirements,
    Toleration,
)
from callboard.models.base import FrozenMap
from callboard.models.podresources import pod_requests

from .objects import Desk, container, node, pod, taint, tolerate

# -- messages -----------------------------------------------------------------------------------------------------------------------


def test_a_pod_too_large_for_every_node_is_told_so_in_the_words_of_kubernetes() -> None:
    desk = Desk(*(node(f"node-{number}") for number in (1, 2, 3)))
    assert desk.why_not(pod("big", cpu="64")) == "0/3 nodes are available: 3 Insufficient cpu."


def test_a_node_that_lacks_two_resources_counts_for_both_and_reasons_are_sorted_as_text() -> None:
    desk = Desk(node("a", cpu="1", memory="1Gi"), node("b", cordoned=True), node("c", taints=(taint("gpu", "yes"),)), node("d", cpu="1"))
    assert desk.why_not(pod("big", cpu="2", memory="2Gi")) == (
        "0/4 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s), "
        "1 node(s) were unschedulable, 2 Insufficient cpu."
    )


def test_the_first_filter_that_refuses_names_the_reason() -> None:
    desk = Desk(node("a", cordoned=True, taints=(taint("x"),), cpu="1"))
    assert desk.why_not(pod("p", cpu="2", node_selector=FrozenMap(disk="ssd"))) == "0/1 nodes are available: 1 node(s) were unschedulable."


def test_without_nodes_there_is_nothing_to_count() -> None:
    assert Desk().why_not(pod("p")) == NO_NODES


def test_a_full_node_has_too_many_pods() -> None:
    desk = Desk(node("a", pods="1"))
    desk.bound(pod("first", bound="a"))
    assert desk.why_not(pod("second")) == "0/1 nodes are available: 1 Too many pods."


def test_a_node_that_has_told_no_capacity_takes_nothing() -> None:
    desk = Desk(node("a", cpu="0", memory="0", pods="0"))
    assert desk.why_not(pod("p")) == "0/1 nodes are available: 1 Too many pods."


def test_an_unknown_extended_resource_is_insufficient_and_a_known_one_is_counted() -> None:
    desk = Desk(node("a"), node("b", example_com__gpu="1"))
    assert desk.place(pod("first", example_com__gpu="1")) == "b"
    assert desk.why_not(pod("second", example_com__gpu="1")) == "0/2 nodes are available: 2 Insufficient example_com/gpu."


def test_devices_that_nobody_can_allocate_are_not_ignored() -> None:
    from callboard.models.api.core import PodResourceClaim

    desk = Desk(node("a"))
    assert desk.why_not(pod("p", resource_claims=(PodResourceClaim(name="gpu"),))) == (
        "0/1 nodes are available: 1 cannot allocate all claims."
    )


def test_the_message_follows_the_cluster() -> None:
    desk = Desk(node("a", cpu="1"))
    big = pod("big", cpu="2")
    assert desk.why_not(big) == "0/1 nodes are available: 1 Insufficient cpu."
    desk.table.set_node(node("b", cordoned=True))
    assert desk.why_not(big) == "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable."
    desk.table.remove_node("a")
    assert desk.why_not(big) == "0/1 nodes are available: 1 node(s) were unschedulable."


# -- arithmetic -----------------------------------------------------------------------------------------------------------------------


def test_init_containers_count_one_at_a_time_and_restartable_ones_stay() -> None:
    spec = PodSpec(
        containers=(container({"cpu": "300m"}), container({"cpu": "200m", "memory": "1Gi"})),
        init_containers=(
            container({"cpu": "100m"}, restart_policy="Always"),
            container({"cpu": "700m", "memory": "512Mi"}),
        ),
        overhead=FrozenMap(cpu="50m"),
    )
    # running: 300 + 200 + 100; starting: 100 (stays) + 700; the larger, and overhead
    assert pod_requests(spec) == {"cpu": 850, "memory": 1024**3}


def test_requests_of_the_pod_as_a_whole_replace_the_sum() -> None:
    spec = PodSpec(containers=(container({"cpu": "1", "memory": "1Gi"}),), resources=ResourceRequirements(requests=FrozenMap(cpu="3")))
    assert pod_requests(spec) == {"cpu": 3000, "memory": 1024**3}


def test_a_pod_fits_exactly_and_not_by_one_thousandth_more() -> None:
    desk = Desk(node("a", cpu="1"))
    desk.bound(pod("first", bound="a", cpu="600m"))
    assert desk.place(pod("second", cpu="401m")) == ""
    assert desk.place(pod("third", cpu="400m")) == "a"


def test_a_terminating_pod_still_takes_its_share_and_a_removed_one_does_not() -> None:
    desk = Desk(node("a", cpu="1"))
    first = pod("first", bound="a", cpu="1")
    desk.bound(first)
    desk.bound(pod("first", bound="a", cpu="1", deleted="2026-11-24T12:00:00Z"))
    assert desk.place(pod("second", cpu="1")) == ""
    desk.gone(first)
    assert desk.place(pod("second", cpu="1")) == "a"


def test_pods_of_a_node_that_is_not_known_yet_count_when_it_appears() -> None:
    desk = Desk(node("b", cpu="1"))
    desk.bound(pod("first", bound="a", cpu="1"))
    desk.table.set_node(node("a", cpu="1"))
    assert [desk.place(pod(name, cpu="1")) for name in ("second", "third")] == ["b", ""]


def test_a_node_of_the_same_name_inherits_only_the_pods_that_are_still_there() -> None:
    desk = Desk(node("a", cpu="2"))
    first, second = pod("first", bound="a", cpu="1"), pod("second", bound="a", cpu="1")
    desk.bound(first, second)
    desk.table.remove_node("a")
    desk.gone(first)
    desk.table.set_node(node("a", cpu="2", uid="another"))
    assert [desk.place(pod(name, cpu="1")) for name in ("third", "fourth")] == ["a", ""]


# -- rules ----------------------------------------------------------------------------------------------------------------------------


def test_taints_keep_out_whoever_does_not_tolerate_them() -> None:
    desk = Desk(node("a", taints=(taint("team", "red"),)))
    assert desk.place(pod("nobody")) == ""
    assert desk.place(pod("blue", tolerations=(Toleration(key="team", operator="Equal", value="blue"),))) == ""
    assert desk.place(pod("red", tolerations=(Toleration(key="team", value="red", effect="NoSchedule"),))) == "a"
    assert desk.place(pod("all", tolerations=(Toleration(operator="Exists"),))) == "a"
    assert desk.place(pod("executed", tolerations=(tolerate("team", "NoExecute"),))) == ""


def test_a_cordoned_node_takes_only_pods_that_tolerate_its_taint() -> None:
    desk = Desk(node("a", cordoned=True))
    assert desk.place(pod("p")) == ""
    assert desk.place(pod("daemon", tolerations=(tolerate("node.kubernetes.io/unschedulable"),))) == "a"
    desk.table.set_node(node("a"))
    assert desk.place(pod("p")) == "a"


def test_a_taint_that_is_only_disliked_is_avoided_as_long_as_there_is_another_node() -> None:
    desk = Desk(node("a", taints=(taint("old", effect="PreferNoSchedule"),)), node("b", pods="1"))
    assert [desk.place(pod(name)) for name in ("first", "second")] == ["b", "a"]


@pytest.mark.parametrize(
    ("operator", "values", "chosen"),
    [
        ("In", ("ssd",), "fast"),
        ("NotIn", ("ssd",), "plain"),
        ("Exists", (), "fast"),
        ("DoesNotExist", (), "plain"),
        ("Gt", ("5",), "fast"),
        ("Lt", ("50",), "fast"),
    ],
)
def test_required_node_affinity_is_held(operator: str, values: tuple[str, ...], chosen: str) -> None:
    desk = Desk(node("plain"), node("fast", labels={"disk": "10" if operator in ("Gt", "Lt") else "ssd"}))
    term = NodeSelectorTerm(match_expressions=(NodeSelectorRequirement(key="disk", operator=operator, values=values),))
    required = NodeSelector(node_selector_terms=(term,))
    affinity = Affinity(node_affinity=NodeAffinity(required_during_scheduling_ignored_during_execution=required))
    assert {desk.place(pod(f"p{number}", affinity=affinity)) for number in range(4)} == {chosen}


def test_preferred_node_affinity_wins_over_an_emptier_node() -> None:
    term = NodeSelectorTerm(match_expressions=(NodeSelectorRequirement(key="disk", operator="Exists"),))
    preferred = (PreferredSchedulingTerm(weight=1, preference=term),)
    affinity = Affinity(node_affinity=NodeAffinity(preferred_during_scheduling_ignored_during_execution=preferred))
    desk = Desk(node("plain"), node("fast", labels={"disk": "ssd"}))
    desk.bound(pod("other", bound="fast", cpu="1", memory="2Gi"))
    assert desk.place(pod("p", affinity=affinity)) == "fast"


def test_a_port_of_the_node_is_given_once() -> None:
    desk = Desk(node("a"), node("b"))
    assert sorted(desk.place(pod(name, port=8080)) for name in ("first", "second")) == ["a", "b"]
    assert desk.why_not(pod("third", port=8080)) == (
        "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports."
    )
    assert desk.place(pod("other", port=8081)) != ""


# -- scores and ties --------------------------------------------------------------------------------------------------------------------


def test_three_replicas_spread_over_three_nodes() -> None:
    desk = Desk(*(node(f"node-{number}") for number in (1, 2, 3)))
    assert sorted(desk.place(pod(f"web-{number}", owner="web")) for number in range(3)) == ["node-1", "node-2", "node-3"]


def test_replicas_spread_although_other_pods_make_one_node_fuller() -> None:
    desk = Desk(*(node(f"node-{number}") for number in (1, 2, 3)))
    desk.bound(*(pod(f"other-{number}", bound="node-1", cpu="300m", owner="other") for number in range(3)))
    assert sorted(desk.place(pod(f"web-{number}", owner="web")) for number in range(3)) == ["node-1", "node-2", "node-3"]


def test_the_emptier_node_is_preferred() -> None:
    desk = Desk(node("full"), node("empty"))
    desk.bound(pod("other", bound="full", cpu="3", memory="6Gi"))
    assert desk.place(pod("p", cpu="500m", memory="1Gi")) == "empty"


def test_equal_nodes_take_turns_and_two_runs_agree() -> None:
    def run() -> list[str]:
        desk = Desk(*(node(f"node-{number}") for number in range(5)))
        return [desk.place(pod(f"p{number}", cpu="100m", memory="100Mi")) for number in range(20)]

    first = run()
    assert first[:5] == [f"node-{number}" for number in range(5)]
    assert first == run()
    assert all(first.count(f"node-{number}") == 4 for number in range(5))


def test_pods_of_one_template_share_one_demand() -> None:
    desk = Desk(node("a"))
    spec = pod("x", owner="web", cpu="1").spec
    assert spec is not None
    book = desk.book
    assert book.of(pod("web-1", owner="web", cpu="1")) is book.of(pod("web-2", owner="web", cpu="1"))
    assert book.of(pod("web-1", owner="web", cpu="1")) is not book.of(pod("web-1", owner="web", cpu="2"))
    assert demand_of(spec).score_cpu == 1000
