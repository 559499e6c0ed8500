"""Mutants of the journal, of its recovery, and of when the store tells what: reached by the faults of its disk."""

from __future__ import annotations

from callboard.runtime.chaos.mutants.mutant import Mutant, Patch

JOURNAL = "callboard.runtime.storage.journal"
FRAMES = "callboard.runtime.storage.frames"
SESSION = "callboard.runtime.storage.session"
KEYSPACE = "callboard.actors.store.keyspace"

STORAGE: tuple[Mutant, ...] = (
    Mutant(
        id="M50a",
        title="the journal confirms what it has not synced",
        issue="etcd#13766",
        oracle="nothing acknowledged is lost",
        patches=(Patch(JOURNAL, "            self._file.sync()\n", "            pass\n"),),
    ),
    Mutant(
        id="M50b",
        title="a write is acknowledged before it is durable",
        issue="etcd#14370",
        oracle="nothing acknowledged is lost",
        patches=(
            Patch(
                KEYSPACE,
                "            self._queue.append(_Queued(self._last_batch, self.head, tuple(events), to, answer, expiries))\n            return False",
                "            self._queue.append(_Queued(self._last_batch, self.head, tuple(events), to, None, expiries))\n            return True",
            ),
        ),
    ),
    Mutant(
        id="M50c",
        title="a last record that is too short counts as whole",
        issue="etcd PR 14685",
        oracle="no component fails",
        patches=(
            Patch(
                FRAMES,
                "    if size - start < length:\n        return Flaw.SHORT\n    body = data[start : start + length]\n    if zlib.crc32(body, seed) != body_checksum:\n",
                "    body = data[start : start + length]\n    length = len(body)\n    if False:\n",
            ),
        ),
    ),
    Mutant(
        id="M50d",
        title="revisions that no journal holds are handed out again after a crash",
        issue="etcd#17780",
        oracle="the store's history is linearizable",
        patches=(
            Patch(
                SESSION,
                "        self.reserved_revision = recovered.reserved_revision\n",
                "        self.reserved_revision = recovered.revision\n",
            ),
        ),
    ),
    Mutant(
        id="M50e",
        title="what a full disk has kept of a write stays where it is",
        issue="etcd#14382",
        oracle="no component fails",
        patches=(Patch(JOURNAL, "            file.truncate(end)\n            file.sync()\n", "            file.sync()\n"),),
    ),
)
