"""Daemons in cells, for tests at every level of isolation that has namespaces."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from callboard.runtime.isolation.levels import IsolationRefused, Level, chosen
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.confinement import Confinement
from callboard.runtime.process.protocol import CommandEnded, Exited, Started
from tests.programs import in_ci

from .conftest import WAIT_S, Driver

ENV = {"PATH": "/usr/bin:/bin"}
LEVELS = ("A", "B", "C1") if os.geteuid() == 0 else ("B", "C1")
"""The levels with a cell that this user may have; A is for root alone."""
WITH_USERS = tuple(name for name in LEVELS if name != "B" or os.geteuid() != 0)
"""Those where there are other users than root: in a user namespace these are subordinate ids, and root has none of them."""


def level_named(name: str) -> Level:
    """The level; the test is skipped where this machine hasn't got it. As root, CI must have them all."""
    try:
        return chosen(name)
    except IsolationRefused as refusal:
        if in_ci() and (name != "A" or _is_root()):
            pytest.fail(str(refusal), pytrace=False)
        pytest.skip(str(refusal))


def _is_root() -> bool:
    return os.geteuid() == 0


def needs_users(level: Level) -> None:
    """The test is skipped where there is no other user than root, but never in CI."""
    if not level.subuids:
        words = "there is no other user than root here: give this one subordinate ids, as `callboard doctor` says"
        pytest.fail(words, pytrace=False) if in_ci() else pytest.skip(words)


class CellDriver(Driver):
    """A daemon in a cell, its confined containers and what they said."""

    def __init__(self, level: Level, state_dir: Path | None = None, *, revive: bool = False) -> None:
        self.level = level
        if state_dir is None:
            super().__init__(lambda emit: ProcessDaemon.start(None, emit, level=level, revive=revive))
        else:
            super().__init__(lambda emit: ProcessDaemon.connect(state_dir, emit, level=level, revive=revive))

    def begin(self, container_id: str, *argv: str, **more: Any) -> int:
        """Ask for a confined container; its answer is the next message."""
        confinement = more.pop("confinement", Confinement(hostname="web-0"))
        cwd = more.pop("cwd", "/")
        return self.daemon.start_container(container_id, "node-1", argv, ENV, cwd, self.log(container_id), confinement=confinement, **more)

    def output(self, script: str, container_id: str = "c1", **more: Any) -> str:
        """What a shell script says in a confined container that runs until it ends."""
        self.begin(container_id, "/bin/sh", "-c", script, **more)
        self.next(Started)
        self.last = self.next(Exited)
        self.daemon.forget(container_id, lambda _answer: None)
        said = self.log(container_id).read_text()
        self.log(container_id).unlink()
        return said

    def command(self, container_id: str, *argv: str, timeout_s: float = WAIT_S) -> CommandEnded:
        """A command beside a container."""

        def ask(callback: Any) -> int:
            return self.daemon.execute(container_id, argv, b"", timeout_s, 100_000, callback)

        return self.daemon.ask(CommandEnded, ask, timeout_s=WAIT_S)


def processes_of(main: int) -> list[str]:
    """Command lines of daemons that a main program has started, and of what made their namespaces."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f'"parent": {main}' in line:
                found.append(line)
    return found
