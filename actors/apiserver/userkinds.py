"""Kinds that users define: what a CustomResourceDefinition's status says, when it is served, and what its objects must pass.

Called by `admission`, `writes` and the actor. Source of rules and words: apiextensions-apiserver pkg/controller/{status,finalizer} and
pkg/apiserver/customresource_handler.go.
"""

from __future__ import annotations

from typing import Any

from callboard.actors.apiserver.planning import Context, is_user_defined, revision_of
from callboard.actors.apiserver.view import View
from callboard.models.api.apiextensions import (
    CustomResourceDefinition,
    CustomResourceDefinitionCondition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionStatus,
)
from callboard.models.base import replace
from callboard.models.errors import MethodNotAllowed, NotFound
from callboard.models.kinds import DEFINITIONS, Resource, Scheme
from callboard.models.messages.api import object_key
from callboard.models.messages.store import Compare
from callboard.models.podstatus import condition_is, with_condition

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that keeps a definition until its objects are gone."""


def with_status(definition: CustomResourceDefinition, context: Context) -> CustomResourceDefinition:
    """A definition with the status that Kubernetes' controllers would give it: names accepted, established, versions stored."""
    spec = definition.spec
    if spec is None or spec.names is None:
        return definition
    old = definition.status or CustomResourceDefinitionStatus()
    taken = _taken(definition, spec.names, context.scheme)
    conditions = with_condition(old.conditions, _names_accepted(taken, context.time))
    conditions = with_condition(conditions, _established(taken, old, context.time))
    stored = next((one.name for one in spec.versions if one.storage), "")
    versions = old.stored_versions if stored in old.stored_versions or not stored else (*old.stored_versions, stored)
    accepted = old.accepted_names if taken else spec.names
    return replace(definition, status=replace(old, accepted_names=accepted, conditions=conditions, stored_versions=versions))


def _taken(definition: CustomResourceDefinition, names: CustomResourceDefinitionNames, scheme: Scheme) -> tuple[str, str] | None:
    """The first name that another definition of the group has, with the reason that Kubernetes gives."""
    spec = definition.spec
    assert spec is not None
    others = [one for one in scheme.resources if is_user_defined(one) and one.group == spec.group and one.name != definition.metadata.name]
    used = dict.fromkeys(name for one in others for name in (one.plural, one.singular, *one.short_names))
    kinds = dict.fromkeys(name for one in others for name in (one.kind, f"{one.kind}List"))
    checks = (
        ("PluralConflict", names.plural, used),
        ("SingularConflict", names.singular, used),
        *(("ShortNamesConflict", name, used) for name in names.short_names),
        ("KindConflict", names.kind, kinds),
        ("ListKindConflict", names.list_kind, kinds),
    )
    return next(((reason, name) for reason, name, table in checks if name and name in table), None)


def _names_accepted(taken: tuple[str, str] | None, time: str) -> CustomResourceDefinitionCondition:
    if taken is None:
        return CustomResourceDefinitionCondition(
            type="NamesAccepted", status="True", reason="NoConflicts", message="no conflicts found", last_transition_time=time
        )
    reason, name = taken
    return CustomResourceDefinitionCondition(
        type="NamesAccepted", status="False", reason=reason, message=f'"{name}" is already in use', last_transition_time=time
    )


def _established(taken: tuple[str, str] | None, old: CustomResourceDefinitionStatus, time: str) -> CustomResourceDefinitionCondition:
    known = next((one for one in old.conditions if one.type == "Established"), None)
    if known is not None and known.status == "True":
        return known  # once established, always established
    if taken is None:
        return CustomResourceDefinitionCondition(
            type="Established",
            status="True",
            reason="InitialNamesAccepted",
            message="the initial names have been accepted",
            last_transition_time=time,
        )
    return CustomResourceDefinitionCondition(
        type="Established", status="False", reason="NotAccepted", message="not all names are accepted", last_transition_time=time
    )


def serve(scheme: Scheme, name: str, definition: CustomResourceDefinition | None) -> Scheme:
    """The scheme after a definition of this name has come, changed, or gone (None)."""
    if definition is not None and condition_is(definition, "Established"):
        return scheme.with_definition(definition)
    return scheme.without_definition(name)


def is_terminating(definition: CustomResourceDefinition) -> bool:
    """Whether the objects of a definition have to go, and then itself."""
    return definition.metadata.deletion_timestamp != "" and CLEANUP in definition.metadata.finalizers


def check_definition(resource: Resource, view: View) -> tuple[Compare, ...]:
    """For a new object of a user-defined kind: that its definition is there and stays so.

    Raises:
        NotFound: it has gone, and this apiserver had not heard of it yet.
        MethodNotAllowed: it is going.
    """
    if not is_user_defined(resource):
        return ()
    key = object_key(DEFINITIONS, "", resource.name)
    definition = view.get(key)
    if definition is None:
        raise NotFound(f'the server could not find the requested resource "{resource.name}"')
    if definition.metadata.deletion_timestamp:
        raise MethodNotAllowed("create not allowed while custom resource definition is terminating")
    return (Compare(key, revision_of(definition)),)


def converted(obj: Any, resource: Resource) -> Any:
    """An object of a user-defined kind in the version that is stored: with strategy None only the apiVersion differs."""
    return obj if obj.api_version == resource.api_version else replace(obj, api_version=resource.api_version)
