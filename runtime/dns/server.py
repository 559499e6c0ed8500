"""Answers packets of DNS on sockets, over UDP and TCP; any number of places with one zone. Used by the helper.

A client that is slow or silent is hung up on; one place's clients can't use up what another's need.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import traceback
from collections.abc import Iterable
from typing import Any

from callboard.models.dns import DOMAIN, Zone
from callboard.models.messages.dns import NamesPart
from callboard.runtime.dns.packets import QUERY_LIMIT_BYTES, answered

PORT = 53
CONNECTIONS_LIMIT = 64
"""Connections of one place at a time; further ones are closed at once."""
IDLE_LIMIT_S = 10.0
KEPT_LIMIT = 4096
"""Answers that are kept ready for the same question."""
RECEIVE_BYTES = 1024 * 1024
"""What a socket of UDP may hold of questions that come while another is being answered."""


UNSENT_LIMIT_BYTES = 256 * 1024
"""Answers that the kernel does not take at once; beyond, further ones are dropped, as datagrams may be."""


class NameServer:
    """One zone, and the places where it is answered for. Use it inside a running loop of asyncio."""

    def __init__(self, address: str, domain: str = DOMAIN) -> None:
        self.address = address
        self._domain = domain
        self._zone = Zone(domain, address)
        self._told = False
        self._serial = 0
        self._turn = 0
        self._kept: dict[tuple[bool, bytes], bytes] = {}
        self._places: dict[str, _Place] = {}

    @property
    def places(self) -> tuple[str, ...]:
        """Where it answers."""
        return tuple(self._places)

    def tell(self, whole: bool, namespaces: Iterable[str], parts: Iterable[NamesPart]) -> None:
        """Take in what has changed, or all that there is."""
        if whole:
            self._zone = Zone(self._domain, self.address)
            self._told = True
        self._zone.serve_namespaces(namespaces)
        for part in parts:
            self._zone.put(part.key, part.records)
        self._serial += 1
        self._kept.clear()

    def answer(self, data: bytes, tcp: bool) -> bytes | None:
        """The answer to one packet; None if it gets none."""
        question = (tcp, data[2:])
        kept = self._kept.get(question)
        if kept is not None:
            return data[:2] + kept
        self._turn = (self._turn + 1) % (1 << 30)
        zone = self._zone if self._told else None
        try:
            reply = answered(data, zone, tcp=tcp, turn=self._turn, serial=self._serial)
        except Exception:  # one packet's fault must not end what all pods live on; it is logged with its traceback
            traceback.print_exc(file=sys.stderr)
            return None
        if reply is not None and zone is not None and int.from_bytes(reply[6:8], "big") <= 1:  # several addresses take turns
            if len(self._kept) >= KEPT_LIMIT:
                self._kept.clear()
            self._kept[question] = reply[2:]
        return reply

    async def serve(self, place: str, datagrams: socket.socket, listener: socket.socket) -> None:
        """Answer on these sockets, which are bound (and the second listens) and belong to the server from now on. What was served under
        this name before is let go."""
        self.leave(place)
        serving = self._places[place] = _Place(self)
        await serving.start(datagrams, listener)

    def leave(self, place: str) -> None:
        """Close the sockets of a place; done also where there is none."""
        serving = self._places.pop(place, None)
        if serving is not None:
            serving.close()

    def close(self) -> None:
        """Close everything."""
        for place in self.places:
            self.leave(place)


class _Place:
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None
        self._listening: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self, datagrams: socket.socket, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        datagrams.setblocking(False)
        listener.setblocking(False)
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._server), sock=datagrams)
        self._listening = await asyncio.start_server(self._converse, sock=listener)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        if self._listening is not None:
            self._listening.close()
        for writer in self._connections:
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: questions one after the other, each with its length before it (RFC 7766)."""
        if len(self._connections) >= CONNECTIONS_LIMIT:
            writer.transport.abort()
            return
        self._connections.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                while True:
                    async with asyncio.timeout(IDLE_LIMIT_S):
                        length = int.from_bytes(await reader.readexactly(2), "big")
                        if length > QUERY_LIMIT_BYTES:
                            return
                        reply = self._server.answer(await reader.readexactly(length), True)
                        if reply is None:
                            return
                        writer.write(len(reply).to_bytes(2, "big") + reply)
                        await writer.drain()
        finally:
            self._connections.discard(writer)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, client: Any) -> None:
        reply = self._server.answer(data, False)
        if reply is not None and not self._transport.is_closing() and self._transport.get_write_buffer_size() < UNSENT_LIMIT_BYTES:
            self._transport.sendto(reply, client)

    def error_received(self, error: Exception) -> None:
        """A client has gone before its answer came: nothing to be done about it."""


def sockets_at(address: str, port: int = PORT) -> tuple[socket.socket, socket.socket]:
    """A bound socket of UDP and a listening one of TCP, in the namespace of the calling thread. Raises OSError."""
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        datagrams.bind((address, port))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, datagrams.getsockname()[1]))
        listener.listen(CONNECTIONS_LIMIT)
    except OSError:
        datagrams.close()
        listener.close()
        raise
    return datagrams, listener
