"""What metrics-server tells, from the reports that it has: names, selectors, ages; and how it answers."""

from __future__ import annotations

import pytest

from callboard.actors.metrics.actor import answer
from callboard.actors.metrics.samples import Samples
from callboard.models.base import FrozenMap
from callboard.models.errors import BadRequest, NotFound
from callboard.models.kinds import NODE_METRICS, POD_METRICS
from callboard.models.messages.api import GetObject, Got, Listed, ListObjects, Refused
from callboard.models.messages.runtime import ContainerUsage
from callboard.models.messages.usage import PodReport, UsageReport

ME = "apiserver-0#1"
SILENT_AFTER_S = 45.0


def pod(name: str, *used: ContainerUsage, namespace: str = "default", **labels: str) -> PodReport:
    return PodReport(namespace, name, FrozenMap(labels), used or (ContainerUsage("web", 250, 64 * 2**20),))


def report(node: str, *pods: PodReport, at_s: float = 100.0, window_s: float = 15.0) -> UsageReport:
    cpu = sum(one.cpu_milli for each in pods for one in each.containers)
    memory = sum(one.memory_bytes for each in pods for one in each.containers)
    return UsageReport(node, at_s, window_s, cpu, memory, pods, FrozenMap({"zone": node[-1]}))


def known(*reports: UsageReport, now_s: float = 100.0) -> Samples:
    samples = Samples(SILENT_AFTER_S)
    for one in reports:
        samples.take(one, now_s)
    return samples


def names(samples: Samples, resource: str, namespace: str = "", labels: str = "", fields: str = "", now_s: float = 100.0) -> list[str]:
    return [one.metadata.name for one in samples.list(resource, namespace, labels, fields, now_s)]


def test_a_pods_metrics_have_kubernetes_form() -> None:
    sidecar = ContainerUsage("sidecar", 0, 1500)
    samples = known(report("node-a", pod("web", ContainerUsage("web", 250, 64 * 2**20), sidecar, app="shop"), window_s=62.5))
    assert samples.get(POD_METRICS, "default", "web", 100.0).to_dict() == {
        "apiVersion": "metrics.k8s.io/v1beta1",
        "kind": "PodMetrics",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "shop"}, "creationTimestamp": "1970-01-01T00:01:40Z"},
        "timestamp": "1970-01-01T00:01:40Z",
        "window": "1m2.5s",
        "containers": [
            {"name": "web", "usage": {"cpu": "250m", "memory": "64Mi"}},
            {"name": "sidecar", "usage": {"cpu": "0", "memory": "1500"}},
        ],
    }


def test_a_nodes_metrics_are_those_of_its_pods_together() -> None:
    samples = known(report("node-a", pod("a"), pod("b")))
    found = samples.get(NODE_METRICS, "", "node-a", 100.0).to_dict()
    assert found["usage"] == {"cpu": "500m", "memory": "128Mi"}
    assert (found["kind"], found["window"], found["metadata"]["labels"]) == ("NodeMetrics", "15s", {"zone": "a"})


def test_lists_keep_to_the_namespace_and_the_selectors_and_are_in_the_order_of_keys() -> None:
    samples = known(report("node-b", pod("b", app="x"), pod("a", namespace="shop", app="x")), report("node-a", pod("a", app="y")))
    assert names(samples, POD_METRICS) == ["a", "b", "a"]
    assert names(samples, POD_METRICS, "default") == ["a", "b"]
    assert names(samples, POD_METRICS, "", "app=x") == ["b", "a"]
    assert names(samples, POD_METRICS, "", "app in (x, y)", "metadata.name=a") == ["a", "a"]
    assert names(samples, NODE_METRICS) == ["node-a", "node-b"]
    assert names(samples, NODE_METRICS, "", "zone=b") == ["node-b"]


def test_a_node_that_is_silent_for_long_is_not_told_of_any_more() -> None:
    samples = known(report("node-a", pod("a")))
    assert names(samples, POD_METRICS, now_s=145.0) == ["a"]
    assert names(samples, POD_METRICS, now_s=145.1) == names(samples, NODE_METRICS, now_s=145.1) == []
    with pytest.raises(NotFound):
        samples.get(POD_METRICS, "default", "a", 145.1)
    samples.expire(145.1)
    assert names(samples, NODE_METRICS, now_s=100.0) == []


def test_an_older_report_that_comes_late_changes_nothing() -> None:
    samples = known(report("node-a", pod("new"), at_s=100.0), report("node-a", pod("old"), at_s=85.0))
    assert names(samples, POD_METRICS) == ["new"]


def test_of_pods_of_one_name_on_two_nodes_the_newer_report_counts() -> None:
    """A node that was cut off still tells of a pod that runs elsewhere by now."""
    stale = report("node-a", pod("web", ContainerUsage("web", 1, 1)), at_s=99.0)
    fresh = report("node-b", pod("web", ContainerUsage("web", 2, 2)), at_s=100.0)
    for reports in ((stale, fresh), (fresh, stale)):
        samples = known(*reports)
        (found,) = samples.list(POD_METRICS, "", "", "", 100.0)
        assert found == samples.get(POD_METRICS, "default", "web", 100.0)
        assert found.content["containers"][0]["usage"]["cpu"] == "2m"


def test_what_is_asked_is_answered_once_also_if_it_is_refused() -> None:
    samples = known(report("node-a", pod("web")))
    found = answer(GetObject(7, ME, resource=POD_METRICS, namespace="default", name="web"), samples, 100.0)
    assert isinstance(found, Got)
    assert found.id == 7
    missing = answer(GetObject(8, ME, resource=POD_METRICS, namespace="shop", name="web"), samples, 100.0)
    assert isinstance(missing, Refused)
    assert (missing.id, missing.code, missing.message) == (8, 404, 'pods.metrics.k8s.io "shop/web" not found')
    absent = answer(GetObject(9, ME, resource=NODE_METRICS, namespace="", name="node-z"), samples, 100.0)
    assert isinstance(absent, Refused)
    assert absent.message == 'nodes.metrics.k8s.io "node-z" not found'
    listed = answer(ListObjects(10, ME, resource=POD_METRICS), samples, 100.0)
    assert isinstance(listed, Listed)
    assert len(listed.objects) == 1
    bad = answer(ListObjects(11, ME, resource=POD_METRICS, labels="a in"), samples, 100.0)
    assert isinstance(bad, Refused)
    assert bad.code == BadRequest.code
    other = answer(ListObjects(12, ME, resource="cats.metrics.k8s.io"), samples, 100.0)
    assert isinstance(other, Refused)
    assert other.code == NotFound.code
