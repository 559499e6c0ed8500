"""A world made by hand, and the objects of its histories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from callboard.models import times
from callboard.models.api.apps import DaemonSet, Deployment, ReplicaSet, StatefulSet
from callboard.models.api.core import (
    ContainerStatus,
    Node,
    NodeCondition,
    NodeSpec,
    NodeStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    Service,
    Taint,
    Toleration,
)
from callboard.models.api.meta import ObjectMeta, OwnerReference
from callboard.models.base import FrozenMap, decode_hook, freeze, replace
from callboard.models.messages.store import StoreEvent
from callboard.models.timing import CHAOS, Timing
from callboard.runtime.chaos.oracles.base import Oracle, Running, Wrong

__all__ = ["NodeStatus", "Service", "freeze"]
T = TypeVar("T")
EPOCH_S = 1_767_225_600.0


class FakeWorld:
    """See `oracles.base.World`. What is stored is what events have made of it."""

    timing: Timing = CHAOS

    def __init__(self, *, nodes: tuple[str, ...] = ("node-1", "node-2"), components: Mapping[str, Any] | None = None) -> None:
        self.now = EPOCH_S
        self.objects: dict[str, Any] = {}
        self.nodes = nodes
        self.step = self.sent = 0
        self.active_faults: frozenset[str] = frozenset()
        self.containers: dict[str, tuple[Running, ...]] = {}
        self.in_trouble: tuple[str, ...] = ()
        self._components = dict(components or {})
        self._revision = 0

    def running(self, node: str) -> tuple[Running, ...]:
        return self.containers.get(node, ())

    def component(self, name: str) -> Any:
        return self._components.get(name)

    def components(self) -> tuple[str, ...]:
        return tuple(self._components)

    def troubled(self, node: str) -> bool:
        return node in self.in_trouble

    # -- what happens ---------------------------------------------------------------------------------------------------------------

    def put(self, oracle: Oracle, key: str, obj: Any) -> Wrong | None:
        """Something is stored (None: removed), and the oracle hears of it."""
        self._revision += 1
        old = self.objects.pop(key, None)
        if obj is not None:
            obj = replace(obj, metadata=replace(obj.metadata, resource_version=self._revision))
            self.objects[key] = obj
        return oracle.stored(StoreEvent(key, obj, old, self._revision), self)

    def run(self, oracle: Oracle, node: str, *containers: Running) -> Wrong | None:
        """From now on these containers run on a node."""
        self.containers[node] = containers
        return oracle.ran(node, self)


def _made(kind: type[T], tree: dict[str, Any]) -> T:
    """A struct from the tree that people would write."""
    return msgspec.convert(tree, kind, dec_hook=decode_hook)


def meta(name: str, uid: str = "", owner: tuple[str, str, str] | None = None, **more: Any) -> ObjectMeta:
    owners: tuple[OwnerReference, ...] = ()
    if owner is not None:
        kind, owner_name, owner_uid = owner
        owners = (OwnerReference(api_version="v1", kind=kind, name=owner_name, uid=owner_uid, controller=True),)
    return ObjectMeta(name=name, namespace="default", uid=uid or f"uid-{name}", owner_references=owners, **more)


def pod(
    name: str,
    *,
    uid: str = "",
    node: str = "node-1",
    phase: str = "Running",
    ready: bool = True,
    owner: tuple[str, str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    going: bool = False,
    container_id: str = "c1",
    tolerations: tuple[Toleration, ...] = (),
    cpu: str = "",
) -> Pod:
    """A pod of one container."""
    container: dict[str, Any] = {"name": "web", "image": "web:1"}
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    spec = _made(PodSpec, {"containers": [container]})
    spec = replace(spec, node_name=node, tolerations=tolerations)
    since = times.rfc3339(EPOCH_S)
    container_status = ContainerStatus(name="web", image="web:1", image_id="", ready=ready, restart_count=0, container_id=container_id)
    status = PodStatus(
        phase=phase,
        pod_ip="10.0.0.1",
        conditions=(PodCondition(type="Ready", status="True" if ready else "False", last_transition_time=since),),
        container_statuses=(container_status,),
    )
    about = meta(name, uid, owner, labels=FrozenMap(labels or {}), deletion_timestamp=since if going else "")
    return Pod(metadata=about, spec=spec, status=status)


def node(name: str, *taints: Taint, cpu: str = "1", ready: str = "True") -> Node:
    about = ObjectMeta(name=name, uid=f"uid-{name}")
    conditions = (NodeCondition(type="Ready", status=ready),)
    status = NodeStatus(allocatable=FrozenMap({"cpu": cpu}), conditions=conditions)
    return Node(metadata=about, spec=NodeSpec(taints=taints), status=status)


def running(one: Pod, where: str = "node-1", *, container_id: str = "c1", ready: bool = True) -> Running:
    """The container of a pod as a runtime tells of it."""
    return Running(where, one.metadata.uid, f"pods/default/{one.metadata.name}", "web", container_id, ready)


def replica_set(name: str, replicas: int, *, told: tuple[int, int] | None = None, owner: tuple[str, str, str] | None = None) -> ReplicaSet:
    spec: dict[str, Any] = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}}
    tree: dict[str, Any] = {"metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"}, "spec": spec}
    if told is not None:
        tree["status"] = {"replicas": told[0], "readyReplicas": told[1]}
    found = _made(ReplicaSet, tree)
    return found if owner is None else replace(found, metadata=meta(name, "", owner))


def stateful_set(name: str, replicas: int, revision: str = "r1") -> StatefulSet:
    spec = {
        "replicas": replicas,
        "serviceName": name,
        "selector": {"matchLabels": {"app": name}},
        "podManagementPolicy": "OrderedReady",
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}},
    }
    about = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    return _made(StatefulSet, {"metadata": about, "spec": spec, "status": {"replicas": replicas, "updateRevision": revision}})


def daemon_set(name: str, ready: int) -> DaemonSet:
    spec = {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}},
    }
    numbers = {"currentNumberScheduled": ready, "desiredNumberScheduled": ready, "numberMisscheduled": 0, "numberReady": ready}
    return _made(DaemonSet, {"metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"}, "spec": spec, "status": numbers})


def deployment(name: str, replicas: int, told: tuple[int, int, int], *, observed: int = 1, unavailable: int = 0) -> Deployment:
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": unavailable}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}},
    }
    status = {"observedGeneration": observed, "replicas": told[0], "updatedReplicas": told[1], "availableReplicas": told[2]}
    about = {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1}
    return _made(Deployment, {"metadata": about, "spec": spec, "status": status})
