"""What a user's `reconcile` sees: the object that it is about, and whatever else its controller watches, as its caches know it.

Reads only look; they may be older than the store, as in every Kubernetes controller. That is why `reconcile` has to be level-triggered:
it judges the whole picture, however often it is called.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any, Protocol

from callboard.models.base import FrozenMap
from callboard.models.errors import BadRequest
from callboard.models.kinds import Resource, Scheme
from callboard.models.messages.api import object_key
from callboard.models.selectors import parse_labels


class Source(Protocol):
    """Objects of one resource."""

    @property
    def objects(self) -> Mapping[str, Any]:
        """All of them, by store key."""

    def owned(self, uid: str) -> tuple[Any, ...]:
        """Those that the object with this UID controls."""


class Snapshot:
    """A source that stays as it was, for a `reconcile` that runs beside the others."""

    def __init__(self, objects: Mapping[str, Any]) -> None:
        self.objects: Mapping[str, Any] = FrozenMap(objects)

    def owned(self, uid: str) -> tuple[Any, ...]:
        """Those that the object with this UID controls."""
        return tuple(obj for obj in self.objects.values() if controller_uid(obj) == (uid,))


def controller_uid(obj: Any) -> tuple[str, ...]:
    """The UID of the owner that manages an object, as an index wants it."""
    return tuple(ref.uid for ref in obj.metadata.owner_references if ref.controller)


class View:
    """What there is to decide on. `obj` is the object that this is about, None once it is gone; `namespace` and `name` are its own."""

    __slots__ = ("_primary", "_scheme", "_sources", "name", "namespace", "obj")

    def __init__(self, key: str, primary: Resource, scheme: Scheme, sources: Mapping[str, Source]) -> None:
        _, self.namespace, self.name = key.split("/", 2)
        self._primary = primary
        self._scheme = scheme
        self._sources = sources
        self.obj: Any = sources[primary.name].objects.get(key)

    def get(self, kind: str, name: str, *, namespace: str | None = None) -> Any:
        """An object of a watched kind, None if there is none; in the namespace of this view's object unless another is named."""
        resource, source = self._source(kind)
        where = self._where(resource, namespace)
        return source.objects.get(object_key(resource.name, where, name))

    def list(self, kind: str, *, selector: str = "", namespace: str | None = None) -> builtins.list[Any]:
        """All objects of a watched kind in a namespace (`""`: in all) that match a label selector."""
        resource, source = self._source(kind)
        where = self._where(resource, namespace)
        wanted = parse_labels(selector)
        found = source.objects.values()
        return [one for one in found if (not where or one.metadata.namespace == where) and wanted.matches(one.metadata.labels)]

    def owned(self, kind: str) -> builtins.list[Any]:
        """The objects of a watched kind that this view's object controls, by `ownerReferences`."""
        _, source = self._source(kind)
        return [] if self.obj is None else [*source.owned(self.obj.metadata.uid)]

    def _source(self, kind: str) -> tuple[Resource, Source]:
        resource = self._scheme.lookup(kind)
        source = self._sources.get(resource.name)
        if source is None:
            raise BadRequest(f"this controller doesn't watch {resource.name}, so it can't see them; add the kind to watches=")
        return resource, source

    def _where(self, resource: Resource, namespace: str | None) -> str:
        if not resource.namespaced:
            return ""
        return self.namespace if namespace is None else namespace
