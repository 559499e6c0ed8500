"""A process daemon that is lost is followed by another one, with the same folder and the same addresses."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from callboard.runtime.process import client
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.protocol import DaemonLost, Hello, ProcessDaemonError, ProcessMessage, Started
from tests.runtime.process.conftest import ENV, Driver, wait_until_gone

WAIT_S = 30.0


class Revived:
    """A daemon that is started anew, and a way to wait until it has been."""

    def __init__(self, state_dir: Path | None) -> None:
        self.lost = threading.Event()
        self.daemon = self._start(state_dir)

    def _start(self, state_dir: Path | None) -> ProcessDaemon:
        def heard(message: ProcessMessage) -> None:
            if isinstance(message, DaemonLost):
                self.lost.set()

        if state_dir is None:
            return ProcessDaemon.start(None, heard, revive=True)
        return ProcessDaemon.connect(state_dir, heard, revive=True)

    def run(self, name: str) -> Started:
        """Start a container, as soon as there is somebody who does that."""
        daemon = self.daemon
        log = daemon.state_dir / f"{name}.log"
        waiting = threading.Event()
        for _ in range(int(WAIT_S / 0.05)):
            try:
                return daemon.ask(Started, daemon.start_container, name, "node-1", ["sleep", "1000"], ENV, "/", log)
            except ProcessDaemonError:
                waiting.wait(0.05)
        raise AssertionError("there is no daemon again")

    def kill(self) -> Hello:
        """The daemon dies as hard as it can; returns what it had said of itself."""
        before = self.daemon.hello
        self.lost.clear()
        os.kill(before.pid, signal.SIGKILL)
        assert self.lost.wait(WAIT_S)
        return before


@pytest.fixture(params=["ephemeral", "durable"])
def revived(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, state_dir: Path) -> Revived:
    monkeypatch.setattr(client, "STABLE_S", 0.0)
    return Revived(None if request.param == "ephemeral" else state_dir)


def test_a_lost_daemon_is_followed_by_one_with_the_same_folder_and_addresses(revived: Revived) -> None:
    first = revived.run("c1")
    before = revived.kill()
    second = revived.run("c2")
    wait_until_gone(first.pid)
    after = revived.daemon.hello
    assert (after.block, after.state_dir, after.cluster_id, after.durable) == (
        before.block,
        before.state_dir,
        before.cluster_id,
        before.durable,
    )
    assert after.pid != before.pid
    assert [one.container_id for one in revived.daemon.list_now().containers] == ["c2"]
    assert revived.daemon.stop() == ("c2",)
    wait_until_gone(second.pid)
    assert Path(before.state_dir).exists() is before.durable


def test_it_is_followed_as_often_as_it_is_lost(revived: Revived) -> None:
    for number in range(3):
        revived.run(f"c{number}")
        revived.kill()
    revived.run("last")
    revived.daemon.stop()
    wait_until_gone(revived.daemon.hello.pid)


def test_one_that_is_lost_again_and_again_is_given_a_pause_and_a_stop_ends_that(monkeypatch: pytest.MonkeyPatch, state_dir: Path) -> None:
    monkeypatch.setattr(client, "REVIVE_PAUSE_S", 3600.0)
    revived = Revived(None)
    before = revived.kill()
    refused = threading.Event()
    revived.daemon.list("", lambda _answer: refused.set())
    assert refused.wait(WAIT_S), "meanwhile requests fail at once"
    assert revived.daemon.stop() == ()
    assert not Path(before.state_dir).exists()


def test_one_that_was_told_to_end_stays_away(state_dir: Path) -> None:
    driver = Driver(lambda emit: ProcessDaemon.connect(state_dir, emit, revive=True))
    os.kill(driver.daemon.hello.pid, signal.SIGTERM)
    wait_until_gone(driver.daemon.hello.pid)
    driver.daemon.disconnect()
    assert [type(one).__name__ for one in driver.said.queue] == ["ShutDown"]
