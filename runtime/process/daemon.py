"""The process daemon: a small program beside the main one that is the parent of all containers of a cluster.

Started by `launch.py` through `boot.py`, one per cluster with real processes. One thread, one selector, no package but msgpack. At levels
of isolation that have namespaces it is the first process in namespaces of its own, the cell: when it ends, however that comes, the kernel
takes all that runs there along, with mounts and networks.

Ephemeral (no data folder): it lives as long as the main program; when that goes away, cleanly or by SIGKILL, it kills every container,
removes its temporary state folder and exits. Durable: it listens on a socket in its state folder and outlives the main program; a later
one connects and asks what runs. If the daemon itself is killed, the kernel kills every container's main process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time

from callboard.runtime.process.block import NoBlock, reserve
from callboard.runtime.process.cell import Cell
from callboard.runtime.process.cgroups import open_cgroups
from callboard.runtime.process.commands import Commands
from callboard.runtime.process.containers import Containers
from callboard.runtime.process.folders import remove_tree
from callboard.runtime.process.helpers import Helpers
from callboard.runtime.process.kernel import become_subreaper
from callboard.runtime.process.measuring import Meter
from callboard.runtime.process.operations import Operations
from callboard.runtime.process.procfs import kill_cluster_leftovers
from callboard.runtime.process.spawning import spawn
from callboard.runtime.process.wire import (
    BACKLOG_LIMIT_BYTES,
    BLOCK_NAME,
    LEVEL_NAME,
    LOCK_NAME,
    LOG_NAME,
    PID_NAME,
    SOCKET_NAME,
    BrokenFrame,
    FrameBuffer,
    pack,
    unpack,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KILL_LIMIT_S = 5.0
READ_BYTES = 256 * 1024


class CannotStart(Exception):
    """The daemon cannot do its work; the text goes to whoever started it."""


class Connection:
    """One main program or command line that is connected."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.frames = FrameBuffer()
        self.unsent = bytearray()


class State:
    """The daemon's folder, its lock, the cluster's id and address block. `settings` are those of `main`."""

    def __init__(self, settings: dict[str, Any]) -> None:
        mode, place = settings["mode"], settings["place"]
        self.level: dict[str, Any] = settings["level"]
        self.durable = durable = mode == "durable"
        self.folder = _make_private_folder(place, settings["parent"]) if mode == "ephemeral" else place
        self._lock = -1
        try:
            if durable:
                os.makedirs(self.folder, mode=0o700, exist_ok=True)
            self._lock = _lock_folder(self.folder)  # a temporary folder that nobody holds is nobody's: see removal.py
            self.cluster_id, remembered = ("", None) if mode == "ephemeral" else _remembered(self.folder)
            self.cluster_id = self.cluster_id or os.urandom(8).hex()
            self.block, self._block_lock = _block(settings, remembered)
            if mode != "again":
                _write_atomically(self.path(LEVEL_NAME), f"{self.level['name']}\n")
                _write_atomically(self.path(BLOCK_NAME), f"{self.cluster_id} {self.block}\n")
            if durable:
                _write_atomically(self.path(PID_NAME), f"{os.getpid()}\n")
            self.cell = Cell(self.folder, self.level)
        except (NoBlock, OSError, CannotStart) as error:
            if mode == "ephemeral":
                remove_tree(self.folder)
            raise CannotStart(f"{self.folder}: {error}" if durable else str(error)) from error

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def leave(self) -> None:
        """Remove what must not outlive the daemon: everything, or in a durable folder the socket and the process id."""
        if not self.durable:
            remove_tree(self.folder)
            return
        self.cell.leave()
        sockets = [name for name in os.listdir(self.folder) if name.endswith(".sock")]
        for name in (PID_NAME, *sockets):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(name))


