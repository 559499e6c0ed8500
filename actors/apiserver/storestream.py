"""The apiserver's end of the store's change stream: numbered pieces into the watch cache, and a new stream when one has broken.

A gap can't be filled, a silence can't be told from a store that is gone: in both cases the stream is opened again from where the cache
stands. If the store has compacted that revision, it begins with a whole picture.
"""

from __future__ import annotations

from callboard.actors.apiserver.cache import WatchCache
from callboard.actors.component import Port
from callboard.models.messages.base import Address
from callboard.models.messages.store import FollowStore, StoreChanged, StoreEvent


class StoreStream:
    """Follows the store into `cache`. `synced` tells that the first picture is in."""

    def __init__(self, port: Port, store: Address, cache: WatchCache) -> None:
        self._port = port
        self._store = store
        self._cache = cache
        self._id = 0
        self._seq = 0
        self._heard_at_s = 0.0
        self.synced = False

    def follow(self, number: int, *, anew: bool = False) -> None:
        """Open the stream under this number, from where the cache stands, or (`anew`) with a picture."""
        self._id = number
        self._seq = 0
        self._heard_at_s = self._port.now()
        self._port.send(self._store, FollowStore(number, self._port.me, 0 if anew or not self.synced else self._cache.revision))

    def is_mine(self, number: int) -> bool:
        """Whether this is the number of the present stream."""
        return number == self._id

    def silent_since(self, moment_s: float) -> bool:
        """Whether nothing was heard since then."""
        self._heard_at_s = min(self._heard_at_s, self._port.now())  # the clock may have been set back
        return self._heard_at_s < moment_s

    def heard(self, piece: StoreChanged) -> tuple[StoreEvent, ...] | None:
        """Take in a piece: what has changed by it; None if a piece before it is missing, and the stream has to be opened again."""
        if piece.id != self._id or piece.seq <= self._seq:
            return ()  # of a former stream, or a repeat
        if piece.seq != self._seq + 1:
            return None
        self._seq = piece.seq
        self._heard_at_s = self._port.now()
        if piece.picture:
            self.synced = True
            return self._cache.replace_by(piece.events, piece.revision)
        self._cache.take(piece.events, piece.revision)
        return piece.events
