"""Starting, finding and ending process daemons.

Used by `ProcessDaemon` (client.py) and by `callboard down`. A daemon is started with one end of a socket pair; a durable one is found
again by the socket in its state folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import msgspec

from callboard.runtime.isolation.levels import C0, Level
from callboard.runtime.process.block import NoBlock, reserve
from callboard.runtime.process.cgroups import JANITOR
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
from callboard.runtime.process.wire import BLOCK_NAME, LEVEL_NAME, LOCK_NAME, SOCKET_NAME, BrokenFrame, FrameBuffer, pack

_BOOT = Path(__file__).resolve().parent / "boot.py"
_SITE = Path(msgpack.__file__).resolve().parent.parent
_DAEMON = "callboard.runtime.process.daemon"
_CREDENTIALS = struct.Struct("3i")
BLOCK_FREE_LIMIT_S = 2.0
"""How long the block of a cluster whose daemon has just ended may be held still, by what made the daemon's namespaces."""
LOOK_AGAIN_S = 0.01
JANITOR_LIMIT_S = 2.0
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(FromDaemon)


class Connected:
    """A connection on which the daemon has said hello. `bodies` are frames that came right behind it."""

    def __init__(
        self, sock: socket.socket, process: subprocess.Popen[bytes] | None = None, janitor: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.sock = sock
        self.process = process
        self.janitor = janitor
        """Who removes the daemon's control groups, and ends by itself soon after it."""
        self.frames = FrameBuffer()
        self.bodies: list[bytes] = []
        self.sender_pid = 0
        """Process id of the daemon as this program's /proc shows it; 0 while nothing has come from it."""
        self.hello: Hello

    def next_message(self) -> Any:
        """The next message; None at the end of the stream. Raises OSError, also when the socket's time-out is over."""
        while not self.bodies:
            data, ancillary, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(_CREDENTIALS.size))
            if not data:
                return None
            for level, kind, value in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                    self.sender_pid = _CREDENTIALS.unpack(value)[0]
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


def start(state_dir: str | Path | None, timeout_s: float, *, again: bool = False, level: Level = C0) -> Connected:
    """Start a daemon at a level of isolation and wait for its first word; `again`: one that ends with this program, in the folder of one
    that was lost.

    Raises `ProcessDaemonError`.
    """
    if not sys.platform.startswith("linux"):
        raise ProcessDaemonError("containers='process' needs Linux (subreapers, /proc); use simulated containers here")
    if not sys.executable:
        raise ProcessDaemonError(
            "this program's Python interpreter is not known (sys.executable is empty), so no process daemon can be started"
        )
    place = tempfile.gettempdir() if state_dir is None else str(Path(state_dir).absolute())
    mode = "again" if again else "ephemeral" if state_dir is None else "durable"
    if state_dir is not None:
        _require_level(remembered_level(place), level, place)
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # its first word brings its process id, translated into our namespace
    with theirs, tempfile.TemporaryFile() as complaints:
        try:
            process, janitor = _launched(theirs, mode, place, level, complaints)
        except OSError as error:
            ours.close()
            raise ProcessDaemonError(f"cannot start the process daemon with {sys.executable}: {error.strerror}") from error
        theirs.close()
        try:
            return _greeted(Connected(ours, process, janitor), timeout_s, "the process daemon could not start", level)
        except ProcessDaemonError as error:
            ours.close()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # not reaped yet; with what `unshare` may have left behind
            process.wait()
            wait_for_janitor(janitor)
            complaints.seek(0)
            words = complaints.read()[-2000:].decode(errors="replace").strip()
            raise ProcessDaemonError(f"{error}: {words}" if words else str(error)) from error