class Daemon:
    """The loop: requests in, containers' ends out."""

    def __init__(self, state: State, first: socket.socket, settings: dict[str, Any]) -> None:
        self._state = state
        self._selector = selectors.DefaultSelector()
        self._connections: dict[int, Connection] = {}
        self._helpers = Helpers(state.folder, state.cluster_id, settings["helper_site"], spawn, self._tell_all)
        self._cgroups = open_cgroups(state.cluster_id)
        self._cgroups.tell_janitor(settings["janitor"])
        self._containers = Containers(state.cluster_id, self._cgroups, state.cell, self._selector, self._helpers.ended)
        self._commands = Commands(self._selector, self._containers)
        self._operations = Operations(self._containers, self._commands, self._helpers, Meter(self._containers, self._cgroups))
        self._leave_at_s = 0.0
        self._listen_for_signals()
        if state.durable:
            self._listen()
        else:
            self._watch_parent(settings["parent"], settings["parent_pidfd"])
        self._connect(first)

    def run(self) -> None:
        """Serve until there's nothing to live for; on return no container runs."""
        while True:
            for key, events in self._selector.select(self._timeout_s()):
                key.data(key.fileobj, events)
            self._commands.end_late_ones()
            for container in self._containers.collect():
                self._tell_all({"type": "Exited", **container.record()})
            if self._operations.closing and self._wind_up():
                break
        self._cgroups.close()
        self._say_goodbye()

    def _timeout_s(self) -> float | None:
        known = (self._containers.next_deadline_s(), self._commands.next_deadline_s(), self._operations.kill_at_s, self._leave_at_s or None)
        deadlines = [deadline_s for deadline_s in known if deadline_s is not None]
        return max(min(deadlines) - time.monotonic(), 0.0) if deadlines else None

    def _wind_up(self) -> bool:
        """Move the shutdown on; True when nothing is left (or, after some seconds, what is left cannot be killed)."""
        now_s = time.monotonic()
        if self._containers.running() and now_s < (self._operations.kill_at_s or 0.0):
            return False
        self._operations.kill_at_s = None
        if not self._leave_at_s:
            self._leave_at_s = now_s + KILL_LIMIT_S
        if not self._containers.kill_everything():
            return True
        if now_s >= self._leave_at_s:
            print("some processes could not be killed; they wait inside the kernel", file=sys.stderr, flush=True)
            return True
        return False

    def _say_goodbye(self) -> None:
        self._tell_all(self._operations.farewell())
        for connection in self._connections.values():
            connection.sock.settimeout(1.0)
            with contextlib.suppress(OSError):
                connection.sock.sendall(connection.unsent)

    # Connections

    def _listen(self) -> None:
        path = self._state.path(SOCKET_NAME)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # of a daemon that was killed; we hold the folder's lock
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        os.chdir(self._state.folder)  # a socket's path may have 107 bytes only, a folder's more
        old_mask = os.umask(0o177)
        listener.bind(SOCKET_NAME)
        os.umask(old_mask)
        os.chdir("/")
        listener.listen(16)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def _accept(self, listener: Any, events: int) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            self._connect(listener.accept()[0])

    def _connect(self, sock: socket.socket) -> None:
        connection = Connection(sock)
        self._connections[sock.fileno()] = connection
        self._selector.register(sock, selectors.EVENT_READ, self._serve)
        state = self._state
        hello = {
            "type": "Hello", "pid": os.getpid(), "state_dir": state.folder, "durable": state.durable,
            "cluster_id": state.cluster_id, "block": state.block, "level": state.level["name"],
        }  # fmt: skip
        self._send(connection, hello)

    def _serve(self, sock: Any, events: int) -> None:
        connection = self._connections.get(sock.fileno())
        if connection is None:
            return
        if events & selectors.EVENT_WRITE:
            self._flush(connection)
        if not events & selectors.EVENT_READ or sock.fileno() < 0:
            return
        try:
            data = sock.recv(READ_BYTES)
            bodies = connection.frames.feed(data)
        except BlockingIOError:
            return
        except (ConnectionError, BrokenFrame) as error:
            print(f"connection dropped: {error}", file=sys.stderr, flush=True)
            data, bodies = b"", []
        for body in bodies:
            for answer in self._operations.answer(unpack(body), lambda message: self._send(connection, message)):
                self._send(connection, answer)
        if not data:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        fd = connection.sock.fileno()
        if self._connections.pop(fd, None) is None:
            return
        self._selector.unregister(connection.sock)
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)  # what made our namespaces holds the first connection open, too
        connection.sock.close()
        if not self._state.durable:
            self._operations.close(0.0)

    def _tell_all(self, message: dict[str, Any]) -> None:
        for connection in list(self._connections.values()):
            self._send(connection, message)

    def _send(self, connection: Connection, message: dict[str, Any]) -> bool:
        """Returns whether there is somebody to hear it."""
        if connection.sock.fileno() < 0:  # dropped a moment ago
            return False
        connection.unsent += pack(message)
        self._flush(connection)
        return connection.sock.fileno() >= 0

    def _flush(self, connection: Connection) -> None:
        try:
            while connection.unsent:
                sent = connection.sock.send(connection.unsent)
                del connection.unsent[:sent]
        except BlockingIOError:
            pass
        except ConnectionError:
            self._drop(connection)
            return
        if len(connection.unsent) > BACKLOG_LIMIT_BYTES:
            print("connection dropped: it does not read what it is sent", file=sys.stderr, flush=True)
            self._drop(connection)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        if self._selector.get_key(connection.sock).events != wanted:
            self._selector.modify(connection.sock, wanted, self._serve)

    # Signals and the main program's end

    def _listen_for_signals(self) -> None:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(reader, selectors.EVENT_READ, self._on_signals)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        # Handlers, never SIG_IGN: what is ignored here would be ignored in every container.
        for signum in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, lambda _signum, _frame: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def _on_signals(self, reader: Any, events: int) -> None:
        if signal.SIGTERM in os.read(reader, 4096):
            self._operations.close(0.0)

    def _watch_parent(self, parent: int, pidfd: int) -> None:
        """Notice the main program's end even if a child that it forked still holds its end of the socket. Its number means nothing in a
        namespace of our own, and a descriptor of it everything; an old kernel has none: the closed socket must do."""
        if not self._state.level["cell"] and os.getppid() != parent:
            self._operations.close(0.0)
        elif pidfd >= 0:
            self._selector.register(pidfd, selectors.EVENT_READ, self._on_parent_gone)

    def _on_parent_gone(self, pidfd: Any, events: int) -> None:
        self._selector.unregister(pidfd)
        os.close(pidfd)
        self._operations.close(0.0)


