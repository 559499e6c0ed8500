"""A client's connection: requests in, one after the other, and what is refused of them at once.

Requests that follow each other without waiting (pipelining) are answered in their order; while any waits, nothing more is read. What a
client may cost is bounded by `limits.py`: the head by size and time, the body by the time between two pieces, the answer by the time
between two pieces that the client takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

import httptools

from callboard.runtime.ingress.exchange import Exchange
from callboard.runtime.ingress.heads import Headers, Refused, Way, read_request
from callboard.runtime.ingress.seams import BackendSide, FrontSide

IDLE, HEAD, BODY, ANSWER, TUNNEL, LINGER = range(6)
"""What a connection is waiting for."""
PIPELINED, BACKEND_FULL, BUFFER_FULL, SWITCHING = 1, 2, 4, 8
"""Why nothing is read for now."""


class Client(asyncio.BufferedProtocol):
    """See this module's docstring. `deadline_s` is looked at by the front a few times per second."""

    def __init__(self, front: FrontSide, tls: bool) -> None:
        self.front = front
        self.tls = tls
        self.transport: asyncio.Transport | None = None
        self.deadline_s = 0.0
        self.waits_for = HEAD
        self.half_closed = False
        self.current: Exchange | None = None
        self._incoming: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: Headers = []
        self._head_bytes = 0
        self._bare_bytes = 0
        self._in_head = True
        self._begun = False
        self._trailers = 0
        self._advancing = False
        self._held = 0
        self._closing = False
        self._tunnel: BackendSide | None = None
        self._early = b""
        self._way: Way | None = None

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        local = transport.get_extra_info("sockname") or ("", 0)
        self._way = Way(str(peer[0]), self.tls, int(local[1]), str(local[0]))
        self.deadline_s = self.front.now_s + self.front.limits.head_s
        self.front.clients.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.front.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._closing:
            return  # what comes after the end is taken, so that the client gets to read our answer, and thrown away
        data = self.front.buffer[:nbytes]
        if self._tunnel is not None:
            self.heard()
            self._tunnel.write(bytes(data))
            return
        if self.waits_for == IDLE:
            self._await_head()
        elif self.waits_for == BODY:
            self.deadline_s = self.front.now_s + self.front.limits.body_s
        if self._held & SWITCHING:
            self._early += bytes(data)
            return
        self._parse(data)

    def _parse(self, data: memoryview) -> None:
        limits = self.front.limits
        self._bare_bytes += len(data)
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            exchange = self._incoming
            if exchange is not None and exchange.asked is not None and exchange.asked.upgrade:
                self._early += bytes(rest)
                self._incoming = None
                self._hold(SWITCHING)
                return
            self._parser = httptools.HttpRequestParser(self)  # a protocol that is not carried: the request is one like others
            if rest:
                self._parse(rest)
            return
        except httptools.HttpParserError as error:
            refused = error.__context__
            self._refuse(refused if isinstance(refused, Refused) else Refused(400, "this is no request of HTTP/1"))
            return
        if self._in_head:
            if self._begun and not self._head_bytes:
                self._head_bytes = 1  # it began behind another request; how far it has come is known with the next piece
            if self._head_bytes > limits.head_bytes:
                self._refuse(Refused(431, "the head is too large") if self._headers else Refused(414, "the target is too long"))
        elif self._bare_bytes > limits.overhead_bytes + len(data):
            self._refuse(Refused(400, "the body has more overhead than content"))

    def eof_received(self) -> bool:
        self.half_closed = True
        if self._tunnel is not None:
            self._tunnel.half_close()
            return not self._tunnel.half_closed
        if self._closing or self.current is None or not self.current.complete:
            return False  # idle, in the middle of a request, or after our last word
        return not self.tls

    def pause_writing(self) -> None:
        if self.current is not None and self.current.backend is not None:
            self.current.backend.hold(True)
        if self._tunnel is not None:
            self._tunnel.hold(True)
        self.deadline_s = self.front.now_s + self.front.limits.send_s

    def resume_writing(self) -> None:
        if self.current is not None and self.current.backend is not None:
            self.current.backend.hold(False)
        if self._tunnel is not None:
            self._tunnel.hold(False)
        self.heard()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self.front.clients.discard(self)
        self.front.client_gone()
        for exchange in (self.current, *self._queue):
            if exchange is not None:
                exchange.over = True
                if exchange.backend is not None:
                    exchange.backend.drop()
                    exchange.backend = None
        self._queue.clear()
        self.current = self._incoming = None
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            tunnel.exchange = None
            tunnel.close()

    # -- httptools

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []
        self._trailers = 0
        self._begun = True
        if self._closing:
            raise Refused(400, "nothing more is heard")

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > self.front.limits.target_bytes:
            raise Refused(414, "the target is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            self._headers.append((name, value))
            if len(self._headers) > self.front.limits.headers:
                raise Refused(431, "there are too many headers")
        else:  # trailers are taken and dropped, as every proxy may
            self._trailers += 1
            if self._trailers > self.front.limits.headers:
                raise Refused(431, "there are too many trailers")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._bare_bytes = 0
        self._head_bytes = 0
        size = len(self._url) + sum([len(name) + len(value) + 4 for name, value in self._headers])
        if size > self.front.limits.head_bytes:
            raise Refused(431, "the head is too large")
        version = self._parser.get_http_version()
        assert self._way is not None
        asked = read_request(self._parser.get_method(), self._url, version, self._headers, self._way)
        exchange = Exchange(self, asked, self._parser.should_keep_alive(), version == "1.0")
        self._incoming = exchange
        if self.current is None:
            self._start(exchange)
        else:
            self._queue.append(exchange)
            self._hold(PIPELINED)

    def on_body(self, chunk: bytes) -> None:
        self._bare_bytes = 0
        exchange = self._incoming
        if exchange is not None:
            exchange.feed(chunk)
            if exchange.body_bytes > self.front.limits.buffer_bytes:
                self._hold(BUFFER_FULL)

    def on_message_complete(self) -> None:
        exchange, self._incoming = self._incoming, None
        self._in_head = True
        self._begun = False
        self._head_bytes = 0
        if exchange is None:
            return
        if exchange.asked is not None and exchange.asked.upgrade:
            self._incoming = exchange  # `_parse` asks for it
        exchange.end()
        if exchange is self.current and self.waits_for == BODY:
            self.waits_for = ANSWER
            self.heard()

    # -- the course of requests

    def _start(self, exchange: Exchange) -> None:
        self.current = exchange
        if exchange.refusal is not None:
            exchange.refuse(exchange.refusal.status, exchange.refusal.words)
            return
        self.waits_for = ANSWER
        self.deadline_s = self.front.now_s + self.front.limits.answer_s
        self.front.route(exchange)

    def sending(self) -> None:
        """An endpoint takes the current request: if it isn't complete, the client is waited for."""
        self._release(BUFFER_FULL)
        if self.current is not None and not self.current.complete:
            self.waits_for = BODY
            self.deadline_s = self.front.now_s + self.front.limits.body_s

    def heard(self) -> None:
        """The endpoint has sent something, or the client has taken or sent something: whoever is waited for has time anew."""
        limits = self.front.limits
        self.deadline_s = self.front.now_s + (limits.tunnel_s if self.waits_for == TUNNEL else limits.answer_s)

    def done(self, exchange: Exchange) -> None:
        """The answer to the current request has been written."""
        if exchange is not self.current:
            return
        exchange.over = True
        self.current = None
        if exchange.backend is not None:
            exchange.backend.drop()
            exchange.backend = None
        if not exchange.complete or not exchange.keep:
            self._linger(exchange.complete)
        elif not self._advancing:
            self._advance()

    def _advance(self) -> None:
        """Begin with the next request that has come already, or wait for one."""
        self._advancing = True  # an answer of our own is complete at once, and a thousand of them must not call each other
        while self.current is None and self._queue and not self._closing:
            following = self._queue.popleft()
            if not self._queue:
                self._release(PIPELINED)
            self._start(following)
        self._advancing = False
        if self.current is not None or self._closing:
            return
        if self.half_closed or (self.front.draining and not self._head_bytes):
            self.close()
        elif self._head_bytes:
            self._await_head()
        else:
            self.waits_for = IDLE
            self.deadline_s = self.front.now_s + self.front.limits.idle_s

    def tunnel(self, backend: BackendSide, data: bytes) -> None:
        """The connection is a WebSocket from now on: nothing of it is understood any more."""
        self.waits_for = TUNNEL
        self._tunnel = backend
        self.heard()
        self.write(data)
        early, self._early = self._early, b""
        if early:
            backend.write(early)
        self._release(SWITCHING)
        if self.half_closed:
            backend.half_close()

    def half_close(self) -> None:
        """The endpoint of a tunnel sends nothing more."""
        if self.transport is not None and not self._closing and self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.close()

    def backend_full(self, full: bool) -> None:
        """The endpoint takes nothing more for now, or again."""
        if full:
            self._hold(BACKEND_FULL)
        else:
            self._release(BACKEND_FULL)
        self.heard()

    def _await_head(self) -> None:
        self.waits_for = HEAD
        self.deadline_s = self.front.now_s + self.front.limits.head_s

    def _refuse(self, refused: Refused) -> None:
        """What the client sends can't be understood: this is answered in its turn, and is the last answer."""
        if self._closing:
            return  # our last word is said
        exchange = self._incoming
        self._incoming = None
        self._hold(PIPELINED)
        if exchange is None or exchange.over:
            exchange = Exchange(self, None, False, False, refused)
            if self.current is None:
                self._start(exchange)
            else:
                self._queue.append(exchange)
            return
        exchange.keep = False
        exchange.refusal = refused
        if exchange is self.current:
            if exchange.answered:
                self.abort()
                return
            if exchange.backend is not None:
                exchange.backend.drop()
                exchange.backend = None
            exchange.refuse(refused.status, refused.words)

    # -- the connection

    def write(self, data: bytes) -> None:
        """Send to the client; nothing happens if it is gone."""
        if self.transport is not None and data:
            self.transport.write(data)

    def _hold(self, reason: int) -> None:
        if not self._held and self.transport is not None and not self._closing:
            self.transport.pause_reading()
        self._held |= reason

    def _release(self, reason: int) -> None:
        if self._held & reason:
            self._held &= ~reason
            if not self._held and self.transport is not None and not self.transport.is_closing():
                self.transport.resume_reading()

    def timed_out(self) -> None:
        """The deadline is over."""
        exchange = self.current
        if self.waits_for in (IDLE, LINGER, TUNNEL) or self._closing or (exchange is not None and exchange.answered):
            self.abort()
        elif exchange is None:
            if self._head_bytes:
                self._refuse(Refused(408, "the head did not arrive in time"))
            else:
                self.abort()  # it has asked nothing
        elif self.waits_for == BODY:
            exchange.refuse(408, "the body did not arrive in time")
        else:
            exchange.keep = False
            exchange.refuse(504, "no answer in time")

    def _linger(self, clean: bool) -> None:
        """Close so that the client gets to read our last answer: what it still sends is taken for a moment."""
        assert self.transport is not None
        self._closing = True
        if (clean and not self._held) or self.tls or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.waits_for = LINGER
        self.deadline_s = self.front.now_s + self.front.limits.linger_s
        self.transport.write_eof()
        if self._held:
            self._held = 0
            self.transport.resume_reading()

    def drain(self) -> None:
        """Close if nothing is under way; else after that."""
        if self.current is None and not self._head_bytes:
            self.close()

    def close(self) -> None:
        """Close once what is written is sent."""
        self._closing = True
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        if self.transport is not None:
            self.transport.abort()
