"""Promises that are judged at every step: budgets, rolling updates, orphans, acknowledged writes."""

from __future__ import annotations

import math
from typing import Any

from callboard.models.messages.api import DeleteObject, EvictPod, Written, object_key
from callboard.models.messages.store import StoreEvent
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_active, is_ready
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong
from callboard.runtime.chaos.oracles.evictions import NEWS_IS_OLD_S

ReplicaSetName = tuple[str, str]
"""Store key and UID; empty for pods of nobody."""
READY_IS_KNOWN_S = 8.0
"""A pod that has been ready for so long is known to be available by those who count."""
BUDGETS = "poddisruptionbudgets.policy/"


class BudgetsAreKept(Oracle):
    """No eviction that was granted leaves fewer ready pods than the budget's minAvailable, as far as anybody could know: pods that were
    lost by themselves a short while ago count as ready (k8s#82149, k8s#105326)."""

    name = "budgets are kept"
    hears = (EvictPod,)

    def __init__(self) -> None:
        self._evicted: dict[str, float] = {}
        self._lost_s: dict[str, float] = {}
        self._ready: dict[str, str] = {}

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        self._evicted[object_key("pods", message.namespace, message.name)] = world.now
        return None

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if not event.key.startswith("pods/"):
            return None
        uid = (event.obj or event.old).metadata.uid
        was_ready = uid in self._ready
        ready = event.obj is not None and is_active(event.obj) and is_ready(event.obj)
        if ready:
            self._ready[uid] = event.key
        elif was_ready:
            del self._ready[uid]
            going = event.obj is None or bool(event.obj.metadata.deletion_timestamp)
            if not going or world.now - self._evicted.get(event.key, -1e9) > 1.0:
                self._lost_s[uid] = world.now
                return None
            return self._judge(event, world)
        return None

    def _judge(self, event: StoreEvent, world: World) -> Wrong | None:
        pod = event.old
        for key, budget in world.objects.items():
            if not key.startswith(f"{BUDGETS}{pod.metadata.namespace}/"):
                continue
            spec = budget.content.get("spec", {})
            least = spec.get("minAvailable")
            labels = spec.get("selector", {}).get("matchLabels", {})
            if not isinstance(least, int) or not labels or any(pod.metadata.labels.get(name) != value for name, value in labels.items()):
                continue
            left = sum(_has(world.objects.get(one), labels) for one in self._ready.values())
            unknown = sum(world.now - at_s < NEWS_IS_OLD_S for at_s in self._lost_s.values())
            if left + unknown < least:
                return Wrong(event.key, f"its eviction leaves {left} ready pods, and the budget {budget.metadata.name} wants {least}")
        return None


def _has(pod: Any, labels: Any) -> bool:
    return pod is not None and all(pod.metadata.labels.get(name) == value for name, value in labels.items())


class RolloutsKeepTheirPromise(Oracle):
    """No deletion by a ReplicaSet of a Deployment makes the available pods fewer than `replicas - maxUnavailable` where there were enough
    of them (k8s#19299). Pods that were lost by themselves or orphaned a short while ago count as available, since nobody could know of
    it yet, and who has been available for a short while only may be taken for one that is not. After a change the smallest number holds
    that was promised since everybody had last seen everything: Deployment, ReplicaSets and pods."""

    name = "a rollout keeps its promise"
    hears = (DeleteObject,)

    def __init__(self) -> None:
        self._posts: dict[str, list[int]] = {}
        self._deleted_by: dict[str, float] = {}
        self._ready: dict[str, ReplicaSetName] = {}
        self._since_s: dict[str, float] = {}
        self._lost_s: dict[str, tuple[float, ReplicaSetName]] = {}

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        if message.resource == "pods" and sender.startswith("controller/replicaset"):
            self._deleted_by[object_key("pods", message.namespace, message.name)] = world.now
        return None

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if event.key.startswith("deployments.apps/"):
            if event.obj is None:
                self._posts.pop(event.old.metadata.uid, None)
            else:
                self._promise(event.obj, world)
        elif event.key.startswith("replicasets.apps/"):
            if event.obj is not None and (deployment := _above(event.obj, world)) is not None:
                self._promise(deployment, world)
        elif event.key.startswith("pods/"):
            return self._pod(event, world)
        return None

    def _promise(self, deployment: Any, world: World) -> None:
        least, posts = _least(deployment), self._posts.setdefault(deployment.metadata.uid, [])
        if _all_seen(deployment, world):
            posts.clear()
        if least not in posts:
            posts.append(least)

    def _pod(self, event: StoreEvent, world: World) -> Wrong | None:
        uid = (event.obj or event.old).metadata.uid
        if event.obj is not None and is_active(event.obj) and is_ready(event.obj):
            before, now = self._ready.get(uid), _replica_set_of(event.obj)
            if before is not None and before != now:  # it was orphaned, which its Deployment may not know yet
                self._lost_s[uid] = (world.now, before)
            self._ready[uid] = now
            self._since_s.setdefault(uid, world.now)
            return None
        since_s = self._since_s.pop(uid, world.now)
        owner = self._ready.pop(uid, None)
        if owner is None:
            return None
        going = event.obj is None or bool(event.obj.metadata.deletion_timestamp)
        if not going or world.now - self._deleted_by.get(event.key, -1e9) > 1.0:
            self._lost_s[uid] = (world.now, owner)
            return None
        return self._judge(event, _deployment_of(owner, world), world.now - since_s, world)

    def _judge(self, event: StoreEvent, deployment: str, ready_for_s: float, world: World) -> Wrong | None:
        posts = self._posts.get(deployment)
        if not posts or ready_for_s < READY_IS_KNOWN_S:
            return None
        left = sum(_deployment_of(one, world) == deployment for one in self._ready.values())
        lost = [one for at_s, one in self._lost_s.values() if world.now - at_s < NEWS_IS_OLD_S]
        unknown = sum(_deployment_of(one, world) == deployment for one in lost)
        if left + unknown == min(posts) - 1:
            return Wrong(event.key, f"its deletion leaves {left} ready pods of its Deployment, and {min(posts)} were promised")
        return None


