"""What whole clusters survive: clocks that jump, nodes that go away or come back, ReplicaSets that select each other's pods."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from callboard import Simulation
from callboard.models.podstatus import is_active, is_ready
from callboard.runtime.face.assembly import CONTROL_PLANE
from tests.properties.judges import CONVERGES_WITHIN_S, difference, running
from tests.properties.worlds import App, manifests


def _world(seed_: int, nodes: int = 3, replicas: int = 4) -> Simulation:
    s = Simulation(nodes=nodes, seed=seed_, timing="chaos")
    s.apply(manifests(App("app-0", replicas)))
    s.wait("deployment/app-0", timeout="60s")
    return s


def _converges(s: Simulation) -> None:
    deadline_s = s.now + CONVERGES_WITHIN_S
    while (wrong := difference(s)) and s.now < deadline_s:
        s.advance(1.0)
    assert not wrong, wrong


JUMPS = st.tuples(
    st.sampled_from(["node-1", "node-2", "node-3", CONTROL_PLANE]),
    st.sampled_from([-86400.0, -3600.0, -7.0, 7.0, 3600.0, 86400.0]),
)
"""A machine, and by how many seconds its clock jumps."""


@settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink))
@seed(4)
@given(st.integers(0, 1000), st.lists(JUMPS, min_size=1, max_size=4))
def test_no_live_node_is_lost_when_any_clock_jumps_and_all_goes_on(seed_: int, jumps: list[tuple[str, float]]) -> None:
    """kubernetes#6193: times that nodes write are never compared with a clock; silence is what the controller itself observes."""
    with _world(seed_) as s:
        pods = {pod.metadata.uid for pod in s.list("pods")}
        s.invariant(lambda view: all(_ready(node) for node in view.list("nodes")))
        for machine, jump_s in jumps:
            s._system.add_machine(machine).skew_s += jump_s
            s.advance("15s")
            assert {pod.metadata.uid for pod in s.list("pods") if is_active(pod)} == pods
        s.scale("deployment/app-0", 6)
        _converges(s)


def _ready(node: Any) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)


@pytest.mark.parametrize("seed_", range(3))
def test_a_node_that_comes_back_late_kills_what_it_lost_and_runs_no_pod_twice(seed_: int) -> None:
    with _world(seed_) as s:

        def once(view: Simulation) -> bool:
            counts = Counter(uid for uids in running(view).values() for uid in uids)
            return all(count == 1 for count in counts.values())

        s.invariant(once)
        victim = s.list("pods")[0].spec.node_name
        lost = {pod.metadata.uid for pod in s.list("pods") if pod.spec.node_name == victim}
        s.nodes[victim].partition()
        s.advance("30s")
        elsewhere = [pod for pod in s.list("pods") if is_active(pod) and is_ready(pod) and pod.spec.node_name != victim]
        assert len(elsewhere) == 4, "they are up elsewhere while the lost ones still run"
        assert lost & set(running(s)[victim])
        s.nodes[victim].heal()
        s.advance("15s")
        assert not lost & set(running(s)[victim])
        _converges(s)


@pytest.mark.parametrize("seed_", range(3))
def test_pods_of_a_node_that_is_deleted_while_they_run_come_up_elsewhere(seed_: int) -> None:
    with _world(seed_) as s:
        victim = s.list("pods")[0].spec.node_name
        s.nodes[victim].crash()
        s.delete(f"node/{victim}")
        s.advance("30s")
        pods = [pod for pod in s.list("pods") if is_active(pod)]
        assert len(pods) == 4
        assert all(is_ready(pod) and pod.spec.node_name != victim for pod in pods)


@pytest.mark.parametrize("seed_", range(3))
def test_when_all_nodes_go_silent_at_once_nobody_is_evicted(seed_: int) -> None:
    """kubernetes#28832: then the fault is more likely the control plane's. What was begun before the last one was missed is taken back."""
    with _world(seed_) as s:
        before = {pod.metadata.uid for pod in s.list("pods")}
        for name in s.nodes:
            s.nodes[name].partition()
        s.advance("60s")
        assert not any(_ready(node) for node in s.list("nodes"))
        assert {pod.metadata.uid for pod in s.list("pods") if is_active(pod)} == before
        for name in s.nodes:
            s.nodes[name].heal()
        _converges(s)
        assert {pod.metadata.uid for pod in s.list("pods")} == before


def test_a_pod_bound_to_a_node_that_does_not_exist_is_collected_and_replaced() -> None:
    with _world(2) as s:
        owner = s.list("replicasets")[0]
        s.scale("deployment/app-0", 0)
        s.settle()
        stray = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "stray", "labels": dict(owner.spec.selector.match_labels)},
            "spec": {"nodeName": "nowhere", "containers": [{"name": "web", "image": "web:1"}]},
        }
        s.apply(stray)
        s.wait("pod/stray", "Deleted", timeout="60s")
        s.scale("deployment/app-0", 2)
        _converges(s)


def _overlapping(name: str, **labels: str) -> dict[str, Any]:
    """A ReplicaSet that selects every pod with the label tier=web, whoever made it."""
    template = {
        "metadata": {"labels": {"tier": "web", **labels}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "web", "image": "web:1"}]},
    }
    spec = {"replicas": 3, "selector": {"matchLabels": {"tier": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize("seed_", range(4))
def test_two_replica_sets_with_overlapping_selectors_each_keep_their_own_count(seed_: int) -> None:
    """Ownership is by ownerReferences: a selector only says who may be adopted."""
    with Simulation(nodes=2, seed=seed_, timing="chaos") as s:
        s.apply([_overlapping("one", made="one"), _overlapping("other", made="other")])
        s.settle()
        assert _owned(s) == {"one": 3, "other": 3}
        for name, replicas in (("one", 5), ("other", 1), ("one", 2)):
            s.patch(f"rs/{name}", {"spec": {"replicas": replicas}})
        s.settle()
        assert _owned(s) == {"one": 2, "other": 1}
        s.delete("rs/other", propagation="Orphan", wait=True, timeout="60s")
        s.settle()
        assert _owned(s) == {"one": 2}, "the orphan is adopted, and then one is too many"
        found = s.get("rs/one").status
        labelled = sum(pod.metadata.labels["made"] == "one" for pod in s.list("pods"))
        assert (found.replicas, found.ready_replicas, found.fully_labeled_replicas) == (2, 2, labelled or None)


def _owned(s: Simulation) -> dict[str, int]:
    owners = [pod.metadata.owner_references[0].name for pod in s.list("pods") if is_active(pod)]
    return dict(sorted(Counter(owners).items()))
