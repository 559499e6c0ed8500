"""When the process daemon looks for what ended containers and commands have left, and at whom. No process is started here."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any

import pytest

from callboard.runtime.process import containers as module
from callboard.runtime.process import procfs
from callboard.runtime.process.cgroups import no_cgroups
from callboard.runtime.process.container import Container
from callboard.runtime.process.containers import LOOK_AGAIN_S, Containers

MAIN, COMMAND, ORPHAN = 101, 102, 103


class Table:
    """A process table by hand: who has ended, whose processes were asked for their environment, who was killed."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        self.any_ended = False
        self.asked: list[int] = []
        self.killed: list[int] = []
        self.containers = Containers("cluster", no_cgroups("none are needed"))
        process: Any = SimpleNamespace(pid=MAIN)
        self.container = Container("web", "node-1", process, "/log", {}, "/", None)
        self.containers._by_id["web"] = self.container
        self.containers._by_pid[MAIN] = self.container
        self.containers.watch_command(COMMAND, "web", "1", lambda _code: None)
        patch.setattr(Containers, "_reap", lambda _self: self.any_ended)
        patch.setattr(module, "procfs", SimpleNamespace(**{**vars(procfs), "children_of_self": lambda: [MAIN, COMMAND, ORPHAN],
            "container_mark": self._mark, "command_mark": lambda _pid: ""}))  # fmt: skip
        patch.setattr(os, "kill", lambda pid, _signal: self.killed.append(pid))
        patch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now_s, time=time.time))

    def _mark(self, pid: int) -> str:
        self.asked.append(pid)
        return "web"

    def collect(self, any_ended: bool = False) -> list[int]:
        """The daemon wakes up; returns who was asked."""
        self.asked, self.any_ended = [], any_ended
        self.containers.collect()
        return self.asked


def test_nobody_is_looked_at_before_a_child_has_ended_and_then_only_orphans_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(monkeypatch)
    assert table.collect() == []
    assert table.collect(any_ended=True) == [ORPHAN], "whose command it is, is known"
    assert table.collect() == []
    assert table.killed == []


def test_orphans_are_looked_for_once_more_a_moment_after_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(monkeypatch)
    table.collect(any_ended=True)
    due_s = table.containers.next_deadline_s()
    assert due_s == table.now_s + LOOK_AGAIN_S
    table.now_s = due_s
    assert table.collect() == [ORPHAN]
    assert table.containers.next_deadline_s() is None
    assert table.collect() == []


def test_a_command_dies_with_its_container_though_it_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(monkeypatch)
    del table.containers._by_pid[MAIN]
    table.container.state, table.container.give_up_at_s = "ending", table.now_s + 2
    assert table.collect(any_ended=True) == [MAIN, ORPHAN]
    assert table.killed == [MAIN, COMMAND, ORPHAN]
