"""DaemonSets as a user meets them: pods on all nodes, nodes that come, go and fail, rollouts, drains."""

from __future__ import annotations

from typing import Any

import pytest

from callboard import Behaviour, Cluster, Simulation
from callboard.models.errors import BadRequest

AGENT = "daemonset/agent"


def manifest(image: str = "agent:1", strategy: dict[str, Any] | None = None, **pod: Any) -> dict[str, Any]:
    labels = {"app": "agent"}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "agent", "image": image}], **pod}},
    }
    if strategy is not None:
        spec["updateStrategy"] = strategy
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": spec}


def where(s: Any) -> list[str]:
    return sorted(pod.spec.node_name for pod in s.list("pods"))


@pytest.mark.parametrize("make", [lambda: Cluster(nodes=3, timing="fast"), lambda: Simulation(nodes=3, seed=1)], ids=["real", "simulated"])
def test_every_node_runs_one_pod_and_a_rollout_can_be_followed_and_undone(make: Any) -> None:
    with make() as c:
        c.apply(manifest())
        c.wait(AGENT, timeout="30s")
        assert where(c) == ["node-1", "node-2", "node-3"]
        c.apply(manifest("agent:2"))
        c.wait(AGENT, timeout="30s")
        assert {pod.spec.containers[0].image for pod in c.list("pods")} == {"agent:2"}
        assert [one.revision for one in c.rollout.history(AGENT)] == [1, 2]
        assert c.rollout.undo(AGENT).words == "rolled back"
        assert c.rollout.status(AGENT) == 'daemon set "agent" successfully rolled out'
        assert {pod.spec.containers[0].image for pod in c.list("pods")} == {"agent:1"}
        c.rollout.restart(AGENT)
        c.wait(AGENT, timeout="30s")
        assert [one.revision for one in c.rollout.history(AGENT)] == [2, 3, 4]


def test_a_node_that_comes_gets_a_pod_and_one_that_goes_takes_its_own_with_it() -> None:
    with Simulation(nodes=2, seed=1) as s:
        s.apply(manifest())
        s.wait(AGENT)
        s.nodes.add("node-3")
        s.settle()
        assert where(s) == ["node-1", "node-2", "node-3"]
        s.nodes.remove("node-1")
        s.advance("5m")
        assert where(s) == ["node-2", "node-3"]
        status = s.get(AGENT).status
        assert (status.desired_number_scheduled, status.number_available) == (2, 2)


def test_a_lost_node_keeps_its_pod_and_a_drained_one_too_if_that_is_asked_for() -> None:
    with Simulation(nodes=2, seed=1) as s:
        s.apply(manifest())
        s.wait(AGENT)
        before = {pod.metadata.uid for pod in s.list("pods")}
        s.nodes["node-1"].crash()
        s.advance("10m")
        assert {pod.metadata.uid for pod in s.list("pods")} == before, "it tolerates that its node is unreachable"
        assert s.get(AGENT).status.number_ready == 1
        s.nodes["node-2"].drain(ignore_daemonsets=True)
        s.settle()
        assert {pod.metadata.uid for pod in s.list("pods")} == before


def test_labels_and_taints_of_nodes_decide() -> None:
    with Simulation(nodes=3, seed=1) as s:
        s.apply(manifest(nodeSelector={"disk": "ssd"}))
        s.settle()
        assert where(s) == []
        for number in (1, 2):
            s.patch(f"node/node-{number}", {"metadata": {"labels": {"disk": "ssd"}}}, type="merge")
        s.settle()
        assert where(s) == ["node-1", "node-2"]
        s.patch("node/node-1", {"spec": {"taints": [{"key": "mine", "effect": "NoExecute"}]}}, type="merge")
        s.settle()
        assert where(s) == ["node-2"]


def test_a_surge_leaves_no_node_without_an_available_pod() -> None:
    slow = Behaviour(ready_after="3s")
    with Simulation(nodes=3, seed=1, images={"*": slow}) as s:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        s.apply(manifest(strategy=strategy))
        s.wait(AGENT)

        def all_served(world: Simulation) -> bool:
            ready = [
                pod.spec.node_name
                for pod in world.list("pods")
                if any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)
            ]
            return len(set(ready)) == 3

        s.invariant(all_served)
        s.apply(manifest("agent:2", strategy=strategy))
        s.wait(AGENT)
        s.settle()
        assert {pod.spec.containers[0].image for pod in s.list("pods")} == {"agent:2"}
        assert where(s) == ["node-1", "node-2", "node-3"]


def test_ondelete_waits_for_the_user_and_has_no_status_of_a_rollout() -> None:
    with Simulation(nodes=2, seed=1) as s:
        s.apply(manifest(strategy={"type": "OnDelete"}))
        s.wait(AGENT)
        s.apply(manifest("agent:2", {"type": "OnDelete"}))
        s.wait(AGENT)
        assert {pod.spec.containers[0].image for pod in s.list("pods")} == {"agent:1"}
        for pod in s.list("pods"):
            s.delete(f"pod/{pod.metadata.name}")
        s.settle()
        assert {pod.spec.containers[0].image for pod in s.list("pods")} == {"agent:2"}
        with pytest.raises(BadRequest, match="only available for RollingUpdate"):
            s.rollout.status(AGENT)


def test_a_node_whose_pods_always_fail_makes_no_hot_loop() -> None:
    with Simulation(nodes=1, seed=1) as s:
        s.apply(manifest())
        s.wait(AGENT)
        seen: dict[str, None] = {}
        for _ in range(300):
            for pod in s.list("pods"):
                if pod.metadata.uid not in seen:
                    seen[pod.metadata.uid] = None
                    s.patch(f"pod/{pod.metadata.name}", {"spec": {"activeDeadlineSeconds": 1}}, type="merge")
            s.advance("1s")
        assert 4 <= len(seen) <= 12, "one more pause each time, and twice as long"
        assert "FailedDaemonPod" in [event.reason for event in s.events(AGENT)]
