"""What holds of owners, namespaces and finalizers: nothing outlives its owner, nothing is deleted whose owner lives, nothing is in a
namespace that is not there."""

from __future__ import annotations

from typing import Any

from callboard.models.messages.api import DeleteObject, object_key
from callboard.models.messages.store import StoreEvent
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong

COLLECTOR = "controller/garbagecollector"
REMEMBERED_S = 5.0


class OwnersKeepTheirs(Oracle):
    """The garbage collector never deletes an object one of whose owners is stored, of that very UID, and is not being deleted itself
    (k8s#88097, k8s#114603, k8s#65200). An object that somebody else has asked to delete at about the same time is not judged."""

    name = "objects with a living owner are kept"
    hears = (DeleteObject,)

    def __init__(self) -> None:
        self._collected: dict[str, tuple[float, str]] = {}
        self._asked: dict[str, float] = {}

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        key = object_key(message.resource, message.namespace, message.name)
        if sender.partition("#")[0].startswith(COLLECTOR):
            self._collected[key] = (world.now, message.uid)
        else:
            self._asked[key] = world.now
        return None

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if event.old is None or event.key not in self._collected:
            return None
        going = event.obj is None or (event.obj.metadata.deletion_timestamp and not event.old.metadata.deletion_timestamp)
        at_s, uid = self._collected[event.key]
        if (
            not going
            or event.old.metadata.uid != uid
            or world.now - at_s > REMEMBERED_S
            or world.now - self._asked.get(event.key, -1e9) < REMEMBERED_S
        ):
            return None
        if event.old.metadata.deletion_timestamp:
            return None  # it was asked to go before, and now it does
        for owner in event.old.metadata.owner_references:
            for stored in world.objects.values():
                if stored.metadata.uid == owner.uid and not stored.metadata.deletion_timestamp:
                    return Wrong(event.key, f"the garbage collector has deleted it, and its owner {owner.kind} {owner.name} lives")
        return None


class NothingOutlivesItsOwner(Oracle):
    """At rest: every owner that an object names is stored (k8s#91311, k8s#109748), every object is in a namespace that is stored
    (k8s#36891), and nothing waits to be deleted."""

    name = "nothing outlives its owner"

    def at_rest(self, world: World) -> Wrong | None:
        uids = {obj.metadata.uid: None for obj in world.objects.values()}
        for key, obj in world.objects.items():
            resource, namespace, _ = key.split("/", 2)
            if resource in ("events", "leases.coordination.k8s.io"):
                continue
            meta = obj.metadata
            if namespace and f"namespaces//{namespace}" not in world.objects:
                return Wrong(key, f"the namespace {namespace} is not there")
            owners = meta.owner_references
            if owners and all(owner.uid not in uids for owner in owners):
                return Wrong(key, f"its owner {owners[0].kind} {owners[0].name} (UID {owners[0].uid}) is gone")
            if meta.deletion_timestamp:
                finalizers = ", ".join(meta.finalizers) or "no finalizer"
                return Wrong(key, f"it has been asked to go at {meta.deletion_timestamp} and is there, with {finalizers}")
        return None


ORACLES: tuple[type[Oracle], ...] = (OwnersKeepTheirs, NothingOutlivesItsOwner)
