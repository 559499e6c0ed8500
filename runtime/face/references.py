"""How users name objects: `deployment/web`, `deploy/web`, `deployments.apps/web`, or an object itself."""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.models.errors import BadRequest
from callboard.models.kinds import Resource, Scheme


class Reference(msgspec.Struct, frozen=True):
    """One object: its resource as the scheme knows it, its namespace ("" if cluster-scoped) and its name."""

    resource: Resource
    namespace: str
    name: str

    @property
    def resource_name(self) -> str:
        """The resource as messages name it: `pods`, `deployments.apps`."""
        return name_of(self.resource)

    def __str__(self) -> str:
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.resource.singular}/{self.name}{where}"


def name_of(resource: Resource) -> str:
    """`pods`, `deployments.apps`: plural, then the group if there is one."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def refer(what: Any, scheme: Scheme, namespace: str) -> Reference:
    """Resolve what a user wrote (`kind/name`, or an object) within a default namespace.

    Raises:
        BadRequest: it is not of the form `kind/name`.
        UnknownKind: no such kind is served.
    """
    if not isinstance(what, str):
        resource = scheme.resource(what.API_VERSION if hasattr(what, "API_VERSION") else what.api_version, _kind_of(what))
        own = what.metadata.namespace or namespace
        return Reference(resource, own if resource.namespaced else "", what.metadata.name)
    kind, slash, name = what.partition("/")
    if not slash or not kind or not name or "/" in name:
        raise BadRequest(f'"{what}" does not name an object; write kind/name, for example "deployment/web"')
    resource = scheme.lookup(kind)
    return Reference(resource, namespace if resource.namespaced else "", name)


def _kind_of(obj: Any) -> str:
    return str(obj.KIND if hasattr(obj, "KIND") else obj.kind)
