"""The cluster's side of the link: a Unix socket at which other programs of the same user ask what the embedding program may ask.

Held by `Cluster.serve`. It is a driver: it has threads of its own, and everything it wants goes through the cluster's host, as a
client's requests with links and time-outs.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from pathlib import Path

from callboard.runtime.logs import Logger
from callboard.runtime.remote.places import address_of, take_place
from callboard.runtime.remote.served import Served
from callboard.runtime.remote.serving import Connection

CONNECTIONS_LIMIT = 128
STOP_PATIENCE_S = 5.0
ACCEPT_PAUSE_S = 0.2
"""After a failure to let somebody in (no more files, no more threads) the next try comes so much later: others may have ended by then."""
_CREDENTIALS = struct.Struct("3i")


class RemoteServer:
    """Listens until `stop`. `path` is the socket's; only programs of user `owner` (by default this one's) are let in."""

    def __init__(self, host: Served, name: str = "", *, owner: int | None = None) -> None:
        """Raises `NameTaken` or `UnsafePlace`; then nothing has been left behind."""
        self._host = host
        self._owner = os.getuid() if owner is None else owner
        self._log = Logger(component="link")
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._stopped = False
        self._ending = threading.Event()
        self._place = take_place(name)
        try:
            self._socket = _listening(self._place.socket)
        except BaseException:
            self._place.release()
            raise
        self._thread = threading.Thread(target=self._accept, name="callboard-link", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """By which `callboard.connect` and `--name` find it."""
        return self._place.name

    @property
    def path(self) -> str:
        """Where the socket lies."""
        return str(self._place.socket)

    @property
    def connections(self) -> int:
        """How many programs are connected."""
        with self._lock:
            return len(self._connections)

    def stop(self) -> None:
        """Hang up on everybody and remove the socket. A second call does nothing."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            connections = list(self._connections)
        self._ending.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._socket.close()
        self._thread.join(STOP_PATIENCE_S)
        for connection in connections:
            connection.close()
        for connection in connections:
            connection.join(STOP_PATIENCE_S)
        self._place.release()

    def _accept(self) -> None:
        failing = False
        while not self._stopped:
            try:
                self._accept_one()
                failing = False
            except (OSError, RuntimeError) as problem:  # too many files, somebody who left in between, no thread to be had
                if self._stopped:
                    return
                if not failing:  # one line for a run of failures
                    self._log.error("somebody could not be let in; the link goes on", problem=str(problem))
                failing = True
                self._ending.wait(ACCEPT_PAUSE_S)

    def _accept_one(self) -> None:
        client, _ = self._socket.accept()
        let_in = False
        try:
            let_in = self._let_in(client)
        finally:
            if not let_in:
                client.close()

    def _let_in(self, client: socket.socket) -> bool:
        pid, uid, _ = _CREDENTIALS.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if uid != self._owner:
            self._log.warning("a program of another user was refused", pid=pid, uid=uid)
            return False
        with self._lock:
            if self._stopped:
                return False
            if len(self._connections) >= CONNECTIONS_LIMIT:
                self._log.warning("too many programs are connected", limit=CONNECTIONS_LIMIT, pid=pid)
                return False
            connection = Connection(self._host, client, self.name, pid, self._gone)
            self._connections.append(connection)
        try:
            connection.start()
        except RuntimeError:
            connection.close()  # which takes it off the list; a writer that runs already ends
            raise
        return True

    def _gone(self, connection: Connection) -> None:
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)


def _listening(path: Path) -> socket.socket:
    """A socket that listens at `path`, for its owner only from the first moment."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        os.fchmod(listener.fileno(), 0o600)  # the file that bind makes takes its mode from the socket
        with address_of(path) as address:
            listener.bind(address)
        os.chmod(path, 0o600)
        listener.listen(CONNECTIONS_LIMIT)
    except BaseException:
        listener.close()
        raise
    return listener
