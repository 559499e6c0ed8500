"""The helper's own side: an asyncio program that answers requests on a Unix socket. See `wire.py` for the frames.

    async def handle(request, descriptors): ...      # -> answer, or (answer, descriptors to hand over)
    asyncio.run(HelperProgram(path, RequestA | RequestB, handle).serve())

Requests are begun in the order in which they came and may overtake each other where `handle` waits; a handler that needs an order keeps it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from callboard.runtime.helpers.wire import GREETING, BrokenFrame, Done, Failed, Frame, Incoming, Outgoing, close_all, pack

Answer = Any
Handle = Callable[[Any, list[int]], Awaitable[Answer | tuple[Answer, Sequence[int]] | None]]
BACKLOG = 16
_numbered = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])


class Refusal(Exception):
    """Raised by a handler: the request can't be carried out; the text goes to whoever asked."""


class _Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.incoming = Incoming()
        self.outgoing = Outgoing()


class HelperProgram:
    """Serves one Unix socket. `requests` is the union of tagged structs that may be asked; `handle` owns the descriptors it is given."""

    def __init__(self, path: str | Path, requests: Any, handle: Handle) -> None:
        self._path = Path(path)
        self._decoder = msgspec.msgpack.Decoder(requests)
        self._handle = handle
        self._connections: dict[int, _Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()

    async def serve(self) -> None:
        """Serve until SIGTERM, or until `end` is called."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._ending.set)
        listener = _listening_socket(self._path)
        loop.add_reader(listener, self._accept, listener)
        try:
            await self._ending.wait()
        finally:
            loop.remove_reader(listener)
            listener.close()
            for connection in [*self._connections.values()]:
                self._drop(connection)
            self._path.unlink(missing_ok=True)

    def end(self) -> None:
        """Come back from `serve`."""
        self._ending.set()

    def push(self, message: Any) -> None:
        """Tell everybody who is connected."""
        for connection in [*self._connections.values()]:
            self._send(connection, 0, message, ())

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            sock, _ = listener.accept()
            sock.setblocking(False)
            try:
                sock.send(GREETING)  # there is room: it is the first byte
            except OSError:  # gone already
                sock.close()
                return
            connection = _Connection(sock)
            self._connections[sock.fileno()] = connection
            asyncio.get_running_loop().add_reader(sock, self._read, connection)

    def _read(self, connection: _Connection) -> None:
        try:
            frames, closed = connection.incoming.read(connection.sock)
        except BlockingIOError:
            return
        except (OSError, BrokenFrame) as error:
            print(f"connection dropped: {error}", file=sys.stderr, flush=True)
            frames, closed = [], True
        for frame in frames:
            task = asyncio.get_running_loop().create_task(self._answer(connection, frame))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if closed:
            self._drop(connection)

    async def _answer(self, connection: _Connection, frame: Frame) -> None:
        number = 0
        handed_over: Sequence[int] = ()
        try:
            number, body = _numbered.decode(frame.body)
            answer = await self._handle(self._decoder.decode(body), frame.descriptors)
            if isinstance(answer, tuple):
                answer, handed_over = answer
        except Refusal as refusal:
            answer = Failed(str(refusal))
        except msgspec.MsgspecError as error:
            close_all(frame.descriptors)
            answer = Failed(f"a request that this helper does not know: {error}")
        except Exception as error:  # one request's fault must not end the helper that everything else lives on; it is told and logged
            traceback.print_exc()
            answer = Failed(f"{type(error).__name__}: {error}")
        self._send(connection, number, Done() if answer is None else answer, handed_over)

    def _send(self, connection: _Connection, number: int, message: Any, descriptors: Sequence[int]) -> None:
        if connection.sock.fileno() < 0:
            close_all(descriptors)
            return
        connection.outgoing.add(pack(number, message, len(descriptors)), descriptors)
        self._write(connection)

    def _write(self, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        try:
            if connection.outgoing.write(connection.sock):
                loop.remove_writer(connection.sock)
            else:
                loop.add_writer(connection.sock, self._write, connection)
        except OSError:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.sock.fileno(), None) is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(connection.sock)
        loop.remove_writer(connection.sock)
        connection.incoming.clear()
        connection.outgoing.clear()
        connection.sock.close()


def _listening_socket(path: Path) -> socket.socket:
    """A socket that only its user may open. A socket's path may have 107 bytes only, a folder's more: so it is made from inside."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path.unlink(missing_ok=True)
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    before = os.umask(0o177)
    try:
        os.chdir(path.parent)
        listener.bind(path.name)
        os.fchdir(here)
    finally:
        os.umask(before)
        os.close(here)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener
