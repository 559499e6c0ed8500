"""Which kinds exist, how they are called, and what they are stored as: the `Scheme`.

An apiserver holds one and replaces it when a CustomResourceDefinition comes or goes; the face and the command line hold one to read names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from callboard.models.api import apiextensions, apps, batch, coordination, core, discovery
from callboard.models.base import Kind
from callboard.models.errors import UnknownKind
from callboard.models.generic import GenericObject
from callboard.models.schema import kinds_of_schema

DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
"""The resource of CustomResourceDefinitions, as messages name it."""
NODE_METRICS, POD_METRICS = "nodes.metrics.k8s.io", "pods.metrics.k8s.io"
HUBS = {"HorizontalPodAutoscaler": "v2"}
"""Kinds that are stored in another version than the first stable one."""

TYPED: dict[tuple[str, str], type[Kind]] = {
    (kind.API_VERSION, kind.KIND): kind
    for kind in (
        core.Pod,
        core.Node,
        core.Service,
        core.ConfigMap,
        core.Secret,
        core.Namespace,
        core.Event,
        core.ServiceAccount,
        apps.ReplicaSet,
        apps.Deployment,
        apps.StatefulSet,
        apps.DaemonSet,
        apps.ControllerRevision,
        batch.Job,
        batch.CronJob,
        discovery.EndpointSlice,
        coordination.Lease,
        apiextensions.CustomResourceDefinition,
    )
}
"""The kinds that Callboard acts on, as structs."""


class Resource(msgspec.Struct, frozen=True):
    """One kind at one version. `definition` names its schema ("" if user-defined); `schema` and `printer_columns`
    are a user-defined kind's own."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    type: Any = GenericObject
    has_status: bool = False
    has_scale: bool = False
    definition: str = ""
    schema: Any = None
    served: bool = True
    aggregated: bool = False
    """Another component serves it, for reading only: nothing of it is in the store."""
    printer_columns: tuple[apiextensions.CustomResourceColumnDefinition, ...] = ()

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def name(self) -> str:
        """As messages and kubectl name it: plural, then the group if there is one."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


class Scheme:
    """All kinds that are served. Immutable: `with_definition` makes a new one that shares the rest."""

    def __init__(self, resources: tuple[Resource, ...]) -> None:
        self.resources = resources
        self._by_kind = {(one.api_version, one.kind): one for one in resources}
        self._by_name: dict[str, Resource] = {}
        for one in resources:
            for name in _names_of(one):
                self._by_name.setdefault(name.lower(), one)
        self._by_resource = {one.name: one for one in reversed(resources)}

    @staticmethod
    def builtin() -> Scheme:
        """The kinds of Kubernetes 1.36."""
        return _builtin()

    def resource(self, api_version: str, kind: str) -> Resource:
        """The kind as a manifest names it.

        Raises:
            UnknownKind: neither the schema nor a stored CustomResourceDefinition declares it.
        """
        found = self._by_kind.get((api_version, kind))
        if found is None:
            others = sorted({one.api_version for one in self.resources if one.kind == kind})
            hint = f"; {kind} is served as {', '.join(others)}" if others else ""
            raise UnknownKind(
                f'no matches for kind "{kind}" in version "{api_version}": neither Kubernetes 1.36 nor a stored '
                f"CustomResourceDefinition declares it{hint}"
            )
        return found

    def lookup(self, name: str) -> Resource:
        """The kind as people name it: `po`, `pods`, `pod`, `Pod`, `deployments.apps`.

        Raises:
            UnknownKind: nothing is called so.
        """
        found = self._by_name.get(name.lower())
        if found is None:
            raise UnknownKind(f'the server doesn\'t have a resource type "{name}"')
        return found

    def stored(self, resource: str) -> Resource:
        """The hub version of a resource as messages name it.

        Raises:
            UnknownKind: there is none.
        """
        found = self._by_resource.get(resource)
        if found is None:
            raise UnknownKind(f'the server could not find the requested resource "{resource}"')
        return found

    def serves(self, resource: str) -> bool:
        """Whether there is a resource of this name, as messages name it."""
        return resource in self._by_resource

    def confirm(self, resource: Resource) -> None:
        """See whether a kind that was found here earlier is still served. Only a scheme that follows a cluster can tell.

        Raises:
            UnknownKind: its definition is gone.
        """

    def in_category(self, name: str) -> tuple[Resource, ...]:
        """The kinds of a category, such as `all`: each once, in the version that is stored. Empty if there is no such category."""
        return tuple(one for one in self.resources if name in one.categories and self._by_resource[one.name] is one)

    def with_definition(self, definition: apiextensions.CustomResourceDefinition) -> Scheme:
        """This scheme and the kinds that a CustomResourceDefinition declares (which replace its former ones)."""
        name = definition.metadata.name
        kept = tuple(one for one in self.resources if one.definition or one.name != name)
        return Scheme(kept + resources_of(definition))

    def without_definition(self, name: str) -> Scheme:
        """This scheme without the kinds of the CustomResourceDefinition of this name."""
        return Scheme(tuple(one for one in self.resources if one.definition or one.name != name))


def _names_of(one: Resource) -> tuple[str, ...]:
    plain = (one.plural, one.singular, one.kind, *one.short_names)
    return (*plain, *(f"{name}.{one.group}" for name in plain if one.group), *(f"{name}.{one.version}.{one.group}" for name in plain))


METRICS = tuple(
    Resource("metrics.k8s.io", "v1beta1", kind, plural, kind.lower(), namespaced, aggregated=True)
    for kind, plural, namespaced in (("NodeMetrics", "nodes", False), ("PodMetrics", "pods", True))
)
"""What metrics-server serves. After all others, so that `pods` are pods."""


@cache
def _builtin() -> Scheme:
    found = [_from_schema(entry) for entry in kinds_of_schema()]
    found.sort(key=_order)
    return Scheme((*found, *METRICS))


_GROUP_ORDER = ("", "apps", "batch", "networking.k8s.io", "discovery.k8s.io", "coordination.k8s.io", "autoscaling", "policy")


def _order(one: Resource) -> tuple[bool, int, str, bool, str]:
    """The first of equal names wins: core before groups, the hub version before others, stable before beta before alpha."""
    rank = _GROUP_ORDER.index(one.group) if one.group in _GROUP_ORDER else len(_GROUP_ORDER)
    stage = "0" if "alpha" not in one.version and "beta" not in one.version else "1" if "beta" in one.version else "2"
    return stage != "0", rank, one.group, HUBS.get(one.kind, one.version) != one.version, stage + one.version


def _from_schema(entry: Mapping[str, Any]) -> Resource:
    group, version, kind = entry["group"], entry["version"], entry["kind"]
    api_version = f"{group}/{version}" if group else version
    return Resource(
        group=group,
        version=version,
        kind=kind,
        plural=entry["plural"],
        singular=kind.lower(),
        namespaced=entry["namespaced"],
        short_names=tuple(entry["short"]),
        categories=("all",) if entry["all"] else (),
        type=TYPED.get((api_version, kind), GenericObject),
        has_status=entry["status"],
        has_scale=entry["scale"],
        definition=entry["definition"],
    )


def resources_of(definition: apiextensions.CustomResourceDefinition) -> tuple[Resource, ...]:
    """The kinds that a CustomResourceDefinition declares: one per served version, the stored one first."""
    spec = definition.spec
    if spec is None or spec.names is None:
        return ()
    versions = sorted((one for one in spec.versions if one.served), key=lambda one: not one.storage)
    return tuple(
        Resource(
            group=spec.group,
            version=one.name,
            kind=spec.names.kind,
            plural=spec.names.plural,
            singular=spec.names.singular or spec.names.kind.lower(),
            namespaced=spec.scope == "Namespaced",
            short_names=tuple(spec.names.short_names),
            categories=tuple(spec.names.categories),
            has_status=one.subresources is not None and one.subresources.status is not None,
            has_scale=one.subresources is not None and one.subresources.scale is not None,
            schema=one.schema.open_apiv3_schema if one.schema is not None else None,
            printer_columns=one.additional_printer_columns,
        )
        for one in versions
    )


def kind_of(obj: Any) -> str:
    """The kind of a stored object."""
    return str(obj.kind) if isinstance(obj, GenericObject) else str(obj.KIND)


def api_version_of(obj: Any) -> str:
    """The apiVersion of a stored object."""
    return str(obj.api_version) if isinstance(obj, GenericObject) else str(obj.API_VERSION)


__all__ = ["DEFINITIONS", "NODE_METRICS", "POD_METRICS", "TYPED", "Resource", "Scheme", "api_version_of", "kind_of", "resources_of"]
