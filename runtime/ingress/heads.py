"""Heads of requests and answers: what is refused of them, and how they are written anew for the other side. Pure.

What llhttp has parsed is judged further here, and nothing of a head is passed on as bytes: each is built of parts that were understood, so
what frames a message (Content-Length, Transfer-Encoding) is always our own word. Source: RFC 9110 sections 7.6 and 10.1, RFC 9112.
"""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus

from callboard.models.ingress import host_of

NO_BODY, LENGTH, CHUNKED, UNTIL_CLOSE = range(4)
"""How a body is framed."""
Headers = list[tuple[bytes, bytes]]
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)
_OURS = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port", b"x-forwarded-server", b"x-real-ip")
)
"""What a client says of these is dropped: whoever reads them trusts that we wrote them."""
_SPECIAL = _HOP_BY_HOP | _OURS | {b"host", b"content-length", b"expect"}
_SPECIAL_ANSWER = _HOP_BY_HOP | {b"content-length"}
_AUTHORITY = re.compile(rb"(?:[A-Za-z0-9_.~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]{1,18}")
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class Refused(Exception):
    """A message that can't be carried: the status that its sender's side is told, and words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


class Asked:
    """A request, judged: where it goes, and its head as an endpoint gets it."""

    __slots__ = ("expects", "framing", "head", "host", "method", "target", "upgrade")

    def __init__(self, method: bytes, host: str, target: str, head: bytes, framing: int, expects: bool, upgrade: bool) -> None:
        self.method = method
        self.host = host
        self.target = target
        self.head = head
        self.framing = framing
        self.expects = expects
        self.upgrade = upgrade


class Way:
    """What the heads of a connection's requests say of how they came: the client's address, the scheme, the port, and our own address for
    those that name no host."""

    __slots__ = ("lines", "local", "proto")

    def __init__(self, peer: str, tls: bool, port: int, local: str) -> None:
        self.local = local.encode()
        self.proto = b"https" if tls else b"http"
        client = peer.encode()
        self.lines = b"X-Real-IP: %b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Port: %d\r\nX-Forwarded-Host: " % (
            client,
            client,
            self.proto,
            port,
        )


def read_request(method: bytes, url: bytes, version: str, headers: Headers, way: Way) -> Asked:
    """Judge the head of a request. Raises `Refused`."""
    if method == b"CONNECT":
        raise Refused(405, "CONNECT is not carried")
    authority, target = _target(method, url)
    kept: list[bytes] = []
    length = encoding = expect = host = None
    named: set[bytes] | None = None
    upgrade: bytes = b""
    for name, value in headers:
        lower = name.lower()
        if lower not in _SPECIAL:
            if b"_" not in lower or lower.replace(b"_", b"-") not in _SPECIAL:  # gateways make one variable of both spellings
                kept.append(b"%b: %b\r\n" % (name, value))
        elif lower == b"host":
            if host is not None:
                raise Refused(400, "there are two Host headers")
            host = value.strip()
        elif lower == b"content-length":
            if length is not None or not _DIGITS.fullmatch(value.strip()):
                raise Refused(400, "the Content-Length is not one number")
            length = value.strip()
        elif lower == b"transfer-encoding":
            if encoding is not None or value.strip().lower() != b"chunked" or version != "1.1":
                raise Refused(400, "the only Transfer-Encoding is chunked, of HTTP/1.1")
            encoding = value
        elif lower == b"connection":
            named = (named or set()) | {word.strip().lower() for word in value.split(b",")}
        elif lower == b"upgrade":
            upgrade = value.strip().lower()
        elif lower == b"expect":
            expect = value.strip().lower()
    if length is not None and encoding is not None:
        raise Refused(400, "there are both Content-Length and Transfer-Encoding")
    if expect is not None and expect != b"100-continue":
        raise Refused(417, "the only expectation is 100-continue")
    authority = _authority(authority, host, version, way)
    if named is not None and not named <= _UNREMARKABLE:
        kept = [line for line in kept if line.partition(b":")[0].lower() not in named]
    tunnel = upgrade == b"websocket" and b"upgrade" in (named or ()) and method == b"GET" and version == "1.1"
    framing = CHUNKED if encoding is not None else LENGTH if length is not None and length.strip(b"0") else NO_BODY
    if tunnel and framing != NO_BODY:
        raise Refused(400, "a request for a WebSocket has no body")
    if tunnel:
        kept.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    if framing == CHUNKED:
        kept.append(b"Transfer-Encoding: chunked\r\n")
    elif length is not None:
        kept.append(b"Content-Length: %b\r\n" % length)
    head = b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b%b\r\n\r\n" % (method, target, authority, b"".join(kept), way.lines, authority)
    return Asked(method, _host_of(authority), target.decode("latin-1"), head, framing, expect is not None and version == "1.1", tunnel)


_UNREMARKABLE = frozenset((b"keep-alive", b"close", b"upgrade", b"te", b"http2-settings", b""))


def _target(method: bytes, url: bytes) -> tuple[bytes | None, bytes]:
    """The authority that a target names (None: none), and its path. An absolute one says more than the Host header (RFC 9112, 3.2.2)."""
    if url[:1] == b"/" or (url == b"*" and method == b"OPTIONS"):
        return None, url.partition(b"#")[0]
    found = _ABSOLUTE.match(url)
    if found is None:
        raise Refused(400, "the target is neither a path nor a URL of http")
    path = found[2] or b"/"
    return found[1], path if path[:1] == b"/" else b"/" + path


def _authority(absolute: bytes | None, host: bytes | None, version: str, way: Way) -> bytes:
    if host is None and version == "1.1":
        raise Refused(400, "there is no Host header")
    for authority in (host, absolute):
        if authority and not _AUTHORITY.fullmatch(authority):
            raise Refused(400, "the host is none")
    if absolute is not None:
        if not absolute:
            raise Refused(400, "the target has no host")
        return absolute
    return host or way.local


@lru_cache(1024)
def _host_of(authority: bytes) -> str:
    return host_of(authority.decode("ascii"))


class Answer:
    """The head of an endpoint's answer, judged: as the client gets it, how its body comes and how it is sent on."""

    __slots__ = ("arrives", "head", "leaves")

    def __init__(self, head: bytes, arrives: int, leaves: int) -> None:
        self.head = head
        self.arrives = arrives
        self.leaves = leaves


