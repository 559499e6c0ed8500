"""Frames between the process daemon and its driver: four bytes of length, big endian, then one msgpack value.

Used on both sides, so it imports nothing heavy. A request is a map with `id`, `op` and the operation's fields; everything the daemon
sends is a map with `type`, which `protocol.py` knows as message classes.
"""

from __future__ import annotations

import struct

import msgpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FRAME_LIMIT_BYTES = 16 * 1024 * 1024
BACKLOG_LIMIT_BYTES = 64 * 1024 * 1024
ENV_CONTAINER = "CALLBOARD_CONTAINER_ID"
ENV_CLUSTER = "CALLBOARD_CLUSTER_ID"
ENV_COMMAND = "CALLBOARD_COMMAND"
"""What a command beside a container is marked with, so that what it leaves behind is found."""
SOCKET_NAME = "daemon.sock"
LOCK_NAME = "daemon.lock"
PID_NAME = "daemon.pid"
LOG_NAME = "daemon.log"
BLOCK_NAME = "daemon.block"
LEVEL_NAME = "daemon.level"

_LENGTH = struct.Struct(">I")


class BrokenFrame(Exception):
    """What arrived is no frame of ours."""


def pack(value: Any) -> bytes:
    """One frame around `value` (plain data). Raises `BrokenFrame` if it is larger than 16 MiB."""
    body = msgpack.packb(value)
    if len(body) > FRAME_LIMIT_BYTES:
        raise BrokenFrame(f"a frame of {len(body)} bytes is larger than the limit of {FRAME_LIMIT_BYTES}")
    return _LENGTH.pack(len(body)) + bytes(body)


def unpack(body: bytes) -> Any:
    """The value inside a frame's body."""
    return msgpack.unpackb(body)


class FrameBuffer:
    """Cuts a stream of bytes into the bodies of its frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Bodies that are complete after `data` has been added. Raises `BrokenFrame` on an impossible length."""
        self._data += data
        bodies = []
        while len(self._data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data)
            if length > FRAME_LIMIT_BYTES:
                raise BrokenFrame(f"a frame announces {length} bytes; the limit is {FRAME_LIMIT_BYTES}")
            end = _LENGTH.size + length
            if len(self._data) < end:
                break
            bodies.append(bytes(self._data[_LENGTH.size : end]))
            del self._data[:end]
        return bodies
