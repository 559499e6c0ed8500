"""Who depends on whom: dependents by the UID of their owner, and what follows for one object. Pure.

Owned by the garbage collector's actor. Only objects with ownerReferences have an entry, so most of a cluster costs nothing here.
Source: pkg/controller/garbagecollector (attemptToDeleteItem, processDeletingDependentsItem, orphanDependents).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from callboard.actors import actions as act
from callboard.models.api.meta import OwnerReference
from callboard.models.base import replace
from callboard.models.messages.api import Propagation

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

OwnerState = Literal["present", "waiting", "absent", "unknown"]
"""What is known of an owner: there; there and waiting for its dependents to go; verified as absent; neither (to be read)."""


class Graph:
    """Dependents by owner."""

    def __init__(self) -> None:
        self._dependents: dict[str, dict[str, None]] = {}

    def changed(self, key: str, old: tuple[OwnerReference, ...], new: tuple[OwnerReference, ...]) -> None:
        """The owner references of an object have changed; () where it was or is absent."""
        after = {one.uid: None for one in new}
        for one in old:
            if one.uid not in after and one.uid in self._dependents:
                mates = self._dependents[one.uid]
                mates.pop(key, None)
                if not mates:
                    del self._dependents[one.uid]
        for uid in after:
            self._dependents.setdefault(uid, {})[key] = None

    def dependents(self, uid: str) -> tuple[str, ...]:
        """Keys of the objects that name this UID as an owner."""
        return tuple(self._dependents.get(uid, ()))


class Target(msgspec.Struct, frozen=True, gc=False):
    """An object and the resource and key that it is stored under."""

    key: str
    resource: str
    obj: Any


def is_waiting(obj: Any) -> bool:
    """Whether an object is being deleted in the foreground: it waits until its dependents are gone."""
    meta = obj.metadata
    return meta.deletion_timestamp != "" and FOREGROUND in meta.finalizers


def is_orphaning(obj: Any) -> bool:
    """Whether an object is being deleted and wants its dependents to live on."""
    meta = obj.metadata
    return meta.deletion_timestamp != "" and ORPHAN in meta.finalizers


def _blocks(obj: Any, uid: str) -> bool:
    return any(one.uid == uid and one.block_owner_deletion for one in obj.metadata.owner_references)


def _without_owners(target: Target, uids: Mapping[str, Any]) -> act.Action:
    meta = target.obj.metadata
    kept = tuple(one for one in meta.owner_references if one.uid not in uids)
    return act.Update(resource=target.resource, obj=replace(target.obj, metadata=replace(meta, owner_references=kept)))


def _without_finalizer(target: Target, finalizer: str) -> act.Action:
    meta = target.obj.metadata
    kept = tuple(one for one in meta.finalizers if one != finalizer)
    return act.Update(resource=target.resource, obj=replace(target.obj, metadata=replace(meta, finalizers=kept)))


def _delete(target: Target, propagation: Propagation) -> act.Action:
    meta = target.obj.metadata
    return act.Delete(
        resource=target.resource,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,  # ownership decided from an old picture must not be acted on (k8s#114603)
        propagation=propagation,
    )


def decide_owner(target: Target, dependents: Mapping[str, Any]) -> tuple[act.Action, ...]:
    """What an object that is being deleted waits for; `dependents` are those that the cache shows, by key.

    Nothing for one that waits for dependents which still block it: they are looked at themselves.
    """
    uid = target.obj.metadata.uid
    if is_orphaning(target.obj):
        freed = [Target(key, key.split("/", 1)[0], obj) for key, obj in dependents.items()]
        if freed:
            return tuple(_without_owners(one, {uid: None}) for one in freed)
        return (_without_finalizer(target, ORPHAN),)
    if is_waiting(target.obj) and not any(_blocks(obj, uid) for obj in dependents.values()):
        return (_without_finalizer(target, FOREGROUND),)
    return ()


def decide_dependent(
    target: Target, state_of: Callable[[OwnerReference], OwnerState], dependents: Mapping[str, Any]
) -> tuple[act.Action, ...]:
    """What becomes of an object with owners; `dependents` are its own.

    It is deleted when all its owners are absent or waiting for it; while one is present, references to the others are taken off; as
    long as one is unknown nothing is done. If an owner waits for an object one of whose dependents waits as well, waiting would go
    round in a circle, so it gives up blocking its owners.
    """
    meta = target.obj.metadata
    if not meta.owner_references or (meta.deletion_timestamp and not is_waiting(target.obj)):
        return ()
    states = {one.uid: state_of(one) for one in meta.owner_references}
    if "unknown" in states.values():
        return ()
    if "present" in states.values():
        gone = {uid: None for uid, state in states.items() if state != "present"}
        return (_without_owners(target, gone),) if gone else ()
    if "waiting" in states.values() and dependents:
        in_circle = any(is_waiting(one) for one in dependents.values())
        if in_circle and any(one.block_owner_deletion for one in meta.owner_references):
            free = tuple(replace(one, block_owner_deletion=False) for one in meta.owner_references)
            return (act.Update(resource=target.resource, obj=replace(target.obj, metadata=replace(meta, owner_references=free))),)
        return () if meta.deletion_timestamp else (_delete(target, "Foreground"),)
    if meta.deletion_timestamp:
        return ()
    if ORPHAN in meta.finalizers:
        return (_delete(target, "Orphan"),)
    return (_delete(target, "Foreground" if FOREGROUND in meta.finalizers else "Background"),)
