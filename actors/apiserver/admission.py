"""What an object must pass before it is stored: it is of its kind, has a name, a place and system fields, defaults, and is valid.

Called by `writes`. Source of rules and words: apiserver pkg/registry/rest/{create,update}.go and the strategies of each kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.actors.apiserver.ingresses import with_default_class
from callboard.actors.apiserver.limits import RANGES, claim_problem
from callboard.actors.apiserver.planning import Context, is_user_defined, revision_of
from callboard.actors.apiserver.pods import admit_pod, as_before, check_ranges
from callboard.actors.apiserver.priorities import CLASSES, check_only_default
from callboard.actors.apiserver.userkinds import CLEANUP, converted, with_status
from callboard.actors.apiserver.view import View
from callboard.models.api.batch import Job
from callboard.models.api.core import Node, Pod
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.conversion import to_hub
from callboard.models.decode import decode_as
from callboard.models.defaults import with_defaults
from callboard.models.errors import BadRequest, FieldError, forbidden, invalid, not_found
from callboard.models.generic import GenericObject
from callboard.models.ingress import INGRESSES
from callboard.models.jobs import with_generated_selector
from callboard.models.kinds import DEFINITIONS, Resource, api_version_of, kind_of
from callboard.models.messages.api import object_key
from callboard.models.messages.store import Compare
from callboard.models.names import ALPHABET, SUFFIX_LENGTH
from callboard.models.userdefined import completed as completed_by_schema
from callboard.models.validation import validate

GENERATED_BASE_LIMIT = 63 - SUFFIX_LENGTH
GENERATED_NAMES_TRIED = 8
NAMESPACES = "namespaces"
CLAIMS = "persistentvolumeclaims"
WITHOUT_GENERATION = ("leases.coordination.k8s.io", "events")


def conform(obj: Any, resource: Resource) -> Any:
    """An object as its kind is stored.

    Raises:
        BadRequest: it is of another kind.
        UnknownKind: it is in a version that is not served.
        Invalid: it is a tree that does not fit the kind.
    """
    api_version, kind = api_version_of(obj), kind_of(obj)
    group = api_version.rpartition("/")[0]
    if kind != resource.kind or group != resource.group:
        expected = f"{resource.api_version}, Kind={resource.kind}"
        raise BadRequest(f"the object provided is unrecognized: it is {api_version}, Kind={kind}, and {resource.name} are {expected}")
    if isinstance(obj, GenericObject) and resource.type is GenericObject:
        return converted(obj, resource) if is_user_defined(resource) else to_hub(obj, resource)
    return obj if isinstance(obj, resource.type) else decode_as(obj.to_dict(), resource)


def new_metadata(obj: Any, resource: Resource, view: View, context: Context) -> ObjectMeta:
    """The metadata of a new object: named, placed, and with what only the system may set.

    Raises:
        BadRequest: it comes with a resourceVersion.
        Invalid: it has no name.
    """
    meta: ObjectMeta = obj.metadata
    if meta.resource_version:
        raise BadRequest("resourceVersion should not be set on objects to be created")
    namespace = (meta.namespace or "default") if resource.namespaced else ""
    name = meta.name
    if not name:
        if not meta.generate_name:
            error = FieldError("metadata.name", "Required value: name or generateName is required", "FieldValueRequired")
            raise invalid(resource.kind, resource.group, "", (error,))
        name = _free_name(resource.name, namespace, meta.generate_name, view, context.random)
    return replace(
        meta,
        name=name,
        namespace=namespace,
        uid=context.new_id(),
        creation_timestamp=context.time,
        deletion_timestamp="",
        deletion_grace_period_seconds=None,
        generation=1 if has_generation(obj, resource) else 0,
        managed_fields=(),
        self_link="",
    )


def has_generation(obj: Any, resource: Resource) -> bool:
    """Whether a kind counts the changes of its spec."""
    if resource.name in WITHOUT_GENERATION:
        return False
    return "spec" in obj.content or is_user_defined(resource) if isinstance(obj, GenericObject) else hasattr(obj, "spec")


def _free_name(resource: str, namespace: str, base: str, view: View, random: Callable[[], float]) -> str:
    """The base with a random suffix that nobody is known to have."""
    name = ""
    for _ in range(GENERATED_NAMES_TRIED):
        name = base[:GENERATED_BASE_LIMIT] + "".join(ALPHABET[int(random() * len(ALPHABET))] for _ in range(SUFFIX_LENGTH))
        if view.get(object_key(resource, namespace, name)) is None:
            break
    return name


def check_namespace(resource: Resource, meta: ObjectMeta, view: View) -> tuple[Compare, ...]:
    """For a new object: that its namespace is there, and stays so until the object is stored.

    Raises:
        NotFound: there is no such namespace.
        Forbidden: it is terminating.
    """
    if not resource.namespaced:
        return ()
    key = object_key(NAMESPACES, "", meta.namespace)
    namespace = view.get(key)
    if namespace is None:
        raise not_found(NAMESPACES, meta.namespace)
    if namespace.metadata.deletion_timestamp:
        why = f"unable to create new content in namespace {meta.namespace} because it is being terminated"
        raise forbidden(resource.name, meta.name, why)
    return (Compare(key, revision_of(namespace)),)


def admit_new(obj: Any, resource: Resource, view: View, context: Context) -> Any:
    """A new object with defaults and its first status, valid.

    Raises:
        Invalid: it is not valid; names every field.
        Forbidden: something else in the cluster is against it.
    """
    obj = _without_status(obj, resource)
    if resource.name == DEFINITIONS:
        meta = obj.metadata
        obj = replace(obj, metadata=replace(meta, finalizers=tuple(dict.fromkeys((*meta.finalizers, CLEANUP)))))
    return completed(obj, resource, view, context, None)


def completed(obj: Any, resource: Resource, view: View, context: Context, old: Any | None) -> Any:
    """An object with its defaults, valid as it is or, with `old`, as what that may become.

    Raises:
        Invalid: it is not.
        Forbidden: something else in the cluster is against it.
    """
    if is_user_defined(resource):
        obj = completed_by_schema(obj, resource.schema)
    else:
        if isinstance(obj, Job) and old is None:
            obj = with_generated_selector(obj)
        obj = with_defaults(obj)
        if isinstance(obj, Pod):
            toleration_s = context.settings.toleration_s
            obj = admit_pod(obj, view, toleration_s) if old is None else as_before(obj, old, toleration_s)
        elif resource.name == INGRESSES and old is None:
            obj = with_default_class(obj, view)
        elif resource.name == DEFINITIONS:
            obj = with_status(obj, context)
    errors = validate(obj, resource, old)
    if errors:
        raise invalid(resource.kind, resource.group, obj.metadata.name, errors)
    if old is None:
        _check_surroundings(obj, resource, view)
    if resource.name == CLASSES:
        check_only_default(obj, view)
    return obj


def _check_surroundings(obj: Any, resource: Resource, view: View) -> None:
    """What the namespace has against a new, valid object."""
    if isinstance(obj, Pod):
        check_ranges(obj, view)
    elif resource.name == CLAIMS and (problem := claim_problem(obj, view.objects(RANGES, obj.metadata.namespace))):
        raise forbidden(resource.name, obj.metadata.name, problem)


def _without_status(obj: Any, resource: Resource) -> Any:
    """Kubernetes lets nobody but a kubelet that registers its node create a status."""
    if not resource.has_status or isinstance(obj, Node):
        return obj
    if isinstance(obj, GenericObject):
        if "status" not in obj.content:
            return obj
        return replace(obj, content=FrozenMap({key: value for key, value in obj.content.items() if key != "status"}))
    return obj if obj.status is None else replace(obj, status=None)
