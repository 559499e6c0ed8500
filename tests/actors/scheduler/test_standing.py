"""Scores that are kept from pod to pod equal scores that are computed anew, whatever happens in between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.scheduler import scoring
from callboard.actors.scheduler import view as view_module
from callboard.actors.scheduler.decision import Placement
from callboard.models.api.core import Pod
from callboard.models.base import replace

from .objects import Desk, key_of, node, pod, taint

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
ROOM: dict[str, Any] = {"cpu": "2", "memory": "4Gi", "pods": "12"}
OWNERS = ("web", "db", "")
UNUSUAL: tuple[dict[str, Any], ...] = (
    {"cordoned": True},
    {"cpu": "300m"},
    {"labels": {ZONE: "x"}},
    {"labels": {HOST: ""}},
    {"taints": (taint("spot", effect="PreferNoSchedule"),)},
    {"taints": (taint("spot"),)},
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("pod"), st.integers(0, 2)),
        st.tuples(st.just("pod"), st.integers(0, 2)),
        st.tuples(st.just("gone"), st.integers(0, 99)),
        st.tuples(st.just("deleted"), st.integers(0, 99)),
        st.tuples(st.just("bound"), st.integers(0, 99)),
        st.tuples(st.just("node"), st.integers(0, 99)),
        st.tuples(st.just("no node"), st.integers(0, 99)),
    ),
    max_size=60,
)


class Story:
    """A cluster to which things happen."""

    def __init__(self, count: int) -> None:
        self.desk = Desk(*(node(f"node-{number}", **ROOM) for number in range(count)))
        self.count = count
        self.pods: list[Pod] = []
        self.known = 0

    def make(self, number: int, bound: str = "") -> Pod:
        """A pod of one of three templates, two of them with an owner."""
        self.known += 1
        return pod(f"pod-{self.known}", owner=OWNERS[number], bound=bound, cpu=f"{100 + 50 * number}m", memory="64Mi")

    def happen(self, what: str, number: int) -> None:
        """One step."""
        table, name = self.desk.table, f"node-{number % self.count}"
        if what == "node":
            changes = UNUSUAL[number % len(UNUSUAL)] if number % 3 == 0 else {}
            table.set_node(node(name, **{**ROOM, **changes}))
        elif what == "no node":
            table.remove_node(name)
        elif what == "bound":
            self.pods.append(self.make(number % 3, name))
            self.desk.bound(self.pods[-1])
        elif what == "gone" and self.pods:
            self.desk.gone(self.pods.pop(number % len(self.pods)))
        elif what == "deleted" and self.pods:
            at = number % len(self.pods)
            old = self.pods[at]
            self.pods[at] = replace(old, metadata=replace(old.metadata, deletion_timestamp="2026-11-24T12:00:00Z"))
            self.desk.bound(self.pods[at])
        elif what == "pod" and table.node_count:
            one = self.make(number)
            self.check(one)
            where = self.desk.choose(one)
            if isinstance(where, Placement):
                assert one.spec is not None
                self.pods.append(replace(one, spec=replace(one.spec, node_name=where.node)))
                self.desk.bound(self.pods[-1])

    def check(self, one: Pod) -> None:
        """Kept scores, and those computed anew in both ways, are the same."""
        case = self.desk.decider.case(key_of(one), one, self.desk.book.of(one))
        kept = list(self.desk.decider.rank(case))
        assert kept == list(scoring.rank_plain(self.desk.table, case.view, case.one, ()))
        assert kept == list(scoring.rank_arrays(self.desk.table, case.view, case.one, None, ()))


@pytest.mark.parametrize("vector_from", [1, 64])
@given(st.integers(1, 9), steps)
@settings(max_examples=150, deadline=None)
def test_kept_scores_equal_computed_ones(vector_from: int, count: int, happened: list[tuple[str, int]]) -> None:
    limit, view_module.VECTOR_FROM_ROWS = view_module.VECTOR_FROM_ROWS, vector_from
    try:
        story = Story(count)
        for what, number in happened:
            story.happen(what, number)
    finally:
        view_module.VECTOR_FROM_ROWS = limit


@pytest.mark.parametrize("count", [3, 30, 100])
def test_scores_of_a_growing_deployment_are_kept_truly_on_a_cluster_that_grows(count: int) -> None:
    story = Story(count)
    for number in range(4 * count):
        story.happen("pod", number % 3)
        if number % 7 == 0:
            story.happen("gone", number)
        if number % 50 == 0:
            story.desk.table.set_node(node(f"late-{number}", **ROOM))
    assert len(story.pods) > 2 * count


def test_a_pod_that_is_being_deleted_counts_no_longer_in_kept_scores() -> None:
    story = Story(2)
    for what in ("bound", "bound", "pod", "deleted", "pod", "gone", "pod"):
        story.happen(what, 0)


def test_nodes_with_zones_or_preferences_are_left_to_the_full_computation() -> None:
    story = Story(2)
    one = story.make(0)

    def kept() -> bool:
        case = story.desk.decider.case(key_of(one), one, story.desk.book.of(one))
        story.desk.decider.rank(case)
        return story.desk.decider.standing(case) is not None

    assert kept()
    unusual: tuple[dict[str, Any], ...] = ({"labels": {ZONE: "x"}}, {"taints": (taint("spot", effect="PreferNoSchedule"),)})
    for changes in unusual:
        story.desk.table.set_node(node("node-0", **ROOM, **changes))
        assert not kept()
        story.desk.table.set_node(node("node-0", **ROOM))
        assert kept()
