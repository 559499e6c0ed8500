"""What containers use, as the process daemon tells it, and what folders hold. The latter reads folders, so it may block."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

ENTRIES_LIMIT = 20_000
"""Files of one pod that are looked at; of a pod with more the figure is too small."""
BLOCK_BYTES = 512
"""What `st_blocks` counts in."""


class ContainerSample(msgspec.Struct, frozen=True, gc=False):
    """What one container's processes use: CPU seconds since the first sample that saw it (and before), bytes, how many, how old the oldest
    is, and when this was so (monotonic seconds)."""

    container_id: str
    cpu_s: float
    memory_bytes: int
    processes: int
    age_s: float
    at_s: float


class PodStorage(msgspec.Struct, frozen=True):
    """Bytes of a pod's files: by container (its root and its logs), and by emptyDir volume."""

    containers: dict[str, int]
    volumes: dict[str, int]


def pod_storage(folder: Path, containers: tuple[str, ...], empty_dirs: tuple[str, ...]) -> PodStorage:
    """What the files in a pod's folder take of the disk. Links are not followed; at most `ENTRIES_LIMIT` entries are looked at."""
    left = [ENTRIES_LIMIT]
    of_containers = {name: bytes_in(folder / "root" / name, left) + bytes_in(folder / "logs" / name, left) for name in containers}
    return PodStorage(of_containers, {name: bytes_in(folder / "volumes" / name, left) for name in empty_dirs})


def bytes_in(folder: Path, left: list[int]) -> int:
    """Bytes that the files below a folder take; `left` is how many entries may be looked at.

    What can't be looked at takes none: it has vanished meanwhile, or lies deeper than a path can say (ENAMETOOLONG), or its disk fails."""
    total = 0
    waiting = [str(folder)]
    while waiting and left[0] > 0:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    left[0] -= 1
                    with contextlib.suppress(OSError):
                        total += entry.stat(follow_symlinks=False).st_blocks * BLOCK_BYTES
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
                    if left[0] <= 0:
                        break
        except OSError:
            continue
    return total
