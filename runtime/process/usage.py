"""What the processes of containers use: CPU, memory, how many they are; and what folders hold. Reads /proc and folders, so it may block.

One pass over the process table serves all nodes of a cluster. A process belongs to a container if it descends from its main process, or is
marked with its id, or lives in its session; that also finds what daemonized inside a container. Called on a worker's thread by the process
container runtime.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from callboard.runtime.process.procfs import all_pids, container_mark

FRESH_S = 0.5
"""A pass that is younger is used again: each node asks for itself."""
ENTRIES_LIMIT = 20_000
"""Files of one pod that are looked at; of a pod with more the figure is too small."""
BLOCK_BYTES = 512
"""What `st_blocks` counts in."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ProcessTimes(msgspec.Struct, frozen=True, gc=False):
    """One line of the process table. `cpu_s` holds the process's own CPU seconds and those of all its children that have ended and that it
    has waited for; `started_s` counts from the machine's boot."""

    pid: int
    parent: int
    session: int
    started_s: float
    cpu_s: float
    resident_bytes: int


class ContainerSample(msgspec.Struct, frozen=True, gc=False):
    """What one container's processes use: CPU seconds since the first sample that saw it (and before), bytes, how many, how old the oldest
    is, and when this was so (monotonic seconds)."""

    cpu_s: float
    memory_bytes: int
    processes: int
    age_s: float
    at_s: float


def parse_stat(line: bytes) -> ProcessTimes:
    """A line of /proc/<pid>/stat (man 5 proc_pid_stat). The name in brackets may hold anything."""
    head, _, tail = line.rpartition(b")")
    fields = tail.split()
    cpu_ticks = sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
    return ProcessTimes(
        pid=int(head.split(b" ", 1)[0]),
        parent=int(fields[1]),
        session=int(fields[3]),
        started_s=int(fields[19]) / _TICKS_PER_S,
        cpu_s=cpu_ticks / _TICKS_PER_S,
        resident_bytes=int(fields[21]) * _PAGE_BYTES,
    )


def process_table() -> dict[int, ProcessTimes]:
    """All processes of this machine, by their numbers."""
    found = {}
    for pid in all_pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            found[pid] = parse_stat(Path(f"/proc/{pid}/stat").read_bytes())
    return found


def memory_of(process: ProcessTimes) -> int:
    """Bytes that a process uses; pages that it shares with others count by its share, so that forked workers are not counted twice."""
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):  # it has just ended, or this kernel doesn't tell
        pass
    return process.resident_bytes


def spent_s(before: Mapping[int, ProcessTimes], now: Mapping[int, ProcessTimes]) -> float:
    """CPU seconds that a container's processes have spent between two samples; never below 0.

    A process that has ended lives on in the figure of whoever waited for it: its parent, or a forebear if that has ended too. One that left
    no forebear behind takes its figure along, so that is not asked of those who still run.
    """
    counted = 0.0
    for pid, old in before.items():
        if _is_same(now.get(pid), old):
            counted += old.cpu_s
            continue
        forebear = before.get(old.parent)
        while forebear is not None and not _is_same(now.get(forebear.pid), forebear):
            forebear = before.get(forebear.parent)
        if forebear is not None:
            counted += old.cpu_s
    return max(sum(process.cpu_s for process in now.values()) - counted, 0.0)


def _is_same(now: ProcessTimes | None, old: ProcessTimes) -> bool:
    return now is not None and now.started_s == old.started_s


class Meter:
    """Samples of the containers under one process daemon. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_s = float("-inf")
        self._samples: dict[str, ContainerSample] = {}
        self._before: dict[str, dict[int, ProcessTimes]] = {}
        self._marks: dict[tuple[int, float], str] = {}
        """Which container a process is marked with, by its number and its start."""

    def read(self, daemon_pid: int, wanted: Iterable[str]) -> Mapping[str, ContainerSample]:
        """What every container of the daemon's uses, by its id, those that are `wanted` included. Those without a process are not in it."""
        with self._lock:
            if time.monotonic() - self._at_s >= FRESH_S or not all(identity in self._samples for identity in wanted):
                self._pass(daemon_pid)
            return self._samples

    def _pass(self, daemon_pid: int) -> None:
        table = process_table()
        by_container = self._by_container(table, daemon_pid)
        now_s, since_boot_s = time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)
        samples = {}
        for identity, processes in by_container.items():
            known = self._samples.get(identity)
            before = self._before.get(identity, {}) if known is not None else {}
            samples[identity] = ContainerSample(
                cpu_s=(known.cpu_s if known is not None else 0.0) + spent_s(before, processes),
                memory_bytes=sum(memory_of(process) for process in processes.values()),
                processes=len(processes),
                age_s=max(since_boot_s - min(process.started_s for process in processes.values()), 0.0),
                at_s=now_s,
            )
        self._samples, self._before, self._at_s = samples, by_container, now_s

    def _by_container(self, table: dict[int, ProcessTimes], daemon_pid: int) -> dict[str, dict[int, ProcessTimes]]:
        children: dict[int, list[ProcessTimes]] = {}
        for process in table.values():
            children.setdefault(process.parent, []).append(process)
        marks: dict[tuple[int, float], str] = {}
        found: dict[str, dict[int, ProcessTimes]] = {}
        sessions: dict[int, str] = {}
        strays: list[ProcessTimes] = []
        waiting: list[tuple[ProcessTimes, str]] = [(child, "") for child in children.get(daemon_pid, ())]
        while waiting:
            process, inherited = waiting.pop()
            identity = inherited or self._mark_of(process, marks)
            if identity:
                found.setdefault(identity, {})[process.pid] = process
                sessions.setdefault(process.session, identity)
            else:
                strays.append(process)
            waiting += [(child, identity) for child in children.get(process.pid, ())]
        for process in strays:  # who has cast off its environment and its parents may still be in its session
            identity = sessions.get(process.session, "")
            if identity:
                found[identity][process.pid] = process
        self._marks = marks
        return found

    def _mark_of(self, process: ProcessTimes, marks: dict[tuple[int, float], str]) -> str:
        key = process.pid, process.started_s
        mark = self._marks.get(key) or container_mark(process.pid)
        if mark:
            marks[key] = mark
        return mark


# Folders


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
