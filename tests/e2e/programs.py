"""Running the command line as a user does: a process of its own, its output read as it comes. Used by the end-to-end tests."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

LINE_TIMEOUT_S = 60.0


def _heed_interrupts() -> None:
    """Ctrl-C means what it means on a terminal, even where the tests run in the background of a shell, which ignores it there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Program:
    """A running `callboard ...`."""

    def __init__(self, *args: str, cwd: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "callboard", *args],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            preexec_fn=_heed_interrupts,
        )
        self.lines: list[str] = []
        self._fresh: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._fresh.put(line.rstrip("\n"))
        self._fresh.put(None)

    def wait_line(self, wanted: Callable[[str], bool], timeout_s: float = LINE_TIMEOUT_S) -> str:
        """The first line, from here on, that is wanted."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            line = self._fresh.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if line is None:
                raise AssertionError("the program ended; it said:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if wanted(line):
                return line

    def descendants(self) -> list[psutil.Process]:
        """All processes that this program has started, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: int) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=LINE_TIMEOUT_S)


@contextmanager
def program(*args: str, cwd: Path) -> Iterator[Program]:
    """A running `callboard ...` that is killed at the end if it still runs."""
    running = Program(*args, cwd=cwd)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGKILL)
        assert running.process.stdout is not None
        running.process.wait()
        running.process.stdout.close()


def all_gone(processes: list[psutil.Process], timeout_s: float = LINE_TIMEOUT_S) -> list[psutil.Process]:
    """Those of the processes that still run after at most `timeout_s` (a zombie doesn't run)."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        left = [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
        if not left or time.monotonic() > deadline_s:
            return left
        time.sleep(0.05)
