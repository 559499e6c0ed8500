"""What the DaemonSet controller decides, without an actor."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors import actions as act
from callboard.actors.daemonset import placement
from callboard.actors.daemonset.memory import FAILING_PAUSE_LIMIT_S, Memory
from callboard.models.api.core import Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Toleration
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import object_key
from tests.actors.daemonset.kit import NEW, NOW, NOW_TEXT, OLD, created, daemon_set, decided, deleted, node, pod, revision, status_in


def on_zone(value: str) -> Affinity:
    term = NodeSelectorTerm(match_expressions=(NodeSelectorRequirement(key="zone", operator="In", values=(value,)),))
    required = NodeSelector(node_selector_terms=(term,))
    return Affinity(node_affinity=NodeAffinity(required_during_scheduling_ignored_during_execution=required))


# -- which nodes --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pod_spec", "facts", "placed"),
    [
        ({}, node("a"), (True, True)),
        ({}, node("a", cordoned=True), (True, True)),
        ({"node_selector": FrozenMap(disk="ssd")}, node("a"), (False, False)),
        ({"node_selector": FrozenMap(disk="ssd")}, node("a", disk="ssd"), (True, True)),
        ({"affinity": on_zone("east")}, node("a", zone="west"), (False, False)),
        ({"affinity": on_zone("east")}, node("a", zone="east"), (True, True)),
        ({"node_name": "b"}, node("a"), (False, False)),
        ({"node_name": "a"}, node("a"), (True, True)),
        ({}, node("a", ("mine", "NoSchedule")), (False, True)),
        ({}, node("a", ("mine", "NoExecute")), (False, False)),
        ({}, node("a", ("mine", "PreferNoSchedule")), (True, True)),
        ({"tolerations": (Toleration(key="mine", operator="Exists"),)}, node("a", ("mine", "NoExecute")), (True, True)),
        ({}, node("a", ("node.kubernetes.io/not-ready", "NoExecute")), (True, True)),
        ({}, node("a", ("node.kubernetes.io/unreachable", "NoExecute")), (True, True)),
        ({}, node("a", ("node.kubernetes.io/memory-pressure", "NoSchedule")), (True, True)),
        ({}, node("a", ("node.kubernetes.io/disk-pressure", "NoSchedule")), (True, True)),
        ({}, node("a", ("node.kubernetes.io/pid-pressure", "NoSchedule")), (True, True)),
        ({}, node("a", ("node.kubernetes.io/unschedulable", "NoSchedule")), (True, True)),
        ({}, node("a", ("node.kubernetes.io/network-unavailable", "NoSchedule")), (False, True)),
        ({"host_network": True}, node("a", ("node.kubernetes.io/network-unavailable", "NoSchedule")), (True, True)),
    ],
)
def test_a_node_is_judged_by_selector_affinity_and_taints(pod_spec: dict[str, Any], facts: Any, placed: tuple[bool, bool]) -> None:
    assert placement.placed_on(daemon_set(pod=pod_spec), facts) == placed


def test_every_node_gets_a_pod_that_is_pinned_to_it_and_tolerates_its_troubles() -> None:
    actions = decided(daemon_set(), [node("a"), node("b")])
    assert created(actions) == ["a", "b"]
    made = next(one.obj for one in actions if isinstance(one, act.Create))
    (term,) = made.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms
    assert [(one.key, one.operator, one.values) for one in term.match_fields] == [("metadata.name", "In", ("a",))]
    assert made.spec.node_name == ""
    assert made.metadata.labels["controller-revision-hash"] == revision(daemon_set()).metadata.labels["controller-revision-hash"]
    assert ("node.kubernetes.io/not-ready", "NoExecute") in [(one.key, one.effect) for one in made.spec.tolerations]


def test_the_revision_is_written_before_the_first_pod() -> None:
    (only,) = decided(daemon_set(), [node("a")], revisions=())
    assert isinstance(only, act.Create)
    assert only.resource == "controllerrevisions.apps"


def test_a_second_try_has_the_same_name_and_a_name_of_somebody_else_is_passed_over() -> None:
    owner = daemon_set()
    (first,) = [one for one in decided(owner, [node("a")]) if isinstance(one, act.Create)]
    (again,) = [one for one in decided(owner, [node("a"), node("b")]) if isinstance(one, act.Create) and created([one]) == ["a"]]
    assert first.obj.metadata.name == again.obj.metadata.name
    taken = {object_key("pods", "default", first.obj.metadata.name): pod(owner, "elsewhere")}
    (other,) = [one for one in decided(owner, [node("a")], stored=taken) if isinstance(one, act.Create)]
    assert other.obj.metadata.name != first.obj.metadata.name


def test_a_pod_that_waits_for_the_scheduler_counts_for_the_node_that_it_is_meant_for() -> None:
    owner = daemon_set()
    assert created(decided(owner, [node("a"), node("b")], [pod(owner, "a", bound=False, phase="Pending")])) == ["b"]


def test_a_node_whose_pod_is_going_gets_the_next_one_when_it_is_gone() -> None:
    owner = daemon_set()
    actions = decided(owner, [node("a")], [pod(owner, "a", deleted=True)])
    assert (created(actions), deleted(actions)) == ([], [])
    ended = decided(owner, [node("a")], [pod(owner, "a", deleted=True, phase="Failed", finalizers=("x/y",))])
    assert created(ended) == ["a"], "one that has ended and is only kept by a finalizer holds nobody up"


def test_pods_go_from_nodes_that_should_have_none_but_a_taint_noschedule_drives_none_away() -> None:
    owner = daemon_set()
    nodes = [node("a", ("mine", "NoSchedule")), node("b", ("mine", "NoExecute"))]
    actions = decided(owner, nodes, [pod(owner, "a"), pod(owner, "b")])
    assert deleted(actions) == [placement.pod_name(owner, "b", 0)]


def test_of_two_pods_on_a_node_the_older_one_stays() -> None:
    owner = daemon_set()
    young = pod(owner, "a", slot=1, creation_timestamp=NOW_TEXT)
    assert deleted(decided(owner, [node("a")], [young, pod(owner, "a")])) == [young.metadata.name]


def test_a_pod_of_a_vanished_node_goes_if_it_was_never_bound_and_holds_nobody_up() -> None:
    owner = daemon_set()
    waiting, bound = pod(owner, "gone", bound=False, phase="Pending"), pod(owner, "lost")
    actions = decided(owner, [node("a")], [waiting, bound])
    assert deleted(actions) == [waiting.metadata.name]
    assert created(actions) == ["a"]


# -- pods that end --------------------------------------------------------------------------------------------------------------------


def test_a_failed_pod_is_deleted_and_told_of_but_not_before_its_pause_is_over() -> None:
    owner = daemon_set()
    failed = pod(owner, "a", phase="Failed", ready=False)
    actions = decided(owner, [node("a")], [failed])
    assert deleted(actions) == [failed.metadata.name]
    assert "FailedDaemonPod" in [one.reason for one in actions if isinstance(one, act.TellUser)]
    waiting = decided(owner, [node("a")], [failed], not_before_s={"a": NOW + 4})
    assert deleted(waiting) == []
    assert [one.after_s for one in waiting if isinstance(one, act.LookAgain)] == [pytest.approx(4)]


def test_the_pause_of_a_failing_node_doubles_up_to_a_quarter_of_an_hour_and_is_forgotten_when_it_was_quiet() -> None:
    memory, now = Memory(), NOW
    assert memory.not_before_s(now) == {}
    pauses = []
    for _ in range(12):
        memory.pod_failed("a", now)
        pauses.append(memory.not_before_s(now)["a"] - now)
        now += pauses[-1]
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == FAILING_PAUSE_LIMIT_S
    memory.pod_failed("a", now + 2 * FAILING_PAUSE_LIMIT_S)
    assert memory.not_before_s(now + 2 * FAILING_PAUSE_LIMIT_S)["a"] == now + 2 * FAILING_PAUSE_LIMIT_S + 1


# -- updates --------------------------------------------------------------------------------------------------------------------------


def rolled(owner: Any, pods: list[Any]) -> tuple[act.Action, ...]:
    return decided(owner, [node("a"), node("b"), node("c")], pods, revisions=(revision(owner, OLD), revision(owner, NEW, 2)))


def test_an_update_takes_as_many_nodes_as_may_be_unavailable_and_broken_old_pods_besides() -> None:
    for unavailable, gone in ((1, ["a"]), (2, ["a", "b"]), ("34%", ["a", "b"])):
        owner = daemon_set(NEW, unavailable=unavailable)
        actions = rolled(owner, [pod(owner, on) for on in "abc"])
        assert deleted(actions) == [placement.pod_name(owner, on, 0) for on in gone]
    owner = daemon_set(NEW)
    broken = [pod(owner, "a"), pod(owner, "b", ready=False), pod(owner, "c", NEW, ready=False)]
    assert deleted(rolled(owner, broken)) == [placement.pod_name(owner, "b", 0)]


def test_an_update_goes_on_when_the_new_pod_has_been_ready_for_long_enough() -> None:
    owner = daemon_set(NEW, min_ready_seconds=10)
    young = [pod(owner, "a", NEW, since=NOW_TEXT), pod(owner, "b"), pod(owner, "c")]
    actions = rolled(owner, young)
    assert deleted(actions) == []
    assert [one.after_s for one in actions if isinstance(one, act.LookAgain)] == [pytest.approx(10)]
    assert deleted(rolled(owner, [pod(owner, "a", NEW), *young[1:]])) == [placement.pod_name(owner, "b", 0)]


def test_a_surge_makes_the_new_pod_first_and_deletes_the_old_one_when_it_is_available() -> None:
    owner = daemon_set(NEW, unavailable=0, surge=1)
    first = rolled(owner, [pod(owner, on) for on in "abc"])
    assert (created(first), deleted(first)) == (["a"], [])
    coming = [*(pod(owner, on) for on in "abc"), pod(owner, "a", NEW, slot=1, ready=False)]
    waiting = rolled(owner, coming)
    assert (created(waiting), deleted(waiting)) == ([], [])
    there = rolled(owner, [*coming[:3], pod(owner, "a", NEW, slot=1)])
    assert (created(there), deleted(there)) == ([], [placement.pod_name(owner, "a", 0)])


def test_ondelete_replaces_nothing_by_itself_but_makes_new_pods_of_the_new_template() -> None:
    owner = daemon_set(NEW, strategy="OnDelete")
    actions = rolled(owner, [pod(owner, "a"), pod(owner, "b")])
    assert (created(actions), deleted(actions)) == (["c"], [])
    (made,) = [one.obj for one in actions if isinstance(one, act.Create)]
    assert made.spec.containers[0].image == NEW


# -- status, history, owners ------------------------------------------------------------------------------------------------------------


def test_the_status_counts_nodes() -> None:
    owner = daemon_set(NEW, min_ready_seconds=10)
    nodes = [node("a"), node("b"), node("c"), node("d", ("mine", "NoSchedule"))]
    pods = [pod(owner, "a", NEW), pod(owner, "b", NEW, since=NOW_TEXT), pod(owner, "d", NEW)]
    status = status_in(decided(owner, nodes, pods, revisions=(revision(owner, NEW),)))
    assert (status.desired_number_scheduled, status.current_number_scheduled, status.number_misscheduled) == (3, 2, 1)
    assert (status.number_ready, status.number_available, status.number_unavailable, status.updated_number_scheduled) == (2, 1, 2, 2)
    assert status.observed_generation == 3


def test_revisions_beyond_the_limit_go_unless_pods_are_of_them() -> None:
    owner = daemon_set("web:4", revision_history_limit=1, strategy="OnDelete")
    kept = tuple(revision(owner, f"web:{number}", number) for number in range(1, 5))
    actions = decided(owner, [node("a")], [pod(owner, "a", "web:1")], revisions=kept)
    gone = [one.name for one in actions if isinstance(one, act.Delete) and one.resource == "controllerrevisions.apps"]
    assert gone == [kept[1].metadata.name]


def test_orphans_are_adopted_and_pods_that_the_selector_has_lost_are_released() -> None:
    owner = daemon_set()
    orphan = pod(owner, "a", owner_references=())
    (adopted,) = decided(owner, [node("a")], orphans=(orphan,))
    assert isinstance(adopted, act.Update)
    assert [one.uid for one in adopted.obj.metadata.owner_references] == ["uid-agent"]
    (released,) = decided(owner, [node("a")], [pod(owner, "a", labels=FrozenMap(app="other"))])
    assert isinstance(released, act.Update)
    assert released.obj.metadata.owner_references == ()


def test_nothing_is_done_about_a_daemon_set_that_is_being_deleted() -> None:
    owner = daemon_set()
    going = replace(owner, metadata=replace(owner.metadata, deletion_timestamp=NOW_TEXT))
    assert isinstance(going.metadata, ObjectMeta)
    assert decided(going, [node("a")]) == ()
