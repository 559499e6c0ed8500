"""The writes that make up the load of a cluster, each decided in a few steps: binds, statuses, leases. Planners.

Trusted: what controllers and kubelets send here is neither defaulted nor validated; what depends on something read is compared.
"""

from __future__ import annotations

from typing import Any

from callboard.actors.apiserver.planning import Context, Plan, check_uid, revision_of
from callboard.actors.apiserver.view import View
from callboard.models.api.coordination import Lease, LeaseSpec
from callboard.models.api.core import PodCondition, PodStatus
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.errors import BadRequest, FieldError, conflict, invalid, not_found
from callboard.models.generic import GenericObject
from callboard.models.messages.api import BindPod, RenewLease, WriteStatus, object_key
from callboard.models.messages.store import Compare, Put
from callboard.models.podstatus import FINISHED_PHASES, with_condition

_BINDING = "pods/binding"


def plan_bind(request: BindPod, view: View, context: Context) -> Plan:
    """Bind a pod to a node. Source: kubernetes pkg/registry/core/pod/storage/storage.go, assignPod.

    Raises:
        NotFound: there is no such pod.
        Conflict: it is another pod, terminating, gated, or has a node already.
    """
    key = object_key("pods", request.namespace, request.name)
    pod = view.get(key)
    if pod is None:
        raise not_found("pods", request.name)
    check_uid("pods", pod, request.uid)
    name, spec = request.name, pod.spec
    if pod.metadata.deletion_timestamp:
        raise conflict(_BINDING, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.node_name:
        raise conflict(_BINDING, name, f'pod {name} is already assigned to node "{spec.node_name}"')
    if spec.scheduling_gates:
        raise conflict(_BINDING, name, f"pod {name} has non-empty .spec.schedulingGates")
    scheduled = PodCondition(type="PodScheduled", status="True", last_transition_time=context.time)
    status = pod.status
    if status is None:
        status = PodStatus(phase="Pending", conditions=(scheduled,))
    else:
        status = replace(status, conditions=with_condition(status.conditions, scheduled) if status.conditions else (scheduled,))
    bound = replace(pod, spec=replace(spec, node_name=request.node_name), status=status)
    return Plan((Compare(key, pod.metadata.resource_version),), (Put(key, bound),))


def plan_status(request: WriteStatus, view: View, context: Context) -> Plan:
    """Replace the status of an object.

    Raises:
        NotFound: there is no such object.
        Conflict: it is another one, or has another revision than asked for.
        Invalid: a pod's phase would leave Succeeded or Failed.
        BadRequest: this kind has no status.
    """
    resource = request.resource
    key = object_key(resource, request.namespace, request.name)
    current = view.get(key)
    if current is None:
        context.scheme.stored(resource)
        raise not_found(resource, request.name)
    check_uid(resource, current, request.uid)
    if request.resource_version and request.resource_version != current.metadata.resource_version:
        raise conflict(resource, request.name)
    new = _with_status(resource, current, request.status)
    compares = (Compare(key, current.metadata.resource_version),)
    if new is None:
        return Plan(compares, (), current)
    return Plan(compares, (Put(key, new),))


def _with_status(resource: str, current: Any, status: Any) -> Any:
    """The object with this status; None if it has it already."""
    if isinstance(current, GenericObject):
        if current.content.get("status") == status:
            return None
        return replace(current, content=FrozenMap({**current.content, "status": status}))
    if not hasattr(current, "status"):
        raise BadRequest(f"{resource} have no status")
    old = current.status
    if old == status:
        return None
    if resource == "pods" and old is not None and old.phase in FINISHED_PHASES and status.phase != old.phase:
        error = FieldError("status.phase", f"Forbidden: a pod that is {old.phase} stays so", "FieldValueForbidden")
        raise invalid("Pod", "", current.metadata.name, (error,))
    return replace(current, status=status)


def plan_lease(request: RenewLease, view: View, context: Context) -> Plan:
    """Create a Lease, or renew it."""
    key = object_key(request.resource, request.namespace, request.name)
    lease = view.get(key)
    if lease is None:
        meta = ObjectMeta(name=request.name, namespace=request.namespace, uid=context.new_id(), creation_timestamp=context.time)
        spec = LeaseSpec(
            holder_identity=request.holder,
            lease_duration_seconds=request.duration_s,
            renew_time=request.renew_time,
            acquire_time=request.renew_time,
            lease_transitions=0,
        )
        return Plan((Compare(key, 0),), (Put(key, Lease(metadata=meta, spec=spec)),), quiet=True)
    old = lease.spec or LeaseSpec()
    spec = replace(old, holder_identity=request.holder, lease_duration_seconds=request.duration_s, renew_time=request.renew_time)
    if old.holder_identity != request.holder:
        spec = replace(spec, acquire_time=request.renew_time, lease_transitions=(old.lease_transitions or 0) + 1)
    return Plan((Compare(key, revision_of(lease)),), (Put(key, replace(lease, spec=spec)),), quiet=True)
