"""`top` and the metrics API, on real and on virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from callboard import BadRequest, Behaviour, Cluster, NodeSpec, NotFound, Simulation, Unavailable, Usage
from callboard.models.errors import MethodNotAllowed
from callboard.runtime.face.usage import NodeUsage, PodUsage

MI = 2**20
IMAGES = {"big:*": Behaviour(usage=Usage(150, 64 * MI)), "busy:*": Behaviour(usage=Usage(900.9, 16 * MI))}
NODES = [NodeSpec(name="node-1", cpu="2", memory="1Gi"), NodeSpec(name="node-2")]


def pod(name: str, *images: str, namespace: str = "default", node: str = "node-1", **labels: str) -> Any:
    containers = [{"name": image.partition(":")[0], "image": image} for image in images]
    meta = {"name": name, "namespace": namespace, "labels": labels}
    where = {"nodeSelector": {"kubernetes.io/hostname": node}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": containers, **where}}


@pytest.fixture(params=[Cluster, Simulation], ids=["cluster", "simulation"], name="world", scope="module")
def _world(request: pytest.FixtureRequest) -> Iterator[Any]:
    with request.param(nodes=NODES, timing="fast", images=IMAGES) as world:
        world.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        world.apply([pod("a", "big:1", "busy:1", app="x"), pod("b", "big:1", app="y"), pod("c", "busy:1", namespace="shop", app="x")])
        for name in ("a", "b"):
            world.wait(f"pod/{name}", "Ready")
            world.top(f"pod/{name}")
        world.namespace("shop").wait("pod/c", "Ready")
        world.namespace("shop").top("pod/c")
        yield world


def test_nodes_say_what_they_use_and_how_much_of_what_they_have_that_is(world: Any) -> None:
    """kubectl cuts percent off, it does not round: 1950 of 2000 thousandths, 160 of 1024 MiB."""
    busy, idle = world.top("nodes")
    assert busy == NodeUsage("node-1", 150 + 900 + 150 + 900, 105, 160 * MI, 15)
    assert idle == NodeUsage("node-2", 0, 0, 0, 0)
    assert world.top("node/node-1") == [busy]
    assert world.top("nodes", sort_by="cpu")[0] == world.top("nodes", sort_by="memory")[0] == busy


def test_pods_are_told_by_name_or_the_greatest_first(world: Any) -> None:
    assert world.top("pods") == [PodUsage("default", "a", 1050, 80 * MI), PodUsage("default", "b", 150, 64 * MI)]
    assert [row.name for row in world.top("pods", namespace="", sort_by="cpu")] == ["a", "c", "b"]
    assert [row.name for row in world.top("pods", namespace="", sort_by="memory")] == ["a", "b", "c"]
    assert [row.name for row in world.top("pods", namespace="", selector="app=x")] == ["a", "c"]
    assert [row.name for row in world.namespace("shop").top("pods")] == ["c"]


def test_containers_have_rows_of_their_own(world: Any) -> None:
    assert world.top("pod/a", containers=True) == [
        PodUsage("default", "a", 150, 64 * MI, "big"),
        PodUsage("default", "a", 900, 16 * MI, "busy"),
    ]


def test_the_metrics_api_can_be_read_as_any_other(world: Any) -> None:
    listed = world.list("pods.metrics.k8s.io", selector="app=x", namespace="")
    assert [(one.metadata.namespace, one.metadata.name) for one in listed] == [("default", "a"), ("shop", "c")]
    got = world.get("nodes.metrics.k8s.io/node-1").to_dict()
    assert (got["kind"], got["usage"]) == ("NodeMetrics", {"cpu": "2100m", "memory": "160Mi"})
    assert [one.metadata.name for one in world.list("pods")] == ["a", "b"]  # pods are still pods


@pytest.mark.parametrize("what", ["pod/nobody", "node/nobody"])
def test_what_does_not_exist_has_no_metrics(world: Any, what: str) -> None:
    with pytest.raises(NotFound, match='s "nobody" not found'):
        world.top(what)
    with pytest.raises(NotFound, match='"nobody" not found|"default/nobody" not found'):
        world.get(f"{what.partition('/')[0]}s.metrics.k8s.io/nobody")


def test_a_namespace_without_pods_has_no_rows_and_nobody_waits_for_some(world: Any) -> None:
    assert world.top("pods", namespace="kube-system", timeout="1s") == []
    assert world.top("pods", selector="app=z", timeout="1s") == []


def test_nobody_can_write_or_watch_metrics(world: Any) -> None:
    document = {"apiVersion": "metrics.k8s.io/v1beta1", "kind": "NodeMetrics", "metadata": {"name": "node-1"}}
    attempts: list[Callable[[], object]] = [
        lambda: world.apply(document),
        lambda: world.delete("nodes.metrics.k8s.io/node-1"),
        lambda: world.patch("nodes.metrics.k8s.io/node-1", {"usage": {"cpu": "0"}}),
        lambda: next(world.watch("pods.metrics.k8s.io")),
    ]
    for attempt in attempts:
        with pytest.raises(MethodNotAllowed, match="the server does not allow this method on the requested resource"):
            attempt()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"what": "deployments"}, "only nodes and pods have metrics"),
        ({"what": "pods", "sort_by": "age"}, "--sort-by accepts only cpu or memory"),
        ({"what": "pods", "selector": "a in"}, "a in"),
        ({"what": "pods", "timeout": "soon"}, "is not a duration"),
    ],
)
def test_what_makes_no_sense_is_refused(world: Any, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        world.top(**arguments)


def test_where_there_are_no_metrics_the_error_is_kubectls(world: Any) -> None:
    world.apply(pod("unscheduled", "big:1", node="nowhere", app="late"))
    with pytest.raises(Unavailable, match="^metrics not available yet$"):
        world.top("pods", selector="app=late", timeout="1s")
    world.delete("pod/unscheduled", grace=0)


def test_a_pod_that_should_have_metrics_by_now_is_named_with_its_age() -> None:
    with Simulation(nodes=1, seed=1) as s:
        s.apply(pod("late", "big:1", node="nowhere"))
        s.advance("2m30s")
        with pytest.raises(Unavailable, match=r"^Metrics not available for pod default/late, age: 2m\d+\.\d+s$"):
            s.top("pods", timeout="10s")
