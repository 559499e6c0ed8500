"""`describe` and `events`, on real and on virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard import Behaviour, Cluster, NotFound, Simulation, WaitTimeout

WEB = Path(__file__).resolve().parents[2] / "examples" / "web.yaml"
SPEC = {"containers": [{"name": "app", "image": "crash:1"}]}
CRASH = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "crash"}, "spec": SPEC}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"api": "sesame-open-now"}}
BOAT_DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "boats.sea.io"},
    "spec": {
        "group": "sea.io",
        "scope": "Namespaced",
        "names": {"plural": "boats", "kind": "Boat"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
BOAT = {"apiVersion": "sea.io/v1", "kind": "Boat", "metadata": {"name": "a"}, "spec": {"mainSail": "red"}}


@pytest.fixture(params=[Cluster, Simulation], ids=["cluster", "simulation"], name="world", scope="module")
def _world(request: pytest.FixtureRequest) -> Iterator[Any]:
    images = {"crash:*": Behaviour(exits=[1])}
    with request.param(nodes=2, timing="fast", images=images) as world:
        world.apply([SECRET, CRASH])
        world.apply(WEB)
        world.wait("deployment/web")
        (endpoints,) = world.list("endpointslices")
        world.wait(endpoints, lambda found: [one.conditions.ready for one in found.endpoints] == [True] * 3)
        world.wait("pod/crash", lambda pod: any(one.restart_count for one in pod.status.container_statuses))
        yield world


def _value(text: str, title: str) -> str:
    """What follows a title in a description."""
    return next(line.split(":", 1)[1].strip() for line in text.splitlines() if line.strip().startswith(f"{title}:"))


def test_a_pod_that_crashes_shows_its_last_end(world: Any) -> None:
    text = world.describe("pod/crash")
    assert _value(text, "Last State") == "Terminated"
    assert _value(text, "Exit Code") == "1"
    assert int(_value(text, "Restart Count")) >= 1
    assert _value(text, "QoS Class") == "BestEffort"


def test_a_deployment_a_replica_set_and_a_service_show_what_belongs_to_them(world: Any) -> None:
    (replica_set,) = world.list("replicasets")
    name = replica_set.metadata.name
    assert _value(world.describe("deployment/web"), "NewReplicaSet") == f"{name} (3/3 replicas created)"
    assert _value(world.describe(replica_set), "Pods Status") == "3 Running / 0 Waiting / 0 Succeeded / 0 Failed"
    assert len(_value(world.describe("service/web"), "Endpoints").split(",")) == 3


def test_a_node_shows_the_pods_on_it(world: Any) -> None:
    pods = [pod for pod in world.list("pods", namespace="") if pod.spec.node_name == "node-1"]
    text = world.describe("node/node-1")
    assert _value(text, "Non-terminated Pods") == f"({len(pods)} in total)"
    assert all(pod.metadata.name in text for pod in pods)
    assert _value(text, "HolderIdentity") == "node-1"


def test_a_secret_shows_sizes_only(world: Any) -> None:
    text = world.describe("secret/keys")
    assert _value(text, "api") == "15 bytes"
    assert "sesame" not in text


def test_user_defined_kinds_and_kinds_that_are_only_stored_are_described(world: Any) -> None:
    world.apply(BOAT_DEFINITION)
    world.apply(BOAT)
    assert _value(world.describe("boat/a"), "Main Sail") == "red"
    assert _value(world.namespace("kube-node-lease").describe("lease/node-1"), "Kind") == "Lease"
    backend = {"service": {"name": "web", "port": {"number": 8080}}}
    ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i"}, "spec": {"defaultBackend": backend}}
    world.apply(ingress)
    assert _value(world.describe("ingress/i"), "Default backend").startswith("web:8080 (1")


def test_every_kind_of_object_in_a_cluster_can_be_described(world: Any) -> None:
    for kind in ("pods", "nodes", "services", "endpointslices", "namespaces", "configmaps", "secrets", "events", "leases", "crds"):
        for obj in world.list(kind, namespace=""):
            assert world.describe(obj).startswith("Name:"), kind


def test_what_isnt_there_cant_be_described(world: Any) -> None:
    with pytest.raises(NotFound, match="nothing-here"):
        world.describe("pod/nothing-here")


def test_events_of_an_object_are_its_own_the_newest_last(world: Any) -> None:
    found = world.events("pod/crash")
    assert {one.involved_object.name for one in found} == {"crash"}
    assert "Scheduled" in [one.reason for one in found]
    times = [one.last_timestamp or one.event_time for one in world.events(namespace="")]
    assert [time[:19] for time in times] == sorted(time[:19] for time in times)


def test_events_can_be_chosen_by_type(world: Any) -> None:
    assert {one.type for one in world.events(types=["Normal"])} == {"Normal"}
    assert {one.type for one in world.events(types="normal")} == {"Normal"}
    assert world.events(types=["NoSuchType"]) == []


def test_events_are_immutable(world: Any) -> None:
    event: Any = world.events("deployment/web")[0]
    with pytest.raises(AttributeError, match="immutable"):
        event.reason = "Other"


def test_events_as_text_have_kubectl_s_columns(world: Any) -> None:
    lines = world.events_text(namespace="").splitlines()
    assert lines[0].split() == ["NAMESPACE", "LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert any(" Deployment/web " in line for line in lines)


def test_events_of_something_that_is_gone_are_still_told(world: Any) -> None:
    world.apply({**CRASH, "metadata": {"name": "gone"}})
    world.wait("pod/gone", lambda _pod: world.events("pod/gone"))
    world.delete("pod/gone", grace=0, wait=True)
    assert "Scheduled" in [one.reason for one in world.events("pod/gone")]


def test_a_description_without_events_does_not_read_them(world: Any) -> None:
    assert "Events:" not in world.describe("deployment/web", events=False)


def _says_why_it_waits(pod: Any) -> bool:
    return any(one.state.waiting is not None and one.state.waiting.message for one in pod.status.container_statuses)


def test_a_wait_that_runs_out_of_time_says_which_container_crashes_and_why_pods_are_pending(world: Any) -> None:
    def deployment(name: str, **container: Any) -> dict[str, Any]:
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "crash:2", **container}]}}
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}

    huge = {"requests": {"cpu": "1000"}}
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "k"}}}]
    world.apply([deployment("huge", resources=huge), deployment("unset", env=env)])
    for name in ("huge", "unset"):
        world.wait(f"deployment/{name}", lambda obj: world.list("pods", selector=f"app={obj.metadata.name}"))
    world.wait(world.list("pods", selector="app=huge")[0], "PodScheduled=False")
    world.wait(world.list("pods", selector="app=unset")[0], _says_why_it_waits)
    with pytest.raises(WaitTimeout, match="pod huge-.*: Pending: 0/2 nodes are available: 2 Insufficient cpu"):
        world.wait("deployment/huge", timeout=0.1)
    with pytest.raises(WaitTimeout, match=r'container app waits: CreateContainerConfigError \(configmap "absent" not found\)'):
        world.wait("deployment/unset", timeout=0.1)


def test_a_wait_for_a_pod_says_what_its_container_suffers_from(world: Any) -> None:
    world.apply({**CRASH, "metadata": {"name": "loop"}, "spec": {**SPEC, "restartPolicy": "Never"}})
    world.wait("pod/loop", "Ready=False")
    world.wait("pod/loop", lambda pod: pod.status.phase == "Failed")
    with pytest.raises(WaitTimeout, match="pod loop: container app ended with exit code 1, Error, 0 restarts"):
        world.wait("pod/loop", timeout=0.1)


def test_looking_at_a_simulation_alters_nothing_of_its_history() -> None:
    with Simulation(nodes=1, seed=5) as s:
        s.apply(WEB)
        s.wait("deployment/web")
        before = s.trace_hash
        for what in ("deployment/web", "node/node-1", "service/web", "namespace/default"):
            s.describe(what)
        s.events_text()
        assert s.trace_hash == before
