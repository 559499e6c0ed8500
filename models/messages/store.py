"""What apiservers say to the store and hear from it: transactions, ranges, the change stream, compaction.

The store knows keys, revisions and leases only. One transaction is one revision, cluster-wide; the store stamps it into the
`metadata.resource_version` of what it stores. Nothing that is not durable is ever said, not even in a refusal.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.models.messages.base import Address, Answer, Message, Request


class Compare(msgspec.Struct, frozen=True, gc=False):
    """A condition of a transaction: the key was last changed at `mod_revision` (0: it is absent)."""

    key: str
    mod_revision: int


class Put(msgspec.Struct, frozen=True, gc=False):
    """Store an object under a key. `ephemeral_s > 0`: keep it in the bounded ring for that long, never in the journal (API Events)."""

    key: str
    obj: Any
    ephemeral_s: float = 0.0


class Remove(msgspec.Struct, frozen=True, gc=False):
    """Remove a key."""

    key: str


class Fence(msgspec.Struct, frozen=True, gc=False):
    """A transaction of a leader: valid only while the Lease under `key` still has `epoch` as its leaseTransitions."""

    key: str
    epoch: int


class Transact(Request, frozen=True, gc=False):
    """Carry out all `ops` in one revision if every compare holds and the fence, if any, is in force."""

    compares: tuple[Compare, ...]
    ops: tuple[Put | Remove, ...]
    fence: Fence | None = None

    def subject(self) -> str:
        return self.ops[0].key if self.ops else ""


class Committed(Answer, frozen=True, gc=False):
    """The transaction is durable. `objects` are the stamped objects of its ops, in order (for `Remove`: what was there)."""

    revision: int
    objects: tuple[Any, ...]


class TransactionFailed(Answer, frozen=True, gc=False):
    """A compare or the fence did not hold; `current` holds key and object (or None) of every compare, as of `revision`."""

    revision: int
    current: tuple[tuple[str, Any], ...]
    fenced: bool = False


class StoreRefused(Answer, frozen=True, gc=False):
    """The store cannot serve: the revision is compacted (410), the disk is full (503), or the revision is in the future (504)."""

    code: int
    message: str


class ReadRange(Request, frozen=True, gc=False):
    """All keys that begin with `prefix`, as of `revision` (0: now)."""

    prefix: str
    revision: int = 0


class RangeRead(Answer, frozen=True, gc=False):
    """Answer to `ReadRange`, in key order."""

    items: tuple[tuple[str, Any], ...]
    revision: int


class ReadRevision(Request, frozen=True, gc=False):
    """Ask for the newest durable revision: how an apiserver makes a read from its cache as new as the store."""


class RevisionRead(Answer, frozen=True, gc=False):
    """Answer to `ReadRevision`."""

    revision: int


class StoreEvent(msgspec.Struct, frozen=True, gc=False):
    """One changed key: `obj` is the stamped new object (None: removed), `old` the one before (None: created)."""

    key: str
    obj: Any
    old: Any
    revision: int


class FollowStore(Request, frozen=True, gc=False):
    """Open the change stream after `from_revision` (0: from now on, beginning with a full picture)."""

    from_revision: int

    def lane(self) -> str:
        return f"w{self.reply_to}/{self.id}"


class StoreChanged(Answer, frozen=True, gc=False):
    """The next piece of the change stream: every change up to `revision`, in order; `seq` counts from 1 without a gap.

    Empty pieces are heartbeats. With `picture=True` the events are the whole content, and whatever is not among them is gone.
    """

    seq: int
    events: tuple[StoreEvent, ...]
    revision: int
    picture: bool = False

    def lane(self) -> str:
        return f"w{self.id}"


class Compact(Message, frozen=True, gc=False):
    """Forget history before `revision`."""

    revision: int


class Append(Message, frozen=True, gc=False):
    """Store to its journal driver: make these groups durable. `groups` are what the storage engine takes. A repeat is harmless."""

    batch: int
    groups: tuple[Any, ...]
    reply_to: Address


class Synced(Message, frozen=True, gc=False):
    """Journal driver to store: the batch and all before it are durable."""

    batch: int


class AppendFailed(Message, frozen=True, gc=False):
    """Journal driver to store: the batch may or may not be durable, and the journal takes no more. The store ends itself. But if it was
    only for want of room (`full`), nothing of the batch is on the disk, and a later one may find room."""

    batch: int
    message: str
    full: bool = False
