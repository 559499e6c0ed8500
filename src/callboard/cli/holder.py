"""Which program keeps the cluster of a data folder up: `up` holds a lock there, by which `down` finds it. Used by both.

The lock is the kernel's, so it ends with its program however that ends; the file's text, the process id, only counts while it is held.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

from callboard.runtime.errors import CallboardError
from callboard.runtime.storage.disk import LOCK_NAME as JOURNAL_LOCK_NAME

UP_LOCK_NAME = "up.lock"


@contextlib.contextmanager
def holding(data: Path) -> Iterator[None]:
    """Be the program that keeps the cluster of this folder up. Raises `CallboardError` if another one is, OSError without permission."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(data / UP_LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = _written(descriptor)
            raise CallboardError(
                f"the data folder {data} is in use by another cluster (process {other}): stop that one, or choose another folder"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_known(data: Path) -> bool:
    """Whether a cluster has ever used this folder."""
    return any((data / name).exists() for name in (UP_LOCK_NAME, JOURNAL_LOCK_NAME))


def holder(data: Path) -> int:
    """Process id of the `callboard up` that keeps the cluster of this folder up; 0 if none does."""
    return _held_by(data / UP_LOCK_NAME)


def journal_user(data: Path) -> int:
    """Process id of the program, whichever it is, that has the journal of this folder open; 0 if none has."""
    return _held_by(data / JOURNAL_LOCK_NAME)


def end(pid: int, timeout_s: float) -> bool:
    """Ask a program to end (SIGTERM) and wait for it. False if it still runs after `timeout_s`."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
    finally:
        os.close(pidfd)


def _held_by(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(_written(descriptor) or 0)
    finally:
        os.close(descriptor)
    return 0


def _written(descriptor: int) -> str:
    text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    return text if text.isdigit() else ""
