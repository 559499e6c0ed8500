"""A whole cluster on real time, on both systems it can stand on."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from callboard import BadRequest, CallboardError, Cluster, NodeSpec, NotFound, RealTimeOnly, SystemStopped, WaitTimeout

SYSTEMS = ("realtime", "threaded")
WEB = Path(__file__).resolve().parents[2] / "examples" / "web.yaml"


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_deployment_becomes_available_is_scaled_and_serves(system: str) -> None:
    with Cluster(nodes=3, timing="fast", system=system) as c:  # type: ignore[arg-type]
        c.apply(WEB)
        c.wait("deployment/web")
        assert len(c.list("pods", selector="app=web")) == 3
        names = {pod.metadata.name for pod in c.list("pods", selector="app=web")}
        c.wait("service/web", lambda _: {c.request("service/web").text for _ in range(3)} == names)
        c.scale("deployment/web", 5)
        c.wait("deployment/web")
        assert c.get("deployment/web").status.available_replicas == 5


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_lost_node_s_pods_come_up_elsewhere_and_a_returned_node_is_ready_again(system: str) -> None:
    with Cluster(nodes=2, timing="fast", system=system) as c:  # type: ignore[arg-type]
        c.apply(WEB)
        c.wait("deployment/web")
        c.nodes["node-1"].crash()
        c.wait("node/node-1", "Ready=Unknown")
        c.wait("deployment/web", lambda web: (web.status.available_replicas or 0) < 3)
        c.wait("deployment/web")
        assert {pod.spec.node_name for pod in c.list("pods", selector="app=web") if not pod.metadata.deletion_timestamp} == {"node-2"}
        c.nodes["node-1"].restart()
        c.wait("node/node-1", "Ready")


@pytest.mark.parametrize("component", ["store", "apiserver-0", "scheduler", "controller/replicaset", "kubelet/node-1"])
def test_any_component_may_be_restarted_under_work(component: str) -> None:
    with Cluster(nodes=2, timing="fast") as c:
        c.apply(WEB)
        c.components[component].restart()
        c.scale("deployment/web", 4)
        c.wait("deployment/web")
        assert c.stats().restarts >= 1


def test_objects_in_a_data_folder_are_there_after_a_restart(tmp_path: Path) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"a": "b"}}
    with Cluster(nodes=1, data=tmp_path) as c:
        c.apply(config)
        uid = c.get("configmap/kept").metadata.uid
    with Cluster(nodes=1, data=tmp_path) as c:
        kept = c.get("configmap/kept")
        assert (kept.data["a"], kept.metadata.uid) == ("b", uid)


def test_a_data_folder_serves_one_cluster_at_a_time(tmp_path: Path) -> None:
    with Cluster(nodes=1, data=tmp_path), pytest.raises(CallboardError, match="another"):
        Cluster(nodes=1, data=tmp_path)


def test_a_watch_tells_what_is_there_and_then_what_changes() -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}
    with Cluster(nodes=1) as c:
        c.apply(config)
        events = c.watch("configmaps", timeout=10)
        assert (next(events).type, c.patch("configmap/a", {"data": {"k": "2"}}).data["k"]) == ("ADDED", "2")
        event = next(events)
        assert (event.type, event.obj.data["k"]) == ("MODIFIED", "2")
        c.delete("configmap/a", wait=True)
        assert next(events).type == "DELETED"


def test_deleting_a_deployment_takes_its_pods_along() -> None:
    with Cluster(nodes=1, timing="fast") as c:
        c.apply(WEB)
        c.wait("deployment/web")
        pod = c.list("pods")[0]
        c.delete("deployment/web")
        c.wait(pod, "Deleted")
        with pytest.raises(NotFound):
            c.get("deployment/web")


def test_a_wait_that_fails_says_what_was_seen_last() -> None:
    with (
        Cluster(nodes=1) as c,
        pytest.raises(WaitTimeout, match=r"deployment/web .* RolledOut within 0\.2 s; last seen: it does not exist"),
    ):
        c.wait("deployment/web", timeout=0.2)


def test_what_makes_no_sense_is_refused_in_words() -> None:
    with pytest.raises(BadRequest, match="two nodes are called a"):
        Cluster(nodes=[NodeSpec(name="a"), NodeSpec(name="a")])
    with pytest.raises(BadRequest, match="1 to"):
        Cluster(nodes=0)
    with pytest.raises(BadRequest, match="timing"):
        Cluster(nodes=1, timing="quick")
    with Cluster(nodes=1) as c:
        with pytest.raises(BadRequest, match="there is no node"):
            c.nodes["node-9"].crash()
        with pytest.raises(BadRequest, match="there is no component"):
            c.components["scheduler-9"].crash()
        c.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
        with pytest.raises(RealTimeOnly):
            c.url("service/web")


def test_a_stopped_cluster_says_so_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    c = Cluster(nodes=1)
    c.stop()
    c.stop()
    with pytest.raises(SystemStopped):
        c.list("nodes")
    assert set(threading.enumerate()) <= before
