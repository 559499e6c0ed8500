"""Events about one object are recorded one after the other, so that they read in the order in which things happened.

Their times are of whole seconds: what a person sees of one second is in the order of the records. Source: client-go tools/record/event.go,
where one goroutine records all Events of a component, each when the one before it is recorded; and a queue that is full drops what comes.
"""

from __future__ import annotations

from typing import Any

import msgspec

WAITING_LIMIT = 64
"""Events about one object that wait for their turn; further ones are not told."""


class EventTurn(msgspec.Struct, frozen=True, gc=False):
    """Context of the request that records an Event about the object with this uid."""

    uid: str


class EventOrder:
    """The Events of one component that wait for an earlier one about the same object. Where none is on its way, nothing is kept."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[dict[str, Any]]] = {}

    def offer(self, uid: str, fields: dict[str, Any]) -> bool:
        """Whether an Event may be recorded now; if not, it waits for its turn."""
        waiting = self._waiting.get(uid)
        if waiting is None:
            self._waiting[uid] = []
            return True
        if len(waiting) < WAITING_LIMIT:
            waiting.append(fields)
        return False

    def after(self, uid: str) -> dict[str, Any] | None:
        """One has been recorded, or is lost: the next one about that object, if there is one."""
        waiting = self._waiting[uid]
        if waiting:
            return waiting.pop(0)
        del self._waiting[uid]
        return None
