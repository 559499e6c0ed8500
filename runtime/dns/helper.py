"""The dns helper: answers the pods' questions inside the cell. Started by the process daemon.

In every node's namespace it listens at the same address, which a route of the node leads to its own loopback (AnyIP), so a pod's question
never leaves the node, and a node that is cut off still knows the names.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

from callboard.runtime.dns.messages import LeaveNode, Requests, ServeNode, TellNames
from callboard.runtime.dns.server import NameServer, sockets_at
from callboard.runtime.helpers.program import HelperProgram, Refusal
from callboard.runtime.network.spaces import in_space

HELPER = "dns"


class DnsProgram:
    """What the helper does for each request."""

    def __init__(self, address: str) -> None:
        self._server = NameServer(address)
        self._spaces: dict[str, tuple[int, int]] = {}
        """By node: device and number of the namespace that is served."""
        self._order = asyncio.Lock()

    async def handle(self, request: Requests, _descriptors: list[int]) -> None:
        """Carry one request out, in the order in which they came."""
        async with self._order:
            match request:
                case TellNames(whole, namespaces, parts):
                    self._server.tell(whole, namespaces, parts)
                case ServeNode(node, netns):
                    await self._serve(node, netns)
                case LeaveNode(node):
                    self._spaces.pop(node, None)
                    self._server.leave(node)

    async def _serve(self, node: str, netns: str) -> None:
        try:
            there = os.stat(netns)
            space = (there.st_dev, there.st_ino)
            if self._spaces.get(node) == space:
                return
            self._spaces.pop(node, None)
            self._server.leave(node)
            datagrams, listener = in_space(netns, partial(sockets_at, self._server.address))
        except OSError as error:
            raise Refusal(f"names can't be served at {self._server.address} on node {node}: {error}") from error
        await self._server.serve(node, datagrams, listener)
        self._spaces[node] = space


async def serve(folder: Path, address: str) -> None:
    """Serve until the end."""
    program = DnsProgram(address)
    await HelperProgram(folder / f"{HELPER}.sock", Requests, program.handle).serve()


def main(arguments: list[str]) -> int:
    """What `boot.py` calls: the folder of the socket, and the address at which names are answered."""
    folder, address = arguments
    asyncio.run(serve(Path(folder), address))
    return 0
