"""What clients have been told of the store, as one history: it has to be that of one store that does one thing at a time.

A request lasts from the step in which it was sent to the step in which its answer was handled; one without an answer may have had its
effect at any time since, or none. Each answer is compared at once with what had been told before its request was sent, over all keys, in
revisions: one look into a list. At the end, key by key, an order is looked for that explains all of it (`linearizing.py`).

Not judged are reads that may be as old as they like (a list or read with `min_revision` of 0 or more, and all that watchers are told), and
API Events and the leases of nodes, which are written in ways of their own.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import msgspec

from callboard.models.messages.api import (
    ApplyObject,
    BindPod,
    CreateObject,
    DeleteObject,
    EvictPod,
    GetObject,
    Got,
    Listed,
    ListObjects,
    PatchObject,
    Refused,
    UpdateObject,
    WriteStatus,
    Written,
    object_key,
)
from callboard.models.messages.store import StoreEvent
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong
from callboard.runtime.chaos.oracles.linearizing import ABSENT, ANY, ANYTHING, NEVER, Act, Kind, misfit

WRITES = (CreateObject, UpdateObject, PatchObject, ApplyObject, DeleteObject, EvictPod, WriteStatus, BindPod)
PUTS_ONLY = (CreateObject, WriteStatus, BindPod)
"""Writes that never remove what they are about."""
UNKNOWN_CODES = frozenset({409, 500, 503, 504})
"""After a refusal with one of these a write may have had its effect: a first try may have, of which the answer was lost."""
UNJUDGED = frozenset({"events", "events.events.k8s.io", "*"})


class _Asked(msgspec.Struct, frozen=True, gc=False):
    """A request whose answer has not been handled yet."""

    request: Any
    began: int


class HistoryIsLinearizable(Oracle):
    """Writes are acknowledged at revisions that grow, and no consistent read is older than what was acknowledged before it was asked for
    (etcd#13766, etcd#17780); of each key, reads, writes, their preconditions and removals are those of one copy (Herlihy & Wing). What is
    allowed: any order of requests that overlap, and any fate of those that nobody has answered."""

    name = "the store's history is linearizable"
    hears = (*WRITES, GetObject, ListObjects, Got, Listed, Written, Refused)
    leases = True

    def __init__(self) -> None:
        self._asked: dict[tuple[str, int], _Asked] = {}
        self._acts: dict[str, list[Act]] = {}
        self._keys: dict[str, dict[str, None]] = {}
        """By resource: the keys that have a history."""
        self._stored: dict[tuple[str, int], int] = {}
        """By key and revision: the step in which that was stored."""
        self._first = NEVER
        """The revision of the first change that was told: what is older was there when the run began."""
        self._told_at: list[int] = []
        self._told: list[int] = []
        """The largest revisions that have been told so far, and the steps in which they were."""

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        self._first = min(self._first, event.revision)
        self._stored.setdefault((event.key, event.revision), world.step)
        return None

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        if isinstance(message, Got | Listed | Written | Refused):
            asked = self._asked.pop((receiver, message.id), None)
            return self._answered(asked, receiver, message, world) if asked is not None else None
        if is_judged(message):
            self._asked.setdefault((message.reply_to, message.id), _Asked(message, world.sent))
        return None

    # -- answers --------------------------------------------------------------------------------------------------------------------

    def _answered(self, asked: _Asked, who: str, answer: Any, world: World) -> Wrong | None:
        request = asked.request
        if isinstance(answer, Refused):
            self._refused(asked, who, answer, world)
            return None
        key = "" if isinstance(answer, Listed) else _key_of(request, answer.obj)
        writes = isinstance(answer, Written) and not self._changes_nothing(key, asked, answer)
        wrong = self._is_older(asked, who, answer.revision, writes) if writes or not isinstance(answer, Written) else None
        if isinstance(answer, Listed):
            self._have_listed(asked, who, answer, world)
        elif writes:
            kind: Kind = "remove" if answer.removed else "put"
            expects = _expects(request)
            act = Act(kind=kind, began=asked.began, ended=world.step, revision=answer.revision, expects=expects, who=who)
            self._note(key, request.resource, act)
        elif answer.obj is not None:
            revision = answer.obj.metadata.resource_version
            self._note(key, request.resource, Act(kind="read", began=asked.began, ended=world.step, revision=revision, who=who))
        if answer.revision > (self._told[-1] if self._told else 0):
            self._told_at.append(world.step)
            self._told.append(answer.revision)
        return wrong

    def _is_older(self, asked: _Asked, who: str, revision: int, writes: bool) -> Wrong | None:
        """Whether an answer is of a revision that is not after what was told before its request was sent."""
        before = bisect_right(self._told_at, asked.began)
        newest = self._told[before - 1] if before else 0
        if writes and revision <= newest:
            words = f"a write of {who} is acknowledged at revision {revision}, and {newest} had been told before it was sent"
            return Wrong(asked.request.subject(), words)
        if revision < newest:
            words = f"{who} is told what there is at revision {revision}, and {newest} had been told before that was asked for"
            return Wrong(asked.request.subject(), words)
        return None

    def _changes_nothing(self, key: str, asked: _Asked, answer: Written) -> bool:
        """Whether a write has left everything as it was: then its revision is that of an earlier write."""
        if answer.removed or answer.obj is None:
            return False
        stored = self._stored.get((key, answer.revision), -1 if answer.revision < self._first else NEVER)
        return stored < asked.began

    def _have_listed(self, asked: _Asked, who: str, answer: Listed, world: World) -> None:
        request = asked.request
        began, ended = asked.began, world.step
        found = {object_key(request.resource, obj.metadata.namespace, obj.metadata.name): obj for obj in answer.objects}
        for key, obj in found.items():
            self._note(key, request.resource, Act(kind="read", began=began, ended=ended, revision=obj.metadata.resource_version, who=who))
        if request.labels or request.fields:
            return  # what is not in it may be there, and not be chosen
        prefix = f"{request.resource}/{request.namespace}/" if request.namespace else f"{request.resource}/"
        for key in self._keys.get(request.resource, ()):
            if key not in found and key.startswith(prefix):
                self._note(key, request.resource, Act(kind="read", began=began, ended=ended, revision=ABSENT, who=who))

    def _refused(self, asked: _Asked, who: str, answer: Refused, world: World) -> None:
        request = asked.request
        if isinstance(request, GetObject):
            if answer.code == 404 and not request.subresource:
                act = Act(kind="read", began=asked.began, ended=world.step, revision=ABSENT, who=who)
                self._note(_key_of(request, None), request.resource, act)
        elif not isinstance(request, ListObjects) and answer.code in UNKNOWN_CODES:
            self._note_unknown(asked, who)

    def _note(self, key: str, resource: str, act: Act) -> None:
        acts = self._acts.get(key)
        if acts is None:
            acts = self._acts[key] = []
            self._keys.setdefault(resource, {})[key] = None
        acts.append(act)

    def _note_unknown(self, asked: _Asked, who: str) -> None:
        request = asked.request
        kind: Kind = "put" if isinstance(request, PUTS_ONLY) else "change"
        act = Act(kind=kind, began=asked.began, ended=NEVER, expects=_expects(request), who=who)
        self._note(_key_of(request, None), request.resource, act)

    # -- at the end -----------------------------------------------------------------------------------------------------------------

    def over(self, world: World) -> Wrong | None:
        waiting, self._asked = self._asked, {}
        for (who, _), asked in waiting.items():
            if isinstance(asked.request, WRITES):
                self._note_unknown(asked, who)
        for key, acts in self._acts.items():
            act = misfit(acts, ANYTHING, others=True) if len(acts) > 1 else None
            if act is not None:
                return Wrong(key, f"no order of what was asked and answered explains that {_words(act)}")
        return None


def is_judged(request: Any) -> bool:
    """Whether a request belongs into the history: a write that is meant, or a read that has to be as new as the store."""
    if request.resource in UNJUDGED or request.resource.endswith(".metrics.k8s.io"):
        return False
    if isinstance(request, GetObject | ListObjects):
        return request.min_revision < 0
    return not getattr(request, "dry_run", False)


def _key_of(request: Any, obj: Any) -> str:
    """The key that a request is about; a name that was generated is in the answer only."""
    if obj is not None:
        return object_key(request.resource, obj.metadata.namespace, obj.metadata.name)
    return str(request.subject())


def _expects(request: Any) -> int:
    """The revision on condition of which a write was asked for."""
    if isinstance(request, CreateObject):
        return ABSENT
    if isinstance(request, UpdateObject):
        return request.obj.metadata.resource_version or ANY
    return getattr(request, "resource_version", 0) or ANY


def _words(act: Act) -> str:
    when = f"(asked in step {act.began}, answered in step {act.ended})"
    if act.kind == "read":
        seen = f"it at revision {act.revision}" if act.revision else "that it is not there"
        return f"{act.who} is told {seen} {when}"
    done = "put" if act.kind == "put" else "removed"
    condition = "" if act.expects == ANY else f" on condition that it is at {act.expects}" if act.expects else " as a new one"
    return f"{act.who} has {done} it at revision {act.revision}{condition} {when}"


ORACLES: tuple[type[Oracle], ...] = (HistoryIsLinearizable,)
