"""Which endpoint a request goes to next, and the connections that are kept for the following ones."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterable

from callboard.models.ingress import Backends
from callboard.runtime.ingress.backends import Backend
from callboard.runtime.ingress.exchange import Exchange
from callboard.runtime.ingress.heads import IDEMPOTENT, NO_BODY
from callboard.runtime.ingress.seams import Endpoint, FrontSide


class Turns:
    """The endpoints of one target, round robin."""

    __slots__ = ("_next", "endpoints")

    def __init__(self, endpoints: tuple[Endpoint, ...], start: int = 0) -> None:
        self.endpoints = endpoints
        self._next = start

    @property
    def position(self) -> int:
        """Whose turn it is, to go on with after a change."""
        return self._next

    def pick(self, tried: set[Endpoint], shunned: dict[Endpoint, float], now_s: float) -> Endpoint | None:
        """Whose turn it is, of those that have not been tried: one that failed lately only if there is no other. None: nobody's."""
        count = len(self.endpoints)
        spare: Endpoint | None = None
        for step in range(count):
            index = (self._next + step) % count
            endpoint = self.endpoints[index]
            if endpoint in tried:
                continue
            if shunned and shunned.get(endpoint, 0.0) > now_s:
                spare = spare or endpoint
                continue
            self._next = index + 1
            return endpoint
        return spare


class Pool:
    """All connections to endpoints that wait for a request, and the way to new ones."""

    def __init__(self, front: FrontSide) -> None:
        self._front = front
        self._idle: dict[Endpoint, list[Backend]] = {}
        self._turns: dict[str, Turns] = {}
        self._known: frozenset[Endpoint] = frozenset()
        self._shunned: dict[Endpoint, float] = {}
        self._connecting: set[asyncio.Task[None]] = set()

    def serve(self, backends: Iterable[Backends]) -> None:
        """These are the endpoints now. Connections that are kept to others are closed; requests under way there are answered."""
        turns = {one.target: one.endpoints for one in backends}
        positions = {key: old.position for key, old in self._turns.items()}
        self._turns = {key: Turns(endpoints, positions.get(key, 0)) for key, endpoints in turns.items()}
        self._known = frozenset(endpoint for endpoints in turns.values() for endpoint in endpoints)
        for endpoint in [endpoint for endpoint in self._idle if endpoint not in self._known]:
            for backend in self._idle.pop(endpoint):
                backend.close()

    def send(self, target: str, exchange: Exchange) -> str:
        """Send a request to an endpoint of its target, at once or as soon as there is a connection. "empty": there is no endpoint;
        "tried": none is left; "": it is on its way."""
        turns = self._turns.get(target)
        if turns is None or not turns.endpoints:
            return "empty"
        if len(exchange.tried) >= self._front.limits.tries:
            return "tried"
        endpoint = turns.pick(exchange.tried, self._shunned, self._front.now_s)
        if endpoint is None:
            return "tried"
        exchange.tried.add(endpoint)
        asked = exchange.asked
        assert asked is not None
        if asked.framing == NO_BODY and asked.method in IDEMPOTENT:  # the endpoint may close a kept connection at this very moment
            kept = self._idle.get(endpoint)
            while kept:
                backend = kept.pop()
                if not backend.closed:
                    backend.take(exchange)
                    return ""
        task = asyncio.get_running_loop().create_task(self._connect(endpoint, exchange))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return ""

    async def _connect(self, endpoint: Endpoint, exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in endpoint[0] else socket.AF_INET
        sock: socket.socket | None = None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._front.limits.silence_ms)
            async with asyncio.timeout(self._front.limits.connect_s):
                await loop.sock_connect(sock, endpoint)
            _, backend = await loop.create_connection(lambda: Backend(self._front, endpoint), sock=sock)
        except TimeoutError:
            problem, timed_out = "no connection in time", True
        except OSError as error:
            problem, timed_out = os.strerror(error.errno).lower() if error.errno else str(error), False
        else:
            if exchange.over:
                self.keep(backend)
            else:
                backend.take(exchange)
            return
        if sock is not None:
            sock.close()
        exchange.timed_out = timed_out
        self.shun(endpoint)
        if not exchange.over:
            self._front.failed(exchange, endpoint, problem, True)

    def shun(self, endpoint: Endpoint) -> None:
        """An endpoint has failed: others come first for a moment."""
        now_s = self._front.now_s
        self._shunned[endpoint] = now_s + self._front.limits.shun_s
        if len(self._shunned) > 1024:
            self._shunned = {one: until_s for one, until_s in self._shunned.items() if until_s > now_s}

    def keep(self, backend: Backend) -> None:
        """A connection has nothing to do: keep it for the next request."""
        kept = self._idle.setdefault(backend.endpoint, [])
        if backend.endpoint not in self._known or len(kept) >= self._front.limits.idle_backends or self._front.draining:
            backend.close()
            return
        backend.idle_until_s = self._front.now_s + self._front.limits.backend_idle_s
        kept.append(backend)

    def gone(self, backend: Backend) -> None:
        """A connection is closed."""
        with contextlib.suppress(ValueError):
            self._idle.get(backend.endpoint, []).remove(backend)

    def sweep(self, now_s: float) -> None:
        """Close what has been kept for long enough."""
        for kept in self._idle.values():
            for backend in [one for one in kept if one.idle_until_s < now_s]:
                kept.remove(backend)
                backend.close()

    def close(self) -> None:
        """Close all that is kept."""
        for kept in self._idle.values():
            for backend in [*kept]:
                backend.close()
        self._idle.clear()
