"""What a journal driver does for each message of the store, carried out at once on whatever thread calls it.

Called by the driver itself in simulations and by its thread in real time. One owner of a folder: see :class:`JournalFolder`.
"""

from __future__ import annotations

from collections.abc import Callable

from callboard.actors.store.messages import BATCHES_PER_OPENING, JournalOpened, JournalReady, JournalRefused, OpenJournal
from callboard.models.messages.base import Address
from callboard.models.messages.store import Append, AppendFailed, Synced
from callboard.runtime.storage.errors import DiskFull, StorageError
from callboard.runtime.storage.session import JournalFolder, Session, Snapshot

__all__ = ["Desk"]


class Desk:
    """Opens, writes, syncs. Every method but `retire` raises Retired when the folder has another owner meanwhile."""

    def __init__(self, folder: JournalFolder, on_retired: Callable[[], None] = lambda: None) -> None:
        self._folder = folder
        self._on_retired = on_retired
        self._session: Session | None = None
        self._opener: Address = ""
        self._attempt = 0
        self._written_batch = self._synced_batch = 0
        folder.claim(self)

    def retire(self) -> None:
        """The folder has another owner."""
        self._on_retired()

    def open(self, request: OpenJournal) -> JournalOpened | JournalRefused | None:
        """Open the journal (anew): from now on only the batches of this attempt count. None for the repeat of an attempt at work."""
        session = self._session
        if session is not None and session.items is None and (self._opener, self._attempt) == (request.reply_to, request.attempt):
            return None
        self._session = None
        self._opener, self._attempt = request.reply_to, request.attempt
        self._written_batch = self._synced_batch = request.attempt * BATCHES_PER_OPENING - 1
        try:
            session = self._folder.open(self)
        except StorageError as error:
            return JournalRefused(request.attempt, str(error), isinstance(error, DiskFull))
        self._session = session
        return JournalOpened(request.attempt, session.items or (), session.reserved_revision, session.warnings)

    def write(self, append: Append) -> Synced | AppendFailed | JournalReady | None:
        """Write a batch; None if `sync` is to follow, or if nothing is to be said because it's a repeat or of another opening."""
        session, batch = self._session, append.batch
        if session is None:
            return JournalReady()  # the one that told of our start, or of a failure, was lost
        if append.reply_to != self._opener or batch // BATCHES_PER_OPENING != self._attempt:
            return None
        if batch <= self._written_batch:
            return Synced(batch) if batch <= self._synced_batch else None
        try:
            session.write(append.groups)
        except DiskFull as error:
            if not session.poisoned:
                return AppendFailed(batch, str(error), full=True)  # nothing of it is there: the session goes on
            return self._failed(batch, error)
        except (StorageError, ValueError, TypeError) as error:
            return self._failed(batch, error)
        self._written_batch = batch
        return None

    def sync(self) -> tuple[Address, Synced | AppendFailed] | None:
        """Make durable what is written; whom to tell what, or None if nothing was."""
        session = self._session
        if session is None or self._written_batch == self._synced_batch:
            return None
        try:
            session.sync()
        except StorageError as error:
            return self._opener, self._failed(self._written_batch, error)
        self._synced_batch = self._written_batch
        return self._opener, Synced(self._synced_batch)

    def _failed(self, batch: int, error: Exception) -> AppendFailed:
        """Nothing more is taken before the journal is opened anew."""
        self._session = None
        return AppendFailed(batch, str(error) or type(error).__name__)

    def begin_snapshot(self) -> tuple[Session, Snapshot] | None:
        """A snapshot to be written, if one is due and nothing waits to be synced. Raises StorageError."""
        session = self._session
        if session is None or self._written_batch != self._synced_batch:
            return None
        snapshot = session.begin_snapshot()
        return None if snapshot is None else (session, snapshot)
