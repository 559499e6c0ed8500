"""Ten thousand crashes: whatever a disk drops, tears and reorders, no confirmed group is lost, and none survives in part.

The load, the crashes and the check live in one class, so that the same check can be turned on copies of the engine from which one
sync was taken out: it must find the loss.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from callboard.runtime.storage import journal as real_engine
from callboard.runtime.storage.errors import JournalDamaged, JournalPoisoned, StorageError
from callboard.runtime.storage.frames import Group, Record, StoredValue
from callboard.runtime.storage.simdisk import SimCrash, SimDisk

CHUNKS = 10
HISTORIES_PER_CHUNK = 40
CRASHES_PER_HISTORY = 25
LETTERS = bytes(range(256)) * 8
PACKAGE = "callboard.runtime.storage"


class Lost(Exception):
    """The journal broke a promise."""


class Refused(Lost):
    """It can't be opened any more, though nothing but crashes happened to it."""


class Model:
    """What the journal should hold after each group."""

    def __init__(self) -> None:
        self.records: dict[str, StoredValue] = {}
        self.revision = self.reserved = self.compacted = 0

    def apply(self, group: Group) -> None:
        for record in group.records:
            if record[0] == "put":
                self.records[record[1]] = record[2:]
            elif record[0] == "delete":
                self.records.pop(record[1], None)
            else:
                self.compacted = max(self.compacted, record[1])
        self.revision = group.last_revision
        self.reserved = max(self.reserved, group.reserved_revision)

    def equals(self, recovered: real_engine.Recovered) -> bool:
        return (self.revision, self.reserved, self.compacted, self.records) == (
            recovered.revision, recovered.reserved_revision, recovered.compacted_revision, recovered.records,
        )  # fmt: skip


