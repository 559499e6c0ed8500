"""A kubelet that measures: reports, pressure, eviction and memory limits on a whole simulated cluster, also while things break."""

from __future__ import annotations

from typing import Any

import pytest

from callboard import Behaviour, NodeSpec, Simulation, Unavailable, Usage
from callboard.models.messages.usage import METRICS_SERVER

MI = 2**20
SMALL = NodeSpec(name="node-1", memory="1000Mi", ephemeral_storage="1Gi", pids=100)


def pod(name: str, image: str, *, requests: dict[str, str] | None = None, limits: dict[str, str] | None = None, **spec: Any) -> Any:
    container = {"name": "c", "image": image, "resources": {"requests": requests or {}, "limits": limits or {}}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def condition(obj: Any, type_: str) -> str:
    return next((one.status for one in obj.status.conditions if one.type == type_), "")


def reasons(s: Simulation, name: str) -> list[str]:
    return [one.reason for one in s.list("events") if one.involved_object.name == name]


def restarts(obj: Any) -> int:
    return sum(one.restart_count for one in obj.status.container_statuses)


def usage(**amounts: Any) -> Behaviour:
    return Behaviour(usage=Usage(**amounts))


# -- reports ------------------------------------------------------------------------------------------------------------------------


def test_metrics_follow_the_curve_of_a_container_and_go_with_it() -> None:
    growing = Behaviour(usage=lambda seconds: Usage(10 * seconds, MI * seconds))
    with Simulation(nodes=1, seed=1, timing="fast", images={"web:*": growing}) as s:
        s.apply(pod("web", "web:1"))
        s.advance("10s")
        before = s.top("pod/web")[0]
        s.advance("10s")
        after = s.top("pod/web")[0]
        assert 190 <= after.cpu_milli <= 200  # measured within the last period, about a second
        assert 90 <= after.cpu_milli - before.cpu_milli <= 110
        assert s.top("nodes")[0].memory_bytes == after.memory_bytes
        s.delete("pod/web", wait=True)
        s.advance("2s")
        assert s.top("pods") == []
        assert s.top("nodes")[0].memory_bytes == 0


def test_a_container_whose_curve_raises_ends_with_the_traceback_in_its_log() -> None:
    with Simulation(nodes=1, seed=1, timing="fast", images={"web:*": Behaviour(usage=lambda _: 1 / 0)}) as s:  # type: ignore[arg-type, return-value]
        s.apply(pod("web", "web:1", restartPolicy="Never"))
        done = s.wait("pod/web", lambda one: one is not None and one.status.phase == "Failed")
        assert done.status.container_statuses[0].state.terminated.exit_code == 1
        assert "ZeroDivisionError" in s.logs("pod/web")


def test_a_node_at_rest_sends_the_very_pods_that_it_sent_before() -> None:
    """Reports of pods without a curve cost nothing per pod."""
    with Simulation(nodes=1, seed=1, timing="fast") as s:
        for name in ("a", "b"):
            s.apply(pod(name, "web:1"))
        s.advance("5s")
        server = s._system.look(METRICS_SERVER)
        (_, before), *_ = server.samples._reports.values()
        s.advance("5s")
        (_, after), *_ = server.samples._reports.values()
        assert after.measured_at_s > before.measured_at_s
        assert after.pods is before.pods
        s.patch("pod/a", {"metadata": {"labels": {"app": "x"}}})
        s.advance("2s")
        assert [row.name for row in s.top("pods", selector="app=x")] == ["a"]


def test_while_the_metrics_server_is_down_nobody_serves_metrics_and_afterwards_it_knows_all_again() -> None:
    with Simulation(nodes=2, seed=3, timing="fast") as s:
        s.apply(pod("web", "web:1"))
        s.wait("pod/web", "Ready")
        assert [row.name for row in s.top("nodes")] == ["node-1", "node-2"]
        s.components[METRICS_SERVER].crash()
        with pytest.raises(Unavailable, match=r"unable to handle the request \(get pods\.metrics\.k8s\.io\)"):
            s.list("pods.metrics.k8s.io")
        with pytest.raises(Unavailable):
            s.top("pods", timeout="5s")
        s.components[METRICS_SERVER].restart()
        assert [row.name for row in s.top("nodes")] == ["node-1", "node-2"]
        assert [row.name for row in s.top("pods")] == ["web"]


def test_a_node_that_is_cut_off_is_not_told_of_and_comes_back() -> None:
    with Simulation(nodes=2, seed=3, timing="fast") as s:
        assert len(s.top("nodes")) == 2
        s.nodes["node-2"].partition()
        s.advance("10s")
        assert [row.name for row in s.top("nodes")] == ["node-1"]
        s.nodes["node-2"].heal()
        s.wait("node/node-2", "Ready")
        assert [row.name for row in s.top("nodes")] == ["node-1", "node-2"]


def test_a_kubelet_that_restarts_goes_on_reporting() -> None:
    with Simulation(nodes=1, seed=5, timing="fast", images={"web:*": usage(cpu_milli=7)}) as s:
        s.apply(pod("web", "web:1"))
        s.wait("pod/web", "Ready")
        s.components["kubelet/node-1"].crash()
        s.advance("5s")
        assert s.list("pods.metrics.k8s.io") == []
        s.components["kubelet/node-1"].restart()
        assert s.top("pod/web")[0].cpu_milli == 7


# -- memory limits ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("usage_of", [Usage(memory_bytes=65 * MI), lambda seconds: Usage(memory_bytes=10 * MI * seconds)])
def test_a_container_that_uses_more_memory_than_its_limit_is_killed_and_restarted_by_its_policy(usage_of: Any) -> None:
    with Simulation(nodes=1, seed=1, timing="fast", images={"web:*": Behaviour(usage=usage_of)}) as s:
        s.apply(pod("never", "web:1", limits={"memory": "64Mi"}, restartPolicy="Never"))
        s.apply(pod("always", "web:1", limits={"memory": "64Mi"}))
        s.apply(pod("roomy", "web:1", limits={"memory": "4Gi"}))
        failed = s.wait("pod/never", lambda one: one is not None and one.status.phase == "Failed")
        ended = failed.status.container_statuses[0].state.terminated
        assert (ended.exit_code, ended.reason) == (137, "OOMKilled")
        again = s.wait("pod/always", lambda one: restarts(one) == 2)
        assert again.status.container_statuses[0].last_state.terminated.reason == "OOMKilled"
        assert restarts(s.get("pod/roomy")) == 0


def test_a_container_is_killed_for_its_memory_also_while_its_kubelet_is_down() -> None:
    growing = Behaviour(usage=lambda seconds: Usage(memory_bytes=10 * MI * seconds))
    with Simulation(nodes=1, seed=1, timing="fast", images={"web:*": growing}) as s:
        s.apply(pod("web", "web:1", limits={"memory": "64Mi"}, restartPolicy="Never"))
        s.wait("pod/web", "Ready")
        s.components["kubelet/node-1"].crash()
        s.advance("10s")
        s.components["kubelet/node-1"].restart()
        done = s.wait("pod/web", lambda one: one.status.phase == "Failed")
        assert done.status.container_statuses[0].state.terminated.reason == "OOMKilled"


# -- pressure and eviction ----------------------------------------------------------------------------------------------------------


def test_under_memory_pressure_the_pod_that_exceeds_its_request_most_is_evicted_and_no_other() -> None:
    images = {"modest:*": usage(memory_bytes=300 * MI), "greedy:*": usage(memory_bytes=400 * MI), "more:*": usage(memory_bytes=250 * MI)}
    with Simulation([SMALL], seed=1, timing="fast", images=images) as s:
        s.apply(pod("modest", "modest:1", requests={"memory": "300Mi"}))
        s.apply(pod("greedy", "greedy:1", requests={"memory": "100Mi"}))
        s.apply(pod("more", "more:1", requests={"memory": "100Mi"}))
        evicted = s.wait("pod/greedy", lambda one: one is not None and one.status.phase == "Failed")
        assert evicted.status.reason == "Evicted"
        assert evicted.status.message == (
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
            "Container c was using 400Mi, request is 100Mi, has larger consumption of memory. "
        )
        target = next(one for one in evicted.status.conditions if one.type == "DisruptionTarget")
        assert (target.status, target.reason, target.message) == ("True", "TerminationByKubelet", evicted.status.message)
        assert "Evicted" in reasons(s, "greedy")
        assert condition(s.get("node/node-1"), "MemoryPressure") == "True"
        s.advance("1m")
        assert [s.get(f"pod/{name}").status.phase for name in ("modest", "more")] == ["Running", "Running"]
        assert condition(s.get("node/node-1"), "MemoryPressure") == "False"
        told = reasons(s, "node-1")
        assert {"NodeHasInsufficientMemory", "EvictionThresholdMet", "NodeHasSufficientMemory"} <= {*told}


def test_a_node_under_pressure_is_tainted_and_takes_no_best_effort_pod_until_the_transition_period_is_over() -> None:
    with Simulation([SMALL], seed=1, timing="fast", images={"hog:*": usage(memory_bytes=950 * MI)}) as s:
        s.apply(pod("hog", "hog:1"))
        s.wait("pod/hog", lambda one: one is not None and one.status.reason == "Evicted")
        taints = s.wait("node/node-1", lambda one: bool(one.spec.taints)).spec.taints
        assert [(one.key, one.effect) for one in taints] == [("node.kubernetes.io/memory-pressure", "NoSchedule")]
        s.apply(pod("bound", "web:1", nodeName="node-1"))
        s.apply(pod("asks", "web:1", nodeName="node-1", requests={"cpu": "1m"}))
        refused = s.wait("pod/bound", lambda one: one.status.phase == "Failed")
        assert (refused.status.reason, refused.status.message) == ("Evicted", "The node had condition: [MemoryPressure]. ")
        s.wait("pod/asks", "Ready", timeout="3s")
        s.wait("node/node-1", lambda one: not one.spec.taints)
        assert condition(s.get("node/node-1"), "MemoryPressure") == "False"


@pytest.mark.parametrize(
    ("amounts", "pressure", "resource"),
    [
        ({"storage_bytes": 950 * MI}, "DiskPressure", "ephemeral-storage"),
        ({"processes": 95}, "PIDPressure", "pids"),
    ],
)
def test_a_node_short_of_storage_or_processes_says_so_and_evicts(amounts: dict[str, float], pressure: str, resource: str) -> None:
    with Simulation([SMALL], seed=1, timing="fast", images={"hog:*": usage(**amounts)}) as s:
        s.apply(pod("hog", "hog:1"))
        s.apply(pod("good", "web:1"))
        gone = s.wait("pod/hog", lambda one: one is not None and one.status.phase == "Failed")
        assert gone.status.message.startswith(f"The node was low on resource: {resource}. Threshold quantity: ")
        assert condition(s.get("node/node-1"), pressure) == "True"
        s.advance("30s")
        assert s.get("pod/good").status.phase == "Running"
        assert condition(s.get("node/node-1"), pressure) == "False"


def test_a_pod_that_fills_its_own_empty_dir_is_evicted_although_the_node_has_room() -> None:
    with Simulation(nodes=1, seed=1, timing="fast", images={"hog:*": Behaviour(usage=Usage(volumes={"cache": 2 * MI}))}) as s:
        s.apply(pod("hog", "hog:1", volumes=[{"name": "cache", "emptyDir": {"sizeLimit": "1Mi"}}]))
        gone = s.wait("pod/hog", lambda one: one is not None and one.status.phase == "Failed")
        assert (gone.status.reason, gone.status.message) == ("Evicted", 'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". ')
        assert condition(s.get("node/node-1"), "DiskPressure") == "False"


@pytest.mark.parametrize("seed", range(4))
def test_an_evicted_pod_stays_evicted_and_its_replica_runs_elsewhere_whatever_restarts_meanwhile(seed: int) -> None:
    """The kubelet restarts in the middle of the eviction; the node is cut off for a while."""
    hog = Behaviour(usage=lambda seconds: Usage(memory_bytes=(950 if seconds < 8 else 10) * MI), stops_in="5s")
    nodes = [SMALL, NodeSpec(name="node-2", memory="8Gi")]
    with Simulation(nodes, seed=seed, timing="fast", images={"hog:*": hog}) as s:
        s.nodes["node-2"].cordon()
        spec = pod("hog", "hog:1")["spec"]
        template = {"metadata": {"labels": {"app": "hog"}}, "spec": spec}
        selector = {"matchLabels": {"app": "hog"}}
        replicas = {"replicas": 1, "selector": selector, "template": template}
        s.apply({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "hog"}, "spec": replicas})
        evicted = _until(s, lambda: [one for one in s.list("pods") if one.status.reason == "Evicted"])[0]
        s.nodes["node-2"].uncordon()
        s.components["kubelet/node-1"].crash()
        s.advance("1s")
        s.components["kubelet/node-1"].restart()
        s.nodes["node-1"].partition()
        s.advance("1s")
        s.nodes["node-1"].heal()
        s.wait("replicaset/hog", lambda one: one.status.ready_replicas == 1)
        done = s.wait(f"pod/{evicted.metadata.name}", lambda one: one.status.phase == "Failed")
        assert done.status.reason == "Evicted"
        assert condition(done, "DisruptionTarget") == "True"
        s.advance("30s")
        assert s.get(f"pod/{evicted.metadata.name}").status.phase == "Failed"


def _until(s: Simulation, look: Any) -> Any:
    for _ in range(200):
        found = look()
        if found:
            return found
        s.advance("100ms")
    raise AssertionError("it did not happen")
