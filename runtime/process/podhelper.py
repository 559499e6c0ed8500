"""The pods helper: a process inside the cell, where it is root, that writes pods' folders and mounts what their containers are to see.

Started by the process daemon as `boot.py SITE callboard.runtime.process.podhelper SOCKET`. It keeps nothing in memory: what it has mounted
belongs to the cell, so another one can take over at any time. Who asks keeps the order of what concerns one pod.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from callboard.runtime.helpers.program import HelperProgram, Refusal
from callboard.runtime.helpers.wire import close_all
from callboard.runtime.process import podmounts
from callboard.runtime.process.podfolder import VolumeError
from callboard.runtime.process.podrequests import Answers, MountsPrepared, PrepareMounts, RemovePod, Requests, WritePod


async def handle(request: Requests, descriptors: list[int]) -> Answers | None:
    """Carry a request out on a thread. Raises `Refusal` in the words of `VolumeError`."""
    close_all(descriptors)
    try:
        return await asyncio.to_thread(_done, request)
    except VolumeError as error:
        raise Refusal(str(error)) from error


def _done(request: Requests) -> MountsPrepared | None:
    match request:
        case WritePod(folder, plan, files):
            podmounts.write_pod(Path(folder), plan, files)
        case PrepareMounts(folder, container, mounts, volumes):
            return MountsPrepared(podmounts.prepare_mounts(Path(folder), container, mounts, volumes))
        case RemovePod(folder):
            podmounts.remove_pod(Path(folder))
    return None


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM. Argument: the path of the socket."""
    asyncio.run(HelperProgram(arguments[0], Requests, handle).serve())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
