"""What the Job controller remembers of one Job between two decisions, by its UID; lost when the process ends.

Nothing here is needed to be right in the end: it keeps pods that fail from being replaced as fast as they fail, refused creations from
being tried by the dozen, and names that somebody else has from being tried again.
"""

from __future__ import annotations

import msgspec

CREATES_LIMIT = 500
"""Pods created in one decision at most, and deleted (MaxPodCreateDeletePerSync)."""


class BackOff(msgspec.Struct, frozen=True):
    """How long failed pods wait for their replacement: the first time, and at most."""

    first_s: float = 10.0
    limit_s: float = 360.0


class Memory(msgspec.Struct, gc=False):
    """Of one Job. `needed_revision` is what the view of the pods must have come to before anything is decided; `taken` are names of pods
    that somebody else has."""

    needed_revision: int = 0
    creates_limit: int = CREATES_LIMIT
    failed_now: bool = False
    taken: dict[str, None] = {}
    _failures: dict[str, float] = {}
    _succeeded_s: float = 0.0

    def refused(self) -> None:
        """A creation or deletion was refused."""
        self.failed_now = True

    def settled(self) -> None:
        """All writes of a decision are done. After a failure creations begin anew with one, then double (slowStartBatch)."""
        self.creates_limit = 1 if self.failed_now else min(self.creates_limit * 2, CREATES_LIMIT)
        self.failed_now = False

    def pod_ended(self, uid: str, failed: bool, moment_s: float) -> None:
        """A pod has ended. What counts for the pause are the failures since the last success (backoff_utils.go, newBackoffRecord)."""
        if failed:
            if moment_s >= self._succeeded_s:
                self._failures.setdefault(uid, moment_s)
            return
        self._succeeded_s = max(self._succeeded_s, moment_s)
        self._failures = {one: failed_s for one, failed_s in self._failures.items() if failed_s > moment_s}

    def not_before_s(self, back_off: BackOff, now: float) -> float:
        """When pods may be created again. A pause that is longer than any ends at once: the clock was set back."""
        if not self._failures:
            return 0.0
        pause_s = min(back_off.first_s * 2 ** min(len(self._failures) - 1, 30), back_off.limit_s)
        moment_s = max(self._failures.values()) + pause_s
        return moment_s if moment_s <= now + back_off.limit_s else now
