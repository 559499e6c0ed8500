"""Many idle connections in a process of their own: `crowd.py ADDRESS PORT COUNT`; as a server `crowd.py ADDRESS`, which echoes.

A client says "connected" once all connections stand and each has had a byte echoed, and ends with its input. A server says its port.
"""

from __future__ import annotations

import selectors
import socket
import sys

BATCH = 200
LIMIT_S = 60.0


def serve(address: str) -> None:
    """Echo whatever comes, until the input ends."""
    with selectors.DefaultSelector() as selector, socket.create_server((address, 0), backlog=4096) as listener:
        print(listener.getsockname()[1], flush=True)
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                elif key.fileobj is sys.stdin:
                    return
                else:
                    _echo(selector, key.fileobj)  # type: ignore[arg-type]


def _echo(selector: selectors.DefaultSelector, sock: socket.socket) -> None:
    data = sock.recv(4096)
    if data:
        sock.sendall(data)
    else:
        selector.unregister(sock)
        sock.close()


def crowd(address: str, port: int, count: int) -> None:
    """Have so many connections, until the input ends."""
    everyone: list[socket.socket] = []
    while len(everyone) < count:
        some = [socket.create_connection((address, port), LIMIT_S) for _ in range(min(BATCH, count - len(everyone)))]
        for sock in some:
            sock.sendall(b"x")
        for sock in some:
            assert sock.recv(1) == b"x"
        everyone += some
    print("connected", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(sys.argv[1])
    else:
        crowd(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
