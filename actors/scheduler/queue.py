"""The pods that wait for a node, in three parts as in Kubernetes: active, backing off, unschedulable.

Owned by the scheduler's actor. Active pods go by priority, then age. A pod that fits nowhere lies in the unschedulable part, by template,
until a change of the cluster could help; then the first of its template is woken, and each success wakes the next (`chained`), so that
one freed place among ten thousand waiting pods costs one try and not ten thousand. Pure: the caller gives the time.
Source: pkg/scheduler/backend/queue (parts, back-off), plugins/queuesort (order).
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Literal

from callboard.actors.scheduler.demand import Template
from callboard.models.api.core import Pod

Part = Literal["active", "backoff", "unschedulable", "taken"]


class Entry:
    """A pod in the queue. `attempts` counts failures, `message` is what it was told last, at `told_s`.

    `nominated` is the node that it was promised; `preemptions` counts how often others were removed for it, which may not happen again
    before `preempt_after_s`.
    """

    __slots__ = (
        "attempts",
        "chained",
        "key",
        "message",
        "nominated",
        "number",
        "part",
        "pod",
        "preempt_after_s",
        "preemptions",
        "rank",
        "template",
        "told_s",
    )

    def __init__(self, key: str, pod: Pod, template: Template, number: int) -> None:
        self.key = key
        self.pod = pod
        self.template = template
        self.rank = (-template.demand.priority, pod.metadata.creation_timestamp, number)
        self.number = number
        self.part: Part = "taken"
        self.attempts = 0
        self.chained = False
        self.message = ""
        self.told_s = 0.0
        self.nominated = ""
        self.preemptions = 0
        self.preempt_after_s = 0.0


class SchedulingQueue:
    """All pods that have no node. A pod is in exactly one part, or `taken`: being decided or being bound."""

    def __init__(self, first_back_off_s: float, back_off_limit_s: float) -> None:
        self.entries: dict[str, Entry] = {}
        self._first_back_off_s = first_back_off_s
        self._back_off_limit_s = back_off_limit_s
        self._active: list[tuple[tuple[int, str, int], int, Entry]] = []
        self._backoff: list[tuple[float, int, Entry]] = []
        self._unschedulable: dict[int, dict[str, Entry]] = {}
        self._last_number = 0

    def __len__(self) -> int:
        return len(self.entries)

    def _next_number(self) -> int:
        self._last_number += 1
        return self._last_number

    # -- pods come and go -------------------------------------------------------------------------------------------------------------

    def offer(self, key: str, pod: Pod, template: Template) -> Entry:
        """A pod without a node was seen. New ones, and ones that ask for something else than before, become active."""
        entry = self.entries.get(key)
        if entry is not None and entry.pod.metadata.uid == pod.metadata.uid and entry.template is template:
            entry.pod = pod
            return entry
        if entry is not None:
            self.remove(key)
        entry = self.entries[key] = Entry(key, pod, template, self._next_number())
        self._activate(entry)
        return entry

    def remove(self, key: str) -> Entry | None:
        """A pod is gone or has its node. Returns its entry; None if it wasn't here."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            self._leave(entry)
        return entry

    def _leave(self, entry: Entry) -> None:
        if entry.part == "unschedulable":
            mates = self._unschedulable[entry.template.number]
            del mates[entry.key]
            if not mates:
                del self._unschedulable[entry.template.number]
        entry.part = "taken"
        entry.number = self._next_number()  # what heaps hold of it is void

    def _activate(self, entry: Entry) -> None:
        self._leave(entry)
        entry.part = "active"
        heappush(self._active, (entry.rank, entry.number, entry))

    # -- decisions ----------------------------------------------------------------------------------------------------------------------

    def take(self) -> Entry | None:
        """The next pod to decide; it stays `taken` until one of the methods below."""
        while self._active:
            _, number, entry = heappop(self._active)
            if entry.number == number and entry.part == "active":
                entry.part = "taken"
                return entry
        return None

    @property
    def has_active(self) -> bool:
        """Whether there is a pod to decide."""
        while self._active and (self._active[0][2].number != self._active[0][1] or self._active[0][2].part != "active"):
            heappop(self._active)
        return bool(self._active)

    def back_off_s(self, attempts: int) -> float:
        """The pause after that many failures: doubles up to the limit."""
        return min(self._first_back_off_s * 2.0 ** min(max(attempts - 1, 0), 30), self._back_off_limit_s)

    def put_aside(self, entry: Entry) -> None:
        """It fits nowhere."""
        self._leave(entry)
        entry.attempts += 1
        entry.chained = False
        entry.part = "unschedulable"
        self._unschedulable.setdefault(entry.template.number, {})[entry.key] = entry

    def try_later(self, entry: Entry, now: float) -> float:
        """Something else went wrong: it becomes active after a back-off, whose end is returned."""
        entry.attempts += 1
        return self._delay(entry, now + self.back_off_s(entry.attempts))

    def _delay(self, entry: Entry, due_s: float) -> float:
        self._leave(entry)
        entry.part = "backoff"
        heappush(self._backoff, (due_s, entry.number, entry))
        return due_s

    def release_due(self, now: float) -> float | None:
        """Make active whose back-off is over; returns when the next one is due. One that would be due later than any back-off lasts was
        noted before the clock was set back: it is not made to wait for that."""
        while self._backoff:
            due_s, number, entry = self._backoff[0]
            if entry.number != number or entry.part != "backoff":
                heappop(self._backoff)
            elif due_s <= now or due_s > now + self._back_off_limit_s:
                heappop(self._backoff)
                self._activate(entry)
            else:
                return due_s
        return None

    # -- waking -------------------------------------------------------------------------------------------------------------------------

    def waiting_templates(self) -> list[Template]:
        """The templates of unschedulable pods, longest waiting first."""
        return [next(iter(mates.values())).template for mates in self._unschedulable.values()]

    def wake_first(self, number: int, now: float, *, with_back_off: bool) -> float | None:
        """Wake the first unschedulable pod of a template. With a back-off, returns when it is due."""
        mates = self._unschedulable.get(number)
        if not mates:
            return None
        entry = next(iter(mates.values()))
        entry.chained = True
        if with_back_off:
            return self._delay(entry, now + self.back_off_s(entry.attempts))
        self._activate(entry)
        return None

    def wake(self, entry: Entry) -> None:
        """Try an unschedulable pod again at once."""
        if entry.part == "unschedulable":
            self._activate(entry)

    def wake_all(self) -> None:
        """Try every unschedulable pod again."""
        for mates in list(self._unschedulable.values()):
            for entry in list(mates.values()):
                self._activate(entry)

    def unschedulable(self, key: str) -> Entry | None:
        """The entry of a pod that lies in the unschedulable part."""
        entry = self.entries.get(key)
        return entry if entry is not None and entry.part == "unschedulable" else None
