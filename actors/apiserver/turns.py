"""Whose turn it is to write in a namespace with quotas: one creation after the other, so that they don't all lose the same race but one.

Owned by `JobRunner`; no message is sent here. It makes nothing right that would be wrong without it (the compares do that, and other
apiservers know nothing of these turns): it only spares retries, as batching does in Kubernetes' quota evaluator.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from callboard.actors.apiserver.planning import Job


class Turns:
    """Jobs by their place. `known` is what the last one has written of the quotas, which the cache may not show yet."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Job]] = {}
        self._known: dict[str, tuple[tuple[str, Any], ...]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many wait; asked for with every request."""
        return self._count

    def enter(self, place: str, job: Job) -> bool:
        """Whether a job may begin; otherwise it waits here. The place is taken until `leave`."""
        job.place = place
        queue = self._waiting.get(place)
        if queue is None:
            self._waiting[place] = deque()
            return True
        queue.append(job)
        self._count += 1
        return False

    def leave(self, place: str, known: tuple[tuple[str, Any], ...]) -> bool:
        """The job at this place is over, and has written this. Returns whether another one waits; else the place is free."""
        if known:
            self._known[place] = known
        if self._waiting[place]:
            return True
        del self._waiting[place]
        self._known.pop(place, None)
        return False

    def next(self, place: str) -> Job | None:
        """The job whose turn it is; None if they have all given up, and the place is free."""
        queue = self._waiting[place]
        if not queue:
            self.leave(place, ())
            return None
        job = queue.popleft()
        self._count -= 1
        job.view.learn(self._known.pop(place, ()))
        return job

    def expired(self, now_s: float) -> list[Job]:
        """Those who have waited for too long; they wait no more."""
        found = []
        for queue in self._waiting.values():
            while queue and queue[0].deadline_s <= now_s:
                found.append(queue.popleft())
        self._count -= len(found)
        return found
