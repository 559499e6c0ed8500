"""An Ingress and its endpoints on this machine's loopback, in one event loop, and clients that say exactly which bytes they mean."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from callboard.models.ingress import Backends, HostRoutes, IngressTable, PathRoute
from callboard.runtime.ingress.front import Front
from callboard.runtime.ingress.limits import Limits

HOST = "shop.local"
WEB = "default/web:80"
LIMIT_S = 20.0
QUICK = Limits(tick_s=0.02)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Seen(msgspec.Struct):
    """A request as an endpoint got it."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


class BadHead(Exception):
    """An endpoint got what no endpoint may get."""


class Endpoint:
    """A server of our own; by default it answers each request with what it got, and keeps the connection."""

    def __init__(self, serve: Serve | None = None) -> None:
        self.serve = serve or self.echo
        self.seen: list[Seen] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self.address: tuple[str, int] = ("", 0)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=1 << 20)
        self.address = self._server.sockets[0].getsockname()[:2]

    def stop(self) -> None:
        """Listen no longer."""
        assert self._server is not None
        self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side has gone, which is its right
        finally:
            writer.close()

    async def echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (seen := await self.read(reader)) is not None:
            body = json.dumps({"line": seen.line, "headers": seen.headers, "body": seen.body.decode("latin-1")}).encode()
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            writer.write(head if seen.line.startswith("HEAD ") else head + body)
            await writer.drain()

    async def read(self, reader: asyncio.StreamReader) -> Seen | None:
        """The next request, strictly; None at the end."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise BadHead(f"a head without an end: {error.partial!r}") from None
            return None
        line, *lines = head[:-4].decode("latin-1").split("\r\n")
        headers = []
        for one in lines:
            name, colon, value = one.partition(": ")
            if not colon or not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name):
                raise BadHead(f"no header: {one!r}")
            headers.append((name, value))
        seen = Seen(line, headers, b"")
        self.seen.append(seen)
        lengths, codings = seen.all("content-length"), seen.all("transfer-encoding")
        assert len(lengths) + len(codings) <= 1, f"a body that is framed twice: {headers}"
        if lengths:
            seen.body = await reader.readexactly(int(lengths[0]))
        elif codings:
            seen.body = await read_chunks(reader)
        return seen


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
    assert await reader.readline() == b"\r\n"
    return body


def raw(*parts: bytes, pause_s: float = 0.0, close: bool = True) -> Serve:
    """An endpoint that reads one head and then says exactly this."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        if not close:
            await reader.read()

    return serve


class World:
    """The Ingress, its endpoints, and whatever went wrong in the loop."""

    def __init__(self, limits: Limits) -> None:
        self.front = Front(limits)
        self.faults: list[dict[str, Any]] = []
        self.port = 0
        self.endpoints: list[Endpoint] = []

    def listen(self) -> None:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self.front.listen("http", listener, False)

    def serve(self, *addresses: tuple[str, int]) -> None:
        """Route everything of the host to these endpoints."""
        routes = (HostRoutes(HOST, (PathRoute("", False, WEB), PathRoute("/nobody", True, "default/nobody:80"))),)
        self.front.serve(IngressTable(routes, "", (Backends(WEB, addresses), Backends("default/nobody:80", ()))))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)

    async def talk(self, data: bytes, half_close: bool = False) -> bytes:
        """Say this, and hear all until the other side closes."""
        reader, writer = await self.connect()
        try:
            writer.write(data)
            if half_close:
                writer.write_eof()
            return await reader.read()
        except ConnectionResetError:
            return b"(reset)"
        finally:
            writer.close()

    async def ask(self, path: str = "/", method: str = "GET", *headers: str, body: bytes = b"") -> tuple[int, bytes]:
        """A plain request on a connection of its own: status and body."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", "Connection: close", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        answer = await self.talk("\r\n".join([*lines, "", ""]).encode() + body)
        return status(answer), answer.partition(b"\r\n\r\n")[2]


def status(answer: bytes) -> int:
    """The status of an answer; 0 if there is none."""
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(found[1]) if found else 0


def run(test: Callable[..., Awaitable[None]], *serves: Serve | None, limits: Limits = QUICK) -> None:
    """Run a test beside an Ingress with one endpoint for each of `serves` (None: the one that echoes)."""

    async def whole() -> None:
        world = World(limits)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: world.faults.append(context))
        world.endpoints = [Endpoint(serve) for serve in serves or (None,)]
        for endpoint in world.endpoints:
            await endpoint.start()
        world.listen()
        world.serve(*(endpoint.address for endpoint in world.endpoints))
        try:
            await asyncio.wait_for(test(world), LIMIT_S)
        finally:
            for endpoint in world.endpoints:
                endpoint.stop()
            for client in [*world.front.clients]:
                client.abort()
            await asyncio.wait_for(world.front.drain(), LIMIT_S)
        assert world.faults == [], world.faults

    asyncio.run(whole())
