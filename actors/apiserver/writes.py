"""Create, update, patch and apply as planners: pure steps from a request and the object as it is to a transaction.

Called by the actor through `planning.Planner`. Source of rules and words: apiserver pkg/registry/rest/{create,update}.go,
pkg/endpoints/handlers/patch.go, kubectl pkg/cmd/apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from callboard.actors.apiserver.admission import (
    admit_new,
    check_namespace,
    completed,
    conform,
    has_generation,
    new_metadata,
)
from callboard.actors.apiserver.allocation import allocate, carried_over
from callboard.actors.apiserver.deletion import is_over, removal
from callboard.actors.apiserver.eventsink import EVENTS
from callboard.actors.apiserver.planning import Context, Plan, UnsupportedMediaType, check_uid, is_user_defined, revision_of
from callboard.actors.apiserver.quotas import FREE, charge
from callboard.actors.apiserver.scaling import SCALE_DEFINITION, paths_of, scale_of, scaled
from callboard.actors.apiserver.userkinds import check_definition
from callboard.actors.apiserver.view import View
from callboard.models import patch
from callboard.models.api.core import Namespace, Pod, Service
from callboard.models.base import FrozenMap, replace, thaw
from callboard.models.conversion import to_hub
from callboard.models.decode import decode_as
from callboard.models.errors import BadRequest, FieldError, already_exists, conflict, invalid, not_found
from callboard.models.generic import GenericObject
from callboard.models.kinds import Resource
from callboard.models.messages.api import ApplyObject, CreateObject, PatchObject, UpdateObject, object_key
from callboard.models.messages.store import Compare, Put, Remove

SUBRESOURCES = ("", "status", "finalize")
SCALE = "scale"
CHANGEABLE = ("services", "persistentvolumeclaims")
"""What an object of these kinds takes of a quota may change during its life."""


# -- create ---------------------------------------------------------------------------------------------------------------------------


def plan_create(request: CreateObject, view: View, context: Context) -> Plan:
    """Create an object.

    Raises:
        ApiError: in Kubernetes' words, whatever is wrong with it or in its way.
    """
    resource = context.scheme.stored(request.resource)
    obj = request.obj
    if request.trusted and resource.name == "pods" and isinstance(obj, Pod) and obj.spec is not None:
        placed = replace(obj, metadata=new_metadata(obj, resource, view, context))
        return _creation(context.templates.admitted(placed, obj.spec, view), resource, view, context)
    return plan_creation(conform(obj, resource), resource, view, context, trusted=request.trusted)


def plan_creation(obj: Any, resource: Resource, view: View, context: Context, *, trusted: bool = False) -> Plan:
    """The plan for a new object of its stored kind."""
    obj = replace(obj, metadata=new_metadata(obj, resource, view, context))
    if not trusted:
        obj = admit_new(obj, resource, view, context)
    return _creation(obj, resource, view, context)


def _creation(obj: Any, resource: Resource, view: View, context: Context) -> Plan:
    meta = obj.metadata
    compares = check_namespace(resource, meta, view)
    if is_user_defined(resource):
        compares += check_definition(resource, view)
    key = object_key(resource.name, meta.namespace, meta.name)
    if view.get(key) is not None:
        raise already_exists(resource.name, meta.name)
    charged = charge(resource.name, obj, None, view) if resource.namespaced else FREE
    compares += charged.compares
    if isinstance(obj, Service):
        allocated = allocate(obj, None, view, context)
        obj = allocated.service
        return Plan((Compare(key, 0), *compares, *allocated.compares), (Put(key, obj), *allocated.ops, *charged.ops), obj)
    return Plan((Compare(key, 0), *compares), (_put(key, obj, resource, context), *charged.ops), obj)


def _put(key: str, obj: Any, resource: Resource, context: Context) -> Put:
    return Put(key, obj, context.settings.event_ttl_s) if resource.name == EVENTS else Put(key, obj)


# -- update ---------------------------------------------------------------------------------------------------------------------------


def plan_update(request: UpdateObject, view: View, context: Context) -> Plan:
    """Replace an object, or a part of it.

    Raises:
        ApiError: in Kubernetes' words, whatever is wrong with it or in its way.
    """
    resource = context.scheme.stored(request.resource)
    meta = request.obj.metadata
    namespace = (meta.namespace or "default") if resource.namespaced else ""
    key = object_key(resource.name, namespace, meta.name)
    current = view.get(key)
    if current is None:
        raise not_found(resource.name, meta.name)
    if request.subresource == SCALE:
        return _plan_scale(key, current, request.obj.to_dict(), resource, view, context)
    return plan_change(key, current, conform(request.obj, resource), resource, request.subresource, view, context)


def _plan_scale(key: str, current: Any, scale: Any, resource: Resource, view: View, context: Context) -> Plan:
    """The plan for an object of which a Scale, as a tree, is written; the answer is a Scale too."""
    paths = paths_of(resource, current.metadata.name, view)
    wanted = scaled(current, scale, resource, paths)
    return replace(plan_change(key, current, wanted, resource, "", view, context), shown=partial(scale_of, paths=paths))


def plan_change(key: str, current: Any, wanted: Any, resource: Resource, subresource: str, view: View, context: Context) -> Plan:
    """The plan for an object that becomes another: preconditions, what can't change, defaults, validation, generation.

    A terminating object that nothing keeps any more is removed.
    """
    if subresource not in SUBRESOURCES:
        raise not_found(f"{resource.name}/{subresource}", current.metadata.name)
    meta = wanted.metadata
    check_uid(resource.name, current, meta.uid)
    if meta.resource_version and meta.resource_version != current.metadata.resource_version:
        raise conflict(resource.name, current.metadata.name)
    new = _merged(current, wanted, resource, subresource)
    _check_finalizers(current, new, resource)
    if new != current:
        if isinstance(new, Service) and isinstance(current, Service):
            new = carried_over(new, current)
        new = completed(new, resource, view, context, current)
        new = _counted(current, new, resource)
    compares: tuple[Compare, ...] = (Compare(key, revision_of(current)),)
    if is_over(new):
        return Plan(compares, removal(key, current), current, removed=True)
    if new == current:
        return Plan(compares, (), current)
    ops: tuple[Put | Remove, ...] = ()
    if resource.name in CHANGEABLE and subresource == "":
        charged = charge(resource.name, new, current, view)
        compares, ops = (*compares, *charged.compares), charged.ops
    if isinstance(new, Service):
        allocated = allocate(new, current, view, context)
        new, compares, ops = allocated.service, (*compares, *allocated.compares), (*allocated.ops, *ops)
    return Plan(compares, (_put(key, new, resource, context), *ops), new)


def _merged(current: Any, wanted: Any, resource: Resource, subresource: str) -> Any:
    """What is wanted, with everything of the current object that this request can't change."""
    if subresource == "finalize":
        if not isinstance(current, Namespace):
            raise not_found(f"{resource.name}/finalize", current.metadata.name)
        return replace(current, spec=wanted.spec)
    if subresource == "status":
        if not resource.has_status:
            raise not_found(f"{resource.name}/status", current.metadata.name)
        return _with_status_of(current, wanted)
    old, meta = current.metadata, wanted.metadata
    meta = replace(
        meta,
        name=old.name,
        namespace=old.namespace,
        uid=old.uid,
        creation_timestamp=old.creation_timestamp,
        deletion_timestamp=old.deletion_timestamp,
        deletion_grace_period_seconds=old.deletion_grace_period_seconds,
        generation=old.generation,
        generate_name=meta.generate_name or old.generate_name,
        resource_version=old.resource_version,
        managed_fields=(),
        self_link="",
    )
    new = replace(wanted, metadata=meta)
    return _with_status_of(new, current) if resource.has_status else new


