"""Scheduling alone: pods per second from the moment when the scheduler hears of waiting pods to its last BindPod.

The real scheduler's actor, on one thread of the simulated system, talks to a stand-in for the apiserver that only lists, watches and says
yes to every bind; so informers, queue, decisions, messages and the bound pods that come back are measured, and no store, admission or
kubelet. The cluster is filled before: `placed` pods on every node, from the same templates as those that are measured.

The mix: nodes of 16 cores in ten zones, half with `disk=ssd`, a tenth tainted `dedicated=batch:NoSchedule`, another tenth
`spot=true:PreferNoSchedule`. 48 Deployments of 24 kinds, whose pods come in runs of fifty:
8 kinds ask for resources only (the system's default spreading applies to them); 4 have node affinity, required (zones) and preferred
(disk); 2 tolerate the taint and select its nodes; 3 spread over zones DoNotSchedule and over hosts ScheduleAnyway; 2 spread ScheduleAnyway
only; 2 keep apart from themselves by host (required anti-affinity); 2 prefer to keep apart by host and near another app by zone; 1 must be
near another app by zone. Every node is a candidate for every pod: nothing is sampled.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from callboard.actors.component import Component, Port, handles
from callboard.actors.informer import ClientSettings
from callboard.actors.scheduler.actor import Scheduler
from callboard.models.api.core import (
    Affinity,
    Container,
    Node,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    NodeSpec,
    NodeStatus,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PodSpec,
    PodStatus,
    PreferredSchedulingTerm,
    ResourceRequirements,
    Taint,
    Toleration,
    TopologySpreadConstraint,
    WeightedPodAffinityTerm,
)
from callboard.models.api.meta import LabelSelector, ObjectMeta, OwnerReference
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import (
    AckWatch,
    BindPod,
    Listed,
    ListObjects,
    RecordEvent,
    StopWatch,
    WatchBatch,
    WatchEvent,
    WatchObjects,
    Written,
)
from callboard.models.messages.base import Message
from callboard.models.timing import KUBERNETES
from callboard.runtime.systems import SimulatedSystem

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
ZONES, KINDS, DEPLOYMENTS, RUN = 10, 24, 48, 50
BATCH = 500
"""Waiting pods told to the scheduler in one batch of its watch."""


class Pour(Message, frozen=True, gc=False):
    """To the stand-in: tell the scheduler of the waiting pods."""


class YesServer(Component):
    """Stands in for an apiserver that has everything and agrees to everything."""

    def __init__(self, port: Port, objects: dict[str, tuple[Any, ...]], waiting: list[Pod]) -> None:
        super().__init__(port)
        self.objects = objects
        self.waiting = {_key(pod): pod for pod in waiting}
        self.bound: dict[str, str] = {}
        self.began_s = self.ended_s = 0.0
        self._revision = 1
        self._watch: WatchObjects | None = None
        self._seq = 0

    @handles(ListObjects)
    def _list(self, request: ListObjects) -> None:
        self.port.send(request.reply_to, Listed(request.id, self.objects.get(request.resource, ()), self._revision))

    @handles(WatchObjects)
    def _open(self, request: WatchObjects) -> None:
        if request.resource == "pods":
            self._watch = request

    @handles(AckWatch, StopWatch, RecordEvent)
    def _ignore(self, _: AckWatch | StopWatch | RecordEvent) -> None:
        return

    @handles(Pour)
    def _pour(self, _: Pour) -> None:
        self.began_s = time.perf_counter()
        pods = list(self.waiting.items())
        for first in range(0, len(pods), BATCH):
            self._tell(tuple(WatchEvent("ADDED", key, pod) for key, pod in pods[first : first + BATCH]))

    def _tell(self, events: tuple[WatchEvent, ...]) -> None:
        assert self._watch is not None
        self._seq += 1
        self._revision += len(events)
        self.port.send(self._watch.reply_to, WatchBatch(self._watch.id, self._seq, events, self._revision))

    @handles(BindPod)
    def _bind(self, request: BindPod) -> None:
        self.ended_s = time.perf_counter()
        key = f"pods/{request.namespace}/{request.name}"
        assert key not in self.bound
        self.bound[key] = request.node_name
        pod = self.waiting[key]
        assert pod.spec is not None
        meta = replace(pod.metadata, resource_version=self._revision + 1)
        pod = replace(pod, metadata=meta, spec=replace(pod.spec, node_name=request.node_name))
        self._tell((WatchEvent("MODIFIED", key, pod),))
        self.port.send(request.reply_to, Written(request.id, pod, self._revision))


def _key(pod: Pod) -> str:
    return f"pods/{pod.metadata.namespace}/{pod.metadata.name}"


def make_node(number: int) -> Node:
    """The n-th node of the mix."""
    name = f"node-{number}"
    labels = {HOST: name, ZONE: f"zone-{number % ZONES}", "disk": "ssd" if number // ZONES % 2 else "hdd"}
    taints: tuple[Taint, ...] = ()
    share = number // ZONES % 10
    if share == 0:
        labels["dedicated"] = "batch"
        taints = (Taint(key="dedicated", value="batch", effect="NoSchedule"),)
    elif share == 1:
        taints = (Taint(key="spot", value="true", effect="PreferNoSchedule"),)
    room = FrozenMap(cpu="16", memory="64Gi", pods="110")
    return Node(
        metadata=ObjectMeta(name=name, uid=name, labels=FrozenMap(labels)),
        spec=NodeSpec(taints=taints),
        status=NodeStatus(capacity=room, allocatable=room),
    )


def _app(name: str) -> LabelSelector:
    return LabelSelector(match_labels=FrozenMap(app=name))


def _term(app: str, key: str) -> PodAffinityTerm:
    return PodAffinityTerm(label_selector=_app(app), topology_key=key)


def _spread(app: str, key: str, how: str) -> TopologySpreadConstraint:
    return TopologySpreadConstraint(max_skew=1, topology_key=key, when_unsatisfiable=how, label_selector=_app(app))


def _zones(kind: int) -> Affinity:
    zones = tuple(f"zone-{(kind + step) % ZONES}" for step in range(5))
    required = NodeSelectorTerm(match_expressions=(NodeSelectorRequirement(key=ZONE, operator="In", values=zones),))
    ssd = NodeSelectorTerm(match_expressions=(NodeSelectorRequirement(key="disk", operator="In", values=("ssd",)),))
    return Affinity(
        node_affinity=NodeAffinity(
            required_during_scheduling_ignored_during_execution=NodeSelector(node_selector_terms=(required,)),
            preferred_during_scheduling_ignored_during_execution=(PreferredSchedulingTerm(weight=50, preference=ssd),),
        )
    )


def make_spec(number: int) -> PodSpec:
    """The pod template of the n-th Deployment."""
    kind, app, other = number % KINDS, f"app-{number}", f"app-{(number + 1) % DEPLOYMENTS}"
    requests = FrozenMap(cpu=f"{50 + 10 * kind}m", memory=f"{64 + 16 * kind}Mi")
    fields: dict[str, Any] = {}
    if 8 <= kind < 12:
        fields["affinity"] = _zones(kind)
    elif 12 <= kind < 14:
        fields["tolerations"] = (Toleration(key="dedicated", operator="Exists"),)
        fields["node_selector"] = FrozenMap(dedicated="batch")
    elif 14 <= kind < 17:
        fields["topology_spread_constraints"] = (_spread(app, ZONE, "DoNotSchedule"), _spread(app, HOST, "ScheduleAnyway"))
    elif 17 <= kind < 19:
        fields["topology_spread_constraints"] = (_spread(app, ZONE, "ScheduleAnyway"),)
    elif 19 <= kind < 21:
        fields["affinity"] = Affinity(
            pod_anti_affinity=PodAntiAffinity(required_during_scheduling_ignored_during_execution=(_term(app, HOST),))
        )
    elif 21 <= kind < 23:
        apart = WeightedPodAffinityTerm(weight=100, pod_affinity_term=_term(app, HOST))
        near = WeightedPodAffinityTerm(weight=30, pod_affinity_term=_term(other, ZONE))
        fields["affinity"] = Affinity(
            pod_affinity=PodAffinity(preferred_during_scheduling_ignored_during_execution=(near,)),
            pod_anti_affinity=PodAntiAffinity(preferred_during_scheduling_ignored_during_execution=(apart,)),
        )
    elif kind == 23:
        fields["affinity"] = Affinity(pod_affinity=PodAffinity(required_during_scheduling_ignored_during_execution=(_term("app-0", ZONE),)))
    return PodSpec(containers=(Container(name="main", image="web:1", resources=ResourceRequirements(requests=requests)),), **fields)


class Templates:
    """The 48 Deployments; pods of one share spec, labels and owner, as those of a ReplicaSet do."""

    def __init__(self) -> None:
        self.specs = [make_spec(number) for number in range(DEPLOYMENTS)]
        self.labels = [FrozenMap({"app": f"app-{number}", "pod-template-hash": f"{number:08x}"}) for number in range(DEPLOYMENTS)]
        self.owners = [
            (OwnerReference(api_version="apps/v1", kind="ReplicaSet", name=f"app-{number}", uid=f"rs-{number}", controller=True),)
            for number in range(DEPLOYMENTS)
        ]

    def pod(self, number: int, name: str, node: str = "") -> Pod:
        """A pod of the n-th Deployment."""
        meta = ObjectMeta(
            name=name,
            namespace="default",
            uid=name,
            labels=self.labels[number],
            owner_references=self.owners[number],
            creation_timestamp="2026-11-24T11:00:00Z",
            resource_version=1,
        )
        spec = replace(self.specs[number], node_name=node) if node else self.specs[number]
        return Pod(metadata=meta, spec=spec, status=PodStatus(phase="Running" if node else "Pending"))


def _placed(templates: Templates, nodes: list[Node], each: int) -> Iterator[Pod]:
    """So many pods on every node, in turn from the Deployments that would tolerate it there; those that keep apart once a host."""
    turn = 0
    plain = [number for number in range(DEPLOYMENTS) if not 12 <= number % KINDS < 14 and not 19 <= number % KINDS < 21]
    batch = [number for number in range(DEPLOYMENTS) if 12 <= number % KINDS < 14]
    for node in nodes:
        choice = batch if "dedicated" in node.metadata.labels else plain
        for _ in range(each):
            turn += 1
            yield templates.pod(choice[turn % len(choice)], f"placed-{turn}", node.metadata.name)


def measure(nodes: int, pods: int, placed: int = 20) -> dict[str, float]:
    """Pods per second at so many nodes, with `placed` pods on each before the clock starts."""
    templates = Templates()
    all_nodes = [make_node(number) for number in range(nodes)]
    waiting = [templates.pod(number // RUN % DEPLOYMENTS, f"pod-{number}") for number in range(pods)]
    objects = {"nodes": tuple(all_nodes), "pods": tuple(_placed(templates, all_nodes, placed))}
    system = SimulatedSystem(seed=1, jitter_s=0.0, check_messages=False, livelock_limit=10**9)
    try:
        system.add_machine("control-plane")
        system.start("apiserver-0", YesServer, objects, waiting)
        system.start("scheduler", Scheduler, ClientSettings(), KUBERNETES)
        system.run_for(1.0)
        server = system.look("apiserver-0")
        system.post("apiserver-0", Pour())
        for _ in range(1000):
            if len(server.bound) == pods:
                break
            system.run_for(0.01)
        if len(server.bound) != pods:
            raise RuntimeError(f"only {len(server.bound)} of {pods} pods were bound")
        return {"pods_per_s": pods / (server.ended_s - server.began_s)}
    finally:
        system.stop()
