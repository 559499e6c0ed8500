"""Which nodes have been silent for too long, judged by what this controller has itself observed.

Owned by the node lifecycle controller; pure. Time here is an observed clock: it advances from tick to tick, by at most two periods, and
stands still while the controller hears nothing from its apiserver. So neither a jump of the machine's clock, nor a pause of the program,
nor a cut of the controller's own line makes living nodes look lost; and times that nodes write are only compared for being different.
Source: pkg/controller/nodelifecycle (probeTimestamp); kubernetes/kubernetes#6193 for why written times are never compared with a clock.
"""

from __future__ import annotations

TICKS_PER_ADVANCE_LIMIT = 2.0


class _Probe:
    __slots__ = ("heard", "lost", "seen_s", "uid")

    def __init__(self, uid: str, clock_s: float) -> None:
        self.uid = uid
        self.seen_s = clock_s
        self.heard = True
        self.lost = False


class HealthBook:
    """Per node, when a sign of life was last observed, in seconds of the observed clock."""

    def __init__(self, period_s: float, grace_s: float) -> None:
        self.clock_s = 0.0
        self._period_s = period_s
        self._grace_s = grace_s
        self._last_tick_s: float | None = None
        self._probes: dict[str, _Probe] = {}

    def advance(self, now: float, *, blind: bool) -> None:
        """One tick at `now` of the machine's clock; `blind` while nothing is heard from the apiserver."""
        last, self._last_tick_s = self._last_tick_s, now
        if last is not None and not blind:
            self.clock_s += min(max(now - last, 0.0), TICKS_PER_ADVANCE_LIMIT * self._period_s)
        for probe in self._probes.values():
            if probe.heard:
                probe.heard = False
                probe.seen_s = self.clock_s  # at the tick after the sign, so that no silence is counted that was none

    def reading_s(self, now: float) -> float:
        """The observed clock at `now` of the machine's: between two ticks it goes on for a period at most."""
        last = self._last_tick_s
        return self.clock_s + (min(max(now - last, 0.0), self._period_s) if last is not None else 0.0)

    def node_seen(self, name: str, uid: str) -> None:
        """There is such a node; a new one, or a new one of an old name, starts with the whole grace period."""
        probe = self._probes.get(name)
        if probe is None or probe.uid != uid:
            self._probes[name] = _Probe(uid, self.clock_s)

    def heard(self, name: str) -> None:
        """A sign of life: the node's Lease or its heartbeat has changed."""
        probe = self._probes.get(name)
        if probe is not None:
            probe.heard = True
            probe.lost = False

    def gone(self, name: str) -> None:
        """The node's object was deleted."""
        self._probes.pop(name, None)

    def reset(self) -> None:
        """Give every node the whole grace period again."""
        for probe in self._probes.values():
            probe.heard = True
            probe.lost = False

    def silent(self, name: str) -> bool:
        """Whether nothing was heard for longer than the grace period."""
        probe = self._probes.get(name)
        return probe is not None and not probe.heard and self.clock_s - probe.seen_s > self._grace_s

    def confirm_lost(self, name: str, uid: str) -> None:
        """A read of the newest Lease has shown no sign of life either."""
        probe = self._probes.get(name)
        if probe is not None and probe.uid == uid and self.silent(name):
            probe.lost = True

    def lost(self, name: str) -> bool:
        """Whether the node is lost: silent, and a fresh read has confirmed it."""
        probe = self._probes.get(name)
        return probe is not None and probe.lost