def main(arguments: list[str]) -> int:
    """Run a daemon. The argument is a JSON object: `socket` (number of the inherited one), `mode` (`durable`, `ephemeral` or `again`:
    ephemeral, in the folder of one that was lost), `place` (state folder, or the folder for temporary ones), `parent` and `parent_pidfd` of
    the main program, `level`, `helper_site`, `janitor` (see `cgroups.JANITOR`), and, where the host's addresses are out of reach, `block`
    and `block_lock` or `block_problem`. Returns the exit code."""
    settings = json.loads(arguments[0])
    first = socket.socket(fileno=settings["socket"])
    for fd in (first.fileno(), settings["parent_pidfd"], settings["block_lock"], settings["janitor"]):
        if fd >= 0:
            os.set_inheritable(fd, False)
    try:
        become_subreaper()
        state = State(settings)
    except (CannotStart, OSError) as error:
        first.sendall(pack({"type": "CannotStart", "message": str(error)}))
        return 1
    log = os.open(state.path(LOG_NAME), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.dup2(log, 2)
    os.close(log)
    if settings["mode"] != "ephemeral":
        kill_cluster_leftovers(state.cluster_id)
    os.chdir("/")
    Daemon(state, first, settings).run()
    state.leave()
    return 0


def _block(settings: dict[str, Any], remembered: int | None) -> tuple[int, socket.socket]:
    """Second byte of the cluster's addresses, and the socket that reserves them. Raises `NoBlock`."""
    if not settings["level"]["network"]:
        return reserve(remembered)
    if settings["block_lock"] < 0:
        raise NoBlock(settings["block_problem"])
    return settings["block"], socket.socket(fileno=settings["block_lock"])


def _make_private_folder(base: str, parent: int) -> str:
    folder = os.path.join(base, f"callboard-{parent}-{os.urandom(6).hex()}")
    os.mkdir(folder, 0o700)
    return folder


def _lock_folder(folder: str) -> int:
    lock = os.open(os.path.join(folder, LOCK_NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise CannotStart("another process daemon uses this folder; connect to it, or end it with `callboard down`") from error
    return lock


def _remembered(folder: str) -> tuple[str, int | None]:
    path = os.path.join(folder, BLOCK_NAME)
    try:
        with open(path) as file:
            cluster_id, block = file.read().split()
            return cluster_id, int(block)
    except FileNotFoundError:
        return "", None
    except ValueError as error:
        raise CannotStart(
            f"{path} is damaged: it should hold the cluster's id and a number; remove it to get a new address block"
        ) from error


def _write_atomically(path: str, text: str) -> None:
    with open(path + ".new", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)
