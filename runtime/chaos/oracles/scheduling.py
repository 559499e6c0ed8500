"""What holds of the scheduler: what it counts is there, who waits takes no room, and who was promised a place gets it."""

from __future__ import annotations

from typing import Any

from callboard.models.messages.api import Got, Refused
from callboard.models.messages.store import StoreEvent
from callboard.models.podresources import pod_requests
from callboard.models.podstatus import is_active, is_finished
from callboard.models.quantity import cpu_milli
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong

PODS = "pods/"
PROMISE_IS_KNOWN_S = 1.0
"""A promise that has been stored for so long is known to the scheduler, whoever it is now: it reads before it decides."""


class SchedulerKnowsRooms(Oracle):
    """At rest: what the scheduler believes of each node is what the pods that are stored there ask for: nothing assumed is left over,
    nothing that has gone still takes room (k8s#28883, k8s#85726, k8s#102339)."""

    name = "the scheduler's rooms are the store's"

    def at_rest(self, world: World) -> Wrong | None:
        scheduler = world.component("scheduler")
        if scheduler is None:
            return Wrong("", "the scheduler does not run")
        told = scheduler.rooms()
        real: dict[str, int] = {}
        for key, obj in world.objects.items():
            if key.startswith("pods/") and obj.spec.node_name and (obj.status is None or obj.status.phase not in ("Succeeded", "Failed")):
                real[obj.spec.node_name] = real.get(obj.spec.node_name, 0) + 1
        for node in world.nodes:
            if told.get(node, 0) != real.get(node, 0):
                return Wrong(f"nodes//{node}", f"the scheduler counts {told.get(node, 0)} pods there, {real.get(node, 0)} are stored")
        return None


class WaitersTakeNoRoom(Oracle):
    """Who waits for a node is counted on none: what was assumed for a bind is given back when that is refused (k8s#28883, k8s#26043)."""

    name = "who waits takes no room"
    hears = (Refused, Got)

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        if not receiver.startswith("scheduler"):
            return None
        scheduler = world.component(receiver.partition("#")[0])
        for key in scheduler.counted_waiters() if scheduler is not None else ():
            return Wrong(key, f"{receiver} lets it wait for a node and counts it on one all the same")
        return None


class PromisedPlacesAreKept(Oracle):
    """No pod of a lower priority is bound into the room that pods are being removed from for another (`status.nominatedNodeName`): who was
    promised a place would have to remove that one too (k8s#72124). CPU is what is counted, and pods that end count as gone."""

    name = "who went first gets the place"

    def __init__(self) -> None:
        self._promised_s: dict[tuple[str, str], float] = {}
        """By UID of a pod and node: since when its promise is stored."""

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        pod = event.obj
        if not event.key.startswith(PODS) or pod is None:
            return None
        node = _promise(pod)
        if node:
            self._promised_s.setdefault((pod.metadata.uid, node), world.now)
        old = event.old
        if not pod.spec.node_name or old is None or old.metadata.uid != pod.metadata.uid or old.spec.node_name:
            return None
        return self._judge(event.key, pod, world)

    def _judge(self, key: str, bound: Any, world: World) -> Wrong | None:
        name = bound.spec.node_name
        node = world.objects.get(f"nodes//{name}")
        if node is None or node.status is None:
            return None
        staying = [pod for one, pod in world.objects.items() if one.startswith(PODS) and pod.spec.node_name == name and _stays(pod)]
        left = cpu_milli(node.status.allocatable.get("cpu", "0")) - sum(_cpu(pod) for pod in staying)
        for other, pod in world.objects.items():
            if not other.startswith(PODS) or _promise(pod) != name or _priority(pod) <= _priority(bound):
                continue
            if world.now - self._promised_s.get((pod.metadata.uid, name), world.now) < PROMISE_IS_KNOWN_S:
                continue
            if left < _cpu(pod) <= left + _cpu(bound):
                return Wrong(key, f"it is bound to {name}, where the only room was promised to {other}, which is worth more")
        return None


def _promise(pod: Any) -> str:
    """The node that a pod waits for; "" if none."""
    if pod.spec.node_name or pod.metadata.deletion_timestamp or pod.status is None:
        return ""
    return str(pod.status.nominated_node_name)


def _stays(pod: Any) -> bool:
    return is_active(pod) and not is_finished(pod) and not pod.metadata.deletion_timestamp


def _cpu(pod: Any) -> int:
    return int(pod_requests(pod.spec).get("cpu", 0))


def _priority(pod: Any) -> int:
    return int(pod.spec.priority or 0)


ORACLES: tuple[type[Oracle], ...] = (SchedulerKnowsRooms, WaitersTakeNoRoom, PromisedPlacesAreKept)
