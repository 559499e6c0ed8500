"""Listening sockets, and the sentences for those that can't be had. Used by the userspace proxy's listeners and by doors."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

BACKLOG = 1024


class CannotListen(Exception):
    """A service port's own address cannot be listened on. `permission` tells whether another port of the address may do; `number` is the
    system's number of the error."""

    def __init__(self, reason: str, permission: bool, number: int = 0) -> None:
        super().__init__(reason)
        self.permission = permission
        self.number = number


def open_socket(address: str, port: int, service_key: str, protocol: str = "TCP") -> socket.socket:
    """A listening TCP socket, or a bound UDP socket; port 0 takes any. Raises `CannotListen` with a sentence that says what to do."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM
    return begin_listening(lambda: socket.socket(family, kind), address, port, service_key, protocol)


def begin_listening(make: Callable[[], socket.socket], address: str, port: int, service_key: str, protocol: str) -> socket.socket:
    """The same with a socket that `make` gives. Raises `CannotListen`."""
    try:
        sock = make()
        try:
            if protocol != "UDP":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier listener may still wind down
            sock.bind((address, port))
            if protocol != "UDP":
                sock.listen(BACKLOG)
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        permission = error.errno in (errno.EACCES, errno.EPERM)
        raise CannotListen(_why(error, address, port, service_key), permission, error.errno or 0) from error
    return sock


def _why(error: OSError, address: str, port: int, service_key: str) -> str:
    place = f"{service_key} cannot be served at {address}:{port}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{place}: this user may not listen on ports below 1024, so another port of the same address is used; to get this one, "
            f"run as root or allow it with `sysctl net.ipv4.ip_unprivileged_port_start={port}`"
        )
    if error.errno == errno.EADDRINUSE:
        return f"{place}: another program listens there; stop it or give the service another port (it is tried again every few seconds)"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{place}: this machine has no such address; leave clusterIP empty, or give it an address of the cluster's own block"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{place}: this program has reached its limit of open files; raise it with `ulimit -n` (it is tried again every few seconds)"
    return f"{place}: {error.strerror}"
