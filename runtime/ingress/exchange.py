"""One request and its answer, between a client's connection and an endpoint's.

It knows what may be sent again: a request without a body that changes nothing (or nothing more the second time), as long as its client has
seen nothing of an answer, and any request that no endpoint has got yet.
"""

from __future__ import annotations

from callboard.runtime.ingress.heads import CHUNKED, IDEMPOTENT, NO_BODY, UNTIL_CLOSE, Asked, Headers, Refused, own_answer, read_answer
from callboard.runtime.ingress.seams import BackendSide, ClientSide, Endpoint

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange:
    """Held by its client, and by the backend that answers it. `over`: nothing of it is carried any more."""

    __slots__ = (
        "answered",
        "asked",
        "backend",
        "body",
        "body_bytes",
        "client",
        "complete",
        "failures",
        "keep",
        "leaves",
        "old",
        "over",
        "refusal",
        "sent",
        "timed_out",
        "tried",
    )

    def __init__(self, client: ClientSide, asked: Asked | None, keep: bool, old: bool, refusal: Refused | None = None) -> None:
        self.client = client
        self.asked = asked
        self.refusal = refusal
        self.keep = keep
        self.old = old
        self.complete = asked is None or asked.framing == NO_BODY
        """All of the request has arrived."""
        self.body: list[bytes] = []
        self.body_bytes = 0
        self.backend: BackendSide | None = None
        self.sent = False
        """An endpoint has got something of it, on the connection in use."""
        self.answered = False
        """The client has got something of the answer."""
        self.leaves = NO_BODY
        self.tried: set[Endpoint] = set()
        self.failures: list[str] = []
        self.timed_out = False
        self.over = False

    # -- the request

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent to another endpoint after this one failed without an answer."""
        return not self.sent or (self.asked is not None and self.asked.framing == NO_BODY and self.asked.method in IDEMPOTENT)

    def feed(self, chunk: bytes) -> None:
        """A piece of the request's body has arrived."""
        if self.over:
            return
        if self.backend is not None and self.sent:
            self.backend.write(self._framed(chunk))
            return
        self.body.append(chunk)
        self.body_bytes += len(chunk)

    def end(self) -> None:
        """The request is complete."""
        if self.complete:
            return
        self.complete = True
        if not self.over and self.backend is not None and self.sent and self._chunked:
            self.backend.write(b"0\r\n\r\n")

    @property
    def _chunked(self) -> bool:
        return self.asked is not None and self.asked.framing == CHUNKED

    def _framed(self, chunk: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk

    def begin(self, backend: BackendSide) -> None:
        """Send what there is of the request to an endpoint."""
        assert self.asked is not None
        self.backend = backend
        self.sent = True
        if self.complete and not self.body:
            backend.write(self.asked.head if not self._chunked else self.asked.head + b"0\r\n\r\n")
            return
        parts = [self.asked.head, *(self._framed(chunk) for chunk in self.body)]
        if self.complete and self._chunked:
            parts.append(b"0\r\n\r\n")
        self.body.clear()
        self.body_bytes = 0
        backend.write(b"".join(parts))
        if self.asked.expects and not self.complete:
            self.client.write(CONTINUE)
        self.client.sending()

    # -- the answer

    def head(self, status: int, reason: bytes, headers: Headers) -> tuple[bytes, int]:
        """The endpoint's head has arrived: what the client gets for it, and how the body will come. Raises `Refused`."""
        assert self.asked is not None
        keep = self.keep and self.complete and not self.asked.upgrade and not self.client.front.draining
        answer = read_answer(self.asked.method, status, reason, headers, self.old, keep)
        self.keep = keep and answer.leaves != UNTIL_CLOSE
        self.leaves = answer.leaves
        return answer.head, answer.arrives

    def framed(self, chunk: bytes) -> bytes:
        """A piece of the answer's body as the client gets it."""
        if self.leaves == CHUNKED:
            return b"%x\r\n%b\r\n" % (len(chunk), chunk)
        return chunk if self.leaves != NO_BODY else b""

    def last(self) -> bytes:
        """What ends the answer's body."""
        return b"0\r\n\r\n" if self.leaves == CHUNKED else b""

    def refuse(self, status: int, words: str) -> None:
        """Answer in the Ingress' own words; nothing of another answer has been sent."""
        if self.over:
            return
        self.keep = self.keep and self.complete and status not in (400, 408) and not self.client.front.draining
        if self.asked is not None and self.asked.upgrade:
            self.keep = False
        self.answered = True
        method = self.asked.method if self.asked is not None else b"GET"
        self.client.write(own_answer(status, words, self.keep, method != b"HEAD"))
        self.client.done(self)
