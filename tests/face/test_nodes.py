"""Nodes come, go, and are taken out of service while their cluster runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard import BadRequest, Cluster, NodeSpec, Simulation, WaitTimeout

BUDGET: dict[str, Any] = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "web"},
    "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "web"}}},
}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lone"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}


def nodes_of_pods(s: Any) -> set[str]:
    return {pod.spec.node_name for pod in s.list("pods") if not pod.metadata.deletion_timestamp}


def test_a_node_that_is_added_takes_pods_for_which_there_was_no_room() -> None:
    with Simulation(nodes=[NodeSpec(name="small", pods=1)], seed=1) as s:
        s.apply("examples/web.yaml")
        s.wait("deployment/web", lambda web: web.status and web.status.ready_replicas == 1)
        s.nodes.add("big", labels={"disk": "ssd"})
        s.wait("deployment/web")
        assert nodes_of_pods(s) == {"small", "big"}
        assert s.get("node/big").metadata.labels["disk"] == "ssd"


def test_pods_of_a_node_that_is_removed_come_up_elsewhere() -> None:
    with Simulation(nodes=3, seed=1, timing="fast") as s:
        s.apply("examples/web.yaml")
        s.wait("deployment/web")
        s.nodes.remove("node-2")
        s.settle()
        assert [node.metadata.name for node in s.list("nodes")] == ["node-1", "node-3"]
        assert len(s.list("pods")) == 3
        assert nodes_of_pods(s) <= {"node-1", "node-3"}
        assert s.get("deployment/web").status.available_replicas == 3


def test_a_name_that_was_removed_may_come_again() -> None:
    with Cluster(nodes=2, timing="fast") as c:
        c.nodes.remove("node-2")
        c.nodes.add("node-2")
        c.nodes["node-1"].cordon()
        c.apply("examples/web.yaml")
        c.wait("deployment/web")
        assert nodes_of_pods(c) == {"node-2"}
        assert list(c.nodes) == ["node-1", "node-2"]


def test_what_can_not_be_added_or_removed_is_refused() -> None:
    with Simulation(nodes=1, seed=1) as s:
        for wrong, words in ((lambda: s.nodes.add("node-1"), "already"), (lambda: s.nodes.remove("node-9"), 'no node "node-9"')):
            with pytest.raises(BadRequest, match=words):
                wrong()
        with pytest.raises(BadRequest, match="more than nothing"):
            s.nodes.add("none", pods=0)
        for name in ("Node_5", "node 7", ""):
            with pytest.raises(BadRequest, match="a lowercase RFC 1123 subdomain"):
                s.nodes.add(name)
        assert list(s.nodes) == ["node-1"]
    with pytest.raises(BadRequest, match="give a number, or a list of NodeSpec"):
        Simulation(nodes="3")  # type: ignore[arg-type]


def test_a_drained_node_is_empty_and_gets_nothing_until_it_is_uncordoned() -> None:
    with Simulation(nodes=2, seed=1) as s:
        s.apply("examples/web.yaml")
        s.wait("deployment/web")
        lines = s.nodes["node-1"].drain()
        assert lines[0] == "node/node-1 cordoned"
        assert lines[-1] == "node/node-1 drained"
        s.settle()
        assert nodes_of_pods(s) == {"node-2"}
        s.nodes["node-1"].uncordon()
        s.scale("deployment/web", 6)
        s.wait("deployment/web")
        assert nodes_of_pods(s) == {"node-1", "node-2"}


def test_a_pod_without_a_controller_forbids_the_drain_and_nothing_is_evicted() -> None:
    with Simulation(nodes=1, seed=1) as s:
        s.apply([POD, "examples/web.yaml"])
        s.wait("deployment/web")
        with pytest.raises(BadRequest, match=r'unable to drain node "node-1": .*no controller .*default/lone'):
            s.nodes["node-1"].drain()
        s.settle()
        assert len(s.list("pods")) == 4
        assert s.get("node/node-1").spec.unschedulable


def test_a_drain_waits_for_a_disruption_budget_and_names_who_is_left() -> None:
    with Simulation(nodes=2, seed=1) as s:
        s.apply(["examples/web.yaml", BUDGET])
        s.wait("deployment/web")
        with pytest.raises(WaitTimeout, match="evictions are still refused of default/web-"):
            s.nodes["node-1"].drain(timeout="12s")
        assert len(s.list("pods")) == 3
        s.scale("deployment/web", 4)
        s.wait("deployment/web")
        assert s.nodes["node-1"].drain()[-1] == "node/node-1 drained"
        assert nodes_of_pods(s) == {"node-2"}


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), kubelet_dies_after_s=st.floats(0, 3))
def test_a_drain_ends_though_the_kubelet_of_its_node_is_restarted(seed: int, kubelet_dies_after_s: float) -> None:
    with Simulation(nodes=2, seed=seed, timing="chaos", jitter_s=0.2) as s:
        s.apply("examples/web.yaml")
        s.wait("deployment/web")
        s.components["kubelet/node-1"].crash()
        s.advance(kubelet_dies_after_s)
        s.components["kubelet/node-1"].restart()
        s.nodes["node-1"].drain(grace=1)
        s.settle()
        assert nodes_of_pods(s) == {"node-2"}
        assert s.get("deployment/web").status.available_replicas == 3


def test_two_nodes_that_are_cut_from_each_other_carry_no_traffic_between_them_and_stay_ready() -> None:
    with Simulation(nodes=3, seed=3, timing="fast") as s:
        s.apply("examples/web.yaml")
        s.wait("deployment/web")
        on_2 = {pod.status.pod_ip for pod in s.list("pods", selector="app=web") if pod.spec.node_name == "node-2"}

        def answered() -> set[str]:  # requests enter at the first node's proxy
            return {s.request("service/web").endpoint.partition(":")[0] for _ in range(6)}

        assert on_2 & answered()
        s.nodes["node-1"].partition("node-2")
        assert not on_2 & answered()
        s.advance("1m")
        assert all(s.wait(f"node/{name}", "Ready") for name in s.nodes)
        s.nodes["node-1"].heal("node-2")
        assert on_2 & answered()


@pytest.mark.parametrize("peer", ["node-9", "node-1"])
def test_a_node_cannot_be_cut_from_what_is_no_other_node(peer: str) -> None:
    with Simulation(nodes=2, seed=3) as s, pytest.raises(BadRequest, match=r"no other node of this cluster; there are node-2"):
        s.nodes["node-1"].partition(peer)