def _all_seen(deployment: Any, world: World) -> bool:
    """Whether the newest size has gone all the way: the Deployment's, and that of each ReplicaSet, as far as it has pods."""
    if deployment.status is None or (deployment.status.observed_generation or 0) < deployment.metadata.generation:
        return False
    for key, one in world.objects.items():
        if not key.startswith("replicasets.apps/") or (above := controller_of(one)) is None or above.uid != deployment.metadata.uid:
            continue
        status = one.status
        if status is None or (status.observed_generation or 0) < one.metadata.generation or (status.replicas or 0) != one.spec.replicas:
            return False
    return True


def _replica_set_of(pod: Any) -> ReplicaSetName:
    owner = controller_of(pod)
    return (
        ("", "") if owner is None or owner.kind != "ReplicaSet" else (f"replicasets.apps/{pod.metadata.namespace}/{owner.name}", owner.uid)
    )


def _deployment_of(name: ReplicaSetName, world: World) -> str:
    """UID of the Deployment that a ReplicaSet belongs to now, which may have adopted it; "" if none."""
    key, uid = name
    replica_set = world.objects.get(key)
    deployment = _above(replica_set, world) if replica_set is not None and replica_set.metadata.uid == uid else None
    return deployment.metadata.uid if deployment is not None else ""


def _above(replica_set: Any, world: World) -> Any:
    """The Deployment that a ReplicaSet belongs to, not just one of its name; None if there is none."""
    owner = controller_of(replica_set)
    if owner is None:
        return None
    found = world.objects.get(object_key("deployments.apps", replica_set.metadata.namespace, owner.name))
    return found if found is not None and found.metadata.uid == owner.uid else None


def _least(deployment: Any) -> int:
    """replicas - maxUnavailable, counted here anew from the documentation; 0 where it isn't a rolling update."""
    spec = deployment.spec
    replicas = 1 if spec.replicas is None else spec.replicas
    rolling = spec.strategy.rolling_update if spec.strategy is not None else None
    if rolling is None or (spec.strategy is not None and spec.strategy.type == "Recreate"):
        return 0

    def share(value: int | str | None) -> float:
        value = "25%" if value is None else value
        return value if isinstance(value, int) else int(value.removesuffix("%")) * replicas / 100

    more, fewer = math.ceil(share(rolling.max_surge)), math.floor(share(rolling.max_unavailable))
    return max(0, replicas - max(fewer, 1 if more == 0 else 0))


class OrphansLive(Oracle):
    """What was orphaned on purpose (deleted with the policy Orphan) is never taken back by the object that goes (kubernetes PR 138818).
    Whom another one has let go is none of its orphans."""

    name = "orphans are left alone"
    hears = (DeleteObject,)

    def __init__(self) -> None:
        self._going: dict[str, None] = {}
        self._let_go: dict[str, str] = {}
        """By UID of a pod: UID of who had it last."""

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        if message.propagation == "Orphan":
            obj = world.objects.get(object_key(message.resource, message.namespace, message.name))
            if obj is not None:
                self._going[obj.metadata.uid] = None
        return None

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if not event.key.startswith("pods/") or event.obj is None or event.old is None or event.obj.metadata.uid != event.old.metadata.uid:
            return None
        uid, before, after = event.obj.metadata.uid, controller_of(event.old), controller_of(event.obj)
        if before is not None and after is None:
            self._let_go[uid] = before.uid
        if before is None and after is not None and after.uid in self._going and self._let_go.get(uid) == after.uid:
            return Wrong(
                event.key, f"it was orphaned on purpose, and {after.kind} {after.name}, which is being deleted, has adopted it again"
            )
        return None


class AcknowledgedWritesStay(Oracle):
    """What was acknowledged as written is stored at that revision or a later one, or has been removed later (etcd#17780)."""

    name = "nothing acknowledged is lost"
    hears = (Written,)

    def __init__(self) -> None:
        self._revisions: dict[str, tuple[str, int]] = {}
        self._removed: dict[str, int] = {}

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if event.obj is None:
            self._removed[event.key] = event.revision
        return None

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        if message.obj is None or message.removed:
            return None
        meta = message.obj.metadata
        stored = next((key for key in (self._key_of(message.obj, world),) if key), "")
        if stored:
            self._revisions[stored] = (meta.uid, meta.resource_version)
        return None

    @staticmethod
    def _key_of(obj: Any, world: World) -> str:
        kind = type(obj).__name__
        resource = {"Pod": "pods", "ReplicaSet": "replicasets.apps", "Deployment": "deployments.apps", "Service": "services"}.get(kind, "")
        return object_key(resource, obj.metadata.namespace, obj.metadata.name) if resource else ""

    def at_rest(self, world: World) -> Wrong | None:
        for key, (uid, revision) in self._revisions.items():
            obj = world.objects.get(key)
            if obj is None:
                if self._removed.get(key, 0) < revision:
                    return Wrong(key, f"it was acknowledged as written at revision {revision}, is not there, and nobody has removed it")
            elif obj.metadata.uid == uid and obj.metadata.resource_version < revision:
                return Wrong(key, f"it was acknowledged as written at revision {revision}, and is at {obj.metadata.resource_version}")
        return None


ORACLES: tuple[type[Oracle], ...] = (
    BudgetsAreKept,
    RolloutsKeepTheirPromise,
    OrphansLive,
    AcknowledgedWritesStay,
)
