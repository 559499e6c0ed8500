"""Watch streams towards clients: opened, numbered, paced by credit, kept alive by heartbeats, closed. Owned by the `ApiServer`."""

from __future__ import annotations

from callboard.actors.apiserver.cache import WatchCache, resource_of
from callboard.actors.apiserver.reads import EVERYTHING, is_aside
from callboard.actors.apiserver.watches import Change, Selection, Watcher, WatchIndex, WatchKey
from callboard.actors.component import Port
from callboard.models.errors import ApiError, TooManyRequests, gone
from callboard.models.fieldlabels import selection
from callboard.models.messages.api import AckWatch, StopWatch, WatchBatch, WatchClosed, WatchEvent, WatchObjects
from callboard.models.messages.store import StoreEvent


class Streams:
    """All streams of one apiserver over its cache."""

    def __init__(self, port: Port, cache: WatchCache) -> None:
        self._port = port
        self._cache = cache
        self.index = WatchIndex()

    # -- opening and closing ------------------------------------------------------------------------------------------------------

    def open(self, request: WatchObjects) -> None:
        """Begin a stream with what has happened since the revision asked for; or say at once why there is none."""
        try:
            compiled = selection(request.resource, request.labels, request.fields)
            missed = self._missed(request)
        except ApiError as refusal:
            self.refuse(request, refusal)
            return
        after = max(request.from_revision, self._cache.revision)
        watcher = Watcher(request.reply_to, request.id, after, request.credit)
        if not self.index.add(watcher, (request.resource, request.namespace, request.labels, request.fields), compiled):
            return
        events = _seen(missed, self.index.selection_of(watcher))
        if events or self._cache.revision > request.from_revision:
            self._send(watcher, events, self._cache.revision)

    def _missed(self, request: WatchObjects) -> list[StoreEvent]:
        history = self._cache.history
        everything = request.resource == EVERYTHING
        since = request.from_revision
        missed = history.since(since) if everything else self._cache.missed(request.resource, since)
        if missed is None:
            raise gone(since, history.compacted)
        return missed

    def refuse(self, request: WatchObjects, refusal: ApiError) -> None:
        """There is no stream."""
        self._port.send(request.reply_to, _closed(request.id, 1, refusal))

    def ack(self, message: AckWatch) -> None:
        """A watcher has come so far."""
        watcher = self.index.watchers.get((message.reply_to, message.id))
        if watcher is not None and message.seq > watcher.acked:
            watcher.acked = message.seq

    def stop(self, message: StopWatch) -> None:
        """A watcher has lost interest."""
        self.index.remove((message.reply_to, message.id))

    def close_ahead(self, revision: int) -> None:
        """Close the streams of those who began after this revision, with "list again": a picture of the store does not tell what has come
        and gone between what the cache was then and what they had seen elsewhere."""
        for key in [key for key, watcher in self.index.watchers.items() if watcher.after > revision]:
            watcher = self.index.watchers[key]
            self._port.send(watcher.to, _closed(watcher.id, watcher.seq + 1, gone(watcher.after, self._cache.revision)))
            self.index.remove(key)

    # -- telling ------------------------------------------------------------------------------------------------------------------

    def tell(self, events: tuple[StoreEvent, ...], revision: int) -> None:
        """Tell these changes to whoever wants them."""
        late: list[WatchKey] = []
        for wanted, seen in self.index.sort(events):
            for watcher in wanted.watchers.values():
                if watcher.after >= events[0].revision:
                    rest = tuple(one for one in seen if one.obj.metadata.resource_version > watcher.after)
                    if not rest:
                        continue
                else:
                    rest = seen
                if watcher.seq - watcher.acked >= watcher.credit:
                    late.append(watcher.key)
                else:
                    self._send(watcher, rest, revision)
        self._close_late(late)

    def beat(self) -> None:
        """Tell those who have heard nothing for a whole interval how far things are."""
        late: list[WatchKey] = []
        for watcher in self.index.watchers.values():
            if watcher.idle:
                if watcher.seq - watcher.acked >= watcher.credit:
                    late.append(watcher.key)
                    continue
                self._send(watcher, (), self._cache.revision)
            watcher.idle = True
        self._close_late(late)

    def _send(self, watcher: Watcher, events: tuple[WatchEvent, ...], revision: int) -> None:
        watcher.seq += 1
        watcher.idle = False
        self._port.send(watcher.to, WatchBatch(watcher.id, watcher.seq, events, revision))

    def _close_late(self, late: list[WatchKey]) -> None:
        for key in late:
            watcher = self.index.watchers[key]
            refusal = TooManyRequests(f"the watcher is {watcher.credit} batches behind; list again")
            self._port.send(watcher.to, _closed(watcher.id, watcher.seq + 1, refusal))
            self.index.remove(key)


def _seen(events: list[StoreEvent], wanted: Selection) -> tuple[WatchEvent, ...]:
    """Changes of the past as a watcher sees them."""
    found = []
    for event in events:
        if wanted.resource == EVERYTHING and is_aside(resource_of(event.key)):
            continue
        one = wanted.judge(Change(event))
        if one is not None:
            found.append(one)
    return tuple(found)


def _closed(number: int, seq: int, refusal: ApiError) -> WatchClosed:
    return WatchClosed(number, seq, refusal.code, refusal.reason, refusal.message)
