"""The store as a component: transactions in, answers and one numbered change stream per follower out.

Apiservers are its only clients. With `journal` set, it hands groups to that driver and says nothing before they are durable; while one
sync runs, all that arrives gathers for the next. Without, its state lives in the machine's `disk` mapping and so survives a crash of the
process, as a disk that never fails would make it.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import msgspec

from callboard.actors.component import Component, Port, handles
from callboard.actors.store.keyspace import Keyspace
from callboard.actors.store.messages import (
    BATCHES_PER_OPENING,
    BeatFollowers,
    ExpireKeys,
    FlushChanges,
    JournalOpened,
    JournalReady,
    JournalRefused,
    OpenJournal,
    SendBatch,
)
from callboard.models.messages.base import Address, Request
from callboard.models.messages.store import (
    Append,
    AppendFailed,
    Compact,
    FollowStore,
    RangeRead,
    ReadRange,
    ReadRevision,
    RevisionRead,
    StoreChanged,
    StoreEvent,
    StoreRefused,
    Synced,
    Transact,
)

DISK_ENTRY = "store"
WAITING_LIMIT = 20_000
"""Requests that wait while the journal is being read; further ones are refused with 503."""
FULL_PAUSE_S = 1.0
"""For so long nothing is written after the disk had no room; then the next transaction tries again. Reads go on."""
NO_ROOM = "the store's disk is full: nothing was changed, try again later"
RESEND_BEATS = 5
"""After so many beats without a word from the journal driver, it is told again what it was told last."""


class StoreFailed(Exception):
    """The journal takes no more: this incarnation ends, the next one opens the journal anew."""


class StoreSettings(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Bounds (in changes and keys) and periods of a store."""

    history_limit: int = 50_000
    ephemeral_limit: int = 10_000
    heartbeat_s: float = 1.0
    expiry_s: float = 30.0


class _Follower(msgspec.Struct, gc=False):
    """A change stream. `after` drops what a stream on a future revision must not see."""

    to: Address
    id: int
    after: int
    seq: int = 0
    idle: bool = False


