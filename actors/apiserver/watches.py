"""Who watches what: an index from a change to the streams that want it, and the streams themselves.

Owned by the `ApiServer`. Watchers with equal selections share one `Selection` and one tuple of events per piece of the store's
stream. A change looks up only the selections that can want it: of its resource, of its namespace, of its name, and for pods of the node
it was and is on. So 5,000 kubelets cost a change nothing but the one or two that it concerns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from callboard.actors.apiserver.cache import node_of, resource_of
from callboard.actors.apiserver.reads import EVERYTHING, is_aside
from callboard.models.base import replace
from callboard.models.messages.api import EventType, WatchEvent
from callboard.models.messages.base import Address
from callboard.models.messages.store import StoreEvent
from callboard.models.selectors import FieldSelector, Selector

WatchKey = tuple[Address, int]
SelectionName = tuple[str, str, str, str]
"""Resource, namespace, labels, fields, as the watcher wrote them."""
Place = tuple[str, str, str]
"""Where a selection lies in the index: how it is narrowed (`all`, `namespace`, `node`, `name`), resource, value."""


class Watcher(msgspec.Struct, gc=False):
    """One stream. Changes up to `after` are not for it; `idle` tells that the last heartbeat found it unheard."""

    to: Address
    id: int
    after: int
    credit: int
    selection: SelectionName = ("", "", "", "")
    seq: int = 0
    acked: int = 0
    idle: bool = False

    @property
    def key(self) -> WatchKey:
        """By what `AckWatch` and `StopWatch` name it."""
        return self.to, self.id


class Change:
    """A change of the store in the three forms in which watchers may see it, each made at most once."""

    __slots__ = ("_forms", "event")

    def __init__(self, event: StoreEvent) -> None:
        self.event = event
        self._forms: dict[str, WatchEvent] = {}

    def form(self, type_: EventType) -> WatchEvent:
        """The change as ADDED, MODIFIED or DELETED. What is gone from the store carries the revision of its removal."""
        found = self._forms.get(type_)
        if found is None:
            obj = self.event.obj
            if obj is None:
                old = self.event.old
                obj = replace(old, metadata=replace(old.metadata, resource_version=self.event.revision))
            found = self._forms[type_] = WatchEvent(type_, self.event.key, obj)
        return found


class Selection:
    """What some watchers want to see, and what they have not been told yet."""

    __slots__ = ("_fields", "_labels", "_namespace", "_plain", "pending", "place", "resource", "watchers")

    def __init__(self, resource: str, namespace: str, labels: Selector, fields: FieldSelector) -> None:
        self.resource = resource
        self.place = _place(resource, namespace, fields)
        self.watchers: dict[WatchKey, Watcher] = {}
        self.pending: list[WatchEvent] = []
        self._namespace = namespace if self.place[0] in ("node", "name") or resource == EVERYTHING else ""
        self._labels = labels
        self._fields = fields
        self._plain = labels.empty and not fields.terms and not self._namespace

    def wants(self, key: str, obj: Any) -> bool:
        """Whether an object of this resource belongs to the selection."""
        if self._plain:
            return True
        meta = obj.metadata
        if self._namespace and meta.namespace != self._namespace:
            return False
        return self._labels.matches(meta.labels) and self._fields.matches(obj)

    def judge(self, change: Change) -> WatchEvent | None:
        """A change as these watchers see it; None if it is not for them."""
        event = change.event
        before = event.old is not None and self.wants(event.key, event.old)
        after = event.obj is not None and self.wants(event.key, event.obj)
        if after:
            return change.form("MODIFIED" if before else "ADDED")
        return change.form("DELETED") if before else None


def _place(resource: str, namespace: str, fields: FieldSelector) -> Place:
    if resource == EVERYTHING:
        return "all", resource, ""
    node = fields.required("spec", "node_name")
    if node and resource == "pods":
        return "node", resource, node
    name = fields.required("metadata", "name")
    if name is not None:
        return "name", resource, name
    return ("namespace", resource, namespace) if namespace else ("all", resource, "")


class WatchIndex:
    """All watchers by key, and all selections by where a change looks for them."""

    def __init__(self) -> None:
        self.watchers: dict[WatchKey, Watcher] = {}
        self._selections: dict[SelectionName, Selection] = {}
        self._places: dict[Place, dict[int, Selection]] = {}
        self._narrowed: dict[str, dict[str, int]] = {}
        self._numbers: dict[SelectionName, int] = {}
        self._last_number = 0
        self._clients: dict[str, tuple[int, dict[WatchKey, None]]] = {}

    # -- watchers -----------------------------------------------------------------------------------------------------------------

    def add(self, watcher: Watcher, name: SelectionName, compiled: tuple[Selector, FieldSelector]) -> bool:
        """Take a watcher in. False if it is there already, or belongs to an incarnation that has been succeeded."""
        if watcher.key in self.watchers or not self._admit(watcher):
            return False
        resource, namespace, _, _ = name
        selection = self._selections.get(name)
        if selection is None:
            selection = self._selections[name] = Selection(resource, namespace, *compiled)
            self._last_number += 1
            self._numbers[name] = self._last_number
            self._places.setdefault(selection.place, {})[self._last_number] = selection
            narrowed = self._narrowed.setdefault(resource, {})
            narrowed[selection.place[0]] = narrowed.get(selection.place[0], 0) + 1
        watcher.selection = name
        selection.watchers[watcher.key] = watcher
        self.watchers[watcher.key] = watcher
        return True

    def _admit(self, watcher: Watcher) -> bool:
        """A new incarnation of a client takes the place of all streams of former ones."""
        client, _, text = watcher.to.partition("#")
        incarnation = int(text) if text.isdigit() else 0
        known, keys = self._clients.get(client, (incarnation, {}))
        if incarnation < known:
            return False
        if incarnation > known:
            for key in list(keys):
                self.remove(key)
            keys = {}
        self._clients[client] = (incarnation, keys)
        keys[watcher.key] = None
        return True

    def remove(self, key: WatchKey) -> None:
        """Forget a watcher, if it is there, and its selection with its last watcher."""
        watcher = self.watchers.pop(key, None)
        if watcher is None:
            return
        self._clients[watcher.to.partition("#")[0]][1].pop(key, None)
        selection = self._selections[watcher.selection]
        del selection.watchers[key]
        if selection.watchers:
            return
        del self._selections[watcher.selection]
        place = selection.place
        del self._places[place][self._numbers.pop(watcher.selection)]
        if not self._places[place]:
            del self._places[place]
        narrowed = self._narrowed[selection.resource]
        narrowed[place[0]] -= 1
        if not narrowed[place[0]]:
            del narrowed[place[0]]
        if not narrowed:
            del self._narrowed[selection.resource]

    def selection_of(self, watcher: Watcher) -> Selection:
        """What a watcher wants to see."""
        return self._selections[watcher.selection]

    # -- changes ------------------------------------------------------------------------------------------------------------------

    def sort(self, events: Iterable[StoreEvent]) -> list[tuple[Selection, tuple[WatchEvent, ...]]]:
        """What each selection is to be told of these changes; selections that are told nothing are not among them."""
        touched: dict[int, Selection] = {}
        for event in events:
            change = None
            for number, selection in self._interested(event):
                if change is None:
                    change = Change(event)
                seen = selection.judge(change)
                if seen is not None:
                    selection.pending.append(seen)
                    touched[number] = selection
        told = []
        for selection in touched.values():
            told.append((selection, tuple(selection.pending)))
            selection.pending = []
        return told

    def _interested(self, event: StoreEvent) -> Iterator[tuple[int, Selection]]:
        key = event.key
        resource = resource_of(key)
        if EVERYTHING in self._narrowed and not is_aside(resource):
            yield from self._places[("all", EVERYTHING, "")].items()
        narrowed = self._narrowed.get(resource)
        if narrowed is None:
            return
        if "all" in narrowed:
            yield from self._places[("all", resource, "")].items()
        if "namespace" in narrowed:
            yield from self._at("namespace", resource, key[len(resource) + 1 : key.rindex("/")])
        if "name" in narrowed:
            yield from self._at("name", resource, key[key.rindex("/") + 1 :])
        if "node" in narrowed:
            before, after = node_of(key, event.old), node_of(key, event.obj)
            if before:
                yield from self._at("node", resource, before)
            if after and after != before:
                yield from self._at("node", resource, after)

    def _at(self, how: str, resource: str, value: str) -> Iterable[tuple[int, Selection]]:
        found = self._places.get((how, resource, value))
        return found.items() if found is not None else ()
