"""What a delete does: at once, after a pod's grace period, or when the last finalizer goes. A planner and what `writes` shares with it.

Source of rules and words: apiserver pkg/registry/rest/delete.go and registry/generic/registry/store.go, kubernetes
pkg/registry/core/{pod,namespace}.
"""

from __future__ import annotations

from typing import Any

from callboard.actors.apiserver.allocation import releases
from callboard.actors.apiserver.planning import Context, Plan, revision_of
from callboard.actors.apiserver.view import View
from callboard.models.api.apiextensions import CustomResourceDefinition, CustomResourceDefinitionCondition, CustomResourceDefinitionStatus
from callboard.models.api.core import Namespace, NamespaceStatus, Pod, Service
from callboard.models.base import replace
from callboard.models.errors import conflict, forbidden, not_found
from callboard.models.messages.api import DeleteObject, Propagation, object_key
from callboard.models.messages.store import Compare, Put, Remove
from callboard.models.podstatus import is_finished, with_condition
from callboard.models.times import parse, rfc3339

IMMORTAL_NAMESPACES = ("default", "kube-system", "kube-public")
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
DEFAULT_GRACE_S = 30


def removal(key: str, obj: Any) -> tuple[Put | Remove, ...]:
    """The ops that take an object out of the store, with what it holds."""
    return (Remove(key), *releases(obj)) if isinstance(obj, Service) else (Remove(key),)


def waits(obj: Any) -> bool:
    """Whether finalizers keep a terminating object."""
    if obj.metadata.finalizers:
        return True
    return isinstance(obj, Namespace) and obj.spec is not None and bool(obj.spec.finalizers)


def is_over(obj: Any) -> bool:
    """Whether nothing keeps a terminating object any more: no finalizer, no grace period."""
    meta = obj.metadata
    return meta.deletion_timestamp != "" and not meta.deletion_grace_period_seconds and not waits(obj)


def plan_delete(request: DeleteObject, view: View, context: Context) -> Plan:
    """Delete an object, or mark it as terminating.

    Raises:
        NotFound: there is none.
        Conflict: a precondition does not hold.
        Forbidden: this namespace may not be deleted.
    """
    context.scheme.stored(request.resource)
    key = object_key(request.resource, request.namespace, request.name)
    current = view.get(key)
    if current is None:
        raise not_found(request.resource, request.name)
    _check_preconditions(request, current)
    if request.resource == "namespaces" and request.name in IMMORTAL_NAMESPACES:
        raise forbidden("namespaces", request.name, "this namespace may not be deleted")
    compares = (Compare(key, revision_of(current)),)
    marked = _shortened(current, request) if current.metadata.deletion_timestamp else _marked(current, request, context)
    if is_over(marked):
        return Plan(compares, removal(key, current), current, removed=True)
    if marked == current:
        return Plan(compares, (), current)
    return Plan(compares, (Put(key, marked),), marked)


def _check_preconditions(request: DeleteObject, current: Any) -> None:
    meta = current.metadata
    if request.uid and request.uid != meta.uid:
        why = (
            f"the UID in the precondition ({request.uid}) does not match the UID in record ({meta.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(request.resource, request.name, why)
    if request.resource_version and request.resource_version != meta.resource_version:
        why = (
            f"the ResourceVersion in the precondition ({request.resource_version}) does not match the ResourceVersion in record "
            f"({meta.resource_version}). The object might have been modified"
        )
        raise conflict(request.resource, request.name, why)


def _marked(obj: Any, request: DeleteObject, context: Context) -> Any:
    """The object as it is when it has begun to terminate."""
    meta = obj.metadata
    grace_s = _grace_s(obj, request.grace_period_s)
    meta = replace(
        meta,
        deletion_timestamp=rfc3339(context.now_s + grace_s),
        deletion_grace_period_seconds=grace_s,
        finalizers=_finalizers(meta.finalizers, request.propagation),
    )
    marked = replace(obj, metadata=meta)
    if isinstance(marked, Namespace):
        status = marked.status or NamespaceStatus()
        return replace(marked, status=replace(status, phase="Terminating"))
    if isinstance(marked, CustomResourceDefinition):
        condition = CustomResourceDefinitionCondition(
            type="Terminating",
            status="True",
            reason="InstanceDeletionInProgress",
            message="CustomResource deletion is in progress",
            last_transition_time=context.time,
        )
        old = marked.status or CustomResourceDefinitionStatus()
        return replace(marked, status=replace(old, conditions=with_condition(old.conditions, condition)))
    return marked


def _grace_s(obj: Any, asked_s: int) -> int:
    """The grace period of a first delete: only pods that run somewhere have one."""
    if not isinstance(obj, Pod):
        return 0
    spec = obj.spec
    if spec is None or not spec.node_name or is_finished(obj):
        return 0
    own_s = spec.termination_grace_period_seconds
    grace_s = asked_s if asked_s >= 0 else DEFAULT_GRACE_S if own_s is None else own_s
    return grace_s if grace_s >= 0 else 1


def _finalizers(present: tuple[str, ...], propagation: Propagation) -> tuple[str, ...]:
    """The finalizers that tell the garbage collector what the user wants of the dependents."""
    others = tuple(one for one in present if one not in (FOREGROUND, ORPHAN))
    if propagation == "Foreground":
        return (*others, FOREGROUND)
    return (*others, ORPHAN) if propagation == "Orphan" else others


def _shortened(obj: Any, request: DeleteObject) -> Any:
    """A terminating object after another delete: its grace period may only become shorter."""
    meta = obj.metadata
    left_s = meta.deletion_grace_period_seconds or 0
    asked_s = request.grace_period_s
    if not 0 <= asked_s < left_s:
        return obj
    moment = parse(meta.deletion_timestamp) - left_s + asked_s
    return replace(obj, metadata=replace(meta, deletion_timestamp=rfc3339(moment), deletion_grace_period_seconds=asked_s))
