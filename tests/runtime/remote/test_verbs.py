"""Every verb that needs only the API and the data path works over the link as it does inside."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import pytest

from callboard import Behaviour, Cluster, Invalid, NotFound, RealTimeOnly, SystemStopped, connect
from callboard.runtime.face.connection import Connected
from callboard.runtime.remote.errors import LinkLost, NoCluster

WEB = Path(__file__).resolve().parents[3] / "examples" / "web.yaml"
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: bells.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: bells, singular: bell, kind: Bell, shortNames: [be]}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    talker = Behaviour(says=["one", "two"], exec=lambda asked: f"ran {asked.command[0]}")
    with Cluster(nodes=2, timing="fast", images={"talker": talker}) as running:
        yield running


@pytest.fixture
def verbs(cluster: Cluster) -> Iterator[Connected]:
    with connect(cluster.serve()) as connected:
        yield connected


def test_a_deployment_lives_its_life_over_the_link(verbs: Connected, cluster: Cluster) -> None:
    verbs.apply(WEB)
    assert verbs.wait("deployment/web").status.available_replicas == 3
    assert verbs.get("deployment/web") == cluster.get("deployment/web")
    names = {pod.metadata.name for pod in verbs.list("pods", selector="app=web")}
    assert verbs.request("service/web").text in names
    assert verbs.scale("deployment/web", 1).spec.replicas == 1
    verbs.wait("deployment/web")
    with pytest.raises(RealTimeOnly, match="containers are simulated"):
        verbs.url("service/web")
    for what in ("deployment/web", "service/web", "configmap/web-page"):
        verbs.delete(what, wait=True)
    with pytest.raises(NotFound, match=r'deployments\.apps "web" not found'):
        verbs.get("deployment/web")


def test_logs_and_commands_come_over_the_link(verbs: Connected) -> None:
    spec = {"containers": [{"name": "a", "image": "talker"}]}
    verbs.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec})
    verbs.wait("pod/a")
    assert verbs.logs("pod/a") == "one\ntwo\n"
    following = verbs.logs("pod/a", follow=True)
    assert [next(following), next(following)] == ["one", "two"]
    assert verbs.exec("pod/a", ["date"]).stdout == "ran date"
    assert "Scheduled" in {event.reason for event in verbs.events("pod/a")}
    assert "Node:" in verbs.describe("pod/a")
    verbs.delete("pod/a", grace=0, wait=True)


def test_kinds_that_are_defined_while_connected_are_known(verbs: Connected) -> None:
    with pytest.raises(NotFound, match="doesn't have a resource type"):
        verbs.list("bells")
    verbs.apply(CRD)
    verbs.wait("crd/bells.example.com", "Established")
    verbs.apply({"apiVersion": "example.com/v1", "kind": "Bell", "metadata": {"name": "a"}, "spec": {"tones": [1, {"b": None}]}})
    assert verbs.get("be/a").to_dict()["spec"]["tones"][0] == 1
    verbs.delete("bell/a")


def test_refusals_keep_their_words(verbs: Connected) -> None:
    bad = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a b": "x"}}
    with pytest.raises(Invalid, match=r'ConfigMap "a" is invalid: data\[a b\]: Invalid value'):
        verbs.apply(bad)


@pytest.mark.parametrize("system", ["realtime", "threaded"])
def test_many_programs_at_once(system: Literal["realtime", "threaded"]) -> None:
    with Cluster(nodes=1, timing="fast", system=system) as cluster:
        _many_programs(cluster.serve())


def _many_programs(path: str) -> None:
    def work(number: int) -> str:
        with connect(path) as one:
            name = f"many-{number}"
            one.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
            found = one.get(f"configmap/{name}").metadata.name
            one.delete(f"configmap/{name}", wait=True)
            return str(found)

    with ThreadPoolExecutor(12) as pool:
        assert [*pool.map(work, range(40))] == [f"many-{number}" for number in range(40)]


def test_a_watch_is_narrowed_by_labels_and_fields(verbs: Connected) -> None:
    for name, tier in (("w-a", "x"), ("w-b", "y")):
        verbs.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"tier": tier}}})
    assert next(iter(verbs.watch("configmaps", selector="tier=y"))).obj.metadata.name == "w-b"
    assert next(iter(verbs.watch("configmaps", fields="metadata.name=w-a"))).obj.metadata.name == "w-a"


def test_when_the_cluster_stops_so_does_the_link_and_a_stopped_one_serves_nobody() -> None:
    cluster = Cluster(nodes=1)
    path = cluster.serve("short")
    with connect("short") as connected:
        assert connected.name == "short"
        watched = connected.watch("nodes")
        assert next(watched).type == "ADDED"
        cluster.stop()
        with pytest.raises(LinkLost, match="has ended"):
            list(watched)
        with pytest.raises(LinkLost, match="has ended"):
            connected.list("nodes")
    assert not Path(path).exists()
    with pytest.raises(NoCluster):
        connect("short")
    with pytest.raises(SystemStopped):
        cluster.serve()
