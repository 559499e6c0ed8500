"""The node lifecycle controller against a real store and apiserver on virtual time."""

from __future__ import annotations

import pytest

from callboard.models.api.core import Taint
from callboard.models.base import replace
from callboard.models.podstatus import condition, is_ready
from callboard.models.timing import CHAOS
from tests.actors.scheduler.objects import node, pod, tolerate
from tests.actors.scheduler.world import world

from .acts import CONTROLLER, count_sent, hold_streams, running, start

LOST = [("unreachable", "NoExecute"), ("unreachable", "NoSchedule")]


def test_a_silent_node_is_marked_tainted_and_its_pods_leave_service_and_are_evicted_in_turn() -> None:
    with world() as w:
        start(w, "a", "b", "c")
        running(w, "p", "a")
        running(w, "q", "b")
        w.silence("a")
        w.run(w.timing.node_grace_s)
        assert w.readiness("a") == "True"
        w.run(4.0)
        assert w.readiness("a") == "Unknown"
        assert condition(w.get("nodes", "a"), "Ready").message == "Kubelet stopped posting node status."
        assert w.taints("a") == LOST
        assert not is_ready(w.get("pods", "p"))
        assert is_ready(w.get("pods", "q"))
        assert w.get("pods", "p").metadata.deletion_timestamp == ""
        w.run(w.timing.toleration_s + 2.0)
        assert w.get("pods", "p").metadata.deletion_timestamp != ""  # and there it stays: no kubelet has confirmed
        assert w.get("pods", "q").metadata.deletion_timestamp == ""
        assert w.events("TaintManagerEviction") == ["Marking for deletion Pod default/p"]
        assert w.events("NodeNotReady") == ["Node a status is now: NodeNotReady", "Node is not ready"]


def test_a_node_that_comes_back_in_time_loses_its_taints_and_keeps_its_pods() -> None:
    with world() as w:
        start(w, "a", "b")
        running(w, "p", "a")
        w.silence("a")
        w.run(w.timing.node_grace_s + 3.0)
        assert w.taints("a") == LOST
        w.beat("a")
        w.renew("a")
        w.ready("a")
        w.run(20.0)
        assert w.taints("a") == []
        assert w.readiness("a") == "True"
        assert w.get("pods", "p").metadata.deletion_timestamp == ""


def test_a_node_that_says_it_is_not_ready_is_tainted_so() -> None:
    with world() as w:
        start(w, "a", "b")
        w.ready("a", "False")
        w.run(3.0)
        assert w.taints("a") == [("not-ready", "NoExecute"), ("not-ready", "NoSchedule")]


def test_times_that_a_node_writes_are_never_compared_with_a_clock() -> None:
    with world() as w:
        start(w, "a", "b")
        before = w.system.now
        w.system.now = lambda: before() - 3600.0  # type: ignore[method-assign]  # what `renew` writes is an hour old
        w.run(30.0)
        w.system.now = before  # type: ignore[method-assign]
        assert w.readiness("a") == "True"


def test_a_late_stream_of_leases_makes_no_living_node_lost() -> None:
    with world() as w:
        start(w, "a", "b")
        hold_streams(w, 30.0)
        w.run(60.0)
        assert [w.readiness(name) for name in ("a", "b")] == ["True", "True"]


def test_a_stream_of_leases_that_lacks_one_node_is_no_reason_to_call_it_lost() -> None:
    with world() as w:
        start(w, "a", "b")
        # every change of a's lease is late by twice the grace period, all else is in time: the lists after gaps are held too
        w.system.links.hold(lambda passage: 8.0 if passage.target == CONTROLLER and passage.type in ("WatchBatch", "Listed") else 0.0)
        read = count_sent(w, "GetObject", "leases.coordination.k8s.io")
        controller = w.system.look(CONTROLLER)
        for _ in range(30):
            w.run(1.0)
            controller._leases_heard_s = w.system.now()  # as if other nodes' leases came in all the time
        assert read
        assert [w.readiness(name) for name in ("a", "b")] == ["True", "True"]


def test_a_controller_that_was_cut_off_has_to_observe_silence_itself() -> None:
    with world() as w:
        start(w, "a", "b")
        w.system.crash(CONTROLLER)
        w.silence("a")
        w.run(60.0)
        w.system.restart(CONTROLLER)
        w.run(w.timing.node_grace_s - 0.5)
        assert w.readiness("a") == "True"
        w.run(4.0)
        assert w.readiness("a") == "Unknown"


