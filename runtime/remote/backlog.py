"""What has happened on a stream and has not been sent yet. It never grows beyond the number of objects, however slowly somebody reads.

Filled on the system's thread, emptied by the thread that writes to the client. Changes of one object that wait together become one, as
they would for a watcher that was away and lists again; objects are those of the store's caches, so a waiting change costs no copy.
"""

from __future__ import annotations

from itertools import islice

from callboard.models.messages.api import WatchEvent


class Backlog:
    """The changes of one stream that wait, by object, in the order of the first one. Not thread-safe: its owner holds a lock."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[WatchEvent, ...]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: WatchEvent) -> None:
        """A change has happened."""
        together = merged(self._waiting.get(event.key, ()), event)
        if together:
            self._waiting[event.key] = together
        else:
            del self._waiting[event.key]

    def take(self, objects: int) -> tuple[WatchEvent, ...]:
        """The changes of the first so many objects; they no longer wait."""
        keys = list(islice(self._waiting, objects))
        return tuple(event for key in keys for event in self._waiting.pop(key))


def merged(waiting: tuple[WatchEvent, ...], event: WatchEvent) -> tuple[WatchEvent, ...]:
    """What has to be told of an object after one more change: at most that the old one went and a new one came."""
    if not waiting:
        return (event,)
    *before, last = waiting
    if event.type == "DELETED":
        # one that came and went while nobody read was never there; otherwise only its end counts
        return tuple(before) if last.type == "ADDED" else (*before, event)
    if last.type == "DELETED":
        return (*before, last, WatchEvent("ADDED", event.key, event.obj))
    return (*before, WatchEvent(last.type, event.key, event.obj))
