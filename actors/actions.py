"""What a decision may want done: the values that pure `reconcile` functions return and that `Controller` carries out.

Each write names the object it acts on with the precondition that makes it safe when the decision was taken from an old view.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.models.messages.api import PatchType, Propagation


class Action(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Base of all actions."""


class TellUser(Action, frozen=True, gc=False, kw_only=True):
    """Record an Event about an object; `type` is Normal or Warning."""

    resource: str
    obj: Any
    type: str
    reason: str
    message: str


class Create(Action, frozen=True, gc=False, kw_only=True):
    """Create `obj`. Finding it there already counts as success only if it has the same controller (owner UID) and, for pods and
    replica sets, the same `pod-template-hash` (`Controller.same_child`).

    `trusted` says that it was built from a template that has been admitted already. `announce` is told once it has been created."""

    resource: str
    obj: Any
    trusted: bool = False
    announce: TellUser | None = None


class Update(Action, frozen=True, gc=False, kw_only=True):
    """Replace an object; its metadata carries uid and resourceVersion as preconditions."""

    resource: str
    obj: Any
    subresource: str = ""
    announce: TellUser | None = None


class Apply(Action, frozen=True, gc=False, kw_only=True):
    """Create an object from a document (a frozen tree with apiVersion and kind), or patch it three ways with what was applied last."""

    resource: str
    namespace: str
    name: str
    tree: Any


class Patch(Action, frozen=True, gc=False, kw_only=True):
    """Patch an object, on condition that it still has this uid."""

    resource: str
    namespace: str
    name: str
    uid: str
    patch: Any
    type: PatchType = "merge"
    subresource: str = ""


class SetStatus(Action, frozen=True, gc=False, kw_only=True):
    """Replace the status of an object, on condition that it still has this uid (and this resourceVersion, if not 0)."""

    resource: str
    namespace: str
    name: str
    uid: str
    status: Any
    resource_version: int = 0


class Delete(Action, frozen=True, gc=False, kw_only=True):
    """Delete an object, on condition that it still has this uid (and this resourceVersion, if not 0)."""

    resource: str
    namespace: str
    name: str
    uid: str
    resource_version: int = 0
    grace_period_s: int = -1
    propagation: Propagation = "Background"
    announce: TellUser | None = None


class Bind(Action, frozen=True, gc=False, kw_only=True):
    """Bind a pod that has no node yet."""

    namespace: str
    name: str
    uid: str
    node_name: str


class LookAgain(Action, frozen=True, gc=False, kw_only=True):
    """Decide about this key again after `after_s` seconds even if nothing changes. Holds until the next decision about it.

    `idle` says that nothing goes on until then: a simulation with nothing else to do is settled."""

    after_s: float
    idle: bool = False
