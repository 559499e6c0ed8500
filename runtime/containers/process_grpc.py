"""gRPC probes of real containers: one call of `grpc.health.v1.Health/Check` over a connection of its own. Called on a probe thread.

HTTP/2 is h2's business (1 MB, 30 ms to import; grpcio would be 19 MB and start threads of its own); the two messages have one field each.
Words and rules: kubernetes pkg/probe/grpc/grpc.go. No TLS, as there.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import msgspec

SERVING = 1
STATES = {0: "UNKNOWN", SERVING: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
UNIMPLEMENTED = "12"
DEADLINE_EXCEEDED = "4"
CODES = {"2": "Unknown", "3": "InvalidArgument", "5": "NotFound", "7": "PermissionDenied", "13": "Internal", "14": "Unavailable"}
PATH = "/grpc.health.v1.Health/Check"
READ_BYTES = 64 * 1024
BODY_LIMIT_BYTES = 64 * 1024
SETTINGS_AT, SETTINGS = 3, b"\x04"
"""The first frame of a server that speaks HTTP/2 is of this type, which stands at this byte."""
Connect = Callable[[tuple[str, int], float], socket.socket]
"""Makes a connection to an address within so many seconds. Raises OSError."""
_PREFIX = struct.Struct(">BI")


class Reply(msgspec.Struct, frozen=True):
    """What came back of one call: HTTP's status, gRPC's status ("": none was said) and message, and the body."""

    http_status: str
    grpc_status: str
    grpc_message: str
    body: bytes


def check_health(
    ip: str, port: int, service: str, user_agent: str, timeout_s: float, connect: Connect = socket.create_connection
) -> tuple[bool, str]:
    """Whether a service is SERVING, and what is to be said of it. Raises OSError where something else than gRPC fails."""
    deadline_s = time.monotonic() + timeout_s
    address = f"{ip}:{port}"
    try:
        sock = connect((ip, port), timeout_s)
    except TimeoutError:
        return False, f'timeout: failed to connect service "{address}" within {timeout_s:g}s: context deadline exceeded'
    except OSError as error:
        return False, f'error: failed to connect service at "{address}": connection error: {error.strerror or error}'
    with sock:
        try:
            reply = _call(sock, address, service, user_agent, deadline_s)
        except TimeoutError:
            return False, f"timeout: health rpc did not complete within {timeout_s:g}s: context deadline exceeded"
    return judge(reply)


def judge(reply: Reply) -> tuple[bool, str]:
    """What a reply means."""
    if reply.grpc_status == UNIMPLEMENTED or (not reply.grpc_status and reply.http_status == "404"):
        why = reply.grpc_message or "unknown service grpc.health.v1.Health"
        return False, f"error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {why}"
    if reply.grpc_status == DEADLINE_EXCEEDED:
        return False, f"timeout: health rpc did not complete: {reply.grpc_message}"
    if reply.grpc_status not in ("", "0"):
        code = CODES.get(reply.grpc_status, reply.grpc_status)
        return False, f"error: health rpc probe failed: rpc error: code = {code} desc = {reply.grpc_message}"
    if reply.http_status != "200":
        return False, f"error: health rpc probe failed: the server answered with HTTP status {reply.http_status or 'nothing'}"
    state = health_state(reply.body)
    if state == SERVING:
        return True, "service healthy"
    return False, f'service unhealthy (responded with "{STATES.get(state, str(state))}")'


def health_request(service: str) -> bytes:
    """A HealthCheckRequest as gRPC frames it: the service's name as field 1.

    >>> health_request("a").hex()
    '00000000030a0161'
    """
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return _PREFIX.pack(0, len(message)) + message


def health_state(body: bytes) -> int:
    """The status in a framed HealthCheckResponse: field 1, a number; 0 if it is left out or the message is none.

    >>> health_state(bytes.fromhex("00000000020801"))
    1
    """
    if len(body) < _PREFIX.size or body[0] != 0:
        return 0
    message = body[_PREFIX.size :]
    if len(message) < 2 or message[0] != 0x08:
        return 0
    return message[1]


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _call(sock: socket.socket, address: str, service: str, user_agent: str, deadline_s: float) -> Reply:
    """One unary call. Raises TimeoutError, OSError."""
    import h2.config  # only who has such probes pays for the import
    import h2.connection
    import h2.errors
    import h2.events
    import h2.exceptions

    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    try:
        connection.initiate_connection()
        stream = connection.get_next_available_stream_id()
        headers = [
            (":method", "POST"), (":scheme", "http"), (":path", PATH), (":authority", address), ("te", "trailers"),
            ("content-type", "application/grpc"), ("user-agent", user_agent), ("grpc-timeout", f"{_left_ms(deadline_s)}m"),
        ]  # fmt: skip
        connection.send_headers(stream, headers)
        connection.send_data(stream, health_request(service), end_stream=True)
        heard: dict[str, str] = {}
        body, greeted = b"", False
        while True:
            _send(sock, connection.data_to_send(), deadline_s)
            sock.settimeout(_left_ms(deadline_s) / 1000)
            data = sock.recv(READ_BYTES)
            if not data:
                raise ConnectionResetError("the server closed the connection before it answered")
            if not greeted and data[SETTINGS_AT : SETTINGS_AT + 1] not in (b"", SETTINGS):  # h2 would wait for the rest of a huge frame
                raise OSError("the server does not speak HTTP/2")
            greeted = True
            events: list[Any] = connection.receive_data(data)
            for event in events:
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    heard.update((str(name), str(value)) for name, value in event.headers or ())
                elif isinstance(event, h2.events.DataReceived):
                    body = (body + (event.data or b""))[:BODY_LIMIT_BYTES]
                    connection.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                    raise ConnectionResetError(f"the server ended the call: {event.error_code!r}")
                elif isinstance(event, h2.events.StreamEnded):
                    return Reply(heard.get(":status", ""), heard.get("grpc-status", ""), heard.get("grpc-message", ""), body)
    except h2.exceptions.ProtocolError as error:
        raise OSError(f"the server does not speak HTTP/2: {error}") from error


def _send(sock: socket.socket, data: bytes, deadline_s: float) -> None:
    if data:
        sock.settimeout(_left_ms(deadline_s) / 1000)
        sock.sendall(data)


def _left_ms(deadline_s: float) -> int:
    left_ms = int((deadline_s - time.monotonic()) * 1000)
    if left_ms <= 0:
        raise TimeoutError
    return left_ms
