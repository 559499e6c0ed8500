"""What holds of every pod, whoever made it: it never moves, never comes back from its end, and is where it is said to be."""

from __future__ import annotations

from typing import Any

from callboard.models.api.core import Pod
from callboard.models.messages.api import DeleteObject, WriteStatus
from callboard.models.messages.store import StoreEvent
from callboard.models.owners import controller_of
from callboard.models.podresources import pod_requests
from callboard.models.podstatus import FINISHED_PHASES, is_active, is_finished, is_ready, phase_of
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong

PODS = "pods/"
RANKS = {"Pending": 0, "Running": 1, "Succeeded": 2, "Failed": 2}


def _pod(event: StoreEvent) -> bool:
    return event.key.startswith(PODS)


def _same(event: StoreEvent) -> bool:
    """Whether a change is one of an object that was there before, and not of another one under its name."""
    return event.obj is not None and event.old is not None and event.obj.metadata.uid == event.old.metadata.uid


class BoundOnce(Oracle):
    """A pod that has a node keeps it: binds carry the precondition that there is none yet (k8s#89466)."""

    name = "a pod is bound once"

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if not _pod(event) or not _same(event):
            return None
        before, after = event.old.spec.node_name, event.obj.spec.node_name
        return Wrong(event.key, f"it was bound to {before} and is on {after or 'no node'} now") if before and after != before else None


class PhasesGoForward(Oracle):
    """Pending, Running, then Succeeded or Failed for ever (k8s#58711). From Running back to Pending is not a Kubernetes promise kept by
    kubelets that restart, so only the ends count."""

    name = "a finished pod stays finished"

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if not _pod(event) or not _same(event) or not is_finished(event.old):
            return None
        before, after = phase_of(event.old), phase_of(event.obj)
        return Wrong(event.key, f"it was {before} and is {after} now") if before != after else None


class FinishedPodsRunNothing(Oracle):
    """No container is started of a pod that its own kubelet has said to be finished, also after a restart of the kubelet or of the machine
    (k8s#58711). What was under way when it said so is not judged."""

    name = "a finished pod runs nothing"
    hears = (WriteStatus,)

    def __init__(self) -> None:
        self._said: dict[str, None] = {}
        self._finished: dict[str, None] = {}
        self._known: dict[str, None] = {}

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        if message.resource == "pods" and sender.startswith("kubelet/") and message.status.phase in FINISHED_PHASES:
            self._said[message.uid] = None
        return None

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if _pod(event) and event.obj is not None and event.obj.metadata.uid in self._said and is_finished(event.obj):
            self._finished[event.obj.metadata.uid] = None
        return None

    def ran(self, node: str, world: World) -> Wrong | None:
        for one in world.running(node):
            if one.container_id in self._known:
                continue
            self._known[one.container_id] = None
            if one.pod_uid in self._finished:
                return Wrong(one.pod_key, f"it is finished, and {node} has started its container {one.container} again")
        return None


class DeletionsStand(Oracle):
    """A deletion is never taken back, and no generation goes back: of any object."""

    name = "nothing is taken back"

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if not _same(event):
            return None
        before, after = event.old.metadata, event.obj.metadata
        if before.deletion_timestamp and not after.deletion_timestamp:
            return Wrong(event.key, f"its deletion at {before.deletion_timestamp} was taken back")
        if (after.generation or 0) < (before.generation or 0):
            return Wrong(event.key, f"its generation was {before.generation} and is {after.generation} now")
        return None


class ReadyIsTrue(Oracle):
    """A pod that is said to be ready has had a container of its own that was: its status says which, by the container's id, and it is no
    container of another pod of its name (k8s#82387, k8s#141473)."""

    name = "ready implies running"

    def __init__(self) -> None:
        self._ready: dict[str, str] = {}
        """Ids of containers that have been ready, and the UIDs of their pods."""

    def ran(self, node: str, world: World) -> Wrong | None:
        for one in world.running(node):
            if one.ready:
                self._ready[one.container_id] = one.pod_uid
        return None

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if not _pod(event) or event.obj is None or event.obj.status is None or not is_ready(event.obj):
            return None
        if event.old is not None and event.old.status is event.obj.status:
            return None
        for status in event.obj.status.container_statuses:
            if status.ready and self._ready.get(status.container_id) != event.obj.metadata.uid:
                never = f"{status.container_id or 'none'} of this pod (UID {event.obj.metadata.uid}) never was"
                return Wrong(event.key, f"its container {status.name} is said to be ready, and {never}")
        return None


