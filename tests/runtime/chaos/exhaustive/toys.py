"""Toy worlds for the search: actors whose state is the order in which they heard, and that may say something when they hear something."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from callboard.runtime.chaos.exhaustive.search import EVERYBODY, Event

Post = tuple[str, str, str]
"""Sender, receiver, text."""
Says = Mapping[tuple[str, str, int], tuple[tuple[str, str], ...]]
"""By receiver, text, and the how-manieth message it is that the receiver hears: to whom it says what."""


class Toy:
    """Messages between actors, first in first out on each way. `lossy` may lose one message; `jolts` times everybody may be jolted."""

    def __init__(
        self, posts: tuple[Post, ...], says: Says, lossy: str = "", jolts: int = 0, judge: Callable[[Toy], str | None] | None = None
    ):
        self.says, self.lossy, self.losses, self.jolts = says, lossy, 1 if lossy else 0, jolts
        self.judge = judge
        self.heard: dict[str, list[str]] = {}
        self.ways: dict[tuple[str, str], list[tuple[str, int, int]]] = {}
        self.sent: dict[tuple[str, str], int] = {}
        self.last: dict[tuple[str, str], int] = {}
        self.taken = 0
        self.ends: Callable[[Toy], None] = lambda _toy: None
        for sender, receiver, text in posts:
            self._send(sender, receiver, text)

    def _send(self, sender: str, receiver: str, text: str) -> None:
        way = (sender, receiver)
        self.sent[way] = self.sent.get(way, 0) + 1
        self.ways.setdefault(way, []).append((text, self.sent[way], self.taken - 1))

    def possible(self) -> list[Event]:
        found = []
        for (sender, receiver), queue in self.ways.items():
            if queue:
                found.append(Event(receiver, f"{sender}>{receiver}", queue[0][1], "", queue[0][0]))
                if self.losses and receiver == self.lossy:
                    found.append(Event(receiver, f"{sender}>{receiver}", queue[0][1], "loss", queue[0][0]))
        if found and self.jolts:
            found.append(Event(EVERYBODY, "jolt", self.jolts, "jolt"))
        return sorted(found)

    def causes(self, event: Event) -> tuple[int, ...]:
        if event.way == "jolt":
            return ()
        sender, _, receiver = event.way.partition(">")
        way = (sender, receiver)
        return tuple(place for place in (self.ways[way][0][2], self.last.get(way, -1)) if place >= 0)

    def take(self, event: Event) -> str | None:
        self.taken += 1
        if event.way == "jolt":
            self.jolts -= 1
            for heard in self.heard.values():
                heard.append("jolt")
            return None
        sender, _, receiver = event.way.partition(">")
        text, _, _ = self.ways[sender, receiver].pop(0)
        self.last[sender, receiver] = self.taken - 1
        heard = self.heard.setdefault(receiver, [])
        if event.scarce:
            self.losses -= 1
            return None
        heard.append(text)
        for to, said in self.says.get((receiver, text, len(heard)), ()):
            self._send(receiver, to, said)
        return None

    @property
    def state(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What every actor has heard, in order."""
        return tuple(sorted((name, tuple(heard)) for name, heard in self.heard.items()))

    def end(self) -> str | None:
        self.ends(self)
        return None if self.judge is None else self.judge(self)
