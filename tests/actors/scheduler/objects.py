"""Makers of nodes and pods for the tests of the scheduler and of the controllers beside it."""

from __future__ import annotations

from typing import Any

from callboard.actors.scheduler.decision import Decider, Placement, Unschedulable
from callboard.actors.scheduler.demand import TemplateBook
from callboard.actors.scheduler.nominations import Nominee
from callboard.actors.scheduler.preemption import Budget, Hopeless, Preempt, preempt
from callboard.actors.scheduler.table import NodeTable
from callboard.models.api.core import (
    Container,
    ContainerPort,
    Node,
    NodeCondition,
    NodeSpec,
    NodeStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    ResourceRequirements,
    Taint,
    Toleration,
)
from callboard.models.api.meta import ObjectMeta, OwnerReference
from callboard.models.base import FrozenMap
from callboard.models.messages.api import object_key


def node(
    name: str,
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    labels: dict[str, str] | None = None,
    taints: tuple[Taint, ...] = (),
    cordoned: bool = False,
    ready: str = "True",
    uid: str = "",
    **extended: str,
) -> Node:
    """A node with room."""
    room = FrozenMap({"cpu": cpu, "memory": memory, "pods": pods, **{key.replace("__", "/"): value for key, value in extended.items()}})
    conditions = (NodeCondition(type="Ready", status=ready, last_heartbeat_time="2026-11-24T12:00:00Z"),) if ready else ()
    return Node(
        metadata=ObjectMeta(name=name, uid=uid or f"uid-{name}", labels=FrozenMap({"kubernetes.io/hostname": name, **(labels or {})})),
        spec=NodeSpec(taints=taints, unschedulable=cordoned or None),
        status=NodeStatus(capacity=room, allocatable=room, conditions=conditions),
    )


def taint(key: str, value: str = "", effect: str = "NoSchedule", time_added: str = "") -> Taint:
    """A taint."""
    return Taint(key=key, value=value, effect=effect, time_added=time_added)


def tolerate(key: str, effect: str = "", seconds: int | None = None) -> Toleration:
    """A toleration of whatever value."""
    return Toleration(key=key, operator="Exists", effect=effect, toleration_seconds=seconds)


def container(requests: dict[str, str] | None = None, port: int = 0, **fields: Any) -> Container:
    """A container that asks for these resources, and for this port of its node."""
    ports = (ContainerPort(container_port=80, host_port=port, protocol="TCP"),) if port else ()
    resources = ResourceRequirements(requests=FrozenMap(requests or {}))
    return Container(name="main", image="web:1", resources=resources, ports=ports, **fields)


def pod(
    name: str,
    *,
    owner: str = "",
    bound: str = "",
    phase: str = "Pending",
    labels: dict[str, str] | None = None,
    uid: str = "",
    port: int = 0,
    deleted: str = "",
    ready: bool | None = None,
    started: str = "",
    namespace: str = "default",
    **requests: Any,
) -> Pod:
    """A pod. `requests` are resources (`cpu="1"`), or fields of the spec if their name is one."""
    spec_fields = {key: requests.pop(key) for key in list(requests) if key in PodSpec.__struct_fields__}
    references = (OwnerReference(api_version="apps/v1", kind="ReplicaSet", name=owner, uid=owner, controller=True),) if owner else ()
    resources = {key.replace("__", "/"): value for key, value in requests.items()}
    spec_fields.setdefault("containers", (container(resources, port),))
    conditions = (PodCondition(type="Ready", status="True" if ready else "False"),) if ready is not None else ()
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            uid=uid or f"uid-{name}",
            labels=FrozenMap(labels or {}),
            owner_references=references,
            deletion_timestamp=deleted,
            creation_timestamp="2026-11-24T11:00:00Z",
        ),
        spec=PodSpec(node_name=bound, **spec_fields),
        status=PodStatus(phase=phase, conditions=conditions, start_time=started),
    )


def key_of(one: Pod) -> str:
    """The key of a pod."""
    return object_key("pods", one.metadata.namespace, one.metadata.name)


class Desk:
    """A table, a book and a decider: scheduling without an actor."""

    def __init__(self, *nodes: Node) -> None:
        self.table = NodeTable()
        self.book = TemplateBook()
        self.decider = Decider(self.table)
        for one in nodes:
            self.table.set_node(one)

    def bound(self, *pods: Pod) -> None:
        """Pods that are bound already."""
        for one in pods:
            assert one.spec is not None
            self.table.place(key_of(one), one, self.book.of(one), one.spec.node_name)

    def gone(self, one: Pod) -> None:
        """A pod is gone."""
        self.table.remove(key_of(one))

    def choose(self, one: Pod) -> Placement | Unschedulable:
        """Decide only."""
        return self.decider.choose(key_of(one), one, self.book.of(one))

    def preempt(self, one: Pod, *budgets: Budget) -> Preempt | Hopeless:
        """What a preemption for this pod would be."""
        return preempt(self.decider, self.decider.case(key_of(one), one, self.book.of(one)), budgets)

    def victims(self, one: Pod, *budgets: Budget) -> tuple[str, list[str]]:
        """(node, names of the victims) of a preemption for this pod, which there must be."""
        plan = self.preempt(one, *budgets)
        assert isinstance(plan, Preempt), plan
        return plan.candidate.node, [placed.pod.metadata.name for placed in plan.candidate.victims]

    def promise(self, one: Pod, where: str) -> None:
        """A pod is promised a node."""
        self.decider.nominations.set(Nominee(key_of(one), one, self.book.of(one), where))

    def why_not(self, one: Pod) -> str:
        """The message for a pod that fits nowhere."""
        result = self.choose(one)
        assert isinstance(result, Unschedulable), result
        return result.message

    def place(self, one: Pod) -> str:
        """Decide and place; the node's name, or "" if there is none."""
        result = self.choose(one)
        if isinstance(result, Unschedulable):
            return ""
        self.table.place(key_of(one), one, self.book.of(one), result.node)
        return result.node
