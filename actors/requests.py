"""How an action becomes a request: what `Controller` sends for each of the values in `actors.actions`."""

from __future__ import annotations

from typing import Any

from callboard.actors import actions as act
from callboard.models.messages.api import BindPod, CreateObject, DeleteObject, PatchObject, UpdateObject, WriteStatus
from callboard.models.messages.base import Request


def request_of(action: act.Action) -> tuple[type[Request], dict[str, Any]]:
    """The request that carries out an action, without id, sender and fence.

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
        case act.Bind():
            named = {"namespace": action.namespace, "name": action.name, "uid": action.uid}
            return BindPod, {"resource": "pods", **named, "node_name": action.node_name}
    raise TypeError(f"{type(action).__name__} is not a write")


def _named(action: act.SetStatus | act.Delete | act.Patch) -> dict[str, Any]:
    return {"resource": action.resource, "namespace": action.namespace, "name": action.name, "uid": action.uid}
