"""What goes between the main program and a helper: frames with a number, a message and, beside them, open file descriptors.

A frame is eight bytes (length of the body and count of descriptors, both big endian), then msgpack of `[number, message]`. A request has a
number, its answer the same one; what a helper tells unasked has number 0. Descriptors go by SCM_RIGHTS with the first byte of their frame,
and the kernel never merges two such messages, so they arrive no later than their frame is complete.

Before its first frame a helper sends `GREETING`, and nobody sends it anything earlier: the kernel lets clients connect to a process that is
being killed and will never take the connection, and what they sent would be lost.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

GREETING = b"+"
"""One byte, so that it comes whole or not at all."""
FRAME_LIMIT_BYTES = 64 * 1024 * 1024
DESCRIPTORS_LIMIT = 64
READ_BYTES = 256 * 1024
_HEAD = struct.Struct(">II")
_encoder = msgspec.msgpack.Encoder()


class BrokenFrame(Exception):
    """What arrived is no frame of ours."""


class Failed(msgspec.Struct, frozen=True, tag="Failed"):
    """A helper's answer to a request that it could not carry out; `message` says what happened and what to do."""

    message: str


class Done(msgspec.Struct, frozen=True, tag="Done"):
    """A helper's answer to a request that has nothing to tell but that it is carried out."""


class Frame(msgspec.Struct, frozen=True):
    """One frame as it arrived."""

    body: bytes
    descriptors: list[int]


def pack(number: int, message: Any, descriptors: int = 0) -> bytes:
    """One frame without its descriptors. Raises `BrokenFrame` if it is too large or has too many of them."""
    body = _encoder.encode((number, message))
    if len(body) > FRAME_LIMIT_BYTES:
        raise BrokenFrame(f"a frame of {len(body)} bytes is larger than the limit of {FRAME_LIMIT_BYTES}")
    if descriptors > DESCRIPTORS_LIMIT:
        raise BrokenFrame(f"{descriptors} descriptors are more than the {DESCRIPTORS_LIMIT} that a frame may have")
    return _HEAD.pack(len(body), descriptors) + body


class Outgoing:
    """What is to be written to a non-blocking socket, in order. It owns the descriptors that are given to it."""

    def __init__(self) -> None:
        self._parts: deque[tuple[bytes, list[int]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        """One more frame with its descriptors; they are closed once they are sent."""
        self._parts.append((data, [*descriptors]))

    def write(self, sock: socket.socket) -> bool:
        """Write what can be written now; returns whether all of it is. Raises OSError where the connection is broken."""
        while self._parts:
            data, descriptors = self._parts[0]
            try:
                sent = socket.send_fds(sock, [data], descriptors) if descriptors else sock.send(data)
            except BlockingIOError:
                return False
            close_all(descriptors)
            if sent < len(data):
                self._parts[0] = (data[sent:], [])
            else:
                self._parts.popleft()
        return True

    def clear(self) -> None:
        """Drop everything."""
        for _, descriptors in self._parts:
            close_all(descriptors)
        self._parts.clear()


class Incoming:
    """Cuts what a socket receives into frames."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._descriptors: deque[int] = deque()

    def read(self, sock: socket.socket) -> tuple[list[Frame], bool]:
        """What is complete after one read, and whether the other side has closed. Raises BlockingIOError, OSError, `BrokenFrame`."""
        data, descriptors, flags, _ = socket.recv_fds(sock, READ_BYTES, DESCRIPTORS_LIMIT, socket.MSG_CMSG_CLOEXEC)
        self._descriptors.extend(descriptors)
        if flags & socket.MSG_CTRUNC:
            raise BrokenFrame("descriptors were lost on the way: this process has reached its limit of open files (ulimit -n)")
        self._data += data
        frames = []
        while len(self._data) >= _HEAD.size:
            length, count = _HEAD.unpack_from(self._data)
            if length > FRAME_LIMIT_BYTES or count > DESCRIPTORS_LIMIT:
                raise BrokenFrame(f"a frame announces {length} bytes and {count} descriptors")
            end = _HEAD.size + length
            if len(self._data) < end or len(self._descriptors) < count:
                break
            frames.append(Frame(bytes(self._data[_HEAD.size : end]), [self._descriptors.popleft() for _ in range(count)]))
            del self._data[:end]
        return frames, not data

    def clear(self) -> None:
        """Close what has not become part of a frame."""
        close_all(self._descriptors)
        self._descriptors.clear()


def close_all(descriptors: Sequence[int] | deque[int]) -> None:
    """Close these."""
    for descriptor in descriptors:
        os.close(descriptor)
