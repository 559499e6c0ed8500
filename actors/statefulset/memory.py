"""What the StatefulSet controller remembers of one StatefulSet between two decisions, by its UID; lost when the process ends.

Nothing here is needed to be right in the end. It keeps pods that fail at once from being replaced at once for ever, and refused creations
from being tried by the dozen.
"""

from __future__ import annotations

import msgspec

CREATES_LIMIT = 500
"""Pods created in one decision at most (Kubernetes' MaxBatchSize)."""
FAILING_PAUSE_FIRST_S = 1.0
FAILING_PAUSE_LIMIT_S = 300.0


class Failing(msgspec.Struct, gc=False):
    """Pods of one ordinal that failed in a row, and when the last of them may be replaced."""

    count: int = 0
    not_before_s: float = 0.0


class Memory(msgspec.Struct, gc=False):
    """Of one StatefulSet. `needed_revision` is what the view of the pods must have come to before pods are created or deleted."""

    needed_revision: int = 0
    creates_limit: int = CREATES_LIMIT
    failed_now: bool = False
    _failing: dict[int, Failing] = {}

    def refused(self) -> None:
        """A creation or deletion was refused."""
        self.failed_now = True

    def settled(self) -> None:
        """All writes of a decision are done. After a failure creations begin anew with one, then double (slowStartBatch)."""
        self.creates_limit = 1 if self.failed_now else min(self.creates_limit * 2, CREATES_LIMIT)
        self.failed_now = False

    def pod_failed(self, ordinal: int, now: float) -> None:
        """The pod of this ordinal ended by itself. The first one is replaced at once; if its replacement fails too, the next waits, twice
        as long each time, up to five minutes (delete, create, reject is a hot loop otherwise)."""
        failing = self._failing.setdefault(ordinal, Failing())
        if failing.count:
            failing.not_before_s = now + min(FAILING_PAUSE_FIRST_S * 2 ** min(failing.count - 1, 20), FAILING_PAUSE_LIMIT_S)
        failing.count += 1

    def pod_ready(self, ordinal: int) -> None:
        """The pod of this ordinal is ready: whatever made it fail is over."""
        self._failing.pop(ordinal, None)

    def not_before_s(self, now: float) -> dict[int, float]:
        """Ordinals whose failed pods have to wait, and until when. A pause that is longer than any ends at once: the clock was set back."""
        return {
            ordinal: failing.not_before_s
            for ordinal, failing in self._failing.items()
            if now < failing.not_before_s <= now + FAILING_PAUSE_LIMIT_S
        }