class History:
    """One disk that lives through many crashes under load."""

    def __init__(self, seed: int, engine: Any = real_engine) -> None:
        self.random = Random(seed)
        self.disk = SimDisk(Random(seed + 1_000_003))
        self.engine = engine
        self.limits = engine.JournalLimits(snapshot_after_bytes=self.random.choice((2_000, 8_000, 40_000)))
        self.confirmed = Model()
        self.unconfirmed: list[Group] = []
        self.next_revision = 1
        self.confirmed_groups = 0

    def live_through(self, crashes: int) -> None:
        while self.disk.counters.crashes < crashes:
            self.disk.crash_after(int(self.random.expovariate(1 / 20)))
            if self.random.random() < 0.04:
                self.disk.fail(self.random.choice(("sync", "sync", "write", "sync_folder")), self.random.randrange(6))
            try:
                self.load()
            except (SimCrash, StorageError) as end:
                if isinstance(end, JournalDamaged):
                    raise Refused(f"a crash was taken for damage: {end}") from end
            if self.random.random() < 0.2:
                self.disk.kill()
            else:
                self.disk.crash()

    def load(self) -> None:
        journal, recovered = self.engine.Journal.open(self.disk, limits=self.limits)
        self.check(recovered)
        while True:
            if journal.should_snapshot() or self.random.random() < 0.03:
                self.snapshot(journal)
            else:
                self.append(journal)
            if self.random.random() < 0.01:
                journal.close()
                journal, recovered = self.engine.Journal.open(self.disk, limits=self.limits)
                self.check(recovered)

    def append(self, journal: Any) -> None:
        batch = [self.group() for _ in range(self.random.randint(1, 4))]
        self.unconfirmed = batch
        try:
            journal.append(batch)
        except StorageError:
            try:
                journal.append(batch)
            except JournalPoisoned:
                raise
            raise Lost("a batch was confirmed after a failed write") from None
        self.unconfirmed = []
        self.confirmed_groups += len(batch)
        for group in batch:
            self.confirmed.apply(group)

    def snapshot(self, journal: Any) -> None:
        """In one go, or with appends while the snapshot is being written."""
        state = dict(self.confirmed.records)
        try:
            if self.random.random() < 0.5:
                journal.snapshot(state.items(), self.confirmed.revision)
                return
            job = journal.begin_snapshot()
            self.append(journal)
            try:
                size = job.write(state.items())
            except StorageError:
                journal.abandon_snapshot()
                raise
            self.append(journal)
            journal.finish_snapshot(size)
        except StorageError:
            if journal.poisoned:
                raise

    def group(self) -> Group:
        first = last = self.next_revision
        records: list[Record] = []
        for _ in range(self.random.randrange(4)):
            key = f"pods/ns/{self.random.randrange(12)}"
            if self.random.random() < 0.2:
                records.append(("delete", key, last))
            else:
                records.append(("put", key, 1, last, 1, "v1/Pod", LETTERS[last % 256 :][: int(self.random.expovariate(1 / 400))]))
            last += self.random.randrange(2)
        if not records:
            last = first - 1
            if self.random.random() < 0.5:
                records.append(("compact", last))
        self.next_revision = last + 1
        return Group(first, last, last + self.random.randrange(50), tuple(records))

    def check(self, recovered: real_engine.Recovered) -> None:
        """All confirmed groups are there, and the unconfirmed ones as a prefix of whole groups. What was shown now counts as confirmed."""
        survivors = 0
        while not self.confirmed.equals(recovered):
            if not self.unconfirmed:
                raise Lost(
                    f"expected revision {self.confirmed.revision} after {survivors} unconfirmed groups, found {recovered.revision}, "
                    f"or the content differs"
                )
            self.confirmed.apply(self.unconfirmed.pop(0))
            survivors += 1
        self.unconfirmed = []
        self.next_revision = recovered.reserved_revision + 1


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_ten_thousand_crashes_lose_no_confirmed_group(chunk: int) -> None:
    confirmed = snapshots = 0
    for seed in range(chunk * HISTORIES_PER_CHUNK, (chunk + 1) * HISTORIES_PER_CHUNK):
        history = History(seed)
        try:
            history.live_through(CRASHES_PER_HISTORY)
        except Lost as lost:
            raise AssertionError(f"seed {seed}: {lost}") from lost
        confirmed += history.confirmed_groups
        snapshots += any(name.startswith("snapshot-") for name in history.disk.names())
    assert confirmed > 5 * HISTORIES_PER_CHUNK * CRASHES_PER_HISTORY  # the crashes did meet a load
    assert snapshots > HISTORIES_PER_CHUNK // 2


def test_the_same_seed_is_the_same_history() -> None:
    first, second = History(11), History(11)
    first.live_through(10)
    second.live_through(10)
    assert first.disk.counters == second.disk.counters
    assert {name: first.disk.read(name) for name in first.disk.names()} == {name: second.disk.read(name) for name in second.disk.names()}


def copy_without(monkeypatch: pytest.MonkeyPatch, module: str, before: str, after: str) -> Any:
    """A copy of the engine with a piece of one module's text replaced, which must occur exactly once; the real modules stay untouched."""
    copies: dict[str, ModuleType] = {}
    folder = Path(str(real_engine.__file__)).parent
    with monkeypatch.context() as patch:
        for name in ("snapshot", "recovery", "journal"):
            source = (folder / f"{name}.py").read_text(encoding="utf-8")
            if name == module:
                assert source.count(before) == 1, f"{before!r} occurs {source.count(before)} times in {name}.py"
                source = source.replace(before, after)
            copies[name] = ModuleType(f"{PACKAGE}.{name}")
            patch.setitem(sys.modules, f"{PACKAGE}.{name}", copies[name])
            exec(compile(source, f"copy of {name}.py", "exec"), vars(copies[name]))
    return copies["journal"]


CLOSE_AND_RAISE = """    except BaseException:
        file.close()
        raise
    progress"""
