"""A component's own view of one resource, kept equal to the store's by listing once and watching from there.

Owned by an `ApiComponent`, which hands it the messages of its stream. The rules (design: every stream may stall, break or be repeated):
a batch out of its turn waits a moment for the missing one, then the informer lists again; a repeat is dropped; a list turns what has
vanished into deletions; 410 Gone is a normal way to a new list; a list is never older than what this process has seen, since it asks
for one as new as the store; a stream that fell silent is resumed from the last revision, perhaps at another apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from callboard.actors.component import Port
from callboard.actors.leadership import Election
from callboard.models.messages.api import (
    AckWatch,
    Got,
    Listed,
    ListObjects,
    Refused,
    StopWatch,
    WatchBatch,
    WatchClosed,
    WatchObjects,
    Written,
    object_key,
)
from callboard.models.messages.base import Address, Message, Request

ChangeHandler = Callable[[str, Any, Any], None]
"""Called with the key, the old object (None: new) and the new object (None: gone)."""
IndexFunction = Callable[[Any], tuple[str, ...]]

ACK_EVERY_BATCHES = 256
EARLY_BATCHES_LIMIT = 1024
"""Batches kept while a gap waits for its missing piece; beyond, the informer lists at once."""
UNSERVED_CODE = 404
"""A list is refused so only if its kind isn't served."""
_NOTHING: Mapping[str, Any] = {}