def _launched(
    theirs: socket.socket, mode: str, place: str, level: Level, complaints: Any
) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    """Start the daemon's program, in namespaces of its own where the level has some, and its janitor. Raises OSError."""
    settings: dict[str, Any] = {"socket": theirs.fileno(), "mode": mode, "place": place, "parent": os.getpid(), "block_lock": -1}
    settings["level"] = {"name": level.name, "network": level.network, "cell": bool(level.unshare), "user_namespace": level.user_namespace}
    settings["helper_site"] = os.pathsep.join(dict.fromkeys([str(_SITE), *(entry for entry in sys.path if _can_be_handed_on(entry))]))
    with contextlib.ExitStack() as kept:
        pidfd = open_process(os.getpid())
        settings["parent_pidfd"] = -1 if pidfd is None else pidfd
        if pidfd is not None:
            kept.callback(os.close, pidfd)
        if level.network:  # the daemon can't lock addresses of the host any more
            settings.update(_reserved(place if mode != "ephemeral" else "", kept))
        janitor, settings["janitor"] = kept.enter_context(_janitor())
        inherited = [fd for fd in (theirs.fileno(), settings["parent_pidfd"], settings["block_lock"], settings["janitor"]) if fd >= 0]
        command = [*level.unshare, sys.executable, "-I", "-S", str(_BOOT), str(_SITE), _DAEMON, json.dumps(settings)]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints, pass_fds=inherited, start_new_session=True
        )
        return process, janitor


@contextlib.contextmanager
def _janitor() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start who removes the control groups of a daemon that is killed; the descriptor is for that daemon alone. Raises OSError."""
    reader, writer = os.pipe()
    try:
        janitor = subprocess.Popen(
            JANITOR, stdin=reader, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True
        )
        yield janitor, writer
    finally:
        os.close(reader)
        os.close(writer)


def wait_for_janitor(janitor: subprocess.Popen[bytes] | None) -> None:
    """Its daemon is gone: so is the janitor, as soon as it has removed what was left. If that takes long, nobody waits for it."""
    if janitor is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            janitor.wait(JANITOR_LIMIT_S)


def _reserved(folder: str, kept: contextlib.ExitStack) -> dict[str, Any]:
    """Reserve an address block of the host for a daemon: the one that is remembered in this folder, if any. What prevents it is for the
    daemon to say, which may know better: another one uses the folder."""
    remembered = None
    if folder:
        with contextlib.suppress(OSError, ValueError, IndexError):  # the daemon tells what is damaged
            remembered = int(Path(folder, BLOCK_NAME).read_text().split()[1])
    deadline_s = time.monotonic() + BLOCK_FREE_LIMIT_S
    while True:
        try:
            block, lock = reserve(remembered)
        except NoBlock as problem:
            if remembered is None or in_use(folder) or time.monotonic() >= deadline_s:
                return {"block_problem": str(problem)}
            time.sleep(LOOK_AGAIN_S)
            continue
        kept.enter_context(lock)
        return {"block": block, "block_lock": lock.fileno()}


def in_use(folder: str) -> bool:
    """Whether a daemon holds the lock of a state folder."""
    try:
        with open(Path(folder, LOCK_NAME), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _can_be_handed_on(entry: str) -> bool:
    """Whether a folder of this program's packages means the same to another program, in a list divided by colons."""
    return os.path.isabs(entry) and os.pathsep not in entry


def remembered_level(state_dir: str | Path) -> str:
    """Name of the level of isolation that a durable state folder was made at; "" if it holds nothing yet."""
    with contextlib.suppress(FileNotFoundError):
        return Path(state_dir, LEVEL_NAME).read_text().strip()
    return C0.name if Path(state_dir, BLOCK_NAME).exists() else ""


def _require_level(found: str, level: Level, folder: str | Path) -> None:
    """Raises `ProcessDaemonError` if what lies there is of another level: its pods' addresses would not be theirs any more."""
    if found and found != level.name:
        raise ProcessDaemonError(
            f"the processes of {folder} belong to isolation level {found}, and level {level.name} is wanted: addresses and files differ; "
            f"use isolation={found!r} (CALLBOARD_ISOLATION={found}), or another data folder"
        )


def connect(state_dir: str | Path, timeout_s: float, level: Level | None = None) -> Connected | None:
    """Connect to the durable daemon of a state folder; None if none runs.

    Raises `ProcessDaemonError` if it doesn't say hello, or runs at another level than this one (None: any will do).
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
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
        return _greeted(Connected(sock), timeout_s, f"the process daemon of {state_dir} cannot be reached", level)
    except ProcessDaemonError:
        sock.close()
        raise


def _greeted(connected: Connected, timeout_s: float, trouble: str, level: Level | None) -> Connected:
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
    if level is not None:
        _require_level(word.level, level, word.state_dir)
    # In a namespace of its own the daemon has number 1; only here it's known how it is called here.
    connected.hello = msgspec.structs.replace(word, pid=connected.sender_pid or word.pid)
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
