"""What holds of ReplicaSets and Deployments: never too many pods, never too few of a rollout's doing, and in the end just as many."""

from __future__ import annotations

from typing import Any

from callboard.models.messages.store import StoreEvent
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_active, is_ready
from callboard.models.selectors import Selector, selector_of
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong

SETS = ("replicasets.apps/",)
NEWS_IS_OLD_S = 20.0
"""What was so a shorter time ago may be taken to be so still: the longest silence of a stream, a restart and a back-off."""


class NoSurplus(Oracle):
    """No ReplicaSet gets a pod more than it was ever asked to have (k8s#129795, k8s#22061). Pods that others leave to it don't count: only
    those that are created for it; nor do those that no longer have its labels, which it lets go of. It is judged when a pod is created,
    against the largest size the set has had so far, since a controller may not have heard of a smaller one yet."""

    name = "no surplus pods"

    def __init__(self) -> None:
        self._most: dict[str, int] = {}
        self._selectors: dict[str, Selector] = {}
        self._active: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if event.key.startswith(SETS) and event.obj is not None:
            uid = event.obj.metadata.uid
            if uid not in self._selectors:
                self._selectors[uid] = selector_of(event.obj.spec.selector)
            self._most[uid] = max(self._most.get(uid, 0), event.obj.spec.replicas or 0)
        elif event.key.startswith("pods/"):
            return self._pod(event)
        return None

    def _pod(self, event: StoreEvent) -> Wrong | None:
        pod = event.obj if event.obj is not None else event.old
        uid, owner = pod.metadata.uid, controller_of(pod)
        now = owner.uid if event.obj is not None and owner is not None and owner.kind == "ReplicaSet" and is_active(pod) else ""
        if now and (selector := self._selectors.get(now)) is not None and not selector.matches(pod.metadata.labels):
            now = ""
        before = self._active.pop(uid, "")
        if before:
            self._counts[before] -= 1
        if now:
            self._active[uid] = now
            self._counts[now] = count = self._counts.get(now, 0) + 1
            if event.old is None and count > self._most.get(now, count):
                return Wrong(event.key, f"its ReplicaSet was asked to have {self._most[now]} pods at most and has {count} with this one")
        return None


class DeploymentsAreDone(Oracle):
    """At rest: as many pods as asked for, of the newest template, ready, and a status that says so."""

    name = "replica counts"

    def at_rest(self, world: World) -> Wrong | None:
        ready, active = _by_owner(world)
        for key, obj in world.objects.items():
            if key.startswith("replicasets.apps/"):
                wanted, uid = obj.spec.replicas or 0, obj.metadata.uid
                if (active.get(uid, 0), ready.get(uid, 0)) != (wanted, wanted):
                    return Wrong(key, f"it wants {wanted} pods and has {active.get(uid, 0)}, {ready.get(uid, 0)} of them ready")
                status = obj.status
                told = (status.replicas or 0, status.ready_replicas or 0) if status is not None else (0, 0)
                if told != (wanted, wanted):
                    return Wrong(key, f"it wants {wanted} pods and its status says {told[0]}, {told[1]} of them ready")
            elif key.startswith("deployments.apps/"):
                wrong = _deployment(key, obj, world)
                if wrong is not None:
                    return wrong
        return None


def _by_owner(world: World) -> tuple[dict[str, int], dict[str, int]]:
    ready: dict[str, int] = {}
    active: dict[str, int] = {}
    for key, obj in world.objects.items():
        if key.startswith("pods/") and is_active(obj) and (owner := controller_of(obj)) is not None:
            active[owner.uid] = active.get(owner.uid, 0) + 1
            ready[owner.uid] = ready.get(owner.uid, 0) + is_ready(obj)
    return ready, active


def _deployment(key: str, deployment: Any, world: World) -> Wrong | None:
    status, wanted = deployment.status, deployment.spec.replicas or 0
    if status is None or (status.observed_generation or 0) != deployment.metadata.generation:
        return Wrong(key, "its newest version has not been looked at")
    told = (status.replicas or 0, status.updated_replicas or 0, status.available_replicas or 0)
    if told != (wanted, wanted, wanted):
        return Wrong(key, f"it wants {wanted} pods and its status says {told[0]}, {told[1]} up to date, {told[2]} available")
    with_pods = [
        one.metadata.name
        for name, one in world.objects.items()
        if name.startswith("replicasets.apps/") and _owned(one, deployment) and (one.spec.replicas or 0) > 0
    ]
    if len(with_pods) > 1:
        return Wrong(key, f"it has pods of {len(with_pods)} revisions: {', '.join(with_pods)}")
    return None