def _with_status_of(obj: Any, other: Any) -> Any:
    if not isinstance(obj, GenericObject):
        return replace(obj, status=other.status)
    content = {name: value for name, value in obj.content.items() if name != "status"}
    if "status" in other.content:
        content["status"] = other.content["status"]
    return replace(obj, content=FrozenMap(content))


def _check_finalizers(current: Any, new: Any, resource: Resource) -> None:
    if not current.metadata.deletion_timestamp:
        return
    added = [one for one in new.metadata.finalizers if one not in current.metadata.finalizers]
    if added:
        listed = ", ".join(f'"{one}"' for one in added)
        text = f"Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
        error = FieldError("metadata.finalizers", text, "FieldValueForbidden")
        raise invalid(resource.kind, resource.group, current.metadata.name, (error,))


def _counted(current: Any, new: Any, resource: Resource) -> Any:
    """The generation moves with the spec, and with nothing else."""
    if not has_generation(new, resource):
        return new
    if isinstance(new, GenericObject):
        same = _spec_of(current, resource) == _spec_of(new, resource)
    else:
        same = current.spec == new.spec
    return new if same else replace(new, metadata=replace(new.metadata, generation=current.metadata.generation + 1))


def _spec_of(obj: Any, resource: Resource) -> Any:
    """What counts as the spec: of user-defined objects everything but the status, if that is a subresource."""
    if not is_user_defined(resource):
        return obj.content.get("spec")
    return {name: value for name, value in obj.content.items() if name != "status" or not resource.has_status}


