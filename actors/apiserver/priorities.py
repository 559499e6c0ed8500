"""The priority of a new pod, from its PriorityClass or the global default one. Pure; called by `pods` and `admission`.

Source of rules and words: kubernetes plugin/pkg/admission/priority, pkg/apis/scheduling/v1/helpers.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.actors.apiserver.view import View
from callboard.models.api.core import PodSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import freeze, replace
from callboard.models.errors import forbidden
from callboard.models.generic import GenericObject
from callboard.models.messages.api import object_key
from callboard.models.priorities import SYSTEM_PRIORITIES

CLASSES = "priorityclasses.scheduling.k8s.io"
PREEMPTING = "PreemptLowerPriority"


class Priority(msgspec.Struct, frozen=True, gc=False):
    """What a pod gets: the name of the class ("" if there is none), its number and whether it preempts others."""

    name: str = ""
    value: int = 0
    policy: str = PREEMPTING


NO_CLASS = Priority()
"""The priority of pods that name no class where no class is the global default."""


SYSTEM_CLASSES = {
    "system-cluster-critical": "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    "system-node-critical": "Used for system critical pods that must not be moved from their current node.",
}
"""The classes that every cluster has, and their descriptions."""


def system_class(name: str) -> GenericObject:
    """One of the classes that every cluster has, as it is created."""
    content = freeze({"value": SYSTEM_PRIORITIES[name], "description": SYSTEM_CLASSES[name], "preemptionPolicy": PREEMPTING})
    return GenericObject(api_version="scheduling.k8s.io/v1", kind="PriorityClass", metadata=ObjectMeta(name=name), content=content)


def priority_for(spec: PodSpec, name: str, view: View) -> Priority:
    """The priority of a new pod with this spec.

    Raises:
        Forbidden: it names a class that is not there.
    """
    if not spec.priority_class_name:
        default = default_class(view)
        return NO_CLASS if default is None else _of(default)
    found = view.get(object_key(CLASSES, "", spec.priority_class_name))
    if found is None:
        raise forbidden("pods", name, f"no PriorityClass with name {spec.priority_class_name} was found")
    return _of(found)


def default_class(view: View) -> GenericObject | None:
    """The class marked as global default; of several, which only a race can make, the one of lowest value."""
    marked = [one for one in view.objects(CLASSES, "") if one.content.get("globalDefault")]
    return min(marked, key=_value, default=None)


def with_priority(spec: PodSpec, priority: Priority, name: str) -> PodSpec:
    """The spec of a pod of this name, with its priority.

    Raises:
        Forbidden: it says another number, or another policy, than its class.
    """
    if spec.priority is not None and spec.priority != priority.value:
        why = (
            f"the integer value of priority ({spec.priority}) must not be provided in pod spec; priority admission controller "
            f"computed {priority.value} from the given PriorityClass name"
        )
        raise forbidden("pods", name, why)
    if spec.preemption_policy and spec.preemption_policy != priority.policy:
        why = (
            f"the string value of PreemptionPolicy ({spec.preemption_policy}) must not be provided in pod spec; priority admission "
            f"controller computed {priority.policy} from the given PriorityClass name"
        )
        raise forbidden("pods", name, why)
    return replace(spec, priority_class_name=priority.name, priority=priority.value, preemption_policy=priority.policy)


def check_only_default(new: GenericObject, view: View) -> None:
    """Raises `Forbidden` if a class wants to be the global default while another one is."""
    if not new.content.get("globalDefault"):
        return
    present = default_class(view)
    if present is not None and present.metadata.name != new.metadata.name:
        why = f"PriorityClass {present.metadata.name} is already marked as default. Only one default can exist"
        raise forbidden(CLASSES, new.metadata.name, why)


def _of(one: GenericObject) -> Priority:
    return Priority(one.metadata.name, _value(one), str(one.content.get("preemptionPolicy") or PREEMPTING))


def _value(one: GenericObject) -> int:
    value: Any = one.content.get("value", 0)
    return int(value)
