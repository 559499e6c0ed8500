"""One connection from outside, relayed into the cell: two transports that write what the other reads, each direction ending by itself.

A slow reader slows the writer. A side that breaks off takes the other along; one that has said all (half-close) does not.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: `close` resets the connection, so that the other side knows that it was not served."""


class _Side(asyncio.Protocol):
    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.transport: asyncio.Transport | None = None
        self.other: _Side
        self.said_all = False
        self.early: list[bytes] | None = []
        """What was said before the other side stood; None once it has."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self.early is not None:
            self.early.append(data)
        elif self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.said_all = True
        if self.early is not None:
            return True
        other = self.other
        if other.transport is None or other.transport.is_closing():
            return False
        other.transport.write_eof()
        if other.said_all:
            self.relay.finish()
        return True

    def begin(self) -> None:
        """The other side stands: it gets what was said so far."""
        early, self.early = self.early or [], None
        for data in early:
            self.data_received(data)
        if self.said_all:
            self.eof_received()

    def pause_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.relay.lost(self, error)


class Relay:
    """Two connected sockets, which it owns. `forget` is called once both are closed."""

    def __init__(self, forget: Callable[[Relay], None]) -> None:
        self._forget = forget
        self._client, self._server = _Side(self), _Side(self)
        self._client.other, self._server.other = self._server, self._client

    async def begin(self, client: socket.socket, server: socket.socket) -> None:
        """Relay from now on. Raises OSError."""
        loop = asyncio.get_running_loop()
        # The server's first: the client's first bytes find somebody to go to.
        await loop.create_connection(lambda: self._server, sock=server)
        if self._server.transport is not None:
            self._client.early = None
            await loop.create_connection(lambda: self._client, sock=client)
            self._server.begin()  # it may have spoken first
            if self._server.transport is None and self._client.transport is not None:  # or have broken off meanwhile
                self._client.transport.close()
        else:
            client.close()

    def abort(self) -> None:
        """Close both now, with what is unsent."""
        for side in (self._client, self._server):
            if side.transport is not None:
                reset_on_close(side.transport.get_extra_info("socket"))
                side.transport.abort()

    def finish(self) -> None:
        """Close both after what is unsent."""
        for side in (self._client, self._server):
            if side.transport is not None:
                side.transport.close()

    def lost(self, side: _Side, error: Exception | None) -> None:
        """One is closed; `error` says that it broke off."""
        if side.other.transport is None:
            self._forget(self)
        elif error is not None:
            reset_on_close(side.other.transport.get_extra_info("socket"))
            side.other.transport.abort()
        else:
            side.other.transport.close()


def reset_on_close(sock: socket.socket) -> None:
    """Have this connection reset when it is closed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
