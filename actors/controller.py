"""The base of every controller: keys in, one pure decision per key, actions out.

Watch events only say "look at this key". A key is decided from the whole state of the caches, and only when those caches have come
as far as this controller's own acknowledged writes for that key (`OwnWrites`), so no decision is taken from a picture that misses what
the controller itself has done. A write whose outcome is unknown is resolved by reading: the store is asked how far it has come, and the
key waits until the caches have come that far. (A lost request may still arrive later: names of children that can be computed again, and
preconditions, make that harmless.) Errors of one key are caught here: they delay that key, nothing else. Where there is an election, only
the leader decides, and its writes carry its fence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.client import TIMEOUT_CODE
from callboard.actors.component import Port, handles
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.keys import Keys
from callboard.actors.requests import is_about, request_of, takes_fence
from callboard.models.errors import ApiError
from callboard.models.messages.api import GetObject, Got, Listed, ListObjects, Refused, Written
from callboard.models.messages.base import Message

WRITES_IN_FLIGHT_LIMIT = 512
"""Unanswered writes of one controller; further ones wait in its outbox."""
UNKNOWN_FROM_CODE = 500
"""Refusals with this code or a higher one don't say whether the write was carried out."""
STALE_REASONS = ("Conflict", "NotFound")
"""Why a write on an object is refused where the cache shows another state of it, or another object, than there is."""


class _Write(msgspec.Struct, frozen=True, gc=False):
    """Context of a write: for which key of ours, and which action."""

    key: str
    action: act.Action


class _Check(msgspec.Struct, frozen=True, gc=False):
    """Context of the read that finds out what already exists under the name of a `Create`."""

    key: str
    action: act.Create


class _Resolve(msgspec.Struct, frozen=True, gc=False):
    """Context of the read that resolves so many writes of unknown outcome."""

    key: str
    writes: int


class _Stale(msgspec.Struct, frozen=True, gc=False):
    """Context of the read that tells how far the view of a primary object is behind."""

    key: str


class ReadAgain(Message, frozen=True, gc=False):
    """Timer: the read that should resolve a write of unknown outcome was refused; try again."""

    key: str
    writes: int


def owner_and_hash(obj: Any) -> tuple[str, str]:
    """UID of the controlling owner and the pod-template-hash label of an object, "" where there is none."""
    owner = next((ref.uid for ref in obj.metadata.owner_references if ref.controller), "")
    return owner, obj.metadata.labels.get("pod-template-hash", "")


