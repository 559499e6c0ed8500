"""What a user's `reconcile` may want done, and how that becomes an action of ours. Pure.

Objects are given as dicts with Kubernetes' names or as typed objects. What is so already is left out, so that a `reconcile` that always
says what it wants comes to rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import msgspec

from callboard.actors import actions as act
from callboard.models.base import FrozenMap, freeze, plain, replace, thaw
from callboard.models.decode import decode_as, from_dict
from callboard.models.errors import BadRequest
from callboard.models.generic import GenericObject
from callboard.models.kinds import Resource, Scheme, api_version_of, kind_of
from callboard.models.messages.api import PatchType, Propagation
from callboard.models.owners import owner_reference
from callboard.models.times import parse_duration

LEAST_PAUSE_S = 0.01


class Create(msgspec.Struct, frozen=True):
    """Create an object. With `owner` it is managed by that object: it carries its controller reference, and goes when it goes.

    Give it a name that follows from its owner, never one drawn anew: then a second try finds the first one's work and counts as done.
    """

    obj: Any
    owner: Any = None


class Apply(msgspec.Struct, frozen=True):
    """Create an object, or patch it as `kubectl apply` does: fields that this controller has applied before and leaves out now are removed.
    `owner` as in `Create`."""

    obj: Any
    owner: Any = None


class Patch(msgspec.Struct, frozen=True):
    """Patch an object, if it is still the very one that was seen. `type` is merge, json or strategic."""

    obj: Any
    patch: Any
    type: PatchType = "merge"
    subresource: str = ""


class UpdateStatus(msgspec.Struct, frozen=True):
    """Replace the status of an object, if it is unchanged since it was seen. For kinds with a status subresource."""

    obj: Any
    status: Any


class Delete(msgspec.Struct, frozen=True):
    """Delete an object, if it is still the very one that was seen."""

    obj: Any
    propagation: Propagation = "Background"


class EmitEvent(msgspec.Struct, frozen=True):
    """Record an Event about an object."""

    obj: Any
    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"


class RequeueAfter(msgspec.Struct, frozen=True):
    """Decide again after so long (seconds, or text such as "30s"), even if nothing changes. Zero means that there is no need, as in
    controller-runtime."""

    after: float | int | str


Wish = Create | Apply | Patch | UpdateStatus | Delete | EmitEvent | RequeueAfter


def actions_of(wishes: Iterable[Wish] | None, scheme: Scheme) -> tuple[act.Action, ...]:
    """What is to be done for these wishes.

    Raises:
        ApiError: a kind that nobody serves, or an object that isn't one.
        TypeError: something that is no wish.
        ValueError: a duration that is none.
    """
    return tuple(action for wish in wishes or () if (action := _action_of(wish, scheme)) is not None)


def _action_of(wish: Wish, scheme: Scheme) -> act.Action | None:
    match wish:
        case Create():
            obj, resource = _typed(_with_owner(wish.obj, wish.owner, scheme), scheme)
            return act.Create(resource=resource.name, obj=obj)
        case Apply():
            tree = _with_owner(wish.obj, wish.owner, scheme)
            obj, resource = _typed(tree, scheme)
            meta = obj.metadata
            return act.Apply(resource=resource.name, namespace=meta.namespace, name=meta.name, tree=freeze(_tree(tree)))
        case Patch():
            patch = freeze(wish.patch)
            return act.Patch(**_named(wish.obj, scheme), patch=patch, type=wish.type, subresource=wish.subresource)
        case UpdateStatus():
            new = _with_status(wish.obj, wish.status, _resource(wish.obj, scheme))
            return None if new == wish.obj else act.Update(resource=_resource(wish.obj, scheme).name, obj=new, subresource="status")
        case Delete():
            return act.Delete(**_named(wish.obj, scheme), propagation=wish.propagation)
        case EmitEvent():
            resource = _resource(wish.obj, scheme)
            return act.TellUser(resource=resource.name, obj=wish.obj, type=wish.type, reason=wish.reason, message=wish.message)
        case RequeueAfter():
            after_s = parse_duration(wish.after)
            return act.LookAgain(after_s=max(after_s, LEAST_PAUSE_S)) if after_s > 0 else None
    known = ", ".join(kind.__name__ for kind in get_args(Wish))
    raise TypeError(f"reconcile gave a {type(wish).__name__}; it may give {known}")


def _resource(obj: Any, scheme: Scheme) -> Resource:
    return scheme.resource(api_version_of(obj), kind_of(obj))


def _named(obj: Any, scheme: Scheme) -> dict[str, Any]:
    meta = obj.metadata
    return {"resource": _resource(obj, scheme).name, "namespace": meta.namespace, "name": meta.name, "uid": meta.uid}


def _tree(obj: Any) -> dict[str, Any]:
    """An object as a plain tree with Kubernetes' names."""
    tree: dict[str, Any] = thaw(obj) if isinstance(obj, Mapping) else obj.to_dict()
    return tree


def _with_owner(obj: Any, owner: Any, scheme: Scheme) -> dict[str, Any]:
    """An object's tree, in its owner's namespace and with its reference, if it has an owner."""
    tree = _tree(obj)
    meta = dict(tree.get("metadata") or {})
    if owner is not None:
        meta["ownerReferences"] = [*meta.get("ownerReferences", ()), plain(owner_reference(owner))]
    if not meta.get("namespace") and scheme.resource(str(tree.get("apiVersion", "")), str(tree.get("kind", ""))).namespaced:
        meta["namespace"] = (owner.metadata.namespace if owner is not None else "") or "default"
    return {**tree, "metadata": meta}


def _typed(tree: dict[str, Any], scheme: Scheme) -> tuple[Any, Resource]:
    obj = from_dict(tree, scheme)
    if not obj.metadata.name:
        raise BadRequest("metadata.name is missing; a controller names what it makes, so that a second try finds it")
    return obj, _resource(obj, scheme)


def _with_status(obj: Any, status: Any, resource: Resource) -> Any:
    if isinstance(obj, GenericObject):
        return replace(obj, content=FrozenMap({**obj.content, "status": freeze(status)}))
    if isinstance(status, Mapping):
        return replace(obj, status=decode_as({**obj.to_dict(), "status": thaw(status)}, resource).status)
    return replace(obj, status=status)
