"""Two hundred kill -9 of a process that writes to a real folder: whatever it said was durable is there when the folder is opened again.

A small server process imports the engine once and forks a writer per round, so a round costs milliseconds. The writer carries on from
what it recovers; what it writes is a function of the revision, so that the test can tell what the state at any revision must be.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from callboard.runtime.storage.disk import RealDisk
from callboard.runtime.storage.frames import StoredValue
from callboard.runtime.storage.journal import Journal

CHUNKS = 8
KILLS_PER_CHUNK = 25

SERVER = """
import os, sys
from callboard.runtime.storage.disk import RealDisk
from callboard.runtime.storage.journal import Group, Journal, JournalLimits

def write(folder):
    journal, recovered = Journal.open(RealDisk(folder), limits=JournalLimits(snapshot_after_bytes=20_000))
    state, revision = dict(recovered.records), recovered.revision
    while True:
        batch = []
        for _ in range(1 + revision % 5):
            revision += 1
            key, value = f"key-{revision % 40}", str(revision).encode() * (revision % 97)
            if revision % 7 == 0:
                record = ("delete", key, revision)
                state.pop(key, None)
            else:
                record = ("put", key, revision, revision, 1, "v1/Thing", value)
                state[key] = record[2:]
            batch.append(Group(revision, revision, revision + 10, (record,)))
        journal.append(batch)
        os.write(1, b"durable %d\\n" % revision)
        if journal.should_snapshot():
            journal.snapshot(state.items(), revision)
            os.write(1, b"snapshot %d\\n" % revision)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            os.write(1, b"writer %d\\n" % os.getpid())
            write(line.strip())
        except BaseException as error:
            os.write(1, f"failed {error!r}\\n".encode())
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    os.write(1, b"end 0\\n")
"""


class Server:
    """The forking server, and the lines that its writers say."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._rest = b""

    def start_writer(self, folder: Path) -> int:
        """Start a writer; gives its process id."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{folder}\n".encode())
        self.process.stdin.flush()
        word, number = self.line()
        assert word == "writer"
        return int(number)

    def line(self) -> tuple[str, str]:
        while b"\n" not in self._rest:
            self.wait(60)
            self._read()
        line, self._rest = self._rest.split(b"\n", 1)
        word, _, rest = line.decode().partition(" ")
        return word, rest

    def wait(self, timeout_s: float) -> None:
        """Until something was said, or for so long."""
        assert self.process.stdout is not None
        select.select([self.process.stdout], [], [], timeout_s)

    def _read(self) -> None:
        assert self.process.stdout is not None
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        assert data, "the server of writers has died"
        self._rest += data

    def stop(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def expected_state(upto: int) -> dict[str, StoredValue]:
    state: dict[str, StoredValue] = {}
    for revision in range(max(1, upto - 400), upto + 1):  # 40 keys, each put or deleted at least once in 400 revisions
        key = f"key-{revision % 40}"
        if revision % 7 == 0:
            state.pop(key, None)
        else:
            state[key] = (revision, revision, 1, "v1/Thing", str(revision).encode() * (revision % 97))
    return state


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_two_hundred_kills_lose_no_confirmed_group(chunk: int, server: Server, tmp_path: Path) -> None:
    random = Random(chunk)
    durable = snapshots = 0

    def hear(line: tuple[str, str]) -> None:
        nonlocal durable, snapshots
        assert line[0] in ("durable", "snapshot"), line
        durable = int(line[1])
        snapshots += line[0] == "snapshot"

    for kill in range(KILLS_PER_CHUNK):
        writer = server.start_writer(tmp_path / "data")
        for _ in range(random.choice((0, 1, 2, 10, 40, 80))):
            hear(server.line())
        time.sleep(random.random() * 0.004)  # the exact moment of the kill; nothing is waited for
        os.kill(writer, signal.SIGKILL)
        while (line := server.line())[0] != "end":
            hear(line)
        journal, recovered = Journal.open(RealDisk(tmp_path / "data"))
        journal.close()
        assert recovered.revision >= durable, f"kill {kill}: revision {durable} was confirmed, {recovered.revision} is there"
        assert recovered.reserved_revision >= recovered.revision
        assert recovered.records == expected_state(recovered.revision), f"kill {kill}"
        durable = recovered.revision
    assert durable > KILLS_PER_CHUNK  # the kills did meet a load
    assert snapshots > 0
