"""The verb that tells what nodes and pods use: `top`, by the words and roundings of `kubectl top`. Taken in by `Verbs`.

Source: kubectl pkg/cmd/top (top_node.go, top_pod.go) and pkg/metricsutil/metrics_printer.go.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from callboard.models.errors import BadRequest, NotFound, Unavailable, not_found
from callboard.models.kinds import NODE_METRICS, POD_METRICS
from callboard.models.messages import api
from callboard.models.podstatus import condition
from callboard.models.quantity import cpu_milli, to_bytes
from callboard.models.spans import go_duration
from callboard.models.times import parse
from callboard.runtime.face.contract import Seconds, seconds
from callboard.runtime.face.reading import DEFAULT_TIMEOUT_S, Reading
from callboard.runtime.face.references import Reference

OLD_ENOUGH_S = 120.0
"""A pod that is older should have metrics (metricsCreationDelay)."""
SortBy = Literal["", "cpu", "memory"]


class NodeUsage(msgspec.Struct, frozen=True, gc=False):
    """What a node's pods use: thousandths of a core, bytes, and how many percent of what can be allocated that is (cut off, as kubectl
    does; None if the node does not say what it has)."""

    name: str
    cpu_milli: int
    cpu_percent: int | None
    memory_bytes: int
    memory_percent: int | None


class PodUsage(msgspec.Struct, frozen=True, gc=False):
    """What a pod, or one `container` of it, uses: thousandths of a core, and bytes."""

    namespace: str
    name: str
    cpu_milli: int
    memory_bytes: int
    container: str = ""


class TopUsage(Reading):
    """See `Cluster`."""

    def top(
        self,
        what: Any,
        *,
        namespace: str | None = None,
        selector: str = "",
        containers: bool = False,
        sort_by: SortBy = "",
        timeout: Seconds = DEFAULT_TIMEOUT_S,
    ) -> builtins.list[Any]:
        """What `nodes` or `pods` use now, or one of them (`node/node-1`, `pod/web`, or the object): a list of `NodeUsage` or `PodUsage`, by
        name, or by `sort_by` the greatest first. `namespace=""` means all namespaces; `containers=True` gives a row per container.

        Metrics are as old as one period of `timing.usage_s` at most. If there are none yet, or not of every node that is ready, they are
        waited for within `timeout`.

        Raises:
            Unavailable: there were none within `timeout`.
            NotFound: there is no such node or pod.

        >>> from callboard import Behaviour, Simulation, Usage
        >>> with Simulation(nodes=1, seed=1, images={"*": Behaviour(usage=Usage(250, 2**26))}) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.wait("deployment/web")
        ...     pod = s.top("pods")[0]
        ...     pod.cpu_milli, pod.memory_bytes
        (250, 67108864)
        >>> from callboard import Cluster
        >>> with Cluster(nodes=2) as c:
        ...     [(node.name, node.cpu_percent) for node in c.top("nodes")]
        [('node-1', 0), ('node-2', 0)]
        """
        if sort_by not in ("", "cpu", "memory"):
            raise BadRequest(f"sort_by={sort_by!r}: --sort-by accepts only cpu or memory")
        wanted = self._measured(what, namespace)
        metrics = self._metrics(wanted, selector, seconds(timeout))
        rows: builtins.list[Any]
        if wanted.resource.name == "nodes":
            rows = self._nodes(metrics, seconds(timeout))
        else:
            rows = [row for one in metrics for row in _pod_rows(one, containers)]
        if sort_by:
            rows.sort(key=lambda row: -row.cpu_milli if sort_by == "cpu" else -row.memory_bytes)
        return rows

    def _measured(self, what: Any, namespace: str | None) -> Reference:
        """What is meant; its name is "" where all of the kind are."""
        if not isinstance(what, str):
            reference = self._refer(what)
        else:
            kind, _, name = what.partition("/")
            resource = self._lookup(kind)
            reference = Reference(resource, self._where(resource, namespace), name)
        if reference.resource.name not in ("nodes", "pods"):
            raise BadRequest(f"{reference.resource.kind}: only nodes and pods have metrics")
        return reference

    def _metrics(self, wanted: Reference, selector: str, timeout_s: float) -> builtins.list[Any]:
        """The metrics that are wanted, as soon as there are any; none if there is nothing that could have some.

        Raises:
            Unavailable: there were none in time.
        """
        found: builtins.list[Any] = []
        problems: builtins.list[Unavailable] = []

        def met() -> bool:
            problems.clear()
            try:
                found[:] = self._read_metrics(wanted, selector, timeout_s)
            except Unavailable as problem:  # nobody serves metrics now; somebody may in a moment
                problems.append(problem)
                return False
            return not self._lacking(wanted, selector, found, timeout_s)

        if not self._host.await_change(wanted, met, timeout_s) and not found:
            raise problems[0] if problems else self._why_none(self._things(wanted, selector, timeout_s))
        return found

    def _read_metrics(self, wanted: Reference, selector: str, timeout_s: float) -> builtins.list[Any]:
        resource = NODE_METRICS if wanted.resource.name == "nodes" else POD_METRICS
        if not wanted.name:
            answer = self._host.ask(api.ListObjects, timeout_s, resource=resource, namespace=wanted.namespace, labels=selector)
            assert isinstance(answer, api.Listed)
            return [*answer.objects]
        try:
            got = self._host.ask(api.GetObject, timeout_s, resource=resource, namespace=wanted.namespace, name=wanted.name)
        except NotFound:
            if not self._things(wanted, selector, timeout_s):
                raise not_found(wanted.resource.name, wanted.name) from None
            return []
        assert isinstance(got, api.Got)
        return [got.obj]

    def _lacking(self, wanted: Reference, selector: str, found: builtins.list[Any], timeout_s: float) -> bool:
        """Whether to wait for metrics: there are none of what is there, or not of every node that is well."""
        if wanted.name or (found and wanted.resource.name == "pods"):
            return not found
        things = self._things(wanted, selector, timeout_s)
        if wanted.resource.name == "pods":
            return bool(things)
        known = {one.metadata.name for one in found}
        return any(_is_well(node) and node.metadata.name not in known for node in things)

    def _things(self, wanted: Reference, selector: str, timeout_s: float) -> builtins.list[Any]:
        """The nodes or pods that metrics are wanted of."""
        fields = f"metadata.name={wanted.name}" if wanted.name else ""
        name, namespace = wanted.resource.name, wanted.namespace
        answer = self._host.ask(api.ListObjects, timeout_s, resource=name, namespace=namespace, labels=selector, fields=fields)
        assert isinstance(answer, api.Listed)
        return [*answer.objects]

    def _why_none(self, things: Iterable[Any]) -> Unavailable:
        now_s = self._host.now()
        for one in things:
            age_s = now_s - parse(one.metadata.creation_timestamp)
            if one.KIND == "Pod" and age_s > OLD_ENOUGH_S:
                pod = f"{one.metadata.namespace}/{one.metadata.name}"
                return Unavailable(f"Metrics not available for pod {pod}, age: {go_duration(age_s)}")
        return Unavailable("metrics not available yet")

    def _nodes(self, metrics: Iterable[Any], timeout_s: float) -> builtins.list[Any]:
        answer = self._host.ask(api.ListObjects, timeout_s, resource="nodes", namespace="")
        assert isinstance(answer, api.Listed)
        allocatable = {node.metadata.name: node.status.allocatable for node in answer.objects if node.status is not None}
        return [_node_row(one, allocatable[one.metadata.name]) for one in metrics if one.metadata.name in allocatable]


def _is_well(node: Any) -> bool:
    ready = condition(node, "Ready")
    return ready is not None and ready.status == "True"


def _node_row(metrics: Any, allocatable: Mapping[str, Any]) -> NodeUsage:
    cpu, memory = _amounts(metrics.content["usage"])
    has_cpu, has_memory = cpu_milli(allocatable.get("cpu", 0)), to_bytes(allocatable.get("memory", 0))
    return NodeUsage(
        metrics.metadata.name,
        cpu,
        cpu * 100 // has_cpu if has_cpu else None,
        memory,
        memory * 100 // has_memory if has_memory else None,
    )


def _pod_rows(metrics: Any, containers: bool) -> builtins.list[PodUsage]:
    meta = metrics.metadata
    each = [PodUsage(meta.namespace, meta.name, *_amounts(one["usage"]), one["name"]) for one in metrics.content.get("containers", ())]
    if containers:
        return each
    return [PodUsage(meta.namespace, meta.name, sum(one.cpu_milli for one in each), sum(one.memory_bytes for one in each))]


def _amounts(usage: Mapping[str, Any]) -> tuple[int, int]:
    return cpu_milli(usage["cpu"]), to_bytes(usage["memory"])
