"""What the ReplicaSet controller remembers of one ReplicaSet between two decisions, by its UID; lost when the process ends.

Nothing here is needed to be right in the end: a new process begins with what it lists. It keeps retries from making surplus pods, and
pods that fail at once from being replaced at once for ever.
"""

from __future__ import annotations

import msgspec

from callboard.actors.replicaset.decision import CREATES_LIMIT

FAILING_PAUSE_FIRST_S = 1.0
FAILING_PAUSE_LIMIT_S = 300.0


class Memory(msgspec.Struct, gc=False):
    """Of one ReplicaSet. For `highest_index`, `failure`, `creates_limit` and `create_not_before_s` see `decision.View`."""

    highest_index: int = -1
    lost_indices: dict[int, None] = {}
    doomed: dict[int, None] = {}
    """Indices of pods whose end this controller has asked for."""
    failure: tuple[str, str] | None = None
    failed_now: bool = False
    creates_limit: int = CREATES_LIMIT
    create_not_before_s: float = 0.0
    _failures: int = 0
    _failed_up_to: int = -1

    def seen(self, index: int) -> None:
        """A pod with this index exists, or did."""
        self.highest_index = max(self.highest_index, index)
        self.lost_indices.pop(index, None)

    def lost(self, index: int) -> None:
        """Nobody knows whether the pod with this index has been created, or will be."""
        self.lost_indices[index] = None

    def doom(self, index: int) -> None:
        """This controller has asked for the end of the pod with this index."""
        self.doomed[index] = None

    def pod_taken(self, index: int, ready: bool, now: float) -> None:
        """A pod that was active is being deleted, or is gone. Where somebody else asked for that before it was ready, it has failed: who
        replaced such pods at once would go on as fast as they are taken, for example while the ReplicaSet itself is gone and its cache has
        not heard of that yet."""
        if self.doomed.pop(index, self) is self and not ready:
            self.pod_failed(index, now)

    def refused(self, reason: str, message: str) -> None:
        """A creation or deletion was refused."""
        self.failure, self.failed_now = (reason, message), True

    def settled(self) -> None:
        """All writes of a decision are done. After a failure creations begin anew with one, then double (slowStartBatch)."""
        if self.failed_now:
            self.failed_now, self.creates_limit = False, 1
        else:
            self.failure = None
            self.creates_limit = min(self.creates_limit * 2, CREATES_LIMIT)

    def not_before_s(self, now: float) -> float:
        """When pods may be created again. A pause that is longer than any ends at once: the clock was set back."""
        if self.create_not_before_s > now + FAILING_PAUSE_LIMIT_S:
            self.create_not_before_s = now
        return self.create_not_before_s

    def pod_failed(self, index: int, now: float) -> None:
        """A pod ended in phase Failed, or was taken away. The first ones are replaced at once; if a replacement fails too, the next waits,
        twice as long each time (kubernetes#30628: create, reject, create is a hot loop)."""
        if index <= self._failed_up_to:
            return  # of the same generation as one that has been counted
        self._failed_up_to = self.highest_index
        if self._failures:
            pause_s = min(FAILING_PAUSE_FIRST_S * 2 ** min(self._failures - 1, 20), FAILING_PAUSE_LIMIT_S)
            self.create_not_before_s = now + pause_s
        self._failures += 1

    def pod_ready(self) -> None:
        """A pod became ready: whatever made others fail is over."""
        self._failures = 0
        self.create_not_before_s = 0.0
