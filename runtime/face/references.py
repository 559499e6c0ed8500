"""How users name objects: `deployment/web`, `deploy/web`, `deployments.apps/web`, or an object itself."""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.models.api.meta import ObjectMeta
from callboard.models.errors import BadRequest
from callboard.models.kinds import Resource, Scheme, api_version_of, kind_of


class Reference(msgspec.Struct, frozen=True):
    """One object: its resource as the scheme knows it, its namespace ("" if cluster-scoped) and its name."""

    resource: Resource
    namespace: str
    name: str

    @property
    def resource_name(self) -> str:
        """The resource as messages name it: `pods`, `deployments.apps`."""
        return self.resource.name

    def __str__(self) -> str:
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.resource.singular}/{self.name}{where}"


def refer(what: Any, scheme: Scheme, namespace: str) -> Reference:
    """Resolve what a user wrote (`kind/name`, or an object) within a default namespace.

    Raises:
        BadRequest: it is not of the form `kind/name`.
        UnknownKind: no such kind is served.
    """
    if not isinstance(what, str):
        if not isinstance(getattr(what, "metadata", None), ObjectMeta):
            raise BadRequest(f'{what!r} does not name an object; write kind/name, for example "deployment/web", or give the object itself')
        resource = scheme.resource(api_version_of(what), kind_of(what))
        own = what.metadata.namespace or namespace
        return Reference(resource, own if resource.namespaced else "", what.metadata.name)
    kind, slash, name = what.partition("/")
    if not slash or not kind or not name or "/" in name:
        raise BadRequest(f'"{what}" does not name an object; write kind/name, for example "deployment/web"')
    resource = scheme.lookup(kind)
    return Reference(resource, namespace if resource.namespaced else "", name)
