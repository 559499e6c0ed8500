"""Requests that the Ingress carries itself, where containers are simulated: one endpoint after the other, as the real one does it.

Held by the Ingress controller. An endpoint that refuses the connection is followed by another; one that stays silent too, unless the
request may have been carried out and must not be twice.
"""

from __future__ import annotations

import msgspec

from callboard.actors.component import Port, Timer
from callboard.actors.proxy.endpoints import Backend
from callboard.models.messages.base import Message
from callboard.models.messages.ingress import RouteIngress
from callboard.models.messages.runtime import Routed, Served, ServeRequest

ANSWER_LIMIT_S = 3.0
"""An endpoint that has not answered for so long is given up."""
REQUESTS_IN_FLIGHT_LIMIT = 4096
CLIENT = "127.0.0.1"
"""What endpoints are told of where a request comes from: where containers are real, clients are on the host's loopback, too."""
IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
_OF_CONNECTIONS = ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
_DROPPED = (*_OF_CONNECTIONS, "forwarded", "host", "x-real-ip")


class CarryExpired(Message, frozen=True, gc=False):
    """Timer: an endpoint has not answered."""

    number: int


class _Try(msgspec.Struct):
    request: RouteIngress
    left: list[Backend]
    backend: Backend
    timer: Timer


class Carrier:
    """The requests under way."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._tries: dict[int, _Try] = {}
        self._turns: dict[str, int] = {}
        self._numbers = 0

    def carry(self, request: RouteIngress, target: str, backends: tuple[Backend, ...]) -> None:
        """Send a request to the endpoints of its target."""
        if len(self._tries) >= REQUESTS_IN_FLIGHT_LIMIT:
            self.answer(request, 503, f"{REQUESTS_IN_FLIGHT_LIMIT} requests are under way already")
            return
        turn = self._turns.get(target, 0) % len(backends)
        self._turns[target] = turn + 1
        self._try_next(request, [*backends[turn:], *backends[:turn]])

    def forget(self, targets: dict[str, None]) -> None:
        """Only these targets are left."""
        self._turns = {target: turn for target, turn in self._turns.items() if target in targets}

    def answer(self, request: RouteIngress, status: int, words: str) -> None:
        """Answer in the Ingress' own words."""
        headers = (("Content-Type", "text/plain; charset=utf-8"),)
        self._port.send(request.reply_to, Routed(request.id, status, headers, f"{status}: {words}\n".encode()))

    def _try_next(self, request: RouteIngress, left: list[Backend]) -> None:
        backend = left.pop(0)
        self._numbers += 1
        number = self._numbers
        self._tries[number] = _Try(request, left, backend, self._port.after(ANSWER_LIMIT_S, CarryExpired(number)))
        place = (backend.address, backend.port)
        wanted = ServeRequest(number, self._port.me, *place, request.method, request.path, forwarded(request), request.body)
        self._port.send(f"runtime/{backend.node_name}", wanted)

    def served(self, served: Served) -> None:
        """An endpoint has answered, or nobody listens there."""
        tried = self._tries.pop(served.id, None)
        if tried is None:
            return  # given up earlier
        tried.timer.cancel()
        if served.connected:
            endpoint = f"{tried.backend.address}:{tried.backend.port}"
            self._port.send(tried.request.reply_to, Routed(tried.request.id, served.status, served.headers, served.body, endpoint))
        elif tried.left:
            self._try_next(tried.request, tried.left)
        else:
            self.answer(tried.request, 502, "no endpoint takes a connection")

    def expired(self, timer: CarryExpired) -> None:
        """An endpoint has kept silent."""
        tried = self._tries.pop(timer.number, None)
        if tried is None:
            return
        if tried.left and tried.request.method in IDEMPOTENT:
            self._try_next(tried.request, tried.left)
        else:
            self.answer(tried.request, 504, "no answer in time")


def forwarded(request: RouteIngress) -> tuple[tuple[str, str], ...]:
    """The headers that an endpoint gets: the client's without those of the connection, and how the request came.

    >>> request = RouteIngress(1, "me", "shop.local", "GET", "/", (("X-Forwarded-For", "1.2.3.4"), ("A", "b")), b"")
    >>> dict(forwarded(request))["X-Forwarded-For"]
    '127.0.0.1'
    """
    kept = [(name, value) for name, value in request.headers if not _is_dropped(name.lower())]
    ours = (("Host", request.host), ("X-Real-IP", CLIENT), ("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "http"))
    return (*kept, *ours, ("X-Forwarded-Host", request.host))


def _is_dropped(name: str) -> bool:
    return name.startswith("x-forwarded-") or name in _DROPPED
