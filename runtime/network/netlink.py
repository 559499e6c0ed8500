"""Orders to the kernel's network configuration, several in one call. pyroute2 puts the messages together; they are sent over a plain
socket, which stays in the namespace in which it was made, whichever thread uses it (pyroute2's own opens one per thread).

Half a millisecond or less per order, most of it Python's.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import msgspec
from pyroute2 import IPBatch
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

_HEAD = struct.Struct("=IHHII")
_SEQUENCE = struct.Struct("=I")
_FLAGS = struct.Struct("=H")
_ERROR = struct.Struct("=i")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR_TYPE, _DONE_TYPE = 2, 3
_CAPPED, _HAS_WORDS = 0x100, 0x200
_SOL_NETLINK, _EXT_ACK, _CAP_ACK = 270, 11, 10
_ACKNOWLEDGE = 4
_AT_ONCE = 512
READ_BYTES = 1024 * 1024
_PERMANENT = 0x80


class KernelRefusal(OSError):
    """The kernel did not carry out an order; the text says which, and why."""


class Order(msgspec.Struct, frozen=True, gc=False):
    """One message to the kernel. `words` say what it is for; an errno in `allowed` counts as done."""

    words: str
    data: bytes
    allowed: tuple[int, ...] = ()


class Link(msgspec.Struct, frozen=True, gc=False):
    """An interface as the kernel tells it. `alias` is a text of ours."""

    index: int
    name: str
    alias: str
    group: int


class Netlink:
    """A socket to the kernel, of the namespace that the calling thread is in. Not for two threads at once. Raises OSError."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)

    def do(self, *orders: Order) -> None:
        """Carry these out in turn. Raises `KernelRefusal` for the first that failed; the kernel has tried the ones behind it too."""
        for first in range(0, len(orders), _AT_ONCE):
            some = orders[first : first + _AT_ONCE]
            data = bytearray().join(order.data for order in some)
            at = 0
            for number, order in enumerate(some):
                _SEQUENCE.pack_into(data, at + 8, number)
                if number < len(some) - 1:  # of these only failures are told
                    _FLAGS.pack_into(data, at + 6, _FLAGS.unpack_from(data, at + 6)[0] & ~_ACKNOWLEDGE)
                at += len(order.data)
            self._socket.send(data)
            failures = [(some[number], error, words) for number, error, words in self._answers(len(some) - 1)]
            for order, error, words in failures:
                if error not in order.allowed:
                    raise KernelRefusal(error, f"{order.words}: {words or os.strerror(error)}")

    def links(self) -> list[Link]:
        """All interfaces."""
        return [
            Link(
                answer["index"],
                str(answer.get_attr("IFLA_IFNAME")),
                answer.get_attr("IFLA_IFALIAS") or "",
                answer.get_attr("IFLA_GROUP") or 0,
            )
            for answer in self._dump("link", "dump")
        ]

    def close(self) -> None:
        self._socket.close()

    def _answers(self, last: int) -> Iterator[tuple[int, int, str]]:
        """Which orders failed, until the last one is answered: their numbers, the numbers of the errors, the kernel's words."""
        answered = -1
        while answered != last:
            data = self._socket.recv(READ_BYTES)
            at = 0
            while at < len(data):
                length, kind, flags, answered, _ = _HEAD.unpack_from(data, at)
                error = -_ERROR.unpack_from(data, at + 16)[0] if kind == _ERROR_TYPE else 0
                if error:
                    yield answered, error, _words(data[at : at + length], flags)
                at += (length + 3) & ~3

    def _dump(self, what: str, command: str, **fields: Any) -> list[Any]:
        self._socket.send(encoded(what, command, **fields))
        found: list[Any] = []
        marshal = MarshalRtnl()
        while True:
            data = self._socket.recv(READ_BYTES)
            for message in marshal.parse(data):
                kind = message["header"]["type"]
                if kind == _DONE_TYPE:
                    return found
                if kind == _ERROR_TYPE:
                    number = abs(message["header"]["error"].code)
                    raise KernelRefusal(number, f"list of {what}s: {os.strerror(number)}")
                found.append(message)


def encoded(what: str, command: str, **fields: Any) -> bytes:
    """One message in the kernel's form, by pyroute2: `what` is link, addr, route or neigh. On the thread that did so first."""
    compiler = _compiler()
    compiler.reset()
    getattr(compiler, what)(command, **fields)
    return bytes(compiler.batch)


@cache
def _compiler() -> IPBatch:
    """Only one: it holds descriptors that are given back when the garbage is collected, one of the namespace in which it was made."""
    return IPBatch()


@lru_cache(maxsize=2048)
def _constant(what: str, command: str, fields: tuple[tuple[str, Any], ...]) -> bytes:
    return encoded(what, command, **dict(fields))


def order(what: str, command: str, *allowed: int, **fields: Any) -> Order:
    """An order of plain fields. Those that were given before are not put together again."""
    words = " ".join([what, command, *(f"{name} {value}" for name, value in fields.items())])
    return Order(words, _constant(what, command, tuple(fields.items())), allowed)


def pair(name: str, hardware: str, peer: str, peer_hardware: str, space: int) -> Order:
    """A veth pair: one end here, the other in the namespace of this descriptor, each with its hardware address."""
    there = {"ifname": peer, "net_ns_fd": space, "address": peer_hardware}
    return Order(f"link add {name} with {peer}", encoded("link", "add", ifname=name, kind="veth", address=hardware, peer=there))


def neighbour(index: int, address: str, hardware: str, command: str = "replace") -> Order:
    """Who has this address on the interface of this index, for ever: nobody is asked. Such entries don't count against the kernel's limit,
    which all namespaces of a machine share (net.ipv4.neigh.default.gc_thresh3)."""
    return order("neigh", command, ifindex=index, dst=address, lladdr=hardware, state=_PERMANENT)


def _words(message: bytes, flags: int) -> str:
    """What the kernel says besides the number (NLMSGERR_ATTR_MSG), "" if nothing."""
    if not flags & _HAS_WORDS:
        return ""
    at = 16 + 4 + 16 if flags & _CAPPED else 16 + 4 + ((struct.unpack_from("=I", message, 20)[0] + 3) & ~3)
    while at + 4 <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if kind & 0x3FFF == 1:
            return message[at + 4 : at + length].rstrip(b"\0").decode(errors="replace")
        at += max((length + 3) & ~3, 4)
    return ""
