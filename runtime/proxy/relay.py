"""One client connection of the service proxy: find an endpoint that answers, then copy both ways until both sides are done.

Used by `listener.py` on the proxy's own event loop. Nothing is read from the client before an endpoint is connected, so a failed
endpoint can be replaced without the client seeing anything. Each direction ends by itself (half-close); a slow side slows the other.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Protocol

CONNECT_LIMIT_S = 3.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Counters:
    """Counters of one endpoint; only touched on the proxy's loop."""

    __slots__ = ("active", "bytes_from_endpoint", "bytes_to_endpoint", "connections", "failed_connects")

    def __init__(self) -> None:
        self.connections = 0
        self.active = 0
        self.failed_connects = 0
        self.bytes_to_endpoint = 0
        self.bytes_from_endpoint = 0


class Upstreams(Protocol):
    """Where a relay gets endpoints from, and whom it tells that it has ended."""

    def candidates(self) -> Iterator[tuple[str, int, Counters]]:
        """Endpoints to try, each at most once, the one whose turn it is first."""

    def rejected(self) -> None:
        """No endpoint could be reached; the client's connection is reset."""


class _Side(asyncio.Protocol):
    """One of a relay's two connections."""

    def __init__(self, relay: Relay, count: Callable[[int], None]) -> None:
        self.relay = relay
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self.got_bytes = False
        self.got_eof = False
        self._count = count

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.relay.made(self)

    def pause(self) -> None:
        """Read nothing until there is an endpoint to read for."""
        if self.transport is not None and self.other is None:
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self.got_bytes = True
        self._count(len(data))
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.got_eof = True
        return self.relay.eof(self)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.relay.lost(self, error)


class Relay:
    """A client's connection and its endpoint's."""

    def __init__(self, upstreams: Upstreams, forget: Callable[[Relay], None]) -> None:
        self._upstreams = upstreams
        self._forget = forget
        self._tries = upstreams.candidates()
        self._client = _Side(self, self._count_to_endpoint)
        self._endpoint: _Side | None = None
        self._counters: Counters | None = None
        self._connecting: asyncio.Task[None] | None = None

    def client_protocol(self) -> asyncio.Protocol:
        """The protocol of the accepted connection."""
        return self._client

    def abort(self) -> None:
        """Close both connections now, unsent data included."""
        if self._connecting is not None:
            self._connecting.cancel()
        for side in (self._client, self._endpoint):
            if side is not None and side.transport is not None:
                side.transport.abort()

    def made(self, side: _Side) -> None:
        """One of the two connections stands."""
        assert side.transport is not None
        if side is self._client:
            loop = asyncio.get_running_loop()
            loop.call_soon(side.pause)  # not here: Python before 3.11.4 begins to read after this call, paused or not, and bytes were lost
            self._connecting = loop.create_task(self._connect())
        elif self._client.transport is None:  # the client went away meanwhile
            side.transport.abort()
        else:  # at once, not when `_connect` goes on: a server that speaks first may be read before that
            self._join(side)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for address, port, counters in self._tries:
            side = _Side(self, self._count_from_endpoint)
            self._counters = counters
            try:
                async with asyncio.timeout(CONNECT_LIMIT_S):
                    await loop.create_connection(lambda side=side: side, address, port)  # type: ignore[misc]
            except (OSError, TimeoutError):
                if self._endpoint is side:  # the time-out came a moment after the connection
                    return
                counters.failed_connects += 1
                continue
            return
        self._counters = None
        self._reject()

    def _join(self, side: _Side) -> None:
        assert self._counters is not None
        self._counters.connections += 1
        self._counters.active += 1
        self._endpoint = side
        side.other, self._client.other = self._client, side
        self._connecting = None
        assert self._client.transport is not None
        self._client.transport.resume_reading()

    def _reject(self) -> None:
        self._connecting = None
        self._upstreams.rejected()
        if self._client.transport is not None:
            sock = self._client.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._client.transport.abort()

    def eof(self, side: _Side) -> bool:
        """One side will send nothing more. True keeps its connection open for the other direction."""
        other = side.other
        if other is None or other.transport is None or other.transport.is_closing():
            return False
        other.transport.write_eof()
        return True if not other.got_eof else self._both_done()

    def _both_done(self) -> bool:
        for side in (self._client, self._endpoint):
            if side is not None and side.transport is not None:
                side.transport.close()  # after what is still unsent
        return True

    def lost(self, side: _Side, error: Exception | None) -> None:
        """One connection is closed."""
        side.transport = None
        if side is self._endpoint and error is not None and self._may_try_another():
            assert self._counters is not None
            self._counters.active -= 1
            self._counters.connections -= 1
            self._counters.failed_connects += 1
            self._leave_endpoint()
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
            return
        if side not in (self._client, self._endpoint):
            return
        other = side.other
        if other is not None and other.transport is not None:
            if error is not None:
                other.transport.abort()
            else:
                other.transport.close()
        if side is self._client and self._connecting is not None:
            self._connecting.cancel()
        if self._client.transport is None and (self._endpoint is None or self._endpoint.transport is None):
            if self._endpoint is not None and self._counters is not None:
                self._counters.active -= 1
            self._forget(self)

    def _may_try_another(self) -> bool:
        """Whether an endpoint reset the connection before a byte went either way: it had not really taken it."""
        endpoint, client = self._endpoint, self._client
        return (
            endpoint is not None and not endpoint.got_bytes and not client.got_bytes and not client.got_eof and client.transport is not None
        )

    def _leave_endpoint(self) -> None:
        self._endpoint = None
        self._client.other = None
        assert self._client.transport is not None
        self._client.transport.pause_reading()

    def _count_to_endpoint(self, count: int) -> None:
        if self._counters is not None:
            self._counters.bytes_to_endpoint += count

    def _count_from_endpoint(self, count: int) -> None:
        if self._counters is not None:
            self._counters.bytes_from_endpoint += count
