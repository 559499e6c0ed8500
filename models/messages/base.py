"""What every message is: an immutable struct that knows its lane and its subject.

Called by every component and by the links of the actor systems. A *lane* is what keeps its order on the way: a request with its
answer is a lane of its own, a watch stream is one lane, everything else between two processes shares the lane "". A *subject* is
the object a message speaks of; together with sender, receiver and type it identifies a message across replays, where an ordinal
number or a step would shift while a failure is shrunk.
"""

from __future__ import annotations

import msgspec

Address = str
"""Where a message goes: `scheduler` (whoever plays that part now) or `scheduler#2` (only its second incarnation)."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """Base of all messages."""

    def lane(self) -> str:
        """Name of the lane between two processes on which this message keeps its order."""
        return ""

    def subject(self) -> str:
        """Key of the object this message speaks of, or "" if none."""
        return ""


class Request(Message, frozen=True, gc=False):
    """A question that is answered by exactly one `Answer` with the same `id`, sent to `reply_to`.

    `id` is unique within one incarnation of the sender; `reply_to` names that incarnation, so that an answer never reaches a later one.
    """

    id: int
    reply_to: Address

    def lane(self) -> str:
        return f"r{self.reply_to}/{self.id}"


class Answer(Message, frozen=True, gc=False):
    """The answer to the request with this `id`."""

    id: int

    def lane(self) -> str:
        return f"r{self.id}"
