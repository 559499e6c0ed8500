"""The trace of a simulation: a running hash over everything that happened, and the last of it for error messages.

Two runs with equal hashes went the same way. Python's identities and hashes never enter it, so it is the same in every process.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque

import msgspec

Record = tuple[float, str, str, str, str]
"""Virtual time, sender ("" for a timer, and for a life that "began" or "ended"), receiver, type, subject."""

BATCH = 1024
"""Records that are hashed at one go."""
RECENT = 8192
"""Records kept for the texts of errors."""
BUSIEST = 5


class Trace:
    """Records in, one hash out."""

    def __init__(self) -> None:
        self.batch: list[Record] = []
        self.recent: deque[Record] = deque(maxlen=RECENT)
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, record: Record) -> None:
        """Something has happened. Batches are full when they are hashed, so the hash does not depend on who looks when."""
        batch = self.batch
        batch.append(record)
        if len(batch) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        self._hash.update(msgspec.msgpack.encode(self.batch))
        self.recent.extend(self.batch)
        self.batch.clear()

    def digest(self) -> str:
        """The hash up to now; looking changes nothing."""
        copy = self._hash.copy()
        copy.update(msgspec.msgpack.encode(self.batch))
        return copy.hexdigest()

    def busiest(self, since_s: float) -> str:
        """Who kept whom busy since a virtual time: the most frequent ways and types among the last records."""
        counts: Counter[str] = Counter()
        for at_s, sender, receiver, kind, subject in (*self.recent, *self.batch):
            if at_s >= since_s:
                what = f"timer {kind} of {receiver}" if not sender else f"{sender} -> {receiver} {kind}"
                counts[f"{what} {subject}".rstrip()] += 1
        return "; ".join(f"{number} x {what}" for what, number in counts.most_common(BUSIEST)) or "nothing"
