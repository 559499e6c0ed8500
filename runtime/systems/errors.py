"""What can go wrong with a system of actors, in words that say what to do."""

from __future__ import annotations

from callboard.models.errors import WaitTimeout
from callboard.runtime.errors import CallboardError


class ComponentFailed(CallboardError):
    """A component ended with an exception; its traceback is in the text."""

    def __init__(self, name: str, traceback: str) -> None:
        super().__init__(f"{name} failed:\n{traceback}")
        self.name = name
        self.traceback = traceback


class MutableMessage(CallboardError):
    """A message holds something that its receiver could change; the text names the path to it."""


class Livelock(CallboardError):
    """Too much happened in one second of a simulation's time; the text names who keeps whom busy."""


class Unsettled(CallboardError):
    """A simulation did not come to rest; the text names what keeps changing."""


class InboxOverflow(CallboardError):
    """More messages wait for one process of a simulation than its mailbox may hold; the text names it."""


class SystemStopped(CallboardError):
    """The cluster has been stopped; nothing can be asked of it any more."""


__all__ = ["ComponentFailed", "InboxOverflow", "Livelock", "MutableMessage", "SystemStopped", "Unsettled", "WaitTimeout"]
