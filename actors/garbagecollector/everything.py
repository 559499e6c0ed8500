"""What the garbage collector's view of all objects is called, and how an owner reference becomes the key of an object in it."""

from __future__ import annotations

from typing import Any

from callboard.models.api.apiextensions import CustomResourceDefinition
from callboard.models.api.meta import OwnerReference
from callboard.models.errors import UnknownKind
from callboard.models.kinds import Scheme
from callboard.models.messages.api import object_key

EVERYTHING = "*"
ASIDE = ("events", "leases.coordination.k8s.io")
"""Resources that a view of everything leaves out."""


class Kinds:
    """Which resource an owner reference speaks of, user-defined kinds included."""

    def __init__(self) -> None:
        self._scheme = Scheme.builtin()
        self._builtin = frozenset(one.name for one in self._scheme.resources)

    def changed(self, old: Any, new: Any) -> bool:
        """A CustomResourceDefinition has come, changed or gone: true; anything else is ignored."""
        if isinstance(new, CustomResourceDefinition):
            self._scheme = self._scheme.with_definition(new)
        elif new is None and isinstance(old, CustomResourceDefinition):
            self._scheme = self._scheme.without_definition(old.metadata.name)
        else:
            return False
        return True

    def is_user_defined(self, key: str) -> bool:
        """Whether the object of this key is of a kind that can go away."""
        return key.split("/", 1)[0] not in self._builtin

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
