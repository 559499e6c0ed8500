"""The ingress helper: serves requests from outside, inside the cell. Started by the process daemon with the state folder as its argument.

Its listening sockets are made by the main program, in the host's network, and handed in; what it opens towards endpoints is of the cell's.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from callboard.runtime.helpers.program import HelperProgram, Refusal
from callboard.runtime.helpers.wire import Done, close_all
from callboard.runtime.ingress.front import Front
from callboard.runtime.ingress.limits import Limits
from callboard.runtime.ingress.messages import (
    Answers,
    CertificatesServed,
    Listen,
    Listeners,
    Requests,
    ServeCertificates,
    ServeTable,
    TellListeners,
)

HELPER = "ingress"
MODULE = "callboard.runtime.ingress.helper"


class IngressProgram:
    """What the helper does for each request."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def handle(self, request: Requests, descriptors: list[int]) -> Answers:
        """Carry one request out. None waits, so they are done in the order in which they came."""
        match request:
            case ServeTable(table):
                self._front.serve(table)
            case ServeCertificates(certificates):
                return CertificatesServed(self._front.certificates.serve(certificates))
            case Listen(name):
                if len(descriptors) != 1:
                    close_all(descriptors)
                    raise Refusal(f"{len(descriptors)} sockets came to listen at, and there must be one")
                self._front.listen(name, socket.socket(fileno=descriptors[0]), name == "https")
            case TellListeners():
                return Listeners(self._front.listeners())
        return Done()


async def serve(state_folder: str, limits: Limits) -> None:
    """Serve until told to end by SIGTERM; then let requests under way come to their end."""
    front = Front(limits)
    await HelperProgram(Path(state_folder) / f"{HELPER}.sock", Requests, IngressProgram(front).handle).serve()
    await front.drain()


def main(arguments: Sequence[str]) -> int:
    """Run the helper with its state folder. Returns the exit code."""
    gc.freeze()
    asyncio.run(serve(arguments[0], Limits()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