class Controller(Keys):
    """Subclasses make informers in `__init__`, call `mark(key)` from their change handlers and implement `decide(key)`.

    `primary_resource` names the resource whose store keys are this controller's keys.
    """

    primary_resource: str = ""

    def __init__(self, port: Port, settings: ClientSettings) -> None:
        super().__init__(port, settings)
        self._refused: dict[str, float] = {}
        self._unknown: dict[str, int] = {}
        self._taken: dict[str, Informer] = {}
        self._outbox: deque[_Write] = deque()
        self._writes_in_flight = 0

    def on_start(self) -> None:
        """Begin to list and watch."""
        self.start_informers()

    # -- to be implemented --------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        """What to do about this key, from the caches as they are. Must not change anything.

        A `LookAgain` holds until the next decision about the key, which has to want it again."""
        raise NotImplementedError

    def wrote(self, key: str, action: act.Action, answer: Written) -> None:
        """A write for this key was acknowledged."""

    def refused(self, key: str, action: act.Action, answer: Refused) -> None:
        """A write for this key was refused; the key is tried again after a back-off in any case."""

    def lost(self, key: str, action: act.Action) -> None:
        """Nobody knows whether a write for this key was carried out, or will be."""

    def settled(self, key: str, refused: bool) -> None:
        """All writes of a decision have been answered or resolved; `refused` tells whether any was refused."""

    def is_worth_another(self, key: str) -> bool:
        """Whether a key is decided again although nothing but its own writes, which the caches show, has happened."""
        return True

    def same_child(self, wanted: Any, existing: Any) -> bool:
        """Whether what exists already under the name of a child to be created is that very child."""
        return owner_and_hash(wanted) == owner_and_hash(existing)

    # -- keys -------------------------------------------------------------------------------------------------------------------

    def caught_up(self, informer: Informer) -> None:
        for key in self.own_writes.reached(informer.place, informer.revision):
            self.mark(key)
        self._reconcile_soon()

    def nothing_more_of(self, informer: Informer) -> None:
        super().nothing_more_of(informer)
        for key in self.own_writes.abandoned(informer.place):
            self.mark(key)

    def _views_of(self, key: str) -> Iterable[Informer]:
        """The informers that a decision about a key may read: not those on another namespace, nor on what isn't served."""
        namespace = key.split("/", 2)[1]
        for informer in self.informers:
            if not informer.unserved and (not namespace or informer.selection["namespace"] in ("", namespace)):
                yield informer

    def elected(self) -> None:
        """Everything is decided anew: what was decided under an earlier leadership may have been dropped or fenced."""
        super().elected()
        for informer in self.informers:
            if informer.resource == self.primary_resource:
                self._dirty.update(dict.fromkeys(informer.objects))
        self._reconcile_soon()

    def taken(self, key: str, view: Informer) -> None:
        """A child of this key's object has gone, as `view` shows. It may have gone because its owner has, of which this controller has not
        heard: nothing is decided before the owner has been seen alive at a later revision. Who replaced it at once would go on as fast as
        the garbage collector takes what has no owner."""
        self._taken[key] = view

    def _is_taken(self, key: str) -> bool:
        """Whether the view of the primary objects is older than the end of a child; then it is made to catch up."""
        view = self._taken.pop(key, None)
        if view is None:
            return False
        for informer in self._views_of(key):
            if informer.resource != self.primary_resource or informer.revision >= view.revision:
                continue
            primary = informer.objects.get(key)
            if primary is not None and not primary.metadata.deletion_timestamp:
                self.own_writes.acknowledged(key, informer.place, view.revision)
                informer.catch_up(view.revision)
        return not self.own_writes.may_decide(key)

    def _decide(self, key: str) -> None:
        if self._taken and self._is_taken(key):
            return
        try:
            wanted = self.decide(key)
        except (ApiError, ValueError) as problem:  # this object's fault, not ours: it must not stop the others
            self.give_up(key, problem)
            return
        self.carry_out(key, wanted)

    def give_up(self, key: str, problem: BaseException) -> None:
        """A decision about this key failed: it is decided again after a back-off."""
        self.port.log.error("decision failed", key=key, problem=repr(problem))
        self.back_off(key)

    def carry_out(self, key: str, wanted: tuple[act.Action, ...]) -> None:
        """Do what a decision about this key wants."""
        writes = 0
        again: act.LookAgain | None = None
        for action in wanted:
            if isinstance(action, act.LookAgain):
                again = action if again is None or action.after_s < again.after_s else again
            elif isinstance(action, act.TellUser):
                self.tell_user(action.obj, action.resource, action.type, action.reason, action.message)
            else:
                writes += 1
                self.own_writes.started(key)
                self._outbox.append(_Write(key, action))
        self._appoint(key, again)
        if writes:
            self._send_writes()
        else:
            self._failures.pop(key, None)

    # -- writes -----------------------------------------------------------------------------------------------------------------

    def _send_writes(self) -> None:
        while self._outbox and self._writes_in_flight < WRITES_IN_FLIGHT_LIMIT:
            write = self._outbox.popleft()
            if not self.leads:
                self._finished(write.key)  # decided when this was the leader; decided anew when it is again
                continue
            self._writes_in_flight += 1
            request, fields = request_of(write.action)
            if takes_fence(write.action):
                fields["fence"] = self.fence
            self.call(request, write, **fields)

    def answered(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        if isinstance(context, _Write):
            self._writes_in_flight -= 1
            self._write_answered(context, answer)
            if self._outbox:
                self._send_writes()
        elif isinstance(context, _Check):
            self._existing_read(context, answer)
        elif isinstance(context, _Resolve):
            self._resolved(context, answer)
        elif isinstance(context, _Stale):
            self._have_looked(context.key, answer)

    def _write_answered(self, write: _Write, answer: Got | Listed | Written | Refused) -> None:
        key, action = write.key, write.action
        if isinstance(answer, Written):
            self._acknowledged(key, action, answer)
            return
        assert isinstance(answer, Refused)
        if isinstance(action, act.Create) and answer.reason == "AlreadyExists":
            meta = action.obj.metadata
            self.call(GetObject, _Check(key, action), resource=action.resource, namespace=meta.namespace, name=meta.name)
        elif isinstance(action, act.Delete) and answer.reason == "NotFound":
            self._await_store(key)  # what was to be deleted is gone: decide when the cache knows it too
        elif answer.code >= UNKNOWN_FROM_CODE:
            if answer.code != TIMEOUT_CODE:  # it came at once: decided again at once, it would come again as fast as messages go
                self._refused[key] = max(self._refused.get(key, 0.0), answer.retry_after_s)
            self._lost(key, action)
        else:
            self._failed(key, action, answer)

    def _acknowledged(self, key: str, action: act.Action, answer: Written) -> None:
        resource = "pods" if isinstance(action, act.Bind) else getattr(action, "resource", "")
        for informer in self._views_of(key):
            if informer.resource == resource:
                self.own_writes.acknowledged(key, informer.place, answer.revision)
        told = getattr(action, "announce", None)
        if told is not None:
            self.tell_user(told.obj, told.resource, told.type, told.reason, told.message)
        self.wrote(key, action, answer)
        self._finished(key)

    def _failed(self, key: str, action: act.Action, answer: Refused) -> None:
        self.port.log.info("write refused", key=key, action=type(action).__name__, code=answer.code, problem=answer.message)
        self.refused(key, action, answer)
        self._refused[key] = max(self._refused.get(key, 0.0), answer.retry_after_s)
        if answer.reason in STALE_REASONS and is_about(action, key):
            self._list_primary(key, _Stale(key))
        else:
            self._finished(key)

    def _finished(self, key: str, writes: int = 1) -> None:
        """So many writes of this key have come to an end. With the last one of a decision, the key may be decided again."""
        for _ in range(writes):
            self.own_writes.finished(key)
        if self.own_writes.in_flight(key):
            return
        pause_s = self._refused.pop(key, None)
        self.settled(key, pause_s is not None)
        if pause_s is not None:
            self.back_off(key, pause_s)
            return
        self._failures.pop(key, None)
        if self.own_writes.may_decide(key) and self.is_worth_another(key):
            self.mark(key)

    def _existing_read(self, check: _Check, answer: Got | Listed | Written | Refused) -> None:
        if isinstance(answer, Got) and self.same_child(check.action.obj, answer.obj):
            self._acknowledged(check.key, check.action, Written(answer.id, answer.obj, answer.obj.metadata.resource_version))
        elif isinstance(answer, Refused) and answer.code >= UNKNOWN_FROM_CODE:
            self._lost(check.key, check.action)
        elif isinstance(answer, Refused):
            self._failed(check.key, check.action, answer)
        else:
            name = check.action.obj.metadata.name
            self._failed(check.key, check.action, Refused(answer.id, 409, "AlreadyExists", f'"{name}" exists and is not ours'))

    # -- writes of unknown outcome ------------------------------------------------------------------------------------------------

    def _lost(self, key: str, action: act.Action) -> None:
        self.lost(key, action)
        self._await_store(key)

    def _await_store(self, key: str) -> None:
        waiting = self._unknown.get(key, 0)
        self._unknown[key] = waiting + 1
        if not waiting:
            self._read_primary(key, 1)

    def _have_looked(self, key: str, answer: Got | Listed | Written | Refused) -> None:
        """The primary object is not (any more) what the cache shows: nothing is decided about it until the cache knows that too. Other news
        would lead to decisions about what is gone, as fast as they come."""
        if isinstance(answer, Listed):
            reached = answer.objects[0].metadata.resource_version if answer.objects else answer.revision
            for informer in self._views_of(key):
                if informer.resource == self.primary_resource:
                    self.own_writes.acknowledged(key, informer.place, reached)
                    if not answer.objects:
                        informer.catch_up(reached)
        self._finished(key)

    def _read_primary(self, key: str, writes: int) -> None:
        """Ask for the primary object. What counts is the revision of the answer, which a list has even if the object is gone."""
        self._list_primary(key, _Resolve(key, writes))

    def _list_primary(self, key: str, context: _Resolve | _Stale) -> None:
        resource, namespace, name = key.split("/", 2)
        self.call(
            ListObjects,
            context,
            resource=self.primary_resource or resource,
            namespace=namespace,
            fields=f"metadata.name={name}",
            min_revision=-1,
        )

    def _resolved(self, context: _Resolve, answer: Got | Listed | Written | Refused) -> None:
        key = context.key
        if isinstance(answer, Refused) and answer.reason != "NotFound":
            self.port.after(self.settings.retry_s * (0.5 + self.port.random()), ReadAgain(key, context.writes))
            return
        if isinstance(answer, Listed):
            for informer in self._views_of(key):
                self.own_writes.acknowledged(key, informer.place, answer.revision)
        more = self._unknown.pop(key) - context.writes
        if more:  # lost since this read was sent: it says nothing about them
            self._unknown[key] = more
            self._read_primary(key, more)
        self._finished(key, context.writes)

    @handles(ReadAgain)
    def _read_again(self, timer: ReadAgain) -> None:
        self._read_primary(timer.key, timer.writes)