class ClientSettings(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How a component uses the API. `watch_silence_s` is a multiple of the apiserver's heartbeat interval.

    `election` is for components of which there are several copies: the Lease that they compete for. `endpoint_batch_s` is
    `Timing.endpoint_batch_s`.
    """

    apiservers: tuple[Address, ...] = ("apiserver-0",)
    request_timeout_s: float = 10.0
    watch_silence_s: float = 30.0
    gap_wait_s: float = 0.5
    retry_s: float = 0.2
    retry_limit_s: float = 5.0
    election: Election | None = None
    endpoint_batch_s: float = 0.02


class RetryInformer(Message, frozen=True, gc=False):
    """Timer: an informer's list or watch was refused; try again."""

    informer: int


class GapExpired(Message, frozen=True, gc=False):
    """Timer: the missing piece of a watch stream did not arrive."""

    informer: int
    subscription: int
    seq: int


class InformerOwner(Protocol):
    """What an informer needs of the component that it belongs to; `ApiComponent` has it."""

    port: Port
    server: Address

    def call(self, request: type[Request], context: Any, /, **fields: Any) -> int: ...

    def next_id(self) -> int: ...

    def bind_stream(self, subscription: int, informer: Informer) -> None: ...

    def drop_stream(self, subscription: int) -> None: ...

    def caught_up(self, informer: Informer) -> None: ...

    def nothing_more_of(self, informer: Informer) -> None: ...


class Informer:
    """Objects of one resource by store key, with indexes.

    `revision` is how far this view has come; `synced` tells that the first list has been taken in.
    """

    def __init__(
        self,
        owner: InformerOwner,
        settings: ClientSettings,
        number: int,
        resource: str,
        on_change: ChangeHandler,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
    ) -> None:
        self.owner = owner
        self.settings = settings
        self.number = number
        self.resource = resource
        self.on_change = on_change
        self.selection: dict[str, Any] = {"namespace": namespace, "labels": labels, "fields": fields}
        self.place = f"{namespace}/{resource}" if namespace else resource
        """What of the store it shows."""
        self.objects: dict[str, Any] = {}
        self.revision = 0
        self.synced = False
        self.unserved = False
        """Whether the last thing heard of a list was that no such kind is served."""
        self.relists = 0
        self._indexes: dict[str, tuple[IndexFunction, dict[str, dict[str, Any]]]] = {}
        self._subscription = 0
        self.server: Address = ""
        """Where its present or last stream comes from."""
        self._list = 0
        self._barren = 0
        self._expected_seq = 1
        self._early: dict[int, WatchBatch | WatchClosed] = {}
        self._last_heard_s = 0.0
        self._listing = False
        self.stopped = False
        self._attempt = 0

    # -- reading ----------------------------------------------------------------------------------------------------------------

    def get(self, namespace: str, name: str) -> Any | None:
        """The object, or None."""
        return self.objects.get(object_key(self.resource, namespace, name))

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Keep an index; to be called before the informer is started."""
        self._indexes[name] = (function, {})

    def by(self, index: str, value: str) -> Mapping[str, Any]:
        """Key to object, of all objects that the index lists under `value`, oldest entry first."""
        return self._indexes[index][1].get(value, _NOTHING)

    # -- the life of the stream ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with a list that is as new as the store."""
        self._listing = True
        self._leave_stream()
        self._list = self.owner.call(ListObjects, self, resource=self.resource, min_revision=-1, **self.selection)

    def resume(self) -> None:
        """Open a new stream from where this view stands."""
        self._leave_stream()
        self._subscription = self.owner.next_id()
        self._expected_seq = 1
        self._last_heard_s = self.owner.port.now()
        self.owner.bind_stream(self._subscription, self)
        owner = self.owner
        self.server = owner.server
        request = WatchObjects(self._subscription, owner.port.me, self.resource, self.revision, **self.selection)
        owner.port.send(self.server, request)

    @property
    def started(self) -> bool:
        """Whether it has ever been asked to list: some components look at what they need only."""
        return self._list != 0

    def silent_since(self, moment_s: float) -> bool:
        """Whether there is a stream that has not been heard of since `moment_s`."""
        self._last_heard_s = min(self._last_heard_s, self.owner.port.now())  # the clock may have been set back
        return self._subscription != 0 and not self._listing and self._last_heard_s < moment_s

    def _leave_stream(self) -> None:
        if self._subscription:
            self.owner.port.send(self.server, StopWatch(self._subscription, self.owner.port.me))
            self.owner.drop_stream(self._subscription)
            self._subscription = 0
        self._early.clear()

    def relist(self) -> None:
        """Throw the stream away and list again."""
        self.relists += 1
        self.start()

    def catch_up(self, revision: int) -> None:
        """See to it that this view comes to `revision` soon, though nothing of its resource may have changed since."""
        if self.synced and not self._listing and self.revision < revision:
            self.relist()

    def stop(self) -> None:
        """Look no longer, and forget; for good."""
        self._leave_stream()
        self._list = 0
        self._listing = self.synced = False
        self.stopped = True
        self.objects.clear()
        for _, table in self._indexes.values():
            table.clear()
        self.owner.nothing_more_of(self)

    def listed(self, answer: Got | Listed | Written | Refused) -> None:
        """The list has arrived, or was refused."""
        if answer.id != self._list:
            return  # of a list that has been given up for a newer one
        if isinstance(answer, Refused):
            self.unserved = answer.code == UNSERVED_CODE
            if self.unserved:
                self.owner.nothing_more_of(self)
        if not isinstance(answer, Listed) or answer.revision < self.revision:
            self._retry_later()
            return
        self._listing = self.unserved = False
        self._attempt = 0
        fresh = dict(zip(self._keys(answer), answer.objects, strict=True))
        for key in [key for key in self.objects if key not in fresh]:
            self._change(key, None)
        for key, obj in fresh.items():
            self._change(key, obj)
        self.revision = answer.revision
        self.synced = True
        self.resume()
        self.owner.caught_up(self)

    def _keys(self, answer: Listed) -> Iterable[str]:
        """The keys of a list's objects; a list of everything tells them, since its objects are of many resources."""
        if answer.keys:
            return answer.keys
        return (object_key(self.resource, obj.metadata.namespace, obj.metadata.name) for obj in answer.objects)

    def _retry_later(self) -> None:
        self._attempt += 1
        port = self.owner.port
        delay_s = min(self.settings.retry_s * 2 ** min(self._attempt - 1, 16), self.settings.retry_limit_s) * (0.5 + port.random())
        port.after(delay_s, RetryInformer(self.number))

    def retry(self) -> None:
        """The pause after a refusal is over."""
        if self._listing:
            self.start()
        elif self._subscription == 0:
            self.resume()

    # -- pieces of the stream -----------------------------------------------------------------------------------------------------

    def heard(self, piece: WatchBatch | WatchClosed) -> None:
        """Take in the next piece, and what waited for it."""
        if piece.id != self._subscription:
            return
        self._last_heard_s = self.owner.port.now()
        if piece.seq < self._expected_seq:
            return  # a repeat
        if piece.seq > self._expected_seq:
            self._wait_for_missing(piece)
            return
        self._take(piece)
        while self._early and (waiting := self._early.pop(self._expected_seq, None)) is not None:
            self._take(waiting)
        if self._early:  # one gap was filled, and another lies behind it
            self._watch_gap()
        self.owner.caught_up(self)

    def _watch_gap(self) -> None:
        self.owner.port.after(self.settings.gap_wait_s, GapExpired(self.number, self._subscription, self._expected_seq))

    def _wait_for_missing(self, piece: WatchBatch | WatchClosed) -> None:
        if not self._early:
            self._watch_gap()
        self._early[piece.seq] = piece
        if len(self._early) > EARLY_BATCHES_LIMIT:
            self.relist()

    def gap_expired(self, subscription: int, seq: int) -> None:
        """The moment for the missing piece is over."""
        if subscription == self._subscription and seq == self._expected_seq and self._early:
            self.relist()

    def _take(self, piece: WatchBatch | WatchClosed) -> None:
        self._expected_seq = piece.seq + 1
        if isinstance(piece, WatchClosed):
            self._closed(piece)
            return
        self._attempt = self._barren = 0
        for event in piece.events:
            if event.type != "DELETED":
                self._change(event.key, event.obj)
            elif not self._is_newer(event.key, event.obj):
                self._change(event.key, None)
        if piece.revision > self.revision:
            self.revision = piece.revision
        if piece.seq % ACK_EVERY_BATCHES == 0:
            self.owner.port.send(self.server, AckWatch(piece.id, self.owner.port.me, piece.seq))

    def _is_newer(self, key: str, gone: Any) -> bool:
        """Whether what is known under this key is newer than the object whose end is told: its successor."""
        known = self.objects.get(key)
        return known is not None and gone is not None and known.metadata.resource_version > gone.metadata.resource_version

    def _closed(self, closed: WatchClosed) -> None:
        self.owner.drop_stream(self._subscription)
        self._subscription = 0
        self._early.clear()
        if closed.code not in (410, 429):
            self._retry_later()
        elif self._barren == 0:
            self._barren = 1
            self.relist()
        else:  # the stream before this one gave nothing either: a pause, or list and watch chase each other
            self._listing = True
            self._retry_later()

    def _change(self, key: str, new: Any) -> None:
        old = self.objects.get(key)
        if new is None:
            if old is None:
                return
            del self.objects[key]
        else:
            if old is not None and new.metadata.resource_version <= old.metadata.resource_version:
                return
            self.objects[key] = new
        for function, table in self._indexes.values():
            self._reindex(function, table, key, old, new)
        self.on_change(key, old, new)

    @staticmethod
    def _reindex(function: IndexFunction, table: dict[str, dict[str, Any]], key: str, old: Any, new: Any) -> None:
        before = function(old) if old is not None else ()
        after = function(new) if new is not None else ()
        for value in before:
            if value not in after:
                entries = table[value]
                del entries[key]
                if not entries:
                    del table[value]
        for value in after:
            table.setdefault(value, {})[key] = new
