"""What a pod asks of a node, computed once per template and shared by all pods made from it.

Called by the scheduler's actor for every pod it sees. A thousand pods of one ReplicaSet carry the very same `containers`, `affinity`
and so on, so the book of templates compares those by identity and hands out one `Template`; all that follows is cached by it.
Source: component-helpers resource/helpers.go (PodRequests), scheduler framework types.go (defaults for scoring).
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.actors.scheduler.terms import NO_RELATIONS, Relations, relations_of
from callboard.models.api.core import NodeSelector, Pod, PodSpec, PreferredSchedulingTerm, Toleration
from callboard.models.owners import controller_of
from callboard.models.podresources import pod_requests

SCORE_CPU_MILLI = 100
"""What a pod without a request for CPU counts for when nodes are scored (DefaultMilliCPURequest)."""
SCORE_MEMORY_BYTES = 200 * 1024 * 1024
TEMPLATES_LIMIT = 4096
"""Templates remembered; beyond, the oldest is forgotten and computed anew if it comes again."""

HostPort = tuple[str, str, int]
"""(protocol, address, port) that a pod takes on its node; the address 0.0.0.0 stands for all."""


class Constraints(msgspec.Struct, frozen=True, gc=False):
    """What a pod says about the node itself: depends on nothing but the node's object."""

    node_selector: tuple[tuple[str, str], ...] = ()
    required: NodeSelector | None = None
    preferred: tuple[PreferredSchedulingTerm, ...] = ()
    tolerations: tuple[Toleration, ...] = ()


class Demand(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that scheduling needs to know of a pod's spec. CPU in thousandths of a core, the rest in bytes or whole units."""

    requests: tuple[tuple[str, int], ...] = ()
    score_cpu: int = SCORE_CPU_MILLI
    score_memory: int = SCORE_MEMORY_BYTES
    ports: tuple[HostPort, ...] = ()
    constraints: Constraints = Constraints()
    relations: Relations = NO_RELATIONS
    priority: int = 0
    preempts: bool = True
    """Whether it may take the place of pods of lower priority (preemptionPolicy other than Never)."""
    cpu: int = 0
    memory: int = 0
    claims: bool = False
    """Whether it wants devices by resource claims, which nobody here can allocate."""

    @property
    def asks(self) -> bool:
        """Whether it requests CPU or memory at all."""
        return bool(self.cpu or self.memory)


class Template:
    """A demand together with the group of pods that should be spread over nodes; `number` is what views are cached by."""

    __slots__ = ("demand", "group", "number")

    def __init__(self, number: int, demand: Demand, group: str) -> None:
        self.number = number
        self.demand = demand
        self.group = group


def host_ports(spec: PodSpec) -> tuple[HostPort, ...]:
    """The ports of the node that a pod takes."""
    found = [
        (port.protocol or "TCP", port.host_ip or "0.0.0.0", port.host_port)
        for container in (*spec.containers, *(one for one in spec.init_containers if one.restart_policy == "Always"))
        for port in container.ports
        if port.host_port
    ]
    return tuple(sorted(found))


def constraints_of(spec: PodSpec) -> Constraints:
    """What the spec says about nodes: selector, affinity to nodes, tolerations."""
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    return Constraints(
        node_selector=tuple(sorted(spec.node_selector.items())),
        required=affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None,
        preferred=affinity.preferred_during_scheduling_ignored_during_execution if affinity is not None else (),
        tolerations=spec.tolerations,
    )


def demand_of(spec: PodSpec) -> Demand:
    """The demand of a spec.

    Raises:
        ValueError: a quantity in it is none (the apiserver admits no such pod).
    """
    requests = pod_requests(spec)
    return Demand(
        requests=tuple(sorted(requests.items())),
        score_cpu=requests.get("cpu", SCORE_CPU_MILLI),
        score_memory=requests.get("memory", SCORE_MEMORY_BYTES),
        cpu=requests.get("cpu", 0),
        memory=requests.get("memory", 0),
        ports=host_ports(spec),
        constraints=constraints_of(spec),
        relations=relations_of(spec),
        priority=spec.priority or 0,
        preempts=spec.preemption_policy != "Never",
        claims=bool(spec.resource_claims),
    )


def group_of(pod: Pod) -> str:
    """Pods of one group are spread: those of one controller, else those with the same labels; "" is in no group."""
    owner = controller_of(pod)
    if owner is not None:
        return owner.uid
    labels = pod.metadata.labels
    if not labels:
        return ""
    return f"{pod.metadata.namespace}/" + ",".join(f"{key}={labels[key]}" for key in sorted(labels))


def _same_spec(one: PodSpec, other: PodSpec) -> bool:
    """Whether two specs ask for the same; cheap if they were made from the same template, whose parts they share."""
    if one is other:
        return True
    return (
        (one.containers is other.containers or one.containers == other.containers)
        and (one.tolerations is other.tolerations or one.tolerations == other.tolerations)
        and one.affinity == other.affinity
        and one.node_selector == other.node_selector
        and one.init_containers == other.init_containers
        and one.topology_spread_constraints == other.topology_spread_constraints
        and one.priority == other.priority
        and one.preemption_policy == other.preemption_policy
        and one.overhead == other.overhead
        and one.resources == other.resources
        and one.resource_claims == other.resource_claims
    )


class TemplateBook:
    """All templates seen. Equal demands of one group are one template."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[PodSpec, Template]] = {}
        self._known: dict[tuple[Demand, str], Template] = {}
        self._last_number = 0

    def of(self, pod: Pod) -> Template:
        """The template of a pod.

        Raises:
            ValueError: a quantity in it is none.
        """
        spec = pod.spec or PodSpec()
        group = group_of(pod)
        latest = self._latest.get(group)
        if latest is not None and _same_spec(latest[0], spec):
            return latest[1]
        demand = demand_of(spec)
        template = self._known.get((demand, group))
        if template is None:
            self._last_number += 1
            template = Template(self._last_number, demand, group)
            self._known[(demand, group)] = template
            _forget_oldest(self._known)
        self._latest[group] = (spec, template)
        _forget_oldest(self._latest)
        return template


def _forget_oldest(book: dict[Any, Any]) -> None:
    if len(book) > TEMPLATES_LIMIT:
        del book[next(iter(book))]
