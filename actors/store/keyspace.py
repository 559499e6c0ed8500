"""The store's core: keys, revisions, compares and fences, as a plain synchronous class that knows no actor and no disk.

Driven by the `Store` actor. One transaction is one revision. Where nothing has to be made durable, a transaction is carried out at once.
With a journal it goes into a queue first: compares see what is queued (so commits pipeline), but it becomes visible, and is answered,
only when `synced` says that its batch is on the disk. The queue keeps the order of revisions, so a refusal or an ephemeral write that
stands behind an unsynced one waits with it, and a progress mark never runs ahead of the changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from callboard.actors.store.ephemeral import EphemeralKeys
from callboard.actors.store.history import History
from callboard.models.messages.base import Address, Answer
from callboard.models.messages.store import Committed, Fence, Put, StoreEvent, Transact, TransactionFailed

replace = msgspec.structs.replace

RESERVED_REVISIONS = 10_000
"""How many revisions a group reserves ahead for ephemeral writes, so that these need no sync of their own."""


class CommitGroup(msgspec.Struct, frozen=True, gc=False):
    """What has to become durable together: all transactions of one batch. Ephemeral changes are not among the `changes`."""

    first_revision: int
    last_revision: int
    reserved_revision: int
    changes: tuple[StoreEvent, ...]


class _Queued(msgspec.Struct, frozen=True, gc=False):
    """A transaction, or a refusal, that waits until `batch` is durable."""

    batch: int
    revision: int
    events: tuple[StoreEvent, ...]
    to: Address
    answer: Answer | None
    expiries: tuple[tuple[str, float | None], ...] = ()
    """When the keys were to expire before it, for the case that it is taken back."""


class Keyspace:
    """All keys with their objects.

    `items` and `revision` are what is durable and visible. `head` is the last revision handed out. With `journaled=True`, transactions
    become visible by `take_group` and `synced` only.
    """

    def __init__(
        self,
        items: Mapping[str, Any] | None = None,
        revision: int = 0,
        *,
        journaled: bool = False,
        first_batch: int = 1,
        history_limit: int = 50_000,
        ephemeral_limit: int = 10_000,
    ) -> None:
        self.items: dict[str, Any] = dict(items or {})
        self.revision = self.head = revision
        self.history = History(history_limit, compacted=revision)
        self.ephemeral = EphemeralKeys(ephemeral_limit)
        self._journaled = journaled
        self._fresh: list[StoreEvent] = []
        self._overlay: dict[str, StoreEvent] = {}
        self._queue: deque[_Queued] = deque()
        self._unsent: list[StoreEvent] = []
        self._group_due = False
        self._taken_batch = self._last_batch = first_batch - 1
        self._group_head = revision
        self._reserved = self._reserving = revision

    # -- transactions -----------------------------------------------------------------------------------------------------------

    def transact(self, request: Transact, now_s: float) -> Answer | None:
        """Carry out or refuse a transaction; None if its answer comes from `synced` later."""
        items, overlay = self.items, self._overlay
        for compare in request.compares:
            key = compare.key
            obj = overlay[key].obj if key in overlay else items.get(key)
            if (0 if obj is None else obj.metadata.resource_version) != compare.mod_revision:
                return self._refuse(request, fenced=False)
        if request.fence is not None and not self._in_force(request.fence):
            return self._refuse(request, fenced=True)
        revision = self.head + 1
        expiries = self._expiries([op.key for op in request.ops]) if self._journaled else ()
        events: list[StoreEvent] = []
        objects: list[Any] = []
        lasting: list[StoreEvent] = []
        for op in request.ops:
            key = op.key
            old = overlay[key].obj if key in overlay else items.get(key)
            if op.__class__ is Put:
                obj = op.obj
                obj = replace(obj, metadata=replace(obj.metadata, resource_version=revision))
                objects.append(obj)
                event = StoreEvent(key, obj, old, revision)
                if op.ephemeral_s > 0.0:
                    if self._journaled and old is not None and key not in self.ephemeral:
                        lasting.append(StoreEvent(key, None, old, revision))  # else the journal would bring it back
                    self.ephemeral.touch(key, now_s + op.ephemeral_s)
                else:
                    if key in self.ephemeral:
                        self.ephemeral.forget(key)
                    if self._journaled:
                        lasting.append(event)
            else:
                objects.append(old)
                if old is None:
                    continue
                event = StoreEvent(key, None, old, revision)
                if key in self.ephemeral:
                    self.ephemeral.forget(key)
                elif self._journaled:
                    lasting.append(event)
            events.append(event)
            if self._journaled:
                overlay[key] = event
            elif event.obj is None:
                del items[key]
            else:
                items[key] = event.obj
        if not events:
            return self._unchanged(request, tuple(objects))
        if len(self.ephemeral) > self.ephemeral.limit:
            surplus = self.ephemeral.surplus()
            expiries += self._expiries(surplus)
            events.extend(self._drop(surplus, revision))
        self.head = revision
        answer = Committed(request.id, revision, tuple(objects))
        return answer if self._commit(events, lasting, request.reply_to, answer, expiries) else None

    def expire(self, now_s: float) -> None:
        """Remove the ephemeral keys whose time is over, all in one revision."""
        keys = self.ephemeral.expired(now_s)
        if keys:
            self.head += 1
            expiries = self._expiries(keys)
            self._commit(self._drop(keys, self.head), [], "", None, expiries)

    def _expiries(self, keys: list[str]) -> tuple[tuple[str, float | None], ...]:
        return tuple((key, self.ephemeral.expiry_of(key)) for key in keys) if self._journaled else ()

    def _drop(self, keys: list[str], revision: int) -> list[StoreEvent]:
        events = []
        for key in keys:
            self.ephemeral.forget(key)
            event = StoreEvent(key, None, self.pending(key), revision)
            events.append(event)
            if self._journaled:
                self._overlay[key] = event
            else:
                del self.items[key]
        return events

    def _commit(
        self,
        events: list[StoreEvent],
        lasting: list[StoreEvent],
        to: Address,
        answer: Answer | None,
        expiries: tuple[tuple[str, float | None], ...],
    ) -> bool:
        """Make events visible now (True), or put them into the queue."""
        if self._journaled:
            self._unsent.extend(lasting)
            if lasting or self.head > self._reserved:
                self._group_due = True
                self._last_batch = self._taken_batch + 1
            elif not self._queue:
                self._show(tuple(events), self.head)
                return True
            self._queue.append(_Queued(self._last_batch, self.head, tuple(events), to, answer, expiries))
            return False
        self._fresh.extend(events)
        self.history.extend(events)
        self.revision = self.head
        return True

    def _in_force(self, fence: Fence) -> bool:
        lease = self.pending(fence.key)
        return lease is not None and lease.spec is not None and (lease.spec.lease_transitions or 0) == fence.epoch

    def pending(self, key: str) -> Any | None:
        """The object as the next transaction will find it, durable or not. For deciding only: never to be told to anybody."""
        event = self._overlay.get(key)
        return event.obj if event is not None else self.items.get(key)

    def _refuse(self, request: Transact, *, fenced: bool) -> Answer | None:
        keys = [compare.key for compare in request.compares]
        if request.fence is not None:
            saw_pending = request.fence.key in self._overlay
        else:
            saw_pending = False
        current = tuple((key, self.pending(key)) for key in keys)
        answer = TransactionFailed(request.id, self.head, current, fenced)
        return self._when_seen_is_durable(request, answer, saw_pending or any(key in self._overlay for key in keys))

    def _unchanged(self, request: Transact, objects: tuple[Any, ...]) -> Answer | None:
        answer = Committed(request.id, self.head, objects)
        keys = [compare.key for compare in request.compares] + [op.key for op in request.ops]
        return self._when_seen_is_durable(request, answer, any(key in self._overlay for key in keys))

    def _when_seen_is_durable(self, request: Transact, answer: Committed | TransactionFailed, saw_pending: bool) -> Answer | None:
        if not saw_pending:
            return replace(answer, revision=self.revision)
        self._queue.append(_Queued(self._last_batch, self.head, (), request.reply_to, answer))
        return None

    # -- durability -------------------------------------------------------------------------------------------------------------

    @property
    def has_group(self) -> bool:
        """Whether something waits to be made durable."""
        return self._group_due

    def take_group(self) -> tuple[int, CommitGroup]:
        """Number and content of the next batch to be made durable: everything since the one before."""
        if self.head + RESERVED_REVISIONS // 2 > self._reserving:
            self._reserving = self.head + RESERVED_REVISIONS
        group = CommitGroup(self._group_head + 1, self.head, self._reserving, tuple(self._unsent))
        self._group_head = self.head
        self._unsent.clear()
        self._group_due = False
        self._taken_batch += 1
        return self._taken_batch, group

    def synced(self, batch: int, reserved_revision: int) -> list[tuple[Address, Answer]]:
        """All batches up to this one are durable: make them visible. Returns the answers that may now be given."""
        self._reserved = max(self._reserved, reserved_revision)
        answers: list[tuple[Address, Answer]] = []
        queue = self._queue
        while queue and queue[0].batch <= batch:
            entry = queue.popleft()
            if entry.events:
                self._show(entry.events, entry.revision)
            if entry.answer is not None:
                answers.append((entry.to, entry.answer))
        return answers

    def retract(self) -> list[tuple[Address, int]]:
        """Nothing that waits can be made durable: all of it is taken back, and its revisions are never used. Returns who waits for the
        answer to which request."""
        waiting = [(entry.to, entry.answer.id) for entry in self._queue if entry.answer is not None]
        for entry in reversed(self._queue):
            for key, expires_at_s in reversed(entry.expiries):
                if expires_at_s is None:
                    self.ephemeral.forget(key)
                else:
                    self.ephemeral.touch(key, expires_at_s)
        self._queue.clear()
        self._overlay.clear()
        self._unsent.clear()
        self._group_due = False
        self._group_head = self.head
        self._last_batch = self._taken_batch
        return waiting

    def _show(self, events: tuple[StoreEvent, ...], revision: int) -> None:
        items, overlay = self.items, self._overlay
        for event in events:
            key = event.key
            if overlay.get(key) is event:
                del overlay[key]
            if event.obj is None:
                items.pop(key, None)
            else:
                items[key] = event.obj
        self._fresh.extend(events)
        self.history.extend(events)
        self.revision = revision

    # -- reading ----------------------------------------------------------------------------------------------------------------

    def take_fresh(self) -> tuple[StoreEvent, ...]:
        """The visible changes since the last call."""
        fresh = tuple(self._fresh)
        self._fresh.clear()
        return fresh

    @property
    def has_fresh(self) -> bool:
        """Whether there are visible changes that `take_fresh` has not given out."""
        return bool(self._fresh)

    def read(self, prefix: str, revision: int = 0) -> list[tuple[str, Any]] | None:
        """All keys with this prefix in key order, as of `revision` (0: now); None if that revision is compacted."""
        found = {key: obj for key, obj in self.items.items() if key.startswith(prefix)}
        if revision:
            later = self.history.since(revision)
            if later is None:
                return None
            for event in reversed(later):
                if event.key.startswith(prefix):
                    if event.old is None:
                        found.pop(event.key, None)
                    else:
                        found[event.key] = event.old
        return sorted(found.items())

    def compact(self, revision: int) -> None:
        """Forget history before `revision`, never what is not visible yet."""
        self.history.compact(min(revision, self.revision))
