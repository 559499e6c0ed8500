"""A service port of UDP: each client's datagrams go to one endpoint until it has been silent for a while.

Used by `driver.py` on the proxy's own event loop. A client is an address and port, as in connection tracking; its flow has a connected
socket to the endpoint, so that answers find back. An endpoint that refuses (its host answers that nobody listens) is replaced as long as it
has not answered, and the last datagram is sent again. The flows of an endpoint that leaves the table end at once: the next datagram goes
elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from callboard.models.messages.proxy import Endpoint, ServicePort
from callboard.runtime.proxy.gate import OUT_OF_FILES
from callboard.runtime.proxy.picker import Affinities, Counters, Picker
from callboard.runtime.proxy.protocol import ServiceStats
from callboard.runtime.proxy.relay import Ground

IDLE_S = 60.0
"""A flow ends when nothing has come or gone for so long; connection tracking's own limits are 30 s and 120 s."""
SWEEP_S = 10.0
FLOWS_LIMIT = 4096
"""Flows of one service port; beyond, the one that has been silent longest ends."""
AT_ONCE = 64
DATAGRAM_LIMIT_BYTES = 1 << 16

Client = tuple[str, int]


class _Flow:
    """One client's flow to one endpoint."""

    def __init__(self, client: Client, place: Endpoint, sock: socket.socket, counters: Counters, others: list[Endpoint]) -> None:
        self.client = client
        self.place = place
        self.sock = sock
        self.counters = counters
        self.others = others
        self.answered = False
        self.last = b""
        self.last_s = 0.0


class DatagramListener:
    """Takes in a service port's datagrams and sends each client's to an endpoint of its own."""

    def __init__(self, service: ServicePort, ground: Ground, affinities: Affinities) -> None:
        self.service = service
        self.actual: Endpoint | None = None
        self._ground = ground
        self._picker = Picker(service, affinities)
        self._sock: socket.socket | None = None
        self._flows: dict[Client, _Flow] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def update(self, service: ServicePort) -> None:
        """Take over the endpoints of a new table; flows to those that are gone end."""
        self.service = service
        for flow in [flow for flow in self._flows.values() if flow.place not in service.endpoints]:
            self._end(flow)
        self._picker.update(service)

    def listen(self, sock: socket.socket) -> None:
        """Begin to take in datagrams by a bound socket, which belongs to this listener from now on."""
        name = sock.getsockname()
        self.actual = (name[0], name[1])
        self._sock = sock
        self._ground.loop.add_reader(sock.fileno(), self._readable)
        self._sweep = self._ground.loop.call_later(SWEEP_S, self._look_for_idle)

    def close(self) -> None:
        """Take in nothing more. Without their socket answers can't be told from where they belong, so flows end too."""
        for flow in list(self._flows.values()):
            self._end(flow)
        if self._sweep is not None:
            self._sweep.cancel()
        if self._sock is not None:
            self._ground.loop.remove_reader(self._sock.fileno())
            self._sock.close()
            self._sock = None
        self.actual = None

    def abort(self) -> None:
        """The same as `close`."""
        self.close()

    def draining(self) -> bool:
        """Never: flows end with their listener."""
        return False

    def stats(self) -> ServiceStats:
        """The counters now."""
        return self._picker.stats()

    # -- from clients

    def _readable(self) -> None:
        assert self._sock is not None
        for _ in range(AT_ONCE):
            try:
                data, client = self._sock.recvfrom(DATAGRAM_LIMIT_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:  # a client to which an answer was sent has closed its socket
                continue
            self._forward(data, (client[0], client[1]))

    def _forward(self, data: bytes, client: Client) -> None:
        now_s = self._ground.loop.time()
        flow = self._flows.pop(client, None)
        if flow is None:
            candidates = self._picker.candidates(client[0], now_s)
            flow = self._open(client, candidates, now_s)
            if flow is None:
                self._picker.reject()
                return
        self._flows[client] = flow  # the order is that of the last datagrams
        if len(self._flows) > FLOWS_LIMIT:
            self._end(next(iter(self._flows.values())))
        self._send(flow, data, now_s)

    def _open(self, client: Client, candidates: list[Endpoint], now_s: float) -> _Flow | None:
        """A flow to the first candidate that there is a way to."""
        while candidates:
            place = candidates.pop(0)
            if not self._picker.still(place):
                continue
            try:
                sock = self._ground.make_socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET, socket.SOCK_DGRAM)
            except OSError as error:
                if error.errno in OUT_OF_FILES and self._flows:
                    self._end(next(iter(self._flows.values())))  # the longest silent makes room; the client sends again, as with any loss
                return None
            try:
                sock.setblocking(False)
                sock.connect(place)
            except OSError:
                sock.close()
                self._picker.counters(place).failed_connects += 1
                continue
            flow = _Flow(client, place, sock, self._picker.connected(client[0], place, now_s), candidates)
            self._ground.loop.add_reader(sock.fileno(), self._answer, flow)
            return flow
        return None

    def _send(self, flow: _Flow, data: bytes, now_s: float) -> None:
        flow.last_s = now_s
        if not flow.answered:
            flow.last = data
        try:
            flow.sock.send(data)
            flow.counters.bytes_to_endpoint += len(data)
        except ConnectionError:  # what is told is that an earlier datagram was refused
            self._refused(flow)
        except (BlockingIOError, InterruptedError):
            return  # the endpoint's queue is full: the datagram is lost, as datagrams may be
        except OSError:
            self._refused(flow)

    # -- from endpoints

    def _answer(self, flow: _Flow) -> None:
        for _ in range(AT_ONCE):
            try:
                data = flow.sock.recv(DATAGRAM_LIMIT_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._refused(flow)
                return
            flow.answered, flow.last = True, b""
            flow.last_s = self._ground.loop.time()
            flow.counters.bytes_from_endpoint += len(data)
            with contextlib.suppress(OSError):  # the client is gone, or its queue is full
                if self._sock is not None:
                    self._sock.sendto(data, flow.client)

    def _refused(self, flow: _Flow) -> None:
        """Nobody listens at the endpoint. Where it never answered, another one gets the last datagram."""
        flow.counters.failed_connects += 1
        self._end(flow)
        if flow.answered or not flow.last:
            return
        now_s = self._ground.loop.time()
        other = self._open(flow.client, flow.others, now_s)
        if other is None:
            self._picker.reject()
            return
        self._flows[flow.client] = other
        self._send(other, flow.last, now_s)

    # -- ends

    def _end(self, flow: _Flow) -> None:
        if self._flows.get(flow.client) is flow:
            del self._flows[flow.client]
        self._ground.loop.remove_reader(flow.sock.fileno())
        flow.sock.close()
        flow.counters.active -= 1

    def _look_for_idle(self) -> None:
        now_s = self._ground.loop.time()
        for flow in [flow for flow in self._flows.values() if now_s - flow.last_s > IDLE_S]:
            self._end(flow)
        self._sweep = self._ground.loop.call_later(SWEEP_S, self._look_for_idle)
