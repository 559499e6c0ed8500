"""What holds of views of the store: no view goes back in time, every write reaches every watcher, and at rest all views are equal to it."""

from __future__ import annotations

from typing import Any

from callboard.models.messages.api import Listed, WatchBatch, WatchEvent, WatchObjects
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong

RESTLESS = frozenset({"leases.coordination.k8s.io", "events", "nodes"})
"""Kinds that change in a cluster at rest: a view of them may be a moment behind."""


def _name(address: str) -> str:
    return address.partition("#")[0]


class ViewsGoForward(Oracle):
    """No informer's revision goes back while its process lives (kubernetes/kubernetes PR 73845, k8s#59084), and no object in it becomes an
    older one of itself because of what a watcher is told (etcd#20221)."""

    name = "no view goes back in time"
    hears = (WatchBatch, Listed)

    def __init__(self) -> None:
        self._reached: dict[tuple[str, int], int] = {}
        self._objects: dict[tuple[str, int, str], tuple[str, int]] = {}
        """By view and key: UID and revision of the object as it was seen there last, or of its end."""

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        if isinstance(message, Listed):
            return self._listed(receiver, message, world)
        component = world.component(_name(receiver))
        informer = getattr(component, "_streams", {}).get(message.id)
        if informer is None:
            return None
        key = (receiver, informer.number)
        before = self._reached.get(key, 0)
        if informer.revision < before:
            return Wrong(f"{informer.resource}", f"the view of {receiver} was at revision {before} and is at {informer.revision} now")
        self._reached[key] = informer.revision
        for event in message.events:
            if (wrong := self._older(receiver, informer, event)) is not None:
                return wrong
        return None

    def _listed(self, receiver: str, message: Listed, world: World) -> Wrong | None:
        for informer in getattr(world.component(_name(receiver)), "informers", ()):
            if informer._list == message.id and informer.revision == message.revision:
                for key, obj in informer.objects.items():
                    self._objects[receiver, informer.number, key] = (obj.metadata.uid, obj.metadata.resource_version)
        return None

    def _older(self, receiver: str, informer: Any, event: WatchEvent) -> Wrong | None:
        obj, place = informer.objects.get(event.key), (receiver, informer.number, event.key)
        uid, before = self._objects.get(place, ("", 0))
        if obj is None:
            if event.type == "DELETED" and event.obj.metadata.resource_version > before:
                self._objects[place] = (event.obj.metadata.uid, event.obj.metadata.resource_version)
            return None
        now = obj.metadata.resource_version
        self._objects[place] = (obj.metadata.uid, now)
        if uid == obj.metadata.uid and now < before:
            return Wrong(event.key, f"{receiver} saw it at revision {before}, and sees it at {now} now")
        return None


class StreamsGoForward(Oracle):
    """No watcher is told of a change at or before the revision that it asked for, nor of one at or before a mark up to which it was
    told all (Kubernetes API concepts, "Efficient detection of changes"; etcd#20221, etcd#18089). Repeats are the work of links."""

    name = "no stream goes back in time"
    hears = (WatchObjects, WatchBatch)

    def __init__(self) -> None:
        self._told: dict[tuple[str, int], tuple[int, int]] = {}
        """By watcher and subscription: the piece that was heard last in its turn, and up to which revision it has been told."""

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        if isinstance(message, WatchObjects):
            self._told[message.reply_to, message.id] = (0, message.from_revision)
            return None
        seq, told = self._told.get((receiver, message.id), (-1, 0))
        if message.seq != seq + 1:
            return None  # out of its turn, or nobody has seen this stream begin
        for event in message.events:
            revision = event.obj.metadata.resource_version
            if revision <= told:
                words = f"{receiver} is told by {sender} that it is {event.type} at revision {revision}, and had been told all up to {told}"
                return Wrong(event.key, words)
        self._told[receiver, message.id] = (message.seq, max(told, message.revision))
        return None


class ViewsEqualTheStore(Oracle):
    """At rest: what a component has cached is what is stored, object for object; nothing is missing, and nothing is there that has gone
    (k8s#74022, k8s#49956, k8s#116122, PR 222 of the static provisioner). Views through a selector are asked for what they hold only."""

    name = "views are equal to the store"

    def at_rest(self, world: World) -> Wrong | None:
        stored: dict[str, dict[str, int]] = {}
        for key, obj in world.objects.items():
            stored.setdefault(key.partition("/")[0], {})[key] = obj.metadata.resource_version
        for name in world.components():
            component = world.component(name)
            for informer in getattr(component, "informers", ()):
                if informer.resource in RESTLESS or informer.unserved or informer.resource == "*" or not informer.started:
                    continue
                wrong = _differs(name, informer, stored.get(informer.resource, {}))
                if wrong is not None:
                    return wrong
        return None


def _differs(name: str, informer: Any, stored: dict[str, int]) -> Wrong | None:
    if not informer.synced:
        return Wrong(informer.resource, f"{name} has no list of them yet")
    for key, obj in informer.objects.items():
        here, there = obj.metadata.resource_version, stored.get(key)
        if there is None:
            return Wrong(key, f"{name} still sees it at revision {here}, and it is gone")
        if here != there:
            return Wrong(key, f"{name} sees it at revision {here}, and it is stored at {there}")
    selection = informer.selection
    if not any(selection.values()) and len(informer.objects) != len(stored):
        missing = next(key for key in stored if key not in informer.objects)
        return Wrong(missing, f"{name} does not see it, and it is stored at revision {stored[missing]}")
    return None


ORACLES: tuple[type[Oracle], ...] = (ViewsGoForward, StreamsGoForward, ViewsEqualTheStore)
