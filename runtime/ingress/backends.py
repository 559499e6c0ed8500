"""A connection to an endpoint: sends one request at a time, and hands on what comes back."""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

from callboard.runtime.ingress.exchange import Exchange
from callboard.runtime.ingress.heads import LENGTH, UNTIL_CLOSE, Headers, Refused, switching
from callboard.runtime.ingress.seams import Endpoint, FrontSide


class Backend(asyncio.BufferedProtocol):
    """Between `take` and its end it belongs to an exchange; then it is kept for the next one, or closed."""

    def __init__(self, front: FrontSide, endpoint: Endpoint) -> None:
        self.front = front
        self.endpoint = endpoint
        self.transport: asyncio.Transport | None = None
        self.exchange: Exchange | None = None
        self.fresh = True
        """It has not answered anything yet."""
        self.idle_until_s = 0.0
        self.closed = False
        self._parser = httptools.HttpResponseParser(self)
        self._headers: Headers = []
        self._head_bytes = 0
        self._reason = b""
        self._arrives = LENGTH
        self._headed = False
        self._complete = False
        self._unfit = False
        """It can't be kept: the parser has been left in the middle of something, or more came than was asked for."""
        self._tunnel = False
        self.half_closed = False
        """It sends nothing more, into a tunnel."""
        self._out: list[bytes] = []

    # -- the exchange's side

    def take(self, exchange: Exchange) -> None:
        """Carry this exchange from now on."""
        self.exchange = exchange
        self._headed = self._complete = False
        self._head_bytes = 0
        exchange.begin(self)

    def write(self, data: bytes) -> None:
        """Send; nothing happens if it is closed, of which the exchange hears elsewhere."""
        if self.transport is not None and not self.closed:
            self.transport.write(data)

    def drop(self) -> None:
        """Let go of the exchange and close at once: its client is gone, or waits no longer."""
        self.exchange = None
        if self.transport is not None:
            self.transport.abort()

    def half_close(self) -> None:
        """The client of a tunnel sends nothing more."""
        if self.transport is not None and not self.closed and self.transport.can_write_eof():
            self.transport.write_eof()

    def hold(self, held: bool) -> None:
        """The client takes nothing more for now, or again."""
        if self.transport is None or self.closed:
            return
        if held:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.front.buffer

    def buffer_updated(self, nbytes: int) -> None:
        exchange = self.exchange
        if exchange is None:
            self.close()  # nobody has asked for anything
            return
        data = self.front.buffer[:nbytes]
        client = exchange.client
        client.heard()
        if self._tunnel:
            client.write(bytes(data))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switched(exchange, bytes(data[upgrade.args[0] :]))
            return
        except httptools.HttpParserError as error:
            if not self._complete:
                refused = error.__context__
                self._broken(exchange, refused.words if isinstance(refused, Refused) else f"it answers no HTTP ({error})")
                return
            self._unfit = True  # what came after the end of the answer is no concern of this request
        if not self._headed:
            if self._head_bytes + nbytes > self.front.limits.answer_head_bytes:
                self._broken(exchange, "the head of its answer is too large")
                return
            self._head_bytes += nbytes
        if self._out:
            exchange.answered = True
            client.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
            self._out.clear()
        if self._complete:
            self._finish(exchange)

    def eof_received(self) -> bool:
        if self._tunnel and self.exchange is not None:
            self.half_closed = True
            self.exchange.client.half_close()
            return not self.exchange.client.half_closed  # both sides are done: close
        return False

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.client.backend_full(True)

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.client.backend_full(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.front.pool.gone(self)
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            return
        exchange.backend = None
        client = exchange.client
        if self._tunnel:
            client.close()
        elif self._headed and self._arrives == UNTIL_CLOSE and exc is None and not self._complete:
            client.write(exchange.last())
            client.done(exchange)
        elif exchange.answered:
            client.abort()  # the answer is not whole, and there is no other way to say so
        else:
            self.front.failed(exchange, self.endpoint, f"{exc}" if exc is not None else "it closed the connection", self.fresh)

    # -- httptools

    def on_message_begin(self) -> None:
        if self._complete or self.exchange is None:
            raise Refused(502, "it answers more than it was asked")
        self._headers = []
        self._reason = b""

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        if len(self._headers) > self.front.limits.answer_headers:
            raise Refused(502, "its answer has too many headers")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return  # 101 is told by an exception; others were meant for us
        exchange = self.exchange
        assert exchange is not None
        head, self._arrives = exchange.head(status, self._reason, self._headers)
        self._headed = True
        self._out.append(head)
        if exchange.asked is not None and exchange.asked.method == b"HEAD":  # llhttp doesn't know that, and would wait for a body
            self._unfit = self._complete = True

    def on_body(self, chunk: bytes) -> None:
        exchange = self.exchange
        if exchange is not None and not self._complete:
            self._out.append(exchange.framed(chunk))

    def on_message_complete(self) -> None:
        if not self._headed or self._complete:
            return  # a provisional answer
        assert self.exchange is not None
        self._complete = True
        if not self._parser.should_keep_alive():  # llhttp knows that now only
            self._unfit = True
        last = self.exchange.last()
        if last:
            self._out.append(last)

    # -- what comes of it

    def _switched(self, exchange: Exchange, rest: bytes) -> None:
        """The endpoint speaks another protocol from now on."""
        try:
            if exchange.asked is None or not exchange.asked.upgrade or self._parser.get_status_code() != 101:
                raise Refused(502, "it switches to a protocol that nobody asked for")
            head = switching(self._headers)
        except Refused as refused:
            self._broken(exchange, refused.words)
            return
        self._tunnel = True
        exchange.answered = True
        exchange.client.tunnel(self, head + rest)

    def _broken(self, exchange: Exchange, words: str) -> None:
        self._out.clear()
        exchange.backend = None
        self.drop()
        if exchange.answered:
            exchange.client.abort()
        else:
            exchange.refuse(502, f"{self.endpoint[0]}:{self.endpoint[1]}: {words}")

    def _finish(self, exchange: Exchange) -> None:
        self.exchange = None
        exchange.backend = None
        self.fresh = False
        if exchange.complete and not self._unfit and not self.closed:
            self.front.pool.keep(self)
        else:
            self.close()
        exchange.client.done(exchange)

    def close(self) -> None:
        """Close once what is written is sent."""
        if self.transport is not None:
            self.transport.close()
