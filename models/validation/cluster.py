"""Namespaces, nodes, leases, events. Sources: kubernetes pkg/apis/core/validation, pkg/apis/coordination/validation."""

from __future__ import annotations

from callboard.models.api.coordination import Lease
from callboard.models.api.core import Event, Namespace, Node, Taint
from callboard.models.validation import formats, words
from callboard.models.validation.meta import Errors
from callboard.models.validation.placement import EFFECTS
from callboard.models.validation.resources import check_quantity


def check_namespace(obj: Namespace, _old: Namespace | None, errors: Errors) -> None:
    """A Namespace that is to be created or updated."""
    for name in obj.spec.finalizers if obj.spec is not None else ():
        errors.extend(words.invalid("spec.finalizers", name, one) for one in formats.qualified_name(name))


def check_node(obj: Node, old: Node | None, errors: Errors) -> None:
    """A Node that is to be created or updated."""
    spec = obj.spec
    if spec is not None:
        _check_taints(spec.taints, errors)
        for index, text in enumerate(spec.pod_cidrs):
            if not formats.is_network(text):
                detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
                errors.append(words.invalid(f"spec.podCIDRs[{index}]", text, detail))
    if obj.status is not None:
        for field, amounts in (("capacity", obj.status.capacity), ("allocatable", obj.status.allocatable)):
            for name, value in amounts.items():
                check_quantity(value, f"status.{field}[{name}]", errors)
    if old is not None and old.spec is not None:
        if old.spec.pod_cidrs and (spec is None or spec.pod_cidrs != old.spec.pod_cidrs):
            errors.append(words.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'))
        if old.spec.provider_id and (spec is None or spec.provider_id != old.spec.provider_id):
            errors.append(words.forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid'))


def _check_taints(taints: tuple[Taint, ...], errors: Errors) -> None:
    seen: list[tuple[str, str]] = []
    for index, taint in enumerate(taints):
        path = f"spec.taints[{index}]"
        errors.extend(words.invalid(f"{path}.key", taint.key, one) for one in formats.qualified_name(taint.key))
        errors.extend(words.invalid(f"{path}.value", taint.value, one) for one in formats.label_value(taint.value))
        if taint.effect not in EFFECTS:
            errors.append(words.unsupported(f"{path}.effect", taint.effect, EFFECTS) if taint.effect else words.required(f"{path}.effect"))
        if (taint.key, taint.effect) in seen:
            errors.append(words.duplicate(path, taint))
        seen.append((taint.key, taint.effect))


def check_lease(obj: Lease, _old: Lease | None, errors: Errors) -> None:
    """A Lease that is to be created or updated."""
    spec = obj.spec
    if spec is None:
        return
    if spec.lease_duration_seconds is not None and spec.lease_duration_seconds <= 0:
        errors.append(words.invalid("spec.leaseDurationSeconds", spec.lease_duration_seconds, "must be greater than 0"))
    if spec.lease_transitions is not None and spec.lease_transitions < 0:
        errors.append(words.invalid("spec.leaseTransitions", spec.lease_transitions, words.NEGATIVE))


def check_event(obj: Event, _old: Event | None, errors: Errors) -> None:
    """An Event of the API kind: it lives in the namespace of what it is about."""
    involved = obj.involved_object
    if involved is None:
        errors.append(words.required("involvedObject"))
    elif involved.namespace and involved.namespace != obj.metadata.namespace:
        errors.append(words.invalid("involvedObject.namespace", involved.namespace, "does not match event.namespace"))
