"""The view of all objects that the garbage collector has, and how an owner reference becomes the key of an object in it."""

from __future__ import annotations

from typing import Any

from callboard.actors.informer import Informer
from callboard.models.api.apiextensions import CustomResourceDefinition
from callboard.models.api.meta import OwnerReference
from callboard.models.errors import UnknownKind
from callboard.models.kinds import Scheme
from callboard.models.messages.api import Got, Listed, Refused, Written, object_key

EVERYTHING = "*"
ASIDE = ("events", "leases.coordination.k8s.io")
"""Resources that a view of everything leaves out."""


class EverythingInformer(Informer):
    """An informer on all resources at once: in a list of everything, the answer tells each object's key."""

    def listed(self, answer: Got | Listed | Written | Refused) -> None:
        if not isinstance(answer, Listed) or answer.id != self._list or answer.revision < self.revision:
            super().listed(answer)
            return
        self._listing = False
        self._attempt = 0
        fresh = dict(zip(answer.keys, answer.objects, strict=True))
        for key in [key for key in self.objects if key not in fresh]:
            self._change(key, None)
        for key, obj in fresh.items():
            self._change(key, obj)
        self.revision = answer.revision
        self.synced = True
        self.resume()
        self.owner.caught_up(self)


class Kinds:
    """Which resource an owner reference speaks of, user-defined kinds included."""

    def __init__(self) -> None:
        self._scheme = Scheme.builtin()

    def changed(self, old: Any, new: Any) -> None:
        """A CustomResourceDefinition has come, changed or gone; anything else is ignored."""
        if isinstance(new, CustomResourceDefinition):
            self._scheme = self._scheme.with_definition(new)
        elif new is None and isinstance(old, CustomResourceDefinition):
            self._scheme = self._scheme.without_definition(old.metadata.name)

    def owner_key(self, reference: OwnerReference, namespace: str) -> str:
        """The key of the owner that an object in `namespace` names, or "" if there is no such kind or it can't be an owner here.

        A namespaced owner is looked for in the dependent's own namespace only: one in another namespace counts as absent
        (kubernetes/kubernetes#65200). A cluster-scoped object can't name a namespaced owner at all.
        """
        try:
            resource = self._scheme.resource(reference.api_version, reference.kind)
        except UnknownKind:
            return ""
        if not resource.namespaced:
            return object_key(resource.name, "", reference.name)
        return object_key(resource.name, namespace, reference.name) if namespace else ""
