"""Streams of changes that users hold. Returned by `watch` of clusters, simulations and connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from callboard.models.messages.api import WatchEvent


class Opened(Iterator[WatchEvent]):
    """A stream that is open from the start, and ends with its last change, with `close`, or when nobody holds it any more: one that was
    never begun too, which a generator's own `finally` would not notice. `end` ends what feeds it."""

    def __init__(self, changes: Iterator[WatchEvent], end: Callable[[], None]) -> None:
        self._changes = changes
        self._end = end
        self._is_open = True

    def __next__(self) -> WatchEvent:
        if not self._is_open:
            raise StopIteration
        try:
            return next(self._changes)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Nobody reads it any more. A second call does nothing."""
        if self._is_open:
            self._is_open = False
            self._end()

    def __del__(self) -> None:
        self.close()
