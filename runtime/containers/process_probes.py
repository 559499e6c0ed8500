"""Probes of real containers that make a connection: HTTP, TCP, gRPC. Called by the process container runtime on a probe thread.

The rules are the kubelet's (pkg/probe): a status from 200 to 399 is success, redirects are followed on the same host only, certificates
are not verified, and the time limit holds for the whole probe. Probes that are commands are carried out as other commands are.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from callboard.models.api import core
from callboard.runtime.containers.process_grpc import Connect, check_health

BODY_LIMIT_BYTES = 10 * 1024
REDIRECTS_LIMIT = 10
USER_AGENT = "kube-probe/1.36"


class Outcome(msgspec.Struct, frozen=True):
    """Whether a probe succeeded, and what it said."""

    ok: bool
    message: str


def run_probe(probe: core.Probe, ip: str, port: int, timeout_s: float, connect: Connect = socket.create_connection) -> Outcome:
    """Carry a probe out. `ip` is the pod's address, `port` the probe's port as a number; `connect` makes connections as the node does."""
    try:
        if probe.http_get is not None:
            return _http(probe.http_get, ip, port, timeout_s, connect)
        if probe.tcp_socket is not None:
            with connect((probe.tcp_socket.host or ip, port), timeout_s):
                return Outcome(True, "")
        if probe.grpc is not None:
            return Outcome(*check_health(ip, port, probe.grpc.service or "", USER_AGENT, timeout_s, connect))
    except TimeoutError:
        return Outcome(False, f"context deadline exceeded: no answer within {timeout_s:g} s")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Outcome(False, str(error) or type(error).__name__)
    return Outcome(False, "missing probe handler")


def _http(action: core.HTTPGetAction, ip: str, port: int, timeout_s: float, connect: Connect) -> Outcome:
    scheme = (action.scheme or "HTTP").lower()
    host = action.host or ip
    deadline_s = time.monotonic() + timeout_s
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}"
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
    for header in action.http_headers:
        name = header.name.title()
        if name in ("Accept", "User-Agent") and not header.value:
            headers.pop(name, None)
        else:
            headers[name] = header.value
    for _ in range(REDIRECTS_LIMIT):
        status, location, body = _get(url, headers, deadline_s, connect)
        target = urljoin(url, location) if 300 <= status < 400 and location else ""
        if not target or urlsplit(target).hostname != urlsplit(url).hostname:
            return Outcome(200 <= status < 400, body if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}")
        url = target
    return Outcome(False, f"stopped after {REDIRECTS_LIMIT} redirects")


def _get(url: str, headers: Mapping[str, str], deadline_s: float, connect: Connect) -> tuple[int, str, str]:
    """(status, Location, beginning of the body) of one GET."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    connection = http.client.HTTPConnection(parts.hostname or "", port)
    sock = connect((parts.hostname or "", port), _remaining(deadline_s))
    try:
        if secure:
            sock.settimeout(_remaining(deadline_s))
            sock = _unverified().wrap_socket(sock, server_hostname=parts.hostname)
        connection.sock = _Timed(sock, deadline_s)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location") or "", answer.read(BODY_LIMIT_BYTES).decode(errors="replace")
    finally:
        connection.close()
        sock.close()


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _remaining(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


class _Timed:
    """What `http.client` needs of a socket, with one time limit for all of it: a server that answers in drops can't hold a thread."""

    def __init__(self, sock: socket.socket, deadline_s: float) -> None:
        self._sock = sock
        self._deadline_s = deadline_s

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(_remaining(self._deadline_s))
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._deadline_s))

    def close(self) -> None:
        """`http.client` closes as soon as it knows that the answer is the last one, and reads on; whoever made the socket closes it."""


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline_s: float) -> None:
        super().__init__()
        self._sock = sock
        self._deadline_s = deadline_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_remaining(self._deadline_s))
        return self._sock.recv_into(buffer)