class Store(Component):
    """Keys, revisions, leases. `disk` is the machine's, used without a journal (with one, an entry that is there shows the present keyspace
    to those who look from outside); `journal` is the address of a journal driver."""

    def __init__(
        self,
        port: Port,
        disk: MutableMapping[str, Any] | None = None,
        journal: Address = "",
        settings: StoreSettings | None = None,
    ) -> None:
        super().__init__(port)
        self.settings = settings or StoreSettings()
        self._journal = journal
        self._followers: dict[str, _Follower] = {}
        self._flush_sent = False
        self._batch_due = False
        self._in_flight: Append | None = None
        self._silent_beats = 0
        self._attempt = 0
        self._full_until_s = 0.0
        self._disk = disk
        self._waiting: list[Request] = []
        self._keyspace: Keyspace | None = None
        if not journal:
            place = disk if disk is not None else {}
            if DISK_ENTRY not in place:
                place[DISK_ENTRY] = Keyspace(history_limit=self.settings.history_limit, ephemeral_limit=self.settings.ephemeral_limit)
            self._keyspace = place[DISK_ENTRY]
            self._keyspace.take_fresh()  # whoever followed the last incarnation resumes from the history

    def on_start(self) -> None:
        """Open the journal, if there is one, and begin to beat."""
        if self._journal:
            self._open()
        self.port.after(self.settings.heartbeat_s, BeatFollowers(), periodic=True)
        self.port.after(self.settings.expiry_s, ExpireKeys(), periodic=True)

    # -- transactions and reads -------------------------------------------------------------------------------------------------

    @handles(Transact)
    def _transact(self, request: Transact) -> None:
        keyspace = self._keyspace
        if keyspace is None:
            self._wait(request)
            return
        if self._full_until_s and request.ops and self._is_full():
            self.port.send(request.reply_to, StoreRefused(request.id, 503, NO_ROOM))
            return
        answer = keyspace.transact(request, self.port.now())
        if answer is not None:
            self.port.send(request.reply_to, answer)
        self._go_on(keyspace)

    @handles(ReadRange)
    def _read_range(self, request: ReadRange) -> None:
        keyspace = self._keyspace
        if keyspace is None:
            self._wait(request)
            return
        if request.revision > keyspace.revision:
            text = f"revision {request.revision} is in the future, the store is at {keyspace.revision}"
            self.port.send(request.reply_to, StoreRefused(request.id, 504, text))
            return
        items = keyspace.read(request.prefix, request.revision)
        if items is None:
            self.port.send(request.reply_to, self._compacted(request.id, request.revision, keyspace))
        else:
            self.port.send(request.reply_to, RangeRead(request.id, tuple(items), request.revision or keyspace.revision))

    @handles(ReadRevision)
    def _read_revision(self, request: ReadRevision) -> None:
        if self._keyspace is None:
            self._wait(request)
        else:
            self.port.send(request.reply_to, RevisionRead(request.id, self._keyspace.revision))

    def _wait(self, request: Request) -> None:
        if len(self._waiting) < WAITING_LIMIT or isinstance(request, FollowStore):  # of these there are as many as apiservers
            self._waiting.append(request)
        else:
            self.port.send(request.reply_to, StoreRefused(request.id, 503, "the store is still reading its journal"))

    @handles(Compact)
    def _compact(self, request: Compact) -> None:
        if self._keyspace is not None:
            self._keyspace.compact(request.revision)

    @staticmethod
    def _compacted(number: int, revision: int, keyspace: Keyspace) -> StoreRefused:
        return StoreRefused(number, 410, f"too old resource version: {revision} ({keyspace.history.compacted})")

    # -- change streams -----------------------------------------------------------------------------------------------------------

    @handles(FollowStore)
    def _follow(self, request: FollowStore) -> None:
        keyspace = self._keyspace
        if keyspace is None:
            self._wait(request)
            return
        name = request.reply_to.partition("#")[0]
        known = self._followers.get(name)
        if known is not None and known.to == request.reply_to and known.id >= request.id:
            return  # a repeat: opening the stream again would number it from 1 again
        self._flush(keyspace)
        follower = _Follower(request.reply_to, request.id, request.from_revision)
        if request.from_revision == 0:
            events = tuple(StoreEvent(key, obj, None, obj.metadata.resource_version) for key, obj in keyspace.items.items())
            self._followers[name] = follower
            self._tell(follower, events, keyspace.revision, picture=True)
            return
        missed = keyspace.history.since(request.from_revision)
        if missed is None:
            self._followers.pop(name, None)
            self.port.send(request.reply_to, self._compacted(request.id, request.from_revision, keyspace))
            return
        self._followers[name] = follower
        self._tell(follower, tuple(missed), keyspace.revision)

    def _tell(self, follower: _Follower, events: tuple[StoreEvent, ...], revision: int, *, picture: bool = False) -> None:
        follower.seq += 1
        follower.idle = False
        self.port.send(follower.to, StoreChanged(follower.id, follower.seq, events, revision, picture))

    def _go_on(self, keyspace: Keyspace) -> None:
        """After anything that may have changed something: see that followers and journal get to know."""
        if keyspace.has_fresh and not self._flush_sent:
            self._flush_sent = True
            self.port.send(self.port.me, FlushChanges())
        if self._journal and self._in_flight is None and not self._batch_due and keyspace.has_group:
            self._batch_due = True
            self.port.send(self.port.me, SendBatch())

    @handles(FlushChanges)
    def _flush_changes(self, _: FlushChanges) -> None:
        self._flush_sent = False
        if self._keyspace is not None:
            self._flush(self._keyspace)

    def _flush(self, keyspace: Keyspace) -> None:
        if not keyspace.has_fresh:
            return
        events, revision = keyspace.take_fresh(), keyspace.revision
        for follower in self._followers.values():
            if follower.after < events[0].revision:
                self._tell(follower, events, revision)
            else:
                later = tuple(event for event in events if event.revision > follower.after)
                if later:
                    self._tell(follower, later, revision)

    @handles(BeatFollowers)
    def _beat(self, _: BeatFollowers) -> None:
        self.port.after(self.settings.heartbeat_s, BeatFollowers(), periodic=True)
        self._remind_journal()
        keyspace = self._keyspace
        if keyspace is None:
            return
        self._flush(keyspace)
        for follower in self._followers.values():
            if follower.idle:
                self._tell(follower, (), keyspace.revision)
            follower.idle = True

    @handles(ExpireKeys)
    def _expire(self, _: ExpireKeys) -> None:
        self.port.after(self.settings.expiry_s, ExpireKeys(), periodic=True)
        if self._keyspace is not None:
            self._keyspace.expire(self.port.now())
            self._go_on(self._keyspace)

    # -- the journal --------------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._attempt += 1
        self._silent_beats = 0
        self.port.send(self._journal, OpenJournal(self._attempt, self.port.me))

    def _remind_journal(self) -> None:
        """A link may have lost what was said to the driver, or its answer; repeats are harmless."""
        self._silent_beats += 1
        if not self._journal or self._silent_beats < RESEND_BEATS:
            return
        if self._keyspace is None:
            self._silent_beats = 0
            self.port.send(self._journal, OpenJournal(self._attempt, self.port.me))
        elif self._in_flight is not None:
            self._silent_beats = 0
            self.port.send(self._journal, self._in_flight)

    @handles(JournalOpened)
    def _opened(self, opened: JournalOpened) -> None:
        if self._keyspace is not None or opened.attempt != self._attempt:
            return
        for warning in opened.warnings:
            self.port.log.warning("journal recovered", problem=warning)
        self._keyspace = Keyspace(
            dict(opened.items),
            opened.reserved_revision,
            journaled=True,
            first_batch=self._attempt * BATCHES_PER_OPENING,
            history_limit=self.settings.history_limit,
            ephemeral_limit=self.settings.ephemeral_limit,
        )
        if self._disk is not None and DISK_ENTRY in self._disk:
            self._disk[DISK_ENTRY] = self._keyspace
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self.on_receive(request)

    @handles(JournalReady)
    def _journal_ready(self, _: JournalReady) -> None:
        """Either the driver has come up after us, or it has been restarted and may have lost what it had not confirmed: in both
        cases what is durable is read anew. Whoever waits for an unconfirmed answer hears nothing and finds out by reading."""
        self._keyspace = None
        self._in_flight = None
        self._full_until_s = 0.0
        self._followers.clear()
        self._open()

    @handles(JournalRefused)
    def _refused(self, refused: JournalRefused) -> None:
        if refused.attempt == self._attempt and refused.full:
            self.port.log.warning("the journal can't be opened yet", problem=refused.message)  # it is asked again after some beats
        elif refused.attempt == self._attempt:
            raise StoreFailed(f"the store can't open its journal: {refused.message}")

    @handles(SendBatch)
    def _send_batch(self, _: SendBatch) -> None:
        self._batch_due = False
        if self._keyspace is not None and self._in_flight is None and self._keyspace.has_group:
            self._append(self._keyspace)

    def _append(self, keyspace: Keyspace) -> None:
        batch, group = keyspace.take_group()
        self._in_flight = append = Append(batch, (group,), self.port.me)
        self._silent_beats = 0
        self.port.send(self._journal, append)

    @handles(Synced)
    def _synced(self, synced: Synced) -> None:
        keyspace = self._keyspace
        if keyspace is None or self._in_flight is None or synced.batch != self._in_flight.batch:
            return  # a repeat, or of a time before the journal was opened anew
        reserved, self._in_flight = self._in_flight.groups[-1].reserved_revision, None
        if keyspace.has_group:
            self._append(keyspace)  # first of all, so that the disk is never idle
        for to, answer in keyspace.synced(synced.batch, reserved):
            self.port.send(to, answer)
        self._go_on(keyspace)

    @handles(AppendFailed)
    def _append_failed(self, failed: AppendFailed) -> None:
        if not failed.full:
            raise StoreFailed(f"the store's journal can't be written: {failed.message}")
        keyspace = self._keyspace
        if keyspace is None or self._in_flight is None or failed.batch != self._in_flight.batch:
            return
        self.port.log.warning("nothing can be written", problem=failed.message)
        self._in_flight = None
        self._full_until_s = self.port.now() + FULL_PAUSE_S
        for to, number in keyspace.retract():
            self.port.send(to, StoreRefused(number, 503, NO_ROOM))

    def _is_full(self) -> bool:
        """Whether the disk had no room a moment ago."""
        now_s = self.port.now()
        self._full_until_s = min(self._full_until_s, now_s + FULL_PAUSE_S)  # the clock may have been set back
        if now_s >= self._full_until_s:
            self._full_until_s = 0.0
        return self._full_until_s > 0.0
