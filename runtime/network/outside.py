"""Ways in from outside: sockets of the host's own network, handed in, and what reaches them relayed to an address inside the cell.

Runs on the helper's event loop. A connection that can't be made inside is reset, as a port where nobody listens would. At the limit of open
files accepting pauses, with one line in the log for each such time.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Callable

from callboard.runtime.helpers.program import Refusal
from callboard.runtime.network.datagrams import Datagrams
from callboard.runtime.network.fabric import Fabric
from callboard.runtime.network.messages import ListenOutside, OutsideListener
from callboard.runtime.network.relay import Relay, reset_on_close

CONNECT_LIMIT_S = 10.0
PAUSE_S = 0.2
ACCEPT_AT_ONCE = 64
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Open = Callable[[], socket.socket]


class _Connections:
    """The connections of one TCP listener. They may outlive it, and are those of `node`."""

    def __init__(self, sock: socket.socket, request: ListenOutside, open_socket: Open) -> None:
        self.node = request.node
        self._socket = sock
        self._request = request
        self._open = open_socket
        self._relays: set[Relay] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = True
        self._full = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._accept)

    def __bool__(self) -> bool:
        return self._listening or bool(self._relays) or bool(self._tasks)

    def close(self) -> None:
        """Accept nothing more."""
        if self._listening:
            self._listening = False
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def abort(self) -> None:
        """End all connections now."""
        for task in [*self._tasks]:
            task.cancel()
        for relay in [*self._relays]:
            relay.abort()

    def _accept(self) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            server: socket.socket | None = None
            try:
                server = self._opened()  # first: who was accepted must not find that there is no descriptor left for the other side
                client, _ = self._socket.accept()
            except OSError as error:
                if server is not None:
                    server.close()
                if error.errno in _FULL:
                    self._pause(error)
                elif isinstance(error, BlockingIOError):
                    self._full = False  # nobody waits any more
                elif not isinstance(error, ConnectionAbortedError):
                    raise
                return
            client.setblocking(False)
            if server is None:
                reset_on_close(client)
                client.close()
                continue
            task = self._loop.create_task(self._serve(client, server))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _opened(self) -> socket.socket | None:
        """A socket for the other side; None where its node has no network. Raises OSError."""
        try:
            server = self._open()
        except Refusal:
            return None
        server.setblocking(False)
        return server

    def _pause(self, error: OSError) -> None:
        if not self._full:
            print(f"{self._request.key}: accepting pauses: {error}", file=sys.stderr, flush=True)
        self._full = True
        self._loop.remove_reader(self._socket)
        self._loop.call_later(PAUSE_S, self._again)

    def _again(self) -> None:
        if self._listening:
            self._loop.add_reader(self._socket, self._accept)

    async def _serve(self, client: socket.socket, server: socket.socket) -> None:
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                await self._loop.sock_connect(server, (self._request.address, self._request.port))
            relay = Relay(self._relays.discard)
            self._relays.add(relay)
            await relay.begin(client, server)
        except (OSError, asyncio.CancelledError):  # TimeoutError is one
            server.close()
            if client.fileno() >= 0:
                reset_on_close(client)
                client.close()


class Outside:
    """All listeners, by their keys."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._listeners: dict[str, tuple[OutsideListener, socket.socket, _Connections | Datagrams]] = {}
        self._leaving: list[_Connections] = []

    def listen(self, request: ListenOutside, descriptors: list[int]) -> tuple[OutsideListener, list[int]]:
        """Relay from now on; of the descriptors the first is the socket. Without one, that of the key's listener is used on, and a
        descriptor of it is handed back. Raises `Refusal`, OSError."""
        if request.protocol not in ("TCP", "UDP"):
            raise Refusal(f'{request.key}: "{request.protocol}" is no protocol that can be relayed: TCP and UDP are')
        old = self._listeners.get(request.key)
        if not descriptors and old is None:
            raise Refusal(f"{request.key}: there is no such listener, and no socket for one was handed in")
        handed_back: list[int] = []
        if descriptors:
            sock = socket.socket(fileno=descriptors.pop(0))
        else:
            assert old is not None
            sock, handed_back = socket.socket(fileno=os.dup(old[1].fileno())), [os.dup(old[1].fileno())]
        self.close(request.key)
        sock.setblocking(False)
        where = f"node/{request.node}" if request.node else "edge"
        kind = socket.SOCK_STREAM if request.protocol == "TCP" else socket.SOCK_DGRAM

        def open_socket() -> socket.socket:
            return self._fabric.socket_of(where, kind)

        made = _Connections(sock, request, open_socket) if request.protocol == "TCP" else Datagrams(sock, request, open_socket)
        address, port = sock.getsockname()[:2]
        told = OutsideListener(request.key, address, port, request.node, request.address, request.port, request.protocol)
        self._listeners[request.key] = (told, sock, made)
        return told, handed_back

    def close(self, key: str) -> None:
        """Close a listener; connections that stand go on."""
        old = self._listeners.pop(key, None)
        if old is not None:
            old[2].close()
            self._leaving = [former for former in self._leaving if former]
            if isinstance(old[2], _Connections):
                self._leaving.append(old[2])

    def node_gone(self, node: str) -> None:
        """End the connections that come out at this node."""
        for connections in [*(made for _, _, made in self._listeners.values()), *self._leaving]:
            if connections.node == node:
                connections.abort()

    def told(self) -> tuple[OutsideListener, ...]:
        """What listens."""
        return tuple(told for told, _, _ in self._listeners.values())
