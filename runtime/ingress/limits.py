"""What the Ingress bears of clients and endpoints before it gives up on them. Durations in seconds, sizes in bytes."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults are those of nginx where it has such a limit (client_header_timeout, large_client_header_buffers, keepalive_timeout...),
    but for heads, which may take 10 s only, and for connecting: a node that is gone must not cost its requests a minute."""

    head_bytes: int = 32 * 1024
    target_bytes: int = 8 * 1024
    headers: int = 100
    answer_head_bytes: int = 64 * 1024
    answer_headers: int = 200
    overhead_bytes: int = 16 * 1024
    """Of a chunked body: what may come of sizes, extensions and trailers without any content between."""
    buffer_bytes: int = 64 * 1024
    """Of a body: what is kept until an endpoint takes it."""
    connections: int = 0
    """Clients at a time; 0: as many as half of the open files allow."""
    head_s: float = 10.0
    body_s: float = 60.0
    send_s: float = 60.0
    answer_s: float = 60.0
    connect_s: float = 1.5
    idle_s: float = 75.0
    tunnel_s: float = 3600.0
    linger_s: float = 2.0
    handshake_s: float = 10.0
    backend_idle_s: float = 4.0
    """A kept connection to an endpoint; many servers close theirs after five seconds."""
    silence_ms: int = 3000
    """An endpoint whose kernel acknowledges nothing for so long is gone, whatever it is asked (TCP_USER_TIMEOUT, in ms)."""
    shun_s: float = 2.0
    """An endpoint that failed is asked only where there is no other, for so long."""
    tries: int = 8
    idle_backends: int = 64
    """Kept connections of one endpoint."""
    drain_s: float = 10.0
    tick_s: float = 0.25
