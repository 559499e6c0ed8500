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
from itertools import islice
from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.client import ApiComponent
from callboard.actors.component import Port, Timer, handles
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.ownwrites import OwnWrites
from callboard.actors.requests import request_of, takes_fence
from callboard.models.errors import ApiError
from callboard.models.messages.api import GetObject, Got, Listed, ListObjects, Refused, Written
from callboard.models.messages.base import Message

KEYS_PER_TURN = 64
"""Keys decided before other messages get their turn."""
WRITES_IN_FLIGHT_LIMIT = 512
"""Unanswered writes of one controller; further ones wait in its outbox."""
UNKNOWN_FROM_CODE = 500
"""Refusals with this code or a higher one don't say whether the write was carried out."""
BACK_OFF_FIRST_S = 0.01
BACK_OFF_LIMIT_S = 60.0


class Reconcile(Message, frozen=True, gc=False):
    """A controller to itself: decide the keys that are due."""


class LookAt(Message, frozen=True, gc=False):
    """Timer: look at this key again."""

    key: str


class Appointment(Message, frozen=True, gc=False):
    """Timer: the last decision about this key wanted it to be looked at again now."""

    key: str


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


class ReadAgain(Message, frozen=True, gc=False):
    """Timer: the read that should resolve a write of unknown outcome was refused; try again."""

    key: str
    writes: int


def owner_and_hash(obj: Any) -> tuple[str, str]:
    """UID of the controlling owner and the pod-template-hash label of an object, "" where there is none."""
    owner = next((ref.uid for ref in obj.metadata.owner_references if ref.controller), "")
    return owner, obj.metadata.labels.get("pod-template-hash", "")


class Controller(ApiComponent):
    """Subclasses make informers in `__init__`, call `mark(key)` from their change handlers and implement `decide(key)`.

    `primary_resource` names the resource whose store keys are this controller's keys.
    """

    primary_resource: str = ""

    def __init__(self, port: Port, settings: ClientSettings) -> None:
        super().__init__(port, settings)
        self.own_writes = OwnWrites()
        self._dirty: dict[str, None] = {}
        self._scheduled = False
        self._failures: dict[str, int] = {}
        self._refused: dict[str, float] = {}
        self._unknown: dict[str, int] = {}
        self._timers: dict[str, tuple[float, Timer]] = {}
        self._appointments: dict[str, tuple[float, Timer]] = {}
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

    def mark(self, key: str) -> None:
        """Look at this key soon."""
        self._dirty[key] = None
        if not self._scheduled:
            self._scheduled = True
            self.port.send(self.port.me, Reconcile())

    def mark_after(self, key: str, delay_s: float) -> None:
        """Look at this key after `delay_s`; an earlier appointment stays, a later one is moved forward."""
        due_s = self.port.now() + delay_s
        pending = self._timers.get(key)
        if pending is not None:
            if pending[0] <= due_s:
                return
            pending[1].cancel()
        self._timers[key] = (due_s, self.port.after(delay_s, LookAt(key)))

    @handles(LookAt)
    def _look_at(self, timer: LookAt) -> None:
        self._timers.pop(timer.key, None)
        self.mark(timer.key)

    def _appoint(self, key: str, after_s: float | None) -> None:
        """The last decision about a key says when it must be looked at again, and nothing that an earlier one has said counts."""
        pending = self._appointments.get(key)
        if pending is not None:
            if after_s is not None and pending[0] <= self.port.now() + after_s:
                return  # it comes early, and is put off then: cheaper than a new timer for every decision
            del self._appointments[key]
            pending[1].cancel()
        if after_s is not None:
            self._appointments[key] = (self.port.now() + after_s, self.port.after(after_s, Appointment(key)))

    @handles(Appointment)
    def _appointed(self, timer: Appointment) -> None:
        self._appointments.pop(timer.key, None)
        self.mark(timer.key)

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

    def _reconcile_soon(self) -> None:
        if self._dirty and not self._scheduled and self.synced and self.leads:
            self._scheduled = True
            self.port.send(self.port.me, Reconcile())

    @handles(Reconcile)
    def _reconcile(self, _: Reconcile) -> None:
        self._scheduled = False
        if not self.synced or not self.leads:
            return  # the last informer to be synced, or to reach the leader's first revision, calls again
        for key in list(islice(self._dirty, KEYS_PER_TURN)):
            del self._dirty[key]
            if self.own_writes.may_decide(key):
                self._decide(key)
        self._reconcile_soon()

    def _decide(self, key: str) -> None:
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
        again_s: float | None = None
        for action in wanted:
            if isinstance(action, act.LookAgain):
                again_s = action.after_s if again_s is None else min(again_s, action.after_s)
            elif isinstance(action, act.TellUser):
                self.tell_user(action.obj, action.resource, action.type, action.reason, action.message)
            else:
                writes += 1
                self.own_writes.started(key)
                self._outbox.append(_Write(key, action))
        self._appoint(key, again_s)
        if writes:
            self._send_writes()
        else:
            self._failures.pop(key, None)

    def back_off(self, key: str, at_least_s: float = 0.0) -> None:
        """Decide this key again after a pause that doubles with each failure in a row."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause_s = min(BACK_OFF_FIRST_S * 2 ** min(failures, 20), BACK_OFF_LIMIT_S) * (0.75 + self.port.random() / 2)
        self.mark_after(key, max(pause_s, at_least_s))

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

    def _read_primary(self, key: str, writes: int) -> None:
        """Ask for the primary object. What counts is the revision of the answer, which a list has even if the object is gone."""
        resource, namespace, name = key.split("/", 2)
        self.call(
            ListObjects,
            _Resolve(key, writes),
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