class OneNodeEach(Oracle):
    """What runs of a pod runs on one node only, and nothing runs of two pods of one name at once on one node (k8s#104648). Truth is the
    runtimes'; a pod under its old and its new UID may be on two nodes, since nobody waits for a node that can't be heard, unless it is one
    of a StatefulSet, which is one of its kind (k8s#59848, k8s#35145), and no user has removed the first by force."""

    name = "one pod, one node"
    hears = (DeleteObject,)

    def __init__(self) -> None:
        self._forced: dict[str, None] = {}
        """UIDs of pods that a user has removed by force."""

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        if message.resource == "pods" and message.grace_period_s == 0 and sender.startswith("user"):
            pod = world.objects.get(f"{PODS}{message.namespace}/{message.name}")
            if pod is not None:
                self._forced[pod.metadata.uid] = None
        return None

    def ran(self, node: str, world: World) -> Wrong | None:
        here = world.running(node)
        names: dict[str, str] = {}
        for one in here:
            if names.setdefault(one.pod_key, one.pod_uid) != one.pod_uid:
                return Wrong(one.pod_key, f"two pods of this name run on {node} at once")
        uids = {one.pod_uid for one in here}
        for other in world.nodes:
            if other == node:
                continue
            for one in world.running(other):
                if one.pod_uid in uids:
                    return Wrong(one.pod_key, f"it runs on {node} and on {other}")
                if one.pod_key in names and one.pod_uid not in self._forced and _is_unique(world.objects.get(one.pod_key)):
                    return Wrong(one.pod_key, f"it is one of a kind and runs on {node} and on {other}, under two UIDs")
        return None


def _is_unique(pod: Any) -> bool:
    owner = controller_of(pod) if pod is not None else None
    return owner is not None and owner.kind == "StatefulSet"


class EndedStaysEnded(Oracle):
    """Nothing runs any more of a pod whose end its own kubelet has confirmed by removing it: a kubelet that starts anew must not take an
    old list for the present (k8s#59848)."""

    name = "what a kubelet has ended stays ended"
    hears = (DeleteObject,)

    def __init__(self) -> None:
        self._confirmed: dict[str, str] = {}
        self._removed: dict[str, None] = {}

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        if message.resource == "pods" and sender.startswith("kubelet/"):
            self._confirmed[f"{PODS}{message.namespace}/{message.name}"] = message.uid
        return None

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if _pod(event) and event.obj is None and self._confirmed.get(event.key) == event.old.metadata.uid:
            self._removed[event.old.metadata.uid] = None
        return None

    def ran(self, node: str, world: World) -> Wrong | None:
        for one in world.running(node):
            if one.pod_uid in self._removed:
                return Wrong(one.pod_key, f"its kubelet has removed it (UID {one.pod_uid}), and {one.container} of it runs on {node}")
        return None


class NodesHold(Oracle):
    """The requests of what really runs on a node never sum up to more than the node has (k8s#106884). A pod counts until its last
    container has ended; what is stored says what it asked for."""

    name = "nodes are not overfilled"

    def __init__(self) -> None:
        self._requests: dict[str, int] = {}

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if _pod(event) and event.obj is not None and event.obj.metadata.uid not in self._requests:
            self._requests[event.obj.metadata.uid] = pod_requests(event.obj.spec).get("cpu", 0)
        return None

    def ran(self, node: str, world: World) -> Wrong | None:
        stored = world.objects.get(f"nodes//{node}")
        if stored is None or stored.status is None or not self._requests:
            return None
        uids = list(dict.fromkeys(one.pod_uid for one in world.running(node)))
        used = sum(self._requests.get(uid, 0) for uid in uids)
        room = _milli(stored.status.allocatable.get("cpu", "0"))
        return Wrong(f"nodes//{node}", f"pods that ask for {used} m of CPU run on it, and it has {room} m") if used > room else None


def _milli(text: Any) -> int:
    from callboard.models.quantity import cpu_milli

    return cpu_milli(text)


class StoredIsRunning(Oracle):
    """At rest: what is stored as active runs, once; what runs is stored; nobody waits to be deleted or placed for ever."""

    name = "what is stored is what runs"

    def at_rest(self, world: World) -> Wrong | None:
        running: dict[str, str] = {}
        for node in world.nodes:
            for one in world.running(node):
                running[one.pod_uid] = one.pod_key
        stored: dict[str, None] = {}
        for key, obj in world.objects.items():
            if key.startswith(PODS):
                stored[obj.metadata.uid] = None
                wrong = _astray(key, obj, running)
                if wrong is not None:
                    return wrong
        for uid, key in running.items():
            if uid not in stored:
                return Wrong(key, f"a container of it runs, and no pod of UID {uid} is stored")
        return None


def _astray(key: str, pod: Pod, running: dict[str, str]) -> Wrong | None:
    if pod.metadata.deletion_timestamp:
        return Wrong(key, "it is being deleted and does not go")
    if not is_active(pod):
        return Wrong(key, f"it is {phase_of(pod)} and runs") if pod.metadata.uid in running else None
    if pod.spec is None or not pod.spec.node_name:
        return Wrong(key, "it has no node")
    return Wrong(key, f"it says {phase_of(pod)} and nothing of it runs") if pod.metadata.uid not in running else None


ORACLES: tuple[type[Oracle], ...] = (
    BoundOnce,
    PhasesGoForward,
    FinishedPodsRunNothing,
    DeletionsStand,
    ReadyIsTrue,
    OneNodeEach,
    EndedStaysEnded,
    NodesHold,
    StoredIsRunning,
)
