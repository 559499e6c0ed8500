"""That nothing spins: a bound on what is written, whatever goes wrong."""

from __future__ import annotations

from collections import deque

from callboard.models.messages.store import StoreEvent
from callboard.models.owners import controller_of
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong

WINDOW_S = 60.0
WRITES_LIMIT = 400
"""Writes to one object within a virtual minute. Leases are renewed sixty times; nothing else has a reason to change so often."""
CREATIONS_LIMIT = 120
"""Objects of one kind that one owner gets within a virtual minute, in clusters of a handful of pods."""


class NothingSpins(Oracle):
    """No object is written, and no owner given children, again and again without end (k8s#30628, k8s#65240): retries back off."""

    name = "nothing spins"

    def __init__(self) -> None:
        self._moments: dict[str, deque[float]] = {}

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if event.key.startswith("events/"):
            return None
        owner = controller_of(event.obj) if event.obj is not None and event.old is None else None
        if owner is not None:
            resource = event.key.partition("/")[0]
            if self._count(f"{owner.uid}/{resource}", world.now, CREATIONS_LIMIT):
                return Wrong(event.key, f"{owner.kind} {owner.name} has got more than {CREATIONS_LIMIT} {resource} within a minute")
        if self._count(event.key, world.now, WRITES_LIMIT):
            return Wrong(event.key, f"it has been written more than {WRITES_LIMIT} times within a minute")
        return None

    def _count(self, what: str, now_s: float, limit: int) -> bool:
        moments = self._moments.get(what)
        if moments is None:
            moments = self._moments[what] = deque()
        moments.append(now_s)
        while moments[0] < now_s - WINDOW_S:
            moments.popleft()
        return len(moments) > limit


ORACLES: tuple[type[Oracle], ...] = (NothingSpins,)
