"""The limit of open files: accepting pauses before it is reached, with one line in the log, and goes on when connections have ended.

All listeners of a proxy share one gate. A connection takes two files, one for the client and one for the endpoint; descriptors are given
out lowest first, so that the number of a fresh one tells how near the limit is, whoever else in this program opens files.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from collections.abc import Callable

from callboard.runtime.logs import Logger

ACCEPTED_AT_ONCE = 64
"""Connections that one listener takes in before others get their turn."""
RESERVE = 64
"""Files that are left to the rest of the program, and to the endpoints of the connections that have been accepted."""
LOOK_AGAIN_S = 0.5
QUIET_S = 60.0
"""How long the log is spared another line."""
OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_log = Logger(component="proxy")


class Gate:
    """Decides whether listeners accept. Only used on the proxy's loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._acceptors: dict[Acceptor, None] = {}
        self._paused = False
        self._last_said_s = -QUIET_S
        self._timer: asyncio.TimerHandle | None = None

    @property
    def paused(self) -> bool:
        """Whether nothing is accepted now."""
        return self._paused

    def add(self, acceptor: Acceptor) -> None:
        """A listener begins."""
        self._acceptors[acceptor] = None
        if not self._paused:
            self._loop.add_reader(acceptor.sock, acceptor.ready)

    def remove(self, acceptor: Acceptor) -> None:
        """A listener ends."""
        del self._acceptors[acceptor]
        self._loop.remove_reader(acceptor.sock)

    def is_near(self, descriptor: int) -> bool:
        """Whether a descriptor with this number means that few are left."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return soft != resource.RLIM_INFINITY and descriptor >= soft - max(RESERVE, min(soft // 10, 1024))

    def close(self, reason: str) -> None:
        """Accept nothing for a while."""
        if self._paused:
            return
        self._paused = True
        for acceptor in self._acceptors:
            self._loop.remove_reader(acceptor.sock)
        if self._loop.time() - self._last_said_s >= QUIET_S:
            self._last_said_s = self._loop.time()
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            advice = "new connections wait until others end; raise the limit with `ulimit -n`"
            _log.warning("accepting pauses at the limit of open files", limit=soft, reason=reason, advice=advice)
        self._timer = self._loop.call_later(LOOK_AGAIN_S, self.reopen)

    def reopen(self) -> None:
        """Files have been closed, or might have been: try again."""
        if not self._paused:
            return
        self._paused = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for acceptor in self._acceptors:
            self._loop.add_reader(acceptor.sock, acceptor.ready)

    def shut(self) -> None:
        """The proxy ends."""
        if self._timer is not None:
            self._timer.cancel()


class Acceptor:
    """A listening socket. `accepted` owns the connections that it is given."""

    def __init__(self, gate: Gate, sock: socket.socket, accepted: Callable[[socket.socket, str], None]) -> None:
        self.sock = sock
        self._gate = gate
        self._accepted = accepted
        gate.add(self)

    def ready(self) -> None:
        """Take in what waits, as long as there are files left."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, peer = self.sock.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in OUT_OF_FILES:
                    raise
                self._gate.close(error.strerror or str(error))
                return
            connection.setblocking(False)
            near = self._gate.is_near(connection.fileno())
            self._accepted(connection, peer[0])
            if near:
                self._gate.close("few files are left")
                return

    def close(self) -> None:
        """Accept no more."""
        self._gate.remove(self)
        self.sock.close()
