"""Every cluster's own /16 inside 127.0.0.0/8, reserved by a listening socket as a lock that vanishes with its process.

Used by the process daemon. Nodes, pods and services of a cluster get their addresses inside `127.B.0.0/16`; the kernel refuses a second
listener on the same address and port to everybody, whatever the user or the process, so two clusters never share a block.
"""

from __future__ import annotations

import errno
import os
import socket

FIRST_BLOCK = 64
LAST_BLOCK = 254
LOCK_PORT = 19053


class NoBlock(Exception):
    """No address block could be reserved; the text says why and what to do."""


def lock_address(block: int) -> tuple[str, int]:
    """Where the lock of block `127.block.0.0/16` is held."""
    return f"127.{block}.255.254", LOCK_PORT


def reserve(remembered: int | None) -> tuple[int, socket.socket]:
    """Reserve a block: the remembered one, or the first free one from a point that depends on the process id.

    Returns (second byte of the block, the socket that holds it). Raises `NoBlock`.
    """
    if remembered is not None:
        return remembered, _lock_remembered(remembered)
    count = LAST_BLOCK - FIRST_BLOCK + 1
    start = os.getpid() * 7
    for step in range(count):
        block = FIRST_BLOCK + (start + step) % count
        try:
            return block, _lock(block)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise NoBlock(f"cannot listen on {_name(block)} to reserve an address block: {error.strerror}") from error
    raise NoBlock(
        f"all {count} address blocks 127.{FIRST_BLOCK}.0.0/16 to 127.{LAST_BLOCK}.0.0/16 are taken; "
        f"stop other clusters, or the program that listens on port {LOCK_PORT} of every address"
    )


def _lock_remembered(block: int) -> socket.socket:
    try:
        return _lock(block)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = f"another cluster holds it by listening on {_name(block)}; stop that one first, its addresses are stored in this folder"
        else:
            why = f"listening on {_name(block)} failed: {error.strerror}"
        raise NoBlock(f"this cluster's address block 127.{block}.0.0/16 cannot be reserved again: {why}") from error


def _lock(block: int) -> socket.socket:
    lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        lock.bind(lock_address(block))
        lock.listen(1)
    except OSError:
        lock.close()
        raise
    return lock


def _name(block: int) -> str:
    address, port = lock_address(block)
    return f"{address}:{port}"
