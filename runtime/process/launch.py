"""Starting, finding and ending process daemons.

Used by `ProcessDaemon` (client.py) and by `callboard down`. A daemon is started with one end of a socket pair; a durable one is found
again by the socket in its state folder.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgpack
import msgspec

from callboard.runtime.process.protocol import (
    CannotStart,
    ContainerRecord,
    FromDaemon,
    Hello,
    Listed,
    ProcessDaemonError,
    RequestFailed,
    ShutDown,
)
from callboard.runtime.process.wire import SOCKET_NAME, BrokenFrame, FrameBuffer, pack

_BOOT = Path(__file__).resolve().parent / "boot.py"
_SITE = Path(msgpack.__file__).resolve().parent.parent
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(FromDaemon)


class Connected:
    """A connection on which the daemon has said hello. `bodies` are frames that came right behind it."""

    def __init__(self, sock: socket.socket, process: subprocess.Popen[bytes] | None = None) -> None:
        self.sock = sock
        self.process = process
        self.frames = FrameBuffer()
        self.bodies: list[bytes] = []
        self.hello: Hello

    def next_message(self) -> Any:
        """The next message; None at the end of the stream. Raises OSError, also when the socket's time-out is over."""
        while not self.bodies:
            data = self.sock.recv(65536)
            if not data:
                return None
            self.bodies = self.frames.feed(data)
        return _decoder.decode(self.bodies.pop(0))


class Stopped(msgspec.Struct, frozen=True):
    """What `stop_durable` has done. `found` is False if no daemon ran; `containers` are those that ran when it was told to end."""

    found: bool
    pid: int
    containers: tuple[ContainerRecord, ...]


def state_folder(data: str | Path) -> Path:
    """Where in a cluster's data folder its process daemon keeps its state."""
    return Path(data) / "processes"


def start(state_dir: str | Path | None, timeout_s: float, *, again: bool = False) -> Connected:
    """Start a daemon and wait for its first word; `again`: one that ends with this program, in the folder of one that was lost.

    Raises `ProcessDaemonError`.
    """
    if not sys.platform.startswith("linux"):
        raise ProcessDaemonError("containers='process' needs Linux (subreapers, /proc); use simulated containers here")
    if not sys.executable:
        raise ProcessDaemonError(
            "this program's Python interpreter is not known (sys.executable is empty), so no process daemon can be started"
        )
    place = tempfile.gettempdir() if state_dir is None else str(Path(state_dir).absolute())
    ours, theirs = socket.socketpair()
    with theirs, tempfile.TemporaryFile() as complaints:
        fd = theirs.fileno()
        mode = "again" if again else "ephemeral" if state_dir is None else "durable"
        command = [sys.executable, "-I", "-S", str(_BOOT), str(_SITE), str(fd), mode, place, str(os.getpid())]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints, pass_fds=(fd,), start_new_session=True
            )
        except OSError as error:
            ours.close()
            raise ProcessDaemonError(f"cannot start the process daemon with {sys.executable}: {error.strerror}") from error
        theirs.close()
        try:
            return _greeted(Connected(ours, process), timeout_s, "the process daemon could not start")
        except ProcessDaemonError as error:
            ours.close()
            process.kill()
            process.wait()
            complaints.seek(0)
            words = complaints.read()[-2000:].decode(errors="replace").strip()
            raise ProcessDaemonError(f"{error}: {words}" if words else str(error)) from error


def connect(state_dir: str | Path, timeout_s: float) -> Connected | None:
    """Connect to the durable daemon of a state folder; None if none runs. Raises `ProcessDaemonError` if it doesn't say hello."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout_s)
    try:
        # Through the folder's descriptor: a socket's path may have 107 bytes only, a folder's more.
        folder = os.open(state_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            sock.connect(f"/proc/self/fd/{folder}/{SOCKET_NAME}")
        finally:
            os.close(folder)
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        return None
    except OSError as error:
        sock.close()
        raise ProcessDaemonError(f"cannot reach the process daemon of {state_dir}: {error.strerror}") from error
    try:
        return _greeted(Connected(sock), timeout_s, f"the process daemon of {state_dir} cannot be reached")
    except ProcessDaemonError:
        sock.close()
        raise


def _greeted(connected: Connected, timeout_s: float, trouble: str) -> Connected:
    connected.sock.settimeout(timeout_s)
    try:
        word = connected.next_message()
    except TimeoutError as error:
        raise ProcessDaemonError(f"{trouble}: no word from it within {timeout_s} s") from error
    except (OSError, BrokenFrame, msgspec.MsgspecError) as error:
        raise ProcessDaemonError(f"{trouble}: {error}") from error
    if isinstance(word, CannotStart):
        raise ProcessDaemonError(f"{trouble}: {word.message}")
    if not isinstance(word, Hello):
        raise ProcessDaemonError(f"{trouble}: it ended without a word" if word is None else f"{trouble}: unexpected first word {word}")
    connected.hello = word
    return connected


def stop_durable(state_dir: str | Path, grace_s: float = 0.0, timeout_s: float = 15.0) -> Stopped:
    """End the durable daemon of a state folder with all its containers, and wait until it's gone: what `callboard down` does.

    Raises `ProcessDaemonError` if it cannot be reached or isn't gone in time.
    """
    connected = connect(state_dir, timeout_s)
    if connected is None:
        return Stopped(found=False, pid=0, containers=())
    pid = connected.hello.pid
    pidfd = open_process(pid)
    try:
        with connected.sock as sock:
            sock.settimeout(grace_s + timeout_s)
            sock.sendall(pack({"id": 1, "op": "list", "node": ""}) + pack({"id": 2, "op": "shutdown", "grace_s": grace_s}))
            records: tuple[ContainerRecord, ...] = ()
            while (message := connected.next_message()) is not None and not isinstance(message, ShutDown):
                if isinstance(message, Listed):
                    records = message.containers
                elif isinstance(message, RequestFailed):
                    raise ProcessDaemonError(f"the process daemon (pid {pid}) refused: {message.message}")
        wait_gone(pidfd, pid, None, timeout_s)
    except OSError as error:
        raise ProcessDaemonError(f"the process daemon (pid {pid}) of {state_dir} did not end: {error}") from error
    finally:
        if pidfd is not None:
            os.close(pidfd)
    return Stopped(found=True, pid=pid, containers=tuple(record for record in records if record.running))


def open_process(pid: int) -> int | None:
    """A descriptor by which the end of a process can be awaited; None if it has ended or the kernel is too old for it."""
    with contextlib.suppress(OSError):
        return os.pidfd_open(pid)
    return None


def wait_gone(pidfd: int | None, pid: int, process: subprocess.Popen[bytes] | None, timeout_s: float) -> None:
    """Wait until a daemon's process has ended. Raises `ProcessDaemonError` when the time is over."""
    trouble = f"the process daemon (pid {pid}) has not ended within {timeout_s} s"
    if process is not None:
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ProcessDaemonError(trouble) from error
    elif pidfd is not None:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(timeout_s * 1000):
            raise ProcessDaemonError(trouble)
    else:
        _poll_gone(pid, timeout_s, trouble)


def _poll_gone(pid: int, timeout_s: float, trouble: str) -> None:
    deadline_s = time.monotonic() + timeout_s
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() >= deadline_s:
            raise ProcessDaemonError(trouble)
        time.sleep(0.02)
