"""One client connection of the service proxy: find an endpoint that answers, then copy both ways until both sides are done.

Used by `listener.py` on the proxy's own event loop. Nothing is read from the client before an endpoint is connected, so a failed
endpoint can be replaced without the client seeing anything. Each direction ends by itself (half-close); a slow side slows the other.

It works on plain sockets instead of asyncio's transports: bytes go through one buffer that all connections of a proxy share, and only what
the other side does not take at once is copied. That makes large bodies about twice as fast, and an idle connection costs no buffer.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from callboard.models.messages.proxy import Endpoint
from callboard.runtime.proxy.gate import OUT_OF_FILES, Gate
from callboard.runtime.proxy.picker import Counters

CONNECT_LIMIT_S = 3.0
FILES_AGAIN_S = 0.1
READ_FIRST_BYTES, READ_LIMIT_BYTES = 1 << 16, 1 << 20
"""A direction reads so much at once, more as long as the other side takes it all; this also bounds what is kept for a slow side."""
_STANDS = (0, errno.EISCONN)
_UNDER_WAY = (*_STANDS, errno.EINPROGRESS, errno.EALREADY)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Upstreams(Protocol):
    """What a relay needs of its listener."""

    def still(self, endpoint: Endpoint) -> bool: ...

    def connected(self, client: str, endpoint: Endpoint, now_s: float) -> Counters: ...

    def counters(self, endpoint: Endpoint) -> Counters: ...

    def reject(self) -> None: ...


class Ground:
    """What all relays of a proxy share: the loop, the gate, the buffer, and how sockets to endpoints are made, by family and type."""

    def __init__(self, loop: asyncio.AbstractEventLoop, gate: Gate, make_socket: Callable[[int, int], socket.socket]) -> None:
        self.loop = loop
        self.gate = gate
        self.make_socket = make_socket
        self.buffer = memoryview(bytearray(READ_LIMIT_BYTES))


class _Flow:
    """One direction of a relay: reads from `source`, writes to `target`."""

    def __init__(self, relay: Relay, source: socket.socket, target: socket.socket, count: Callable[[int], None]) -> None:
        self.relay = relay
        self.source = source
        self.target = target
        self.count = count
        self.moved = False
        self.ended = False
        self._unsent: memoryview | None = None
        self._read_bytes = READ_FIRST_BYTES

    def start(self) -> None:
        self.relay.ground.loop.add_reader(self.source.fileno(), self.readable)

    def readable(self) -> None:
        buffer = self.relay.ground.buffer
        try:
            got = self.source.recv_into(buffer, self._read_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.relay.broken(self.source)
            return
        if not got:
            self._end()
            return
        self.moved = True
        self.count(got)
        try:
            sent = self.target.send(buffer[:got])
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.relay.broken(self.target)
            return
        if sent < got:
            self._unsent = memoryview(bytes(buffer[sent:got]))
            self._read_bytes = READ_FIRST_BYTES
            loop = self.relay.ground.loop
            loop.remove_reader(self.source.fileno())
            loop.add_writer(self.target.fileno(), self.writable)
        elif got == self._read_bytes:
            self._read_bytes = min(2 * got, READ_LIMIT_BYTES)

    def writable(self) -> None:
        assert self._unsent is not None
        try:
            self._unsent = self._unsent[self.target.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.relay.broken(self.target)
            return
        if not self._unsent:
            self._unsent = None
            loop = self.relay.ground.loop
            loop.remove_writer(self.target.fileno())
            loop.add_reader(self.source.fileno(), self.readable)

    def _end(self) -> None:
        """The source says nothing more, and all that it said is on its way."""
        self.ended = True
        self.relay.ground.loop.remove_reader(self.source.fileno())
        with contextlib.suppress(OSError):  # the target is closed already: the other direction will find out
            self.target.shutdown(socket.SHUT_WR)
        self.relay.flow_ended()


class Relay:
    """A client's connection and its endpoint's. `candidates` are the endpoints of the moment at which the client was accepted."""

    def __init__(
        self,
        ground: Ground,
        upstreams: Upstreams,
        client: socket.socket,
        peer: str,
        candidates: list[Endpoint],
        forget: Callable[[Relay], None],
    ) -> None:
        self.ground = ground
        self._upstreams = upstreams
        self._client = client
        self._peer = peer
        self._candidates = candidates
        self._forget = forget
        self._endpoint: socket.socket | None = None
        self._place: Endpoint | None = None
        self._counters: Counters | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._flows: tuple[_Flow, ...] = ()
        self.closed = False
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._give_up_s = ground.loop.time() + CONNECT_LIMIT_S * max(len(candidates), 1)
        self._next()

    def abort(self) -> None:
        """Close both connections now, unsent data included."""
        self._close(reset=False)

    # -- finding an endpoint

    def _next(self) -> None:
        """Connect to the next endpoint that was in the table when the client came and still is."""
        while self._candidates:
            place = self._candidates.pop(0)
            if self._upstreams.still(place) and self._try(place):
                return
        self._upstreams.reject()
        self._close(reset=True)

    def _try(self, place: Endpoint) -> bool:
        """Begin to connect; False if that has failed at once."""
        try:
            sock = self.ground.make_socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:
            if error.errno in OUT_OF_FILES and self.ground.loop.time() < self._give_up_s:
                self.ground.gate.close(error.strerror or str(error))
                self._candidates.insert(0, place)  # no fault of the endpoint
                self._timer = self.ground.loop.call_later(FILES_AGAIN_S, self._next)
                return True
            return False
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stands = sock.connect_ex(place)
            if stands == errno.EINPROGRESS:  # within one machine it stands by now, as asking again tells
                stands = sock.connect_ex(place)
            if stands not in _UNDER_WAY:
                raise OSError(stands, "the endpoint refuses")
        except OSError:
            sock.close()
            self._upstreams.counters(place).failed_connects += 1
            return False
        self._endpoint, self._place = sock, place
        loop = self.ground.loop
        if stands in _STANDS:
            self._begin(sock, place)
            return True
        self._timer = loop.call_later(CONNECT_LIMIT_S, self._failed)
        loop.add_writer(sock.fileno(), self._connected)
        return True

    def _failed(self) -> None:
        """An endpoint did not take the connection."""
        assert self._place is not None
        self._upstreams.counters(self._place).failed_connects += 1
        self._leave_endpoint()
        self._next()

    def _leave_endpoint(self) -> None:
        self._stop_timer()
        if self._endpoint is not None:
            self._unwatch(self._endpoint)
            self._endpoint.close()
            self._endpoint = None

    def _connected(self) -> None:
        sock, place = self._endpoint, self._place
        assert sock is not None
        assert place is not None
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._failed()
            return
        self._stop_timer()
        self.ground.loop.remove_writer(sock.fileno())
        self._begin(sock, place)

    def _begin(self, sock: socket.socket, place: Endpoint) -> None:
        """The endpoint's connection stands."""
        self._counters = self._upstreams.connected(self._peer, place, self.ground.loop.time())
        self._flows = (_Flow(self, self._client, sock, self._count_to), _Flow(self, sock, self._client, self._count_from))
        for flow in self._flows:
            flow.start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- copying

    def flow_ended(self) -> None:
        """One direction is done; the connections close when both are."""
        if all(flow.ended for flow in self._flows):
            self._close(reset=False)

    def broken(self, sock: socket.socket) -> None:
        """One connection was reset. The other one is too, or another endpoint is tried if no byte went either way: then the endpoint
        had not really taken the connection."""
        if sock is self._endpoint and not any(flow.moved or flow.ended for flow in self._flows) and self._counters is not None:
            counters, self._counters, self._flows = self._counters, None, ()
            counters.active -= 1
            counters.connections -= 1
            self._unwatch(self._client)
            self._failed()
            return
        self._close(reset=True)

    def _close(self, reset: bool) -> None:
        if self.closed:
            return
        self.closed = True
        self._stop_timer()
        for sock in (self._client, self._endpoint):
            if sock is not None:
                self._unwatch(sock)
                if reset:
                    with contextlib.suppress(OSError):  # it is reset already
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                sock.close()
        if self._counters is not None:
            self._counters.active -= 1
        self._forget(self)
        self.ground.gate.reopen()

    def _unwatch(self, sock: socket.socket) -> None:
        number = sock.fileno()  # by number: for a socket that isn't watched asyncio puts its whole description together
        self.ground.loop.remove_reader(number)
        self.ground.loop.remove_writer(number)

    def _count_to(self, count: int) -> None:
        if self._counters is not None:
            self._counters.bytes_to_endpoint += count

    def _count_from(self, count: int) -> None:
        if self._counters is not None:
            self._counters.bytes_from_endpoint += count
