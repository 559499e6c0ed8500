"""What a strategy does to the messages of one run, and the record of it that gives the same run again.

Messages between processes arrive oldest first but for those that are held. A strategy says for how long each message is held; what it held
is recorded by the message's identity, so that replay, shrinking and exploring are the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from callboard.runtime.faults.plan import Hold, Identity
from callboard.runtime.systems.links import Passage

Strategy = Callable[[Passage, float], float]
"""For how many seconds a message is held; the second argument is the virtual time."""


class Recorder:
    """Between strategy and links: asks, remembers, answers. Give `hold` to `Links.hold`."""

    def __init__(self, strategy: Strategy, now: Callable[[], float]) -> None:
        self._strategy = strategy
        self._now = now
        self.holds: list[Hold] = []

    def stop(self) -> None:
        """Hold nothing any more: the time in which things go wrong is over."""
        self._strategy = oldest_first

    def hold(self, passage: Passage) -> float:
        """What `Links` asks of every message between processes."""
        for_s = self._strategy(passage, self._now())
        if for_s <= 0.0:
            return 0.0
        self.holds.append(
            Hold(passage.source, passage.target, passage.incarnation, passage.type, passage.subject, passage.occurrence, for_s)
        )
        return for_s


def identity_of(passage: Passage) -> Identity:
    """Which message this is."""
    return (passage.source, passage.target, passage.incarnation, passage.type, passage.subject, passage.occurrence)


def replaying(holds: Iterable[Hold]) -> Strategy:
    """The strategy that holds these messages, and no others."""
    known: Mapping[Identity, float] = {hold.identity: hold.for_s for hold in holds}

    def strategy(passage: Passage, _now_s: float) -> float:
        return known.get(identity_of(passage), 0.0)

    return strategy


def oldest_first(_passage: Passage, _now_s: float) -> float:
    """Hold nothing."""
    return 0.0