STOP_AT_FLAW = """        if isinstance(frame, Flaw):
            return offset, frame
"""
SKIP_FLAW = """        if isinstance(frame, Flaw):
            found = frames.find_frame(data, offset + 1, seed)
            if found is None:
                return offset, frame
            frame = found
            progress.sequence, progress.checksum = frame.sequence - 1, frame.previous
"""
MUTANTS = {
    "no sync after a write": ("journal", "            self._file.sync()\n", "            pass\n"),
    "no sync of a snapshot before its name": ("snapshot", "            file.sync()\n", ""),
    "no sync of the folder after a snapshot": ("snapshot", "        self.disk.sync_folder()\n", ""),
    "no sync of a new segment": ("recovery", "        file.sync()\n        disk.rename(", "        disk.rename("),
    "no sync of the folder after a new segment": ("recovery", "+ TEMPORARY, name)\n        disk.sync_folder()\n", "+ TEMPORARY, name)\n"),
    "no sync of the folder at opening": ("recovery", "    disk.sync_folder()\n    names =", "    names ="),
    "no sync of what recovery found": ("recovery", "        file.sync()\n" + CLOSE_AND_RAISE, CLOSE_AND_RAISE),
    "no second write of what may not have been written": ("recovery", "if progress.unproven_offset < end:", "if False:"),
    "an unfinished tail stays": ("recovery", "        file.truncate(end)\n", ""),
    "a write with holes is damage": ("recovery", "later.sequence > expected <= later.synced_sequence", "later.sequence > expected"),
    "a group behind a hole counts": ("recovery", STOP_AT_FLAW, SKIP_FLAW),
    "writing goes on after a failed sync": ("journal", "        if self._poison is not None:\n", "        if False:\n"),
}


def find_a_loss(engine: Any, histories: int, *, refusals: bool = True) -> Lost | None:
    """The first broken promise among so many histories; with ``refusals=False`` only a journal that opens without something confirmed."""
    for seed in range(histories):
        try:
            History(seed, engine).live_through(CRASHES_PER_HISTORY)
        except Lost as lost:
            if refusals or not isinstance(lost, Refused):
                return lost
    return None


def test_without_the_sync_the_same_crashes_lose_confirmed_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = copy_without(monkeypatch, "journal", "            self._file.sync()\n", "            pass\n")
    assert "expected revision" in str(find_a_loss(engine, 400, refusals=False))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_copy_of_the_engine_with_a_safeguard_taken_out_is_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = copy_without(monkeypatch, *MUTANTS[mutant])
    assert engine is not real_engine
    assert find_a_loss(engine, 400) is not None


def test_an_unchanged_copy_of_the_engine_is_not_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_a_loss(copy_without(monkeypatch, "journal", "class Journal:", "class Journal:"), 10) is None


ENDS: dict[str, Callable[[SimDisk], None]] = {"crash": SimDisk.crash, "kill": SimDisk.kill}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("operation", ["write", "sync"])
def test_after_a_failed_write_nothing_is_taken_until_the_journal_is_opened_again(operation: Any, end: str) -> None:
    disk = SimDisk(Random(5))
    journal, _ = real_engine.Journal.open(disk)
    journal.append([Group(1, 1, 1, (("put", "a", 1, 1, 1, "t", b"1"),))])
    disk.fail(operation)
    group = Group(2, 2, 2, (("put", "a", 1, 2, 2, "t", b"2"),))
    with pytest.raises(StorageError, match=operation):
        journal.append([group])
    for call in (lambda: journal.append([group]), journal.begin_snapshot, lambda: journal.snapshot([], 1)):
        with pytest.raises(JournalPoisoned, match="takes no more writes, because one failed .*open it again"):
            call()
    ENDS[end](disk)
    journal, recovered = real_engine.Journal.open(disk)
    assert recovered.revision in (1, 2)
    disk.crash()
    _, again = real_engine.Journal.open(disk)
    assert again == recovered or again.records == recovered.records
