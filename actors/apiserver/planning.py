"""How a write is decided: a planner looks at the objects it depends on and says which transaction would carry the request out.

Planners are functions `(request, view, context) -> Plan` in `writes`, `shortways`, `deletion` and `eventsink`; they raise `ApiError`
to refuse. The actor around them sends the transaction, and asks the planner again with fresh objects if a compare did not hold, or if
a refusal was decided from the cache, which may be stale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from callboard.actors.apiserver.pods import Templates
from callboard.actors.apiserver.settings import ApiServerSettings
from callboard.actors.apiserver.view import View
from callboard.models.errors import ApiError, conflict
from callboard.models.kinds import Resource, Scheme
from callboard.models.messages.base import Request
from callboard.models.messages.store import Compare, Put, Remove
from callboard.models.times import rfc3339


class UnsupportedMediaType(ApiError):
    """This kind does not take such a patch."""

    code, reason = 415, "UnsupportedMediaType"


class Plan(msgspec.Struct, frozen=True, gc=False):
    """A transaction, and how its success is answered: with the object of its first op, or with `obj` if it has none.

    `removed` tells that the first op takes the object out of the store; `quiet` that the answer carries no object; `shown` makes of the
    object what the answer carries.
    """

    compares: tuple[Compare, ...]
    ops: tuple[Put | Remove, ...]
    obj: Any = None
    removed: bool = False
    quiet: bool = False
    shown: Callable[[Any], Any] | None = None

    def show(self, obj: Any) -> Any:
        """The object as the answer carries it."""
        return obj if self.shown is None else self.shown(obj)


class Context:
    """What planners may know and use besides the objects. One per apiserver; `now_s` is set before each plan."""

    __slots__ = ("new_id", "now_s", "random", "scheme", "settings", "templates")

    def __init__(self, scheme: Scheme, settings: ApiServerSettings, new_id: Callable[[], str], random: Callable[[], float]) -> None:
        self.scheme = scheme
        self.settings = settings
        self.new_id = new_id
        self.random = random
        self.templates = Templates(settings.toleration_s)
        self.now_s = 0.0

    @property
    def time(self) -> str:
        """Now, as Kubernetes writes it."""
        return rfc3339(self.now_s)


Planner = Callable[[Any, View, Context], Plan]


class Job(msgspec.Struct, gc=False):
    """A request under way. `plan` is what the store has been asked for, None while the job reads. `caught_up` tells that the cache has
    been made as new as the store for it, since the kind was not known. `place` is whose turn it holds or waits for (`turns`)."""

    request: Request
    planner: Planner
    view: View
    deadline_s: float
    plan: Plan | None = None
    attempts: int = 0
    reads: int = 0
    caught_up: bool = False
    place: str = ""


def revision_of(obj: Any) -> int:
    """The revision that a compare on this object names: 0 if there is none."""
    return 0 if obj is None else int(obj.metadata.resource_version)


def check_uid(resource: str, obj: Any, uid: str) -> None:
    """Raises `Conflict`, in Kubernetes' words, if a UID is wanted and the object has another."""
    if uid and obj.metadata.uid != uid:
        raise conflict(
            resource, obj.metadata.name, f"Precondition failed: UID in precondition: {uid}, UID in object meta: {obj.metadata.uid}"
        )


def is_user_defined(resource: Resource) -> bool:
    """Whether a CustomResourceDefinition declares this kind."""
    return not resource.definition
