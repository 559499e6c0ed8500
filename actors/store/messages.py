"""What the store and its journal driver say to each other besides `Append`, `Synced` and `AppendFailed`, and the store's own timers.

Opening: the store sends `OpenJournal`; the driver opens (or opens anew) the journal, reads it back and answers `JournalOpened` or
`JournalRefused`. A driver that has just started says `JournalReady`, so that neither has to be there first.
"""

from __future__ import annotations

from typing import Any

from callboard.models.messages.base import Address, Message

BATCHES_PER_OPENING = 1 << 32
"""Batch numbers of the n-th attempt to open begin at n times this, so that a late confirmation is never taken for another's."""


class OpenJournal(Message, frozen=True, gc=False):
    """Store to driver: read back what is durable; from now on only batches of this `attempt` of `reply_to` count.

    A repeat of the same attempt is answered again until its first batch has come.
    """

    attempt: int
    reply_to: Address


class JournalOpened(Message, frozen=True, gc=False):
    """Driver to store: everything that is durable. New revisions begin above `reserved_revision`."""

    attempt: int
    items: tuple[tuple[str, Any], ...]
    reserved_revision: int
    warnings: tuple[str, ...] = ()


class JournalRefused(Message, frozen=True, gc=False):
    """Driver to store: the journal can't be opened. `message` says what to do; `full`: the disk is, and later it may be possible."""

    attempt: int
    message: str
    full: bool = False


class JournalReady(Message, frozen=True, gc=False):
    """A driver has started (or got a batch with no journal open); whatever it was told and had not confirmed may be lost."""


class FlushChanges(Message, frozen=True, gc=False):
    """The store to itself: tell the followers what has changed since the last time."""


class SendBatch(Message, frozen=True, gc=False):
    """The store to itself: hand over to the journal what has gathered."""


class BeatFollowers(Message, frozen=True, gc=False):
    """Timer: tell followers that have heard nothing how far things are."""


class ExpireKeys(Message, frozen=True, gc=False):
    """Timer: remove the ephemeral keys whose time is over."""
