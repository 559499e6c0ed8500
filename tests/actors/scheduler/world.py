"""A control plane on virtual time with only the components under test, and a scripted user who also plays the kubelets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from callboard.actors.apiserver.actor import ApiServer, ApiServerSettings
from callboard.actors.informer import ClientSettings
from callboard.actors.store.actor import Store
from callboard.models.api.core import NodeCondition, Pod
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.generic import GenericObject
from callboard.models.messages.api import (
    CreateObject,
    DeleteObject,
    GetObject,
    ListObjects,
    Refused,
    RenewLease,
    UpdateObject,
    WriteStatus,
)
from callboard.models.messages.base import Request
from callboard.models.times import rfc3339, rfc3339_micro
from callboard.models.timing import CHAOS, Timing
from callboard.runtime.systems import SimulatedSystem


class World:
    """What a test says is done at once: every method waits for the answer."""

    def __init__(self, seed: int, timing: Timing) -> None:
        self.timing = timing
        self.system = SimulatedSystem(seed=seed)
        self.client = ClientSettings(
            request_timeout_s=timing.request_timeout_s,
            watch_silence_s=timing.watch_silence_s,
            gap_wait_s=timing.gap_wait_s,
            retry_s=timing.retry_s,
            retry_limit_s=timing.retry_limit_s,
        )
        machine = self.system.add_machine("control-plane")
        self.system.start("store", Store, machine.disk)
        self.system.start(
            "apiserver-0", ApiServer, ApiServerSettings(watch_heartbeat_s=timing.watch_heartbeat_s, toleration_s=timing.toleration_s)
        )
        self.system.run_for(1.0)
        self._beating: dict[str, None] = {}

    def run(self, seconds: float) -> None:
        """Let time pass; the nodes that `beat` renew their leases meanwhile."""
        left = seconds
        while left > 1e-9:
            step = min(left, self.timing.lease_renew_s)
            for name in self._beating:
                self.renew(name)
            self.system.run_for(step)
            left -= step

    def ask(self, request: type[Request], **fields: Any) -> Any:
        """The answer to a request."""
        return self.system.ask("apiserver-0", lambda number, me: request(number, me, **fields), 60.0)

    def ok(self, request: type[Request], **fields: Any) -> Any:
        """The answer to a request, which must not be a refusal."""
        answer = self.ask(request, **fields)
        assert not isinstance(answer, Refused), answer
        return answer

    # -- objects ------------------------------------------------------------------------------------------------------------------------

    def create(self, resource: str, obj: Any) -> Any:
        """Create it, its status included; UIDs and owners' UIDs are the apiserver's and the caller's affair."""
        status = getattr(obj, "status", None)
        made = self.ok(CreateObject, resource=resource, obj=replace(obj, metadata=replace(obj.metadata, uid="", resource_version=0))).obj
        if status is not None and resource in ("nodes", "pods"):
            self.status(resource, made, status)
        return self.get(resource, made.metadata.name, made.metadata.namespace)

    def status(self, resource: str, obj: Any, status: Any) -> None:
        """Write a status as a kubelet does."""
        meta = obj.metadata
        self.ok(WriteStatus, resource=resource, namespace=meta.namespace, name=meta.name, status=status, uid=meta.uid)

    def get(self, resource: str, name: str, namespace: str = "default") -> Any:
        """The object, or None."""
        answer = self.ask(GetObject, resource=resource, namespace="" if resource in ("nodes", "namespaces") else namespace, name=name)
        return None if isinstance(answer, Refused) else answer.obj

    def all(self, resource: str, namespace: str = "") -> list[Any]:
        """All objects of a resource."""
        return list(self.ok(ListObjects, resource=resource, namespace=namespace).objects)

    def change(self, resource: str, obj: Any) -> Any:
        """Replace an object."""
        return self.ok(UpdateObject, resource=resource, obj=obj).obj

    def delete(self, resource: str, name: str, namespace: str = "default", **fields: Any) -> None:
        """Delete it."""
        place = "" if resource in ("nodes", "namespaces") else namespace
        self.ok(DeleteObject, resource=resource, namespace=place, name=name, **fields)

    def events(self, reason: str) -> list[str]:
        """The messages of the Events with this reason."""
        return [one.message for one in self.all("events") if one.reason == reason]

    def priorities(self, *values: int, policy: str = "PreemptLowerPriority") -> None:
        """Make a PriorityClass of each value: `p10`, or `never10` if its pods preempt nobody."""
        for value in values:
            metadata = ObjectMeta(name=f"{'never' if policy == 'Never' else 'p'}{value}")
            content = FrozenMap(value=value, preemptionPolicy=policy)
            kind = GenericObject(api_version="scheduling.k8s.io/v1", kind="PriorityClass", metadata=metadata, content=content)
            self.ok(CreateObject, resource="priorityclasses.scheduling.k8s.io", obj=kind)

    # -- what kubelets do -----------------------------------------------------------------------------------------------------------------

    def renew(self, name: str) -> None:
        """Renew a node's lease."""
        self.ok(
            RenewLease,
            resource="leases.coordination.k8s.io",
            namespace="kube-node-lease",
            name=name,
            holder=name,
            renew_time=rfc3339_micro(self.system.now()),
        )

    def beat(self, *names: str) -> None:
        """These nodes live from now on."""
        self._beating.update(dict.fromkeys(names))

    def silence(self, *names: str) -> None:
        """These nodes say nothing from now on."""
        for name in names:
            del self._beating[name]

    def ready(self, name: str, status: str = "True") -> None:
        """The kubelet writes the node's condition Ready."""
        found = self.get("nodes", name)
        moment = rfc3339(self.system.now())
        condition = NodeCondition(type="Ready", status=status, reason="Kubelet", last_heartbeat_time=moment, last_transition_time=moment)
        self.status("nodes", found, replace(found.status, conditions=(condition,)))

    def readiness(self, name: str) -> str:
        """What the node's condition Ready says."""
        return next((str(one.status) for one in self.get("nodes", name).status.conditions if one.type == "Ready"), "")

    def taints(self, name: str) -> list[tuple[str, str]]:
        """Key and effect of the node's taints."""
        return sorted((one.key.rsplit("/", 1)[1], one.effect) for one in self.get("nodes", name).spec.taints)

    def nodes_of_pods(self) -> dict[str, str]:
        """Where every pod is."""
        return {one.metadata.name: one.spec.node_name for one in self.all("pods")}

    def finish(self, one: Pod) -> None:
        """The kubelet of the pod's node confirms that it is gone."""
        self.delete("pods", one.metadata.name, one.metadata.namespace, uid=one.metadata.uid, grace_period_s=0)


@contextmanager
def world(seed: int = 1, timing: Timing = CHAOS) -> Iterator[World]:
    """A world; fails if one of its components has failed."""
    made = World(seed, timing)
    try:
        yield made
        assert not made.system.failures
    finally:
        made.system.stop()
