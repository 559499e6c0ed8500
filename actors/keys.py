"""Which keys of a controller are due, and when: marks, appointments, pauses after failures. The lower half of `Controller`."""

from __future__ import annotations

from itertools import islice

from callboard.actors import actions as act
from callboard.actors.client import ApiComponent
from callboard.actors.component import Port, Timer, handles
from callboard.actors.informer import ClientSettings
from callboard.actors.ownwrites import OwnWrites
from callboard.models.messages.base import Message

KEYS_PER_TURN = 64
"""Keys decided before other messages get their turn."""
BACK_OFF_FIRST_S = 0.01
BACK_OFF_LIMIT_S = 60.0


class Reconcile(Message, frozen=True, gc=False):
    """A controller to itself: decide the keys that are due."""


class LookAt(Message, frozen=True, gc=False):
    """Timer: look at this key again."""

    key: str


class Appointment(Message, frozen=True, gc=False):
    """Timer: the last decision about this key wanted it to be looked at again now."""

    key: str


class Keys(ApiComponent):
    """Subclasses implement `_decide`, which is called for keys that are due and whose own writes the caches show."""

    def __init__(self, port: Port, settings: ClientSettings) -> None:
        super().__init__(port, settings)
        self.own_writes = OwnWrites()
        self._dirty: dict[str, None] = {}
        self._scheduled = False
        self._failures: dict[str, int] = {}
        self._timers: dict[str, tuple[float, Timer]] = {}
        self._appointments: dict[str, tuple[float, bool, Timer]] = {}

    def _decide(self, key: str) -> None:
        """Decide about a key, and do what that wants."""
        raise NotImplementedError

    def mark(self, key: str) -> None:
        """Look at this key soon."""
        self._dirty[key] = None
        if not self._scheduled:
            self._scheduled = True
            self.port.send(self.port.me, Reconcile())

    def mark_after(self, key: str, delay_s: float) -> None:
        """Look at this key after `delay_s`; an earlier appointment stays, a later one is moved forward."""
        due_s = self.port.now() + delay_s
        pending = self._timers.get(key)
        if pending is not None:
            if pending[0] <= due_s:
                return
            pending[1].cancel()
        self._timers[key] = (due_s, self.port.after(delay_s, LookAt(key)))

    @handles(LookAt)
    def _look_at(self, timer: LookAt) -> None:
        self._timers.pop(timer.key, None)
        self.mark(timer.key)

    def _appoint(self, key: str, wanted: act.LookAgain | None) -> None:
        """The last decision about a key says when it must be looked at again, and nothing that an earlier one has said counts."""
        pending = self._appointments.get(key)
        if pending is not None:
            if wanted is not None and pending[1] == wanted.idle and pending[0] <= self.port.now() + wanted.after_s:
                return  # it comes early, and is put off then: cheaper than a new timer for every decision
            del self._appointments[key]
            pending[2].cancel()
        if wanted is not None:
            timer = self.port.after(wanted.after_s, Appointment(key), periodic=wanted.idle)
            self._appointments[key] = (self.port.now() + wanted.after_s, wanted.idle, timer)

    @handles(Appointment)
    def _appointed(self, timer: Appointment) -> None:
        self._appointments.pop(timer.key, None)
        self.mark(timer.key)

    def _reconcile_soon(self) -> None:
        if self._dirty and not self._scheduled and self.synced and self.leads:
            self._scheduled = True
            self.port.send(self.port.me, Reconcile())

    @handles(Reconcile)
    def _reconcile(self, _: Reconcile) -> None:
        self._scheduled = False
        if not self.synced or not self.leads:
            return  # the last informer to be synced, or to reach the leader's first revision, calls again
        for key in list(islice(self._dirty, KEYS_PER_TURN)):
            del self._dirty[key]
            if self.own_writes.may_decide(key):
                self._decide(key)
        self._reconcile_soon()

    def back_off(self, key: str, at_least_s: float = 0.0) -> None:
        """Decide this key again after a pause that doubles with each failure in a row."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause_s = min(BACK_OFF_FIRST_S * 2 ** min(failures, 20), BACK_OFF_LIMIT_S) * (0.75 + self.port.random() / 2)
        self.mark_after(key, max(pause_s, at_least_s))
