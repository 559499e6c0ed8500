"""The newest sample of every node and what is answered from it: NodeMetrics and PodMetrics. Pure; the moment comes from the caller.

Source: kubernetes-sigs/metrics-server pkg/api (pod.go, node.go) and pkg/storage. As there only the newest sample counts, and a node that is
silent for too long is not told of. What differs: kubelets push their samples, so that a node costs one message per period.
"""

from __future__ import annotations

from collections.abc import Iterator

from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, freeze
from callboard.models.errors import not_found
from callboard.models.generic import GenericObject
from callboard.models.kinds import NODE_METRICS
from callboard.models.messages.usage import PodReport, UsageReport
from callboard.models.quantity import binary_quantity
from callboard.models.selectors import parse_fields, parse_labels
from callboard.models.spans import go_duration
from callboard.models.times import rfc3339

API_VERSION = "metrics.k8s.io/v1beta1"


class Samples:
    """The newest report of each node. A report older than `keep_s` seconds counts no more."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._reports: dict[str, tuple[float, UsageReport]] = {}
        """By node: when the report came, and the report."""

    def take(self, report: UsageReport, now_s: float) -> None:
        """A report has come; one that was measured before the newest is dropped."""
        known = self._reports.get(report.node)
        if known is None or known[1].measured_at_s <= report.measured_at_s:
            self._reports[report.node] = now_s, report

    def expire(self, now_s: float) -> None:
        """Forget the nodes that have been silent for too long."""
        for node in [node for node, (came_s, _) in self._reports.items() if now_s - came_s > self._keep_s]:
            del self._reports[node]

    def get(self, resource: str, namespace: str, name: str, now_s: float) -> GenericObject:
        """The metrics of one node or pod.

        Raises:
            NotFound: nothing is known of it.
        """
        if resource == NODE_METRICS:
            for report in self._fresh(now_s):
                if report.node == name:
                    return node_metrics(report)
            raise not_found(resource, name)
        found = [(report, pod) for report in self._fresh(now_s) for pod in report.pods if pod.name == name and pod.namespace == namespace]
        if not found:
            raise not_found(resource, f"{namespace}/{name}")
        report, pod = max(found, key=lambda pair: pair[0].measured_at_s)
        return pod_metrics(report, pod)

    def list(self, resource: str, namespace: str, labels: str, fields: str, now_s: float) -> tuple[GenericObject, ...]:
        """The metrics of all nodes or pods (of a namespace unless it is "") that match the selectors, in the order of their keys.

        Raises:
            BadRequest: a selector is none.
        """
        by_labels, by_fields = parse_labels(labels), parse_fields(fields)
        found: dict[tuple[str, str], tuple[float, GenericObject]] = {}
        for report in self._fresh(now_s):
            if resource == NODE_METRICS:
                if by_labels.matches(report.labels):
                    found["", report.node] = report.measured_at_s, node_metrics(report)
                continue
            for pod in report.pods:
                if namespace in ("", pod.namespace) and by_labels.matches(pod.labels):
                    key = pod.namespace, pod.name
                    if key not in found or found[key][0] < report.measured_at_s:  # two nodes may tell of pods of one name
                        found[key] = report.measured_at_s, pod_metrics(report, pod)
        return tuple([obj for _, (_, obj) in sorted(found.items(), key=lambda item: item[0]) if by_fields.matches(obj)])

    def _fresh(self, now_s: float) -> Iterator[UsageReport]:
        return (report for came_s, report in self._reports.values() if now_s - came_s <= self._keep_s)


def node_metrics(report: UsageReport) -> GenericObject:
    """A node's metrics in Kubernetes' form."""
    content = {**_when(report), "usage": _usage(report.cpu_milli, report.memory_bytes)}
    return _object("NodeMetrics", "", report.node, report.labels, content, report)


def pod_metrics(report: UsageReport, pod: PodReport) -> GenericObject:
    """A pod's metrics in Kubernetes' form."""
    containers = [{"name": one.name, "usage": _usage(one.cpu_milli, one.memory_bytes)} for one in pod.containers]
    return _object("PodMetrics", pod.namespace, pod.name, pod.labels, {**_when(report), "containers": containers}, report)


def _object(kind: str, namespace: str, name: str, labels: FrozenMap, content: dict[str, object], report: UsageReport) -> GenericObject:
    meta = ObjectMeta(name=name, namespace=namespace, labels=labels, creation_timestamp=rfc3339(report.measured_at_s))
    return GenericObject(api_version=API_VERSION, kind=kind, metadata=meta, content=freeze(content))


def _when(report: UsageReport) -> dict[str, object]:
    return {"timestamp": rfc3339(report.measured_at_s), "window": go_duration(report.window_s)}


def _usage(cpu_milli: int, memory_bytes: int) -> dict[str, str]:
    return {"cpu": f"{cpu_milli}m" if cpu_milli else "0", "memory": binary_quantity(memory_bytes)}
