"""The garbage collector: deletes what all owners have left, and finishes foreground and orphaning deletions.

Talks to the apiserver: one informer on everything, so that no kind can be seen earlier than another. Keys are store keys of any resource.
That an owner is absent is never concluded from what a cache lacks: the newest state is read, and it counts by name, namespace and UID
together. Only of user-defined kinds it is enough that the owner's end was seen (Kubernetes' absentOwnerCache): when its dependents are
looked at, its definition may be gone too, and then nobody can read it. A deletion carries the UID and the revision of the object that was
judged. A status update of an ordinary object costs one comparison here.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.component import Port
from callboard.actors.controller import Controller
from callboard.actors.garbagecollector.everything import ASIDE, EVERYTHING, Kinds
from callboard.actors.garbagecollector.graph import (
    Graph,
    OwnerState,
    Target,
    decide_dependent,
    decide_owner,
    is_orphaning,
    is_waiting,
)
from callboard.actors.informer import ClientSettings
from callboard.models.api.meta import OwnerReference
from callboard.models.messages.api import GetObject, Got, Listed, Refused, Written

ABSENT_LIMIT = 10_000
"""Owners remembered as absent; their UIDs never come back, so forgetting one costs a read."""
ENDED_LIMIT = 100_000
"""Objects of user-defined kinds that are remembered, by UID, as seen to end."""
READS_IN_FLIGHT_LIMIT = 256
"""Unanswered reads of owners; further ones wait."""
LOOK_AGAIN_S = 1.0
"""After a read that settled nothing."""
ASIDE_AGAIN_S = 30.0
"""Owners of kinds that are not watched are read this often."""


class _OwnerRead(msgspec.Struct, frozen=True, gc=False):
    """Context of a read of an owner."""

    key: str
    uid: str


class GarbageCollector(Controller):
    """The actor around `graph`."""

    def __init__(self, port: Port, client: ClientSettings) -> None:
        super().__init__(port, client)
        self.everything = self.inform(EVERYTHING, self._changed)
        self.graph = Graph()
        self.kinds = Kinds()
        self._absent: dict[tuple[str, str], None] = {}
        self._ended: dict[str, None] = {}
        self._unmapped: dict[str, None] = {}
        """Dependents with an owner of a kind that isn't declared when they were last decided."""
        self._asked: dict[tuple[str, str], dict[str, None]] = {}
        self._to_read: dict[tuple[str, str], None] = {}
        self._reads_in_flight = 0

    # -- events -----------------------------------------------------------------------------------------------------------------------

    def _changed(self, key: str, old: Any, new: Any) -> None:
        before = old.metadata.owner_references if old is not None else ()
        after = new.metadata.owner_references if new is not None else ()
        if old is not None and new is not None:
            if old.metadata.uid != new.metadata.uid:  # another object of the same name: the end of one, the beginning of another
                self._changed(key, old, None)
                self._changed(key, None, new)
                return
            same_deletion = old.metadata.deletion_timestamp == new.metadata.deletion_timestamp
            if before == after and same_deletion and old.metadata.finalizers == new.metadata.finalizers:
                self._kinds_changed(old, new)
                return
        self._kinds_changed(old, new)
        if before != after:
            self.graph.changed(key, before, after)
        if old is not None:
            self._tell_waiting_owners(old)
        if new is None:
            self._unmapped.pop(key, None)
            if self.kinds.is_user_defined(key):
                _remember(self._ended, old.metadata.uid, ENDED_LIMIT)
            self._mark_all(self.graph.dependents(old.metadata.uid))
            return
        meta = new.metadata
        if meta.deletion_timestamp and (is_waiting(new) or is_orphaning(new)):
            self.mark(key)
            self._mark_all(self.graph.dependents(meta.uid))
        elif after and not (self.synced and self._all_there(after, meta.namespace)):
            self.mark(key)

    def _kinds_changed(self, old: Any, new: Any) -> None:
        """Kubernetes tries again for ever what has an owner of an unknown kind; here a definition that comes or goes is the occasion."""
        if self.kinds.changed(old, new):
            unmapped, self._unmapped = self._unmapped, {}
            self._mark_all(tuple(unmapped))

    def _mark_all(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            self.mark(key)

    def _tell_waiting_owners(self, obj: Any) -> None:
        for reference in obj.metadata.owner_references:
            key = self.kinds.owner_key(reference, obj.metadata.namespace)
            owner = self.everything.objects.get(key)
            if owner is not None and owner.metadata.uid == reference.uid and owner.metadata.deletion_timestamp:
                self.mark(key)

    def _all_there(self, references: tuple[OwnerReference, ...], namespace: str) -> bool:
        for reference in references:
            owner = self.everything.objects.get(self.kinds.owner_key(reference, namespace))
            if owner is None or owner.metadata.uid != reference.uid or owner.metadata.deletion_timestamp:
                return False
        return True

    def elected(self) -> None:
        super().elected()
        for key, obj in self.everything.objects.items():
            if obj.metadata.owner_references or obj.metadata.deletion_timestamp:
                self.mark(key)

    # -- decisions --------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        obj = self.everything.objects.get(key)
        if obj is None:
            return ()
        target = Target(key, key.split("/", 1)[0], obj)
        meta = obj.metadata
        dependents = {one: self.everything.objects[one] for one in self.graph.dependents(meta.uid) if one in self.everything.objects}
        if meta.deletion_timestamp:
            wanted = decide_owner(target, dependents)
            if wanted:
                return wanted
        return decide_dependent(target, lambda reference: self._state_of(reference, key, meta.namespace), dependents)

    def _state_of(self, reference: OwnerReference, dependent: str, namespace: str) -> OwnerState:
        key = self.kinds.owner_key(reference, namespace)
        owner = self.everything.objects.get(key)
        if owner is not None and owner.metadata.uid == reference.uid:
            return "waiting" if is_waiting(owner) else "present"
        if reference.uid in self._ended or (key, reference.uid) in self._absent:
            return "absent"
        if key:
            self._ask(key, reference.uid, dependent)
        else:
            self._unmapped[dependent] = None
        return "unknown"

    def wrote(self, key: str, action: act.Action, answer: Written) -> None:
        self.own_writes.acknowledged(key, EVERYTHING, answer.revision)

    # -- reads of owners --------------------------------------------------------------------------------------------------------------

    def _ask(self, key: str, uid: str, dependent: str) -> None:
        waiting = self._asked.get((key, uid))
        if waiting is not None:
            waiting[dependent] = None
            return
        self._asked[key, uid] = {dependent: None}
        self._to_read[key, uid] = None
        self._send_reads()

    def _send_reads(self) -> None:
        for key, uid in list(islice(self._to_read, max(READS_IN_FLIGHT_LIMIT - self._reads_in_flight, 0))):
            del self._to_read[key, uid]
            self._reads_in_flight += 1
            resource, namespace, name = key.split("/", 2)
            self.call(GetObject, _OwnerRead(key, uid), resource=resource, namespace=namespace, name=name)

    def answered(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        if isinstance(context, _OwnerRead):
            self._reads_in_flight -= 1
            self._owner_read(context, answer)
            self._send_reads()
        else:
            super().answered(context, answer)

    def _owner_read(self, read: _OwnerRead, answer: Got | Listed | Written | Refused) -> None:
        dependents = self._asked.pop((read.key, read.uid))
        if isinstance(answer, Got) and answer.obj.metadata.uid == read.uid:
            self._owner_lives(read, answer, tuple(dependents))
        elif isinstance(answer, Got) or (isinstance(answer, Refused) and answer.reason == "NotFound"):
            _remember(self._absent, (read.key, read.uid), ABSENT_LIMIT)
            self._mark_all(tuple(dependents))
        else:
            for key in dependents:
                self.mark_after(key, LOOK_AGAIN_S)

    def _owner_lives(self, read: _OwnerRead, answer: Got, dependents: tuple[str, ...]) -> None:
        """The cache is behind, or the owner is of a kind that isn't watched: look again when that may have changed."""
        for key in dependents:
            if read.key.split("/", 1)[0] in ASIDE:
                self.mark_after(key, ASIDE_AGAIN_S)
            elif answer.revision > self.everything.revision:
                self.own_writes.acknowledged(key, EVERYTHING, answer.revision)
            else:
                self.mark_after(key, LOOK_AGAIN_S)


def _remember(known: dict[Any, None], what: Any, limit: int) -> None:
    """Note something, and forget the oldest where there is too much."""
    known[what] = None
    if len(known) > limit:
        del known[next(iter(known))]
