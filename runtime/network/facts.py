"""What the driver of the network tells the main program of itself."""

from __future__ import annotations

from callboard.models.messages.base import Message


class NetworkFailed(Message, frozen=True, gc=False):
    """What `done` hears in place of an answer: `message` says what happened and what to do."""

    message: str


class NetworkAgain(Message, frozen=True, gc=False):
    """The helper was connected to, for the first time or after it was lost; what had been ensured is being ensured anew. Rule sets are not:
    whoever applied some applies them all once more."""


class NodeGone(Message, frozen=True, gc=False):
    """A node's network is about to go: whoever has sockets in it should let go of them."""

    node: str