def _owned(obj: Any, owner: Any) -> bool:
    ref = controller_of(obj)
    return ref is not None and ref.uid == owner.metadata.uid


class StatefulSetsAreDone(Oracle):
    """At rest: each ordinal of a StatefulSet has its pod, ready and of the newest revision, and no other has one (k8s#41889)."""

    name = "identities are complete"

    def at_rest(self, world: World) -> Wrong | None:
        for key, obj in world.objects.items():
            if not key.startswith("statefulsets.apps/"):
                continue
            wanted = 1 if obj.spec.replicas is None else obj.spec.replicas
            first = obj.spec.ordinals.start or 0 if obj.spec.ordinals is not None else 0
            names = [f"{obj.metadata.name}-{number}" for number in range(first, first + wanted)]
            have = sorted(pod.metadata.name for name, pod in world.objects.items() if name.startswith("pods/") and _owned(pod, obj))
            if have != sorted(names):
                return Wrong(key, f"it should have the pods {', '.join(names) or 'none'}, and has {', '.join(have) or 'none'}")
            newest = obj.status.update_revision if obj.status is not None else ""
            for name in names:
                pod = world.objects[f"pods/{obj.metadata.namespace}/{name}"]
                if not is_ready(pod):
                    return Wrong(f"pods/{obj.metadata.namespace}/{name}", "it is not ready")
                if pod.metadata.labels.get("controller-revision-hash") != newest:
                    return Wrong(f"pods/{obj.metadata.namespace}/{name}", f"it is not of the newest revision {newest}")
        return None


class OrdinalsInTurn(Oracle):
    """A pod of an ordered StatefulSet is created only while those of all lower ordinals are ready, as far as anybody could know: pods that
    were ready a short while ago count (k8s#78209)."""

    name = "ordinals come in turn"

    def __init__(self) -> None:
        self._ready_s: dict[str, float] = {}

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if not event.key.startswith("pods/"):
            return None
        for pod in (event.old, event.obj):
            if pod is not None and is_active(pod) and is_ready(pod):
                self._ready_s[event.key] = world.now
        owner = controller_of(event.obj) if event.obj is not None and event.old is None else None
        if owner is None or owner.kind != "StatefulSet":
            return None
        namespace, _, name = event.key.removeprefix("pods/").partition("/")
        above = world.objects.get(f"statefulsets.apps/{namespace}/{owner.name}")
        if above is None or above.metadata.uid != owner.uid or above.spec.pod_management_policy == "Parallel":
            return None
        first = above.spec.ordinals.start or 0 if above.spec.ordinals is not None else 0
        for number in range(first, int(name.rpartition("-")[2])):
            lower = f"pods/{namespace}/{owner.name}-{number}"
            there = world.objects.get(lower)
            ready = there is not None and is_active(there) and is_ready(there)
            if not ready and world.now - self._ready_s.get(lower, -1e9) > NEWS_IS_OLD_S:
                return Wrong(event.key, f"it is created, and {owner.name}-{number} is not ready")
        return None


class DaemonSetsAreDone(Oracle):
    """At rest: every node that nothing keeps pods away from has one ready pod of every DaemonSet without a selector, and its status says so
    (k8s#75836)."""

    name = "a daemon on every node"

    def at_rest(self, world: World) -> Wrong | None:
        nodes = [
            obj.metadata.name
            for key, obj in world.objects.items()
            if key.startswith("nodes/") and not any(one.effect in ("NoSchedule", "NoExecute") for one in obj.spec.taints)
        ]
        for key, obj in world.objects.items():
            if not key.startswith("daemonsets.apps/"):
                continue
            own = [pod for name, pod in world.objects.items() if name.startswith("pods/") and _owned(pod, obj) and is_active(pod)]
            for node in nodes:
                here = [pod for pod in own if pod.spec.node_name == node]
                if len(here) != 1 or not is_ready(here[0]):
                    return Wrong(key, f"{node} has {len(here)} pods of it, {sum(map(is_ready, here))} of them ready")
            told = obj.status.number_ready if obj.status is not None else None
            if told != len(own):
                return Wrong(key, f"it has {len(own)} pods, and its status says that {told} are ready")
        return None


ORACLES: tuple[type[Oracle], ...] = (NoSurplus, DeploymentsAreDone, StatefulSetsAreDone, OrdinalsInTurn, DaemonSetsAreDone)
