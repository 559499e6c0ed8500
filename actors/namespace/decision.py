"""What to do about a terminating namespace, given what a fresh list found in it. Pure; called by the namespace controller's actor.

Pods go first and everything else waits for their end, so that what protects or serves them is there until then.
Source: pkg/controller/namespace/deletion (OrderedNamespaceDeletion), status_condition_utils.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callboard.actors import actions as act
from callboard.models.api.core import Namespace, NamespaceCondition, NamespaceSpec, NamespaceStatus
from callboard.models.base import replace
from callboard.models.podstatus import with_condition
from callboard.models.times import rfc3339

FINALIZER = "kubernetes"
FIRST_PAUSE_S = 0.05
PAUSE_LIMIT_S = 5.0


def is_ending(namespace: Namespace) -> bool:
    """Whether the namespace waits for this controller."""
    spec = namespace.spec
    return namespace.metadata.deletion_timestamp != "" and spec is not None and FINALIZER in spec.finalizers


def pause_s(sweeps: int) -> float:
    """Until the next look at what is left: short at first, since most things go at once."""
    return float(min(FIRST_PAUSE_S * 2.0 ** min(sweeps, 20), PAUSE_LIMIT_S))


def deletions(content: Mapping[str, Any]) -> tuple[act.Action, ...]:
    """Deletions of what is to go now; objects that are terminating already are left in peace."""
    pods = {key: obj for key, obj in content.items() if key.startswith("pods/")}
    return tuple(
        act.Delete(resource=key.split("/", 1)[0], namespace=obj.metadata.namespace, name=obj.metadata.name, uid=obj.metadata.uid)
        for key, obj in (pods or content).items()
        if not obj.metadata.deletion_timestamp
    )


def remaining(content: Mapping[str, Any]) -> str:
    """`Some resources are remaining: pods has 2 resource instances`, sorted by resource; "" if nothing is left."""
    counts: dict[str, int] = {}
    for key in content:
        resource = key.split("/", 1)[0]
        counts[resource] = counts.get(resource, 0) + 1
    if not counts:
        return ""
    return "Some resources are remaining: " + ", ".join(f"{name} has {counts[name]} resource instances" for name in sorted(counts))


def held_by(content: Mapping[str, Any]) -> str:
    """`Some content in the namespace has finalizers remaining: a/b in 2 resource instances`; "" if nothing has any."""
    counts: dict[str, int] = {}
    for obj in content.values():
        for finalizer in obj.metadata.finalizers:
            counts[finalizer] = counts.get(finalizer, 0) + 1
    if not counts:
        return ""
    told = ", ".join(f"{name} in {counts[name]} resource instances" for name in sorted(counts))
    return f"Some content in the namespace has finalizers remaining: {told}"


def status_of(namespace: Namespace, content: Mapping[str, Any], now: float) -> NamespaceStatus:
    """The status that tells what the namespace waits for; the same one if there is nothing new to tell."""
    status = namespace.status or NamespaceStatus()
    conditions = status.conditions
    told = (
        ("NamespaceContentRemaining", remaining(content), "SomeResourcesRemain", "ContentRemoved", "All content successfully removed"),
        (
            "NamespaceFinalizersRemaining",
            held_by(content),
            "SomeFinalizersRemain",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    )
    for type_, trouble, bad, good, well in told:
        old = next((one for one in conditions if one.type == type_), None)
        if not trouble and old is None:
            continue  # all is well and nobody was told otherwise
        new = NamespaceCondition(
            type=type_,
            status="True" if trouble else "False",
            reason=bad if trouble else good,
            message=trouble or well,
            last_transition_time=rfc3339(now),
        )
        conditions = with_condition(conditions, new)
    return replace(status, phase="Terminating", conditions=conditions)


def without_finalizer(namespace: Namespace) -> Namespace:
    """The namespace that nothing of ours keeps any more."""
    spec = namespace.spec or NamespaceSpec()
    return replace(namespace, spec=replace(spec, finalizers=tuple(one for one in spec.finalizers if one != FINALIZER)))
