"""UDP from outside: each client gets a socket inside the cell, for as long as something is said."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Callable

from callboard.runtime.helpers.program import Refusal
from callboard.runtime.network.messages import ListenOutside

IDLE_LIMIT_S = 60.0
CLIENTS_LIMIT = 1024
"""Of one listener; the one that has been silent for longest makes room."""
READ_BYTES = 65536
AT_ONCE = 64
Client = tuple[str, int]


class Datagrams:
    """The clients of one UDP listener. `node` is whose namespace their sockets are of."""

    def __init__(self, sock: socket.socket, request: ListenOutside, open_socket: Callable[[], socket.socket]) -> None:
        self.node = request.node
        self._socket = sock
        self._request = request
        self._open = open_socket
        self._clients: dict[Client, tuple[socket.socket, float]] = {}  # the one that spoke last is the last
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._from_outside)
        self._sweeping = self._loop.call_later(IDLE_LIMIT_S, self._sweep)

    def close(self) -> None:
        """Close everything: a datagram belongs to no connection that could go on."""
        self._sweeping.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self.abort()

    def abort(self) -> None:
        """Forget all clients."""
        for client in [*self._clients]:
            self._forget(client)

    def _from_outside(self) -> None:
        for _ in range(AT_ONCE):
            try:
                data, client = self._socket.recvfrom(READ_BYTES)
            except (BlockingIOError, ConnectionRefusedError):  # the latter: a client is gone
                return
            inside = self._socket_for(client)
            if inside is not None:
                with contextlib.suppress(OSError):  # lost, as datagrams may be: nobody listens there, or the queue is full
                    inside.send(data)

    def _socket_for(self, client: Client) -> socket.socket | None:
        known = self._clients.pop(client, None)
        inside = known[0] if known is not None else self._opened(client)
        if inside is not None:
            self._clients[client] = inside, self._loop.time()
        return inside

    def _opened(self, client: Client) -> socket.socket | None:
        if len(self._clients) >= CLIENTS_LIMIT:
            self._forget(next(iter(self._clients)))
        inside: socket.socket | None = None
        try:
            inside = self._open()
            inside.setblocking(False)
            inside.connect((self._request.address, self._request.port))
        except (OSError, Refusal) as error:
            if inside is not None:
                inside.close()
            if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                print(f"{self._request.key}: a client is not served: {error}", file=sys.stderr, flush=True)
            return None
        self._loop.add_reader(inside, self._from_inside, inside, client)
        return inside

    def _from_inside(self, inside: socket.socket, client: Client) -> None:
        for _ in range(AT_ONCE):
            try:
                data = inside.recv(READ_BYTES)
            except BlockingIOError:
                return
            except OSError:  # refused, or its network is gone: the next datagram begins anew
                self._forget(client)
                return
            with contextlib.suppress(OSError):
                self._socket.sendto(data, client)

    def _sweep(self) -> None:
        before_s = self._loop.time() - IDLE_LIMIT_S
        for client in [client for client, (_, spoke_s) in self._clients.items() if spoke_s < before_s]:
            self._forget(client)
        self._sweeping = self._loop.call_later(IDLE_LIMIT_S, self._sweep)

    def _forget(self, client: Client) -> None:
        inside, _ = self._clients.pop(client)
        self._loop.remove_reader(inside)
        inside.close()
