"""What the driver of the network tells the main program by itself."""

from __future__ import annotations

from callboard.models.messages.base import Message


class NetworkAgain(Message, frozen=True, gc=False):
    """The helper was connected to, for the first time or after it was lost; what had been ensured is being ensured anew. Rule sets are not:
    whoever applied some applies them all once more."""
