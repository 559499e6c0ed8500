"""How an action becomes a request: what `Controller` sends for each of the values in `actors.actions`."""

from __future__ import annotations

from typing import Any

from callboard.actors import actions as act
from callboard.models.messages.api import (
    ApplyObject,
    BindPod,
    CreateObject,
    DeleteObject,
    PatchObject,
    UpdateObject,
    WriteStatus,
    object_key,
)
from callboard.models.messages.base import Request


def request_of(action: act.Action) -> tuple[type[Request], dict[str, Any]]:
    """The request that carries out an action, without id and sender; `takes_fence` tells whether it may carry a fence.

    Raises:
        TypeError: the action is no write.
    """
    match action:
        case act.Create():
            return CreateObject, {"resource": action.resource, "obj": action.obj, "trusted": action.trusted}
        case act.Update():
            return UpdateObject, {"resource": action.resource, "obj": action.obj, "subresource": action.subresource}
        case act.SetStatus():
            return WriteStatus, {**_named(action), "status": action.status, "resource_version": action.resource_version}
        case act.Delete():
            return DeleteObject, {
                **_named(action),
                "resource_version": action.resource_version,
                "grace_period_s": action.grace_period_s,
                "propagation": action.propagation,
            }
        case act.Patch():
            return PatchObject, {**_named(action), "type": action.type, "patch": action.patch, "subresource": action.subresource}
        case act.Apply():
            named = {"resource": action.resource, "namespace": action.namespace, "name": action.name}
            return ApplyObject, {**named, "tree": action.tree}
        case act.Bind():
            pod = {"resource": "pods", "namespace": action.namespace, "name": action.name, "uid": action.uid}
            return BindPod, {**pod, "node_name": action.node_name}
    raise TypeError(f"{type(action).__name__} is not a write")


def takes_fence(action: act.Action) -> bool:
    """Whether the write of an action may carry a fence: all but `Apply`, which is a user's verb."""
    return not isinstance(action, act.Apply)


def _named(action: act.SetStatus | act.Delete | act.Patch) -> dict[str, Any]:
    return {"resource": action.resource, "namespace": action.namespace, "name": action.name, "uid": action.uid}


def is_about(action: act.Action, key: str) -> bool:
    """Whether an action is on the object with this key itself, and not on what belongs to it."""
    match action:
        case act.Update(resource=resource, obj=obj):
            return object_key(resource, obj.metadata.namespace, obj.metadata.name) == key
        case act.Patch() | act.SetStatus() | act.Delete():
            return object_key(action.resource, action.namespace, action.name) == key
    return False
