"""All of the Ingress that serves: listeners, connections, the table in force, time limits, and the end."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import ssl
import sys
from collections.abc import Callable
from functools import lru_cache

from callboard.models.ingress import Backends, IngressTable, Routing, matched_path
from callboard.runtime.ingress.certificates import Certificates
from callboard.runtime.ingress.clients import Client
from callboard.runtime.ingress.exchange import Exchange
from callboard.runtime.ingress.limits import Limits
from callboard.runtime.ingress.pool import Pool
from callboard.runtime.ingress.seams import Endpoint

BUFFER_BYTES = 64 * 1024
ACCEPTED_AT_ONCE = 64
CACHED_TARGET_CHARACTERS = 256
NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
FILES_OF_OUR_OWN = 64
QUIET_S = 60.0
"""How long the log is spared another line about the limit of connections."""


class Front:
    """`buffer` is what every connection reads into: what is read is understood before the next one reads."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.clients: set[Client] = set()
        self.pool = Pool(self)
        self.certificates = Certificates()
        self.draining = False
        self._loop = asyncio.get_running_loop()
        self.now_s = self._loop.time()
        """Of the last tick: time limits need no more."""
        self._served = False
        self._target_of = _lookup(Routing(IngressTable()))
        self._listeners: dict[str, tuple[socket.socket, bool]] = {}
        self._accepting: set[asyncio.Task[None]] = set()
        self._paused = False
        self._last_said_s = -QUIET_S
        self._limit = self.limits.connections or _files_limit()
        self._tick = self._loop.call_later(self.limits.tick_s, self._ticked)

    # -- what is served

    def serve(self, table: IngressTable) -> None:
        """Route by this table from now on; requests under way go on."""
        self._target_of = _lookup(Routing(table))
        self._served = True
        self.pool.serve(table.backends)

    def serve_backends(self, backends: tuple[Backends, ...]) -> None:
        """These are the endpoints now, of the same targets."""
        self.pool.serve(backends)

    def listen(self, name: str, sock: socket.socket, tls: bool) -> None:
        """Accept at this socket, which is taken over; one of the same name is replaced."""
        self.close_listener(name)
        sock.setblocking(False)
        self._listeners[name] = (sock, tls)
        if not self._paused:
            self._loop.add_reader(sock, self._accept, sock, tls)

    def close_listener(self, name: str) -> None:
        """Accept no more there; connections go on."""
        sock, _ = self._listeners.pop(name, (None, False))
        if sock is not None:
            self._loop.remove_reader(sock)
            sock.close()

    def listeners(self) -> dict[str, tuple[str, int]]:
        """Where connections are accepted, by name."""
        return {name: sock.getsockname()[:2] for name, (sock, _) in self._listeners.items()}

    # -- requests

    def route(self, exchange: Exchange) -> None:
        """Send a request on its way."""
        asked = exchange.asked
        assert asked is not None
        if not self._served:
            exchange.refuse(503, "the Ingress does not know its rules yet")
            return
        target = self._target_of(asked.host, asked.target)
        if target is None:
            exchange.refuse(400, "the path leads above its root")
        elif not target:
            exchange.refuse(404, f'no Ingress has a rule for this path of host "{asked.host}"')
        else:
            self._send(target, exchange)

    def failed(self, exchange: Exchange, endpoint: Endpoint, problem: str, fresh: bool) -> None:
        """An endpoint took nothing, or gave no answer: try another, if that can do no harm."""
        exchange.backend = None
        exchange.failures.append(f"{endpoint[0]}:{endpoint[1]}: {problem}")
        if fresh:
            self.pool.shun(endpoint)
        else:
            exchange.tried.discard(endpoint)  # a kept connection was closed: that says nothing about the endpoint
        asked = exchange.asked
        assert asked is not None
        target = self._target_of(asked.host, asked.target)
        if exchange.repeatable and target:
            exchange.sent = False
            self._send(target, exchange)
        else:
            exchange.refuse(502, exchange.failures[-1])

    def _send(self, target: str, exchange: Exchange) -> None:
        came = self.pool.send(target, exchange)
        if came == "empty" and not exchange.failures:
            exchange.refuse(503, f"{target} has no endpoint")
        elif came:
            exchange.refuse(504 if exchange.timed_out else 502, "; ".join(exchange.failures[-3:]))

    # -- connections

    def _accept(self, listener: socket.socket, tls: bool) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            if len(self.clients) + len(self._accepting) >= self._limit:
                self._pause(f"{self._limit} clients are connected")
                return
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in NO_DESCRIPTORS:
                    raise
                self._pause(error.strerror or str(error))
                return
            sock.setblocking(False)
            task = self._loop.create_task(self._take(sock, tls))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)

    async def _take(self, sock: socket.socket, tls: bool) -> None:
        try:
            if tls:
                context = self.certificates.context
                limit_s = self.limits.handshake_s
                await self._loop.connect_accepted_socket(lambda: Client(self, True), sock, ssl=context, ssl_handshake_timeout=limit_s)
            else:
                await self._loop.connect_accepted_socket(lambda: Client(self, False), sock)
        except (OSError, ssl.SSLError):
            sock.close()  # the handshake failed, or the client has gone: it knows

    def _pause(self, why: str) -> None:
        if self._paused:
            return
        self._paused = True
        if self._loop.time() - self._last_said_s >= QUIET_S:
            self._last_said_s = self._loop.time()
            advice = "new ones wait until others end; raise the limit of open files with `ulimit -n`"
            print(f"accepting pauses: {why}; {advice}", file=sys.stderr, flush=True)
        for sock, _ in self._listeners.values():
            self._loop.remove_reader(sock)

    def client_gone(self) -> None:
        """A connection is closed: there may be room for another."""
        if self._paused and len(self.clients) < self._limit:
            self._paused = False
            for sock, tls in self._listeners.values():
                self._loop.add_reader(sock, self._accept, sock, tls)

    def _ticked(self) -> None:
        self._tick = self._loop.call_later(self.limits.tick_s, self._ticked)
        self.now_s = now_s = self._loop.time()
        for client in [client for client in self.clients if client.deadline_s < now_s]:
            client.timed_out()
        self.pool.sweep(now_s)
        self.client_gone()

    # -- the end

    async def drain(self) -> None:
        """Accept nothing more, let what is under way come to its end for a while, then close everything."""
        self.draining = True
        for name in [*self._listeners]:
            self.close_listener(name)
        for client in [*self.clients]:
            client.drain()
        until_s = self._loop.time() + self.limits.drain_s
        while (self.clients or self._accepting) and self._loop.time() < until_s:
            await asyncio.sleep(0.02)
        for client in [*self.clients]:
            client.abort()
        self._tick.cancel()
        self.pool.close()


def _lookup(routing: Routing) -> Callable[[str, str], str | None]:
    def find(host: str, target: str) -> str | None:
        path = matched_path(target)
        return None if path is None else routing.route(host, path)

    remembered = lru_cache(4096)(find)
    return lambda host, target: (remembered if len(target) <= CACHED_TARGET_CHARACTERS else find)(host, target)


def _files_limit() -> int:
    """Each client may need a second descriptor, for its endpoint."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max((soft - FILES_OF_OUR_OWN) // 2, 1)
