"""Counts, arrays and caches give what plain reading of the documentation gives: filters and scores of random pods on random clusters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.scheduler import view as view_module
from callboard.models.api.core import (
    Affinity,
    Node,
    NodeAffinity,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PreferredSchedulingTerm,
    Toleration,
    TopologySpreadConstraint,
    WeightedPodAffinityTerm,
)
from callboard.models.api.meta import LabelSelector
from callboard.models.base import FrozenMap

from .objects import Desk, key_of, node, pod, taint
from .oracle import Oracle

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
NAMESPACES = {"default": {}, "shop": {"team": "red"}}


def _labels(**labels: str) -> LabelSelector:
    return LabelSelector(match_labels=FrozenMap(labels))


keys = st.sampled_from([HOST, ZONE])
selectors = st.sampled_from([_labels(app="web"), _labels(app="db"), _labels(), None])
terms = st.builds(
    PodAffinityTerm,
    label_selector=selectors,
    topology_key=keys,
    namespaces=st.sampled_from([(), (), ("shop",)]),
    namespace_selector=st.sampled_from([None, None, _labels(team="red"), _labels()]),
    match_label_keys=st.sampled_from([(), ("v",)]),
)
weighted = st.builds(WeightedPodAffinityTerm, weight=st.integers(1, 100), pod_affinity_term=terms)


def _few(strategy: Any, most: int = 1) -> Any:
    return st.lists(strategy, max_size=most).map(tuple)


near = st.builds(
    PodAffinity,
    required_during_scheduling_ignored_during_execution=_few(terms),
    preferred_during_scheduling_ignored_during_execution=_few(weighted),
)
apart = st.builds(
    PodAntiAffinity,
    required_during_scheduling_ignored_during_execution=_few(terms),
    preferred_during_scheduling_ignored_during_execution=_few(weighted),
)
preferences = st.builds(
    PreferredSchedulingTerm,
    weight=st.integers(1, 100),
    preference=st.sampled_from(
        [
            NodeSelectorTerm(match_expressions=(NodeSelectorRequirement(key=ZONE, operator="In", values=values),))
            for values in (("x",), ("x", "y"))
        ]
    ),
)
affinities = st.none() | st.builds(
    Affinity,
    pod_affinity=st.none() | near,
    pod_anti_affinity=st.none() | apart,
    node_affinity=st.none() | st.builds(NodeAffinity, preferred_during_scheduling_ignored_during_execution=_few(preferences, 2)),
)
spreads = st.builds(
    TopologySpreadConstraint,
    topology_key=keys,
    max_skew=st.integers(1, 2),
    when_unsatisfiable=st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]),
    label_selector=st.sampled_from([_labels(app="web"), _labels(app="db")]),
    min_domains=st.sampled_from([None, None, 3]),
    match_label_keys=st.sampled_from([(), ("v",)]),
    node_affinity_policy=st.sampled_from(["", "Ignore", "Honor"]),
    node_taints_policy=st.sampled_from(["", "Ignore", "Honor"]),
)
node_facts = st.lists(
    st.fixed_dictionaries(
        {
            "cpu": st.sampled_from(["1", "2", "3500m"]),
            "memory": st.sampled_from(["1Gi", "3G"]),
            "pods": st.sampled_from(["3", "110"]),
            "labels": st.sampled_from([{}, {ZONE: "x"}, {ZONE: "y"}, {ZONE: "x", "disk": "ssd"}]),
            "taints": st.sampled_from([(), (), (taint("t"),), (taint("t", effect="PreferNoSchedule"),)]),
        }
    ),
    min_size=1,
    max_size=6,
)
pod_facts = st.lists(
    st.fixed_dictionaries(
        {
            "cpu": st.sampled_from(["0", "100m", "1"]),
            "memory": st.sampled_from(["0", "100Mi", "1Gi"]),
            "owner": st.sampled_from(["", "web", "db"]),
            "labels": st.sampled_from([{}, {"app": "web"}, {"app": "web", "v": "1"}, {"app": "db", "v": "2"}]),
            "namespace": st.sampled_from(["default", "default", "shop"]),
            "deleted": st.sampled_from(["", "", "", "2026-11-24T12:00:00Z"]),
            "node_selector": st.sampled_from([FrozenMap(), FrozenMap(), FrozenMap(disk="ssd")]),
            "tolerations": st.sampled_from([(), (Toleration(operator="Exists"),)]),
            "affinity": affinities,
            "topology_spread_constraints": _few(spreads, 2),
        }
    ),
    min_size=1,
    max_size=10,
)


@pytest.mark.parametrize("arrays_from", [0, 64])
def test_filters_and_scores_are_those_of_the_documentation(arrays_from: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_module, "VECTOR_FROM_ROWS", arrays_from)
    monkeypatch.setattr(view_module, "VECTOR_FROM_CHANGES", 2)

    @given(node_facts, pod_facts, st.data())
    @settings(max_examples=80, deadline=None)
    def agree(node_facts: list[Any], pod_facts: list[Any], data: st.DataObject) -> None:
        nodes = [node(f"n{number}", **one) for number, one in enumerate(node_facts)]
        _play(nodes, [pod(f"p{number}", **one) for number, one in enumerate(pod_facts)], data)

    agree()


def _play(nodes: list[Node], pods: list[Pod], data: st.DataObject) -> None:
    """Pods come one after the other, some go, a node changes its labels: at every moment both agree about the next pod."""
    desk = Desk(*nodes)
    for name, labels in NAMESPACES.items():
        desk.table.set_namespace(name, labels)
    placed: dict[str, tuple[Pod, str]] = {}
    for one in pods:
        case = desk.decider.case(key_of(one), one, desk.book.of(one))
        ours = desk.decider.rank(case)
        theirs = Oracle(nodes, list(placed.values()), NAMESPACES).totals(one)
        assert {name: int(ours[row]) for name, row in desk.table.rows.items()} == theirs
        where = data.draw(st.sampled_from([each.metadata.name for each in nodes]))
        desk.table.place(key_of(one), one, desk.book.of(one), where)  # anywhere: pods were bound before rules or labels changed
        placed[key_of(one)] = one, where
        if data.draw(st.integers(0, 3)) == 0:
            key = data.draw(st.sampled_from(sorted(placed)))
            desk.table.remove(key)
            del placed[key]
        if data.draw(st.integers(0, 5)) == 0:
            number = data.draw(st.integers(0, len(nodes) - 1))
            old = nodes[number]
            assert old.status is not None
            room = old.status.allocatable
            nodes[number] = node(old.metadata.name, labels={ZONE: "z"}, cpu=room["cpu"], memory=room["memory"], pods=room["pods"])
            desk.table.set_node(nodes[number])
