"""A client may speak before there is an endpoint to listen: what it says then waits, on every Python.

Python before 3.11.4 starts to read a connection right after `connection_made`, whether or not that call has paused it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

from callboard.runtime.proxy.relay import Counters, Relay


class OldTransport(asyncio.Transport):
    """Begins to read after `connection_made` as Python 3.11.2 does."""

    def __init__(self, protocol: asyncio.Protocol, sock: socket.socket) -> None:
        super().__init__({"socket": sock})
        self.reads = False
        loop = asyncio.get_running_loop()
        loop.call_soon(protocol.connection_made, self)
        loop.call_soon(self._add_reader)

    def _add_reader(self) -> None:
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self.reads = False


class NoEndpointYet:
    """An endpoint that is being connected to for as long as the test takes."""

    def candidates(self) -> Iterator[tuple[str, int, Counters]]:
        yield "127.0.0.1", 1, Counters()

    def rejected(self) -> None:
        raise AssertionError("nothing is rejected while an endpoint is being connected to")


def test_nothing_is_read_from_a_client_before_an_endpoint_stands(monkeypatch: Any) -> None:
    async def run() -> bool:
        never: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def connecting(*_: Any, **__: Any) -> Any:
            return await never

        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", connecting)
        relay = Relay(NoEndpointYet(), lambda _: None)
        with socket.socket() as sock:
            transport = OldTransport(relay.client_protocol(), sock)
            for _ in range(3):  # connection_made, the reader, and what was put behind them
                await asyncio.sleep(0)
        reads = transport.reads
        relay.abort()
        return reads

    assert asyncio.run(run()) is False