def test_nobody_is_evicted_while_all_nodes_are_silent() -> None:
    with world() as w:
        start(w, "a", "b", "c")
        for name in ("a", "b", "c"):
            running(w, f"on-{name}", name)
        w.silence("a", "b", "c")
        w.run(60.0)
        assert [w.readiness(name) for name in ("a", "b", "c")] == ["Unknown"] * 3
        assert all(one.metadata.deletion_timestamp == "" for one in w.all("pods"))
        assert all(w.taints(name) == [("unreachable", "NoSchedule")] for name in ("a", "b", "c"))
        w.beat("a")
        w.renew("a")
        w.ready("a")
        w.run(w.timing.node_grace_s + w.timing.toleration_s + 6.0)
        gone = [one.metadata.name for one in w.all("pods") if one.metadata.deletion_timestamp]
        assert gone == ["on-b", "on-c"]


def test_what_has_begun_is_taken_back_when_all_nodes_turn_out_to_be_silent() -> None:
    with world(timing=replace(CHAOS, toleration_s=60)) as w:
        start(w, "a", "b", "c")
        w.silence("a")
        w.run(w.timing.node_grace_s + 4.0)
        assert w.taints("a") == LOST
        w.silence("b", "c")
        w.run(w.timing.node_grace_s + 4.0)
        assert [w.taints(name) for name in ("a", "b", "c")] == [[("unreachable", "NoSchedule")]] * 3


def test_an_apiserver_that_was_out_of_reach_for_all_makes_nobody_lost_when_it_is_back() -> None:
    with world(timing=replace(CHAOS, node_grace_s=12.0)) as w:
        start(w, "a", "b", "c")
        w.silence("a", "b", "c")
        w.system.links.partition(CONTROLLER, "apiserver-0")
        w.system.run_for(120.0)
        w.system.links.heal()
        w.system.run_for(8.0)  # the controller is quicker to come back than the nodes are
        w.beat("a", "b", "c")
        w.run(30.0)
        changed = [condition(w.get("nodes", name), "Ready").last_transition_time for name in ("a", "b", "c")]
        assert changed == ["", "", ""]  # as the kubelets have written it


def test_a_small_zone_of_which_most_is_lost_evicts_nobody_further() -> None:
    with world(timing=replace(CHAOS, eviction_rate_per_s=0.01)) as w:
        start(w, "a", "b", "c", "d", "e")
        w.silence("a", "b", "c")
        w.run(120.0)
        assert sum(1 for name in "abc" if ("unreachable", "NoExecute") in w.taints(name)) <= 1


def test_evictions_begin_one_node_after_the_other_at_the_rate_of_the_zone() -> None:
    with world(timing=replace(CHAOS, eviction_rate_per_s=0.1)) as w:
        names = [f"n{number}" for number in range(8)]
        start(w, *names)
        w.silence("n0", "n1", "n2")
        tainted = []
        for _ in range(30):
            w.run(1.0)
            tainted.append(sum(1 for name in names if ("unreachable", "NoExecute") in w.taints(name)))
        assert tainted[-1] == 3
        assert min(tainted.index(3) - tainted.index(2), tainted.index(2) - tainted.index(1)) >= 9


def test_pods_of_a_node_that_is_gone_are_removed_after_the_quarantine_with_its_lease() -> None:
    with world() as w:
        start(w, "a", "b")
        running(w, "p", "a")
        running(w, "q", "b")
        w.silence("a")
        w.delete("nodes", "a")
        w.run(w.timing.pod_gc_quarantine_s - 1.0)
        assert w.get("pods", "p") is not None
        w.run(2 * w.timing.pod_gc_period_s + 2.0)
        assert [one.metadata.name for one in w.all("pods")] == ["q"]
        assert [one.metadata.name for one in w.all("leases.coordination.k8s.io")] == ["b"]


def test_a_node_that_is_made_anew_within_the_quarantine_keeps_the_pods() -> None:
    with world() as w:
        start(w, "a", "b")
        running(w, "p", "a")
        w.delete("nodes", "a")
        w.run(1.0)
        w.create("nodes", node("a"))
        w.run(20.0)
        assert w.get("pods", "p") is not None
        assert w.readiness("a") == "True"


def test_a_pod_held_by_a_finalizer_is_not_deleted_again_and_again() -> None:
    with world() as w:
        start(w, "a", "b")
        held = pod("p", bound="a", phase="Running")
        w.create("pods", replace(held, metadata=replace(held.metadata, finalizers=("example.com/hold",))))
        w.silence("a")
        w.delete("nodes", "a")
        w.run(20.0)
        found = w.get("pods", "p")
        assert found.metadata.deletion_grace_period_seconds == 0
        asked = count_sent(w, "DeleteObject", "pods")
        w.run(20.0)
        assert not asked


def test_a_terminating_pod_without_a_node_is_held_by_its_finalizer_only() -> None:
    with world() as w:
        start(w, "a")
        w.create("pods", replace(pod("p"), metadata=replace(pod("p").metadata, finalizers=("example.com/hold",))))
        w.delete("pods", "p")
        asked = count_sent(w, "DeleteObject", "pods")
        w.run(20.0)
        assert not asked
        found = w.get("pods", "p")
        w.change("pods", replace(found, metadata=replace(found.metadata, finalizers=())))
        assert w.get("pods", "p") is None


def test_terminating_pods_of_a_node_that_a_user_calls_out_of_service_need_not_be_waited_for() -> None:
    """Non-graceful node shutdown: podgc, gcTerminating. A node that is ready is not believed to be out of service."""
    with world() as w:
        start(w, "a", "b", "c")
        for name, where in (("p", "a"), ("stays", "a"), ("q", "b")):
            running(w, name, where, tolerations=(tolerate("node.kubernetes.io/out-of-service", "NoExecute", None),))
        w.silence("a")
        w.run(w.timing.node_grace_s + 4.0)
        for name in ("a", "b"):
            found = w.get("nodes", name)
            taint = Taint(key="node.kubernetes.io/out-of-service", effect="NoExecute")
            w.change("nodes", replace(found, spec=replace(found.spec, taints=(*found.spec.taints, taint))))
        w.delete("pods", "p")
        w.delete("pods", "q")
        assert w.get("pods", "p") is not None
        w.run(w.timing.pod_gc_period_s + 1.0)
        assert w.get("pods", "p") is None
        assert w.get("pods", "q") is not None


def test_an_evicted_pod_says_that_it_was_a_target_of_disruption_before_it_is_deleted() -> None:
    """kubernetes.io, pod disruption conditions: DeletionByTaintManager."""
    with world() as w:
        start(w, "a", "b")
        running(w, "p", "a")
        found = w.get("nodes", "a")
        w.change("nodes", replace(found, spec=replace(found.spec, taints=(Taint(key="work", effect="NoExecute"),))))
        w.run(0.5)
        told = condition(w.get("pods", "p"), "DisruptionTarget")
        assert (told.status, told.reason) == ("True", "DeletionByTaintManager")
        assert told.message == "Taint manager: deleting due to NoExecute taint"
        assert w.get("pods", "p").metadata.deletion_timestamp != ""


def test_a_pod_of_a_node_that_never_was_is_called_failed_and_collected() -> None:
    """podgc, markFailedAndDeletePodWithCondition; a finalizer lets the test see what is left."""
    with world() as w:
        start(w, "a", "b")
        held = pod("p", bound="nowhere", phase="Running")
        w.create("pods", replace(held, metadata=replace(held.metadata, finalizers=("example.com/hold",))))
        w.run(w.timing.pod_gc_quarantine_s + 2 * w.timing.pod_gc_period_s + 1.0)
        found = w.get("pods", "p")
        told = condition(found, "DisruptionTarget")
        assert found.status.phase == "Failed"
        assert (told.status, told.reason, told.message) == ("True", "DeletionByPodGC", "PodGC: node no longer exists")
        w.change("pods", replace(found, metadata=replace(found.metadata, finalizers=())))
        assert w.get("pods", "p") is None


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_jump_of_the_controllers_own_clock_makes_no_living_node_lost(jump_s: float) -> None:
    with world() as w:
        start(w, "a", "b", "c")
        running(w, "p", "a")
        w.run(3.0)
        w.system.add_machine("control-plane").skew_s = jump_s
        for _ in range(20):
            w.run(1.0)
            assert [w.readiness(name) for name in ("a", "b", "c")] == ["True"] * 3
        assert w.get("pods", "p").metadata.deletion_timestamp == ""