def read_answer(method: bytes, status: int, reason: bytes, headers: Headers, old_client: bool, keep: bool) -> Answer:
    """Judge the head of an answer to a request of this method. `old_client`: it speaks HTTP/1.0; `keep`: its connection may be kept.
    Raises `Refused`, with 502."""
    kept: list[bytes] = []
    length = None
    encoding = False
    named: set[bytes] | None = None
    for name, value in headers:
        lower = name.lower()
        if lower not in _SPECIAL_ANSWER:
            kept.append(b"%b: %b\r\n" % (name, value))
        elif lower == b"content-length":
            if length is not None or not _DIGITS.fullmatch(value.strip()):
                raise Refused(502, "the endpoint's Content-Length is not one number")
            length = value.strip()
        elif lower == b"transfer-encoding":
            if encoding or value.strip().lower() != b"chunked":
                raise Refused(502, "the endpoint's Transfer-Encoding is not chunked")
            encoding = True
        elif lower == b"connection":
            named = (named or set()) | {word.strip().lower() for word in value.split(b",")}
    if encoding and length is not None:
        raise Refused(502, "the endpoint's answer has both Content-Length and Transfer-Encoding")
    if named is not None and not named <= _UNREMARKABLE:
        kept = [line for line in kept if line.partition(b":")[0].lower() not in named]
    bodyless = method == b"HEAD" or status in (204, 304)
    arrives = NO_BODY if bodyless else CHUNKED if encoding else LENGTH if length is not None else UNTIL_CLOSE
    leaves = arrives if arrives < CHUNKED else UNTIL_CLOSE if old_client else CHUNKED
    if length is not None and status != 204:
        kept.append(b"Content-Length: %b\r\n" % length)
    elif leaves == CHUNKED:
        kept.append(b"Transfer-Encoding: chunked\r\n")
    if not keep or leaves == UNTIL_CLOSE:
        kept.append(b"Connection: close\r\n")
    elif old_client:
        kept.append(b"Connection: keep-alive\r\n")
    return Answer(b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason or reason_of(status), b"".join(kept)), arrives, leaves)


def switching(headers: Headers) -> bytes:
    """The head by which a connection becomes a WebSocket. Raises `Refused` if the endpoint switches to anything else."""
    kept: list[bytes] = []
    upgrade = b""
    for name, value in headers:
        lower = name.lower()
        if lower == b"upgrade":
            upgrade = value.strip().lower()
        elif lower not in _SPECIAL_ANSWER:
            kept.append(b"%b: %b\r\n" % (name, value))
    if upgrade != b"websocket":
        raise Refused(502, "the endpoint switches to another protocol than was asked for")
    return b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%b\r\n" % b"".join(kept)


def own_answer(status: int, words: str, keep: bool, with_body: bool = True) -> bytes:
    """An answer of the Ingress itself. The words are plain text, of which nothing comes from the client but its host."""
    body = f"{status} {reason_of(status).decode()}: {words}\n".encode()
    head = (
        b"HTTP/1.1 %d %b\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n%b\r\n"
        % (
            status,
            reason_of(status),
            len(body),
            b"" if keep else b"Connection: close\r\n",
        )
    )
    return head + body if with_body else head


def reason_of(status: int) -> bytes:
    """The usual words of a status.

    >>> reason_of(404), reason_of(299)
    (b'Not Found', b'Unknown')
    """
    return _REASONS.get(status, b"Unknown")
