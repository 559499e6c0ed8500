"""What the DaemonSet controller remembers of one DaemonSet between two decisions, by its UID; lost when the process ends.

Nothing here is needed to be right in the end: it keeps pods that fail at once from being replaced as fast as they fail (kubernetes#65240),
and refused creations from being tried by the dozen.
"""

from __future__ import annotations

import msgspec

CREATES_LIMIT = 250
"""Pods created in one decision at most (BurstReplicas)."""
FAILING_PAUSE_FIRST_S = 1.0
FAILING_PAUSE_LIMIT_S = 900.0
"""The back-off of failed pods (failedPodsBackoff). What has been quiet for twice its limit is forgotten."""


class Failing(msgspec.Struct, gc=False):
    """When the last failed pod of a node was deleted, and how long the next one has to wait from then on."""

    since_s: float
    pause_s: float


class Memory(msgspec.Struct, gc=False):
    """Of one DaemonSet."""

    creates_limit: int = CREATES_LIMIT
    failed_now: bool = False
    _failing: dict[str, Failing] = {}

    def refused(self) -> None:
        """A creation or deletion was refused."""
        self.failed_now = True

    def settled(self) -> None:
        """All writes of a decision are done. After a failure creations begin anew with one, then double (slow start)."""
        self.creates_limit = 1 if self.failed_now else min(self.creates_limit * 2, CREATES_LIMIT)
        self.failed_now = False

    def pod_failed(self, node: str, now: float) -> None:
        """A failed pod of this node is being deleted; the next one waits, twice as long each time."""
        failing = self._failing.get(node)
        if failing is None or now - failing.since_s > 2 * FAILING_PAUSE_LIMIT_S:
            self._failing[node] = Failing(now, FAILING_PAUSE_FIRST_S)
        else:
            self._failing[node] = Failing(now, min(failing.pause_s * 2, FAILING_PAUSE_LIMIT_S))

    def node_gone(self, node: str) -> None:
        """A node is no more: nothing of it is remembered."""
        self._failing.pop(node, None)

    def not_before_s(self, now: float) -> dict[str, float]:
        """Nodes whose failed pods have to stay, and until when. None stays for a time that hasn't come: the clock was set back."""
        return {
            node: failing.since_s + failing.pause_s
            for node, failing in self._failing.items()
            if failing.since_s <= now < failing.since_s + failing.pause_s
        }