# -- patch ----------------------------------------------------------------------------------------------------------------------------


def plan_patch(request: PatchObject, view: View, context: Context) -> Plan:
    """Patch an object as it is now.

    Raises:
        ApiError: in Kubernetes' words, whatever is wrong with it or in its way.
    """
    resource = context.scheme.stored(request.resource)
    key = object_key(resource.name, request.namespace, request.name)
    current = view.get(key)
    if current is None:
        raise not_found(resource.name, request.name)
    check_uid(resource.name, current, request.uid)
    if request.subresource == SCALE:
        scale = scale_of(current, paths_of(resource, request.name, view)).to_dict()
        return _plan_scale(key, current, _patched(scale, request, SCALE_DEFINITION), resource, view, context)
    patched = _patched(current.to_dict(), request, resource.definition)
    return plan_change(key, current, _decoded(patched, current, resource), resource, request.subresource, view, context)


def _patched(tree: dict[str, Any], request: PatchObject, definition: str) -> Any:
    """A tree after the patch; `definition` names its schema, "" if it is a user-defined kind's."""
    if request.type == "merge":
        return patch.merge(tree, request.patch)
    if request.type == "json":
        return patch.json_ops(tree, request.patch)
    if not definition:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json"
        )
    return patch.strategic(tree, request.patch, definition)


def _decoded(tree: Any, current: Any, resource: Resource) -> Any:
    """A patched tree as an object; its name and kind are those it had."""
    if not isinstance(tree, dict):
        raise BadRequest("the patch leaves no object")
    wanted = decode_as(tree, resource)
    meta = wanted.metadata
    if meta.name != current.metadata.name or meta.namespace != current.metadata.namespace:
        raise BadRequest("the name of the object does not match the name on the URL")
    return wanted


# -- apply ----------------------------------------------------------------------------------------------------------------------------


def plan_apply(request: ApplyObject, view: View, context: Context) -> Plan:
    """Create an object from a user's document, or patch it three ways with the document that was applied last.

    Raises:
        ApiError: in Kubernetes' words, whatever is wrong with it or in its way.
    """
    tree = request.tree
    resource = context.scheme.stored(request.resource)
    given = context.scheme.resource(str(tree.get("apiVersion", "")), str(tree.get("kind", "")))
    if given.name != resource.name:
        raise BadRequest(f"the document is of kind {given.kind}, and {resource.name} are of kind {resource.kind}")
    decoded = decode_as(tree, given)  # every error at the place where the user wrote it
    if given.definition and given.version != resource.version:
        tree = to_hub(decoded, resource).to_dict()
        given = resource
    modified = patch.with_last_applied(_placed(tree, request, resource))
    key = object_key(resource.name, request.namespace if resource.namespaced else "", request.name)
    current = view.get(key)
    if current is None:
        return plan_creation(conform(decode_as(modified, given), resource), resource, view, context)
    before = current.to_dict()
    merged = patch.three_way(before, {**modified, "apiVersion": before["apiVersion"]}, patch.last_applied(current), resource.definition)
    return plan_change(key, current, _decoded(merged, current, resource), resource, "", view, context)


def _placed(tree: Mapping[str, Any], request: ApplyObject, resource: Resource) -> dict[str, Any]:
    """The user's document with the name and the place that it is applied to."""
    plain: dict[str, Any] = thaw(tree)
    meta = {**(plain.get("metadata") or {}), "name": request.name}
    if resource.namespaced:
        meta["namespace"] = request.namespace
    return {**plain, "metadata": meta}
