"""Whether anything goes on in a simulation, or only what goes on for ever: heartbeats, renewals of leases, polls.

The rule, used by `SimulatedSystem.settle`. Every message on its way and every pending timer is either *foreground* or *background*:
1. A periodic timer is background, and so is whatever is sent or set while something in the background is handled.
2. If handling changes the watched state (`SimulatedSystem.quiet`; a simulated cluster gives the store's revision without leases), then all
   that it sends and sets is foreground, but for periodic timers: a monitor that finds a lost node and writes it down has started something.
3. A one-shot timer that has fired since the watched state last changed, and is set again (same process, type and subject), is background:
   a retry that changes nothing is as good as periodic. Without a watched state this rule isn't used.
A simulation is settled when there's nothing in the foreground, and for a while nothing of it has been handled, the watched state has not
changed, and nobody has started, crashed or cut anything. That while covers what starts late from the background, such as the grace that a
silent node has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.models.messages.base import Address, Message


class Activity:
    """The bookkeeping of one simulation."""

    def __init__(self, now_s: float) -> None:
        self.foreground = 0
        """Messages and timers pending in the foreground."""
        self.stirred_at_s = now_s
        """When something went on last, in virtual time."""
        self.background = False
        """Whether what is being handled is background."""
        self.demoted: list[Any] = []
        """What has been sent and set as background in this step."""
        self.watched: Callable[[], Any] | None = None
        self._state: Any = None
        self._fired: set[tuple[Address, str, str]] = set()

    def watch(self, state: Callable[[], Any] | None) -> None:
        """Watch what this returns; it is called after every step and must be cheap."""
        self.watched = state
        self._state = state() if state is not None else None
        self._fired.clear()

    def fired(self, process: Address, message: Message) -> None:
        """A one-shot timer in the foreground has fired."""
        if self.watched is not None:
            self._fired.add((process, type(message).__name__, message.subject()))

    def is_retry(self, process: Address, message: Message) -> bool:
        """Whether such a timer has fired since the watched state last changed."""
        return bool(self._fired) and (process, type(message).__name__, message.subject()) in self._fired

    def end(self, now_s: float) -> None:
        """A step is over."""
        if not self.background:
            self.stirred_at_s = now_s
        self.background = False
        if self.watched is not None:
            state = self.watched()
            if state != self._state:
                self._state = state
                self._fired.clear()
                self.stirred_at_s = now_s
                for item in self.demoted:
                    self._promote(item)
        if self.demoted:
            self.demoted.clear()

    def _promote(self, item: Any) -> None:
        if item.done or not item.background:
            return
        item.background = False
        self.foreground += 1
        if item.port is not None:
            item.port.foreground += 1
