"""What the processes of containers use: CPU, memory, how many they are. From control groups where there are some, else from one pass over
the process table that serves all nodes of a cluster.

Only used inside the process daemon, whose process numbers are those of the cell. A process belongs to a container if it descends from its
main process, or is marked with its id, or lives in its session; that also finds what daemonized inside a container.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import namedtuple

from callboard.runtime.process.procfs import all_pids, container_mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from callboard.runtime.process.cgroups import Cgroups
    from callboard.runtime.process.containers import Containers

FRESH_S = 0.5
"""A pass that is younger is used again: each node asks for itself."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

ProcessTimes = namedtuple("ProcessTimes", "pid parent session started_s cpu_s resident_bytes")
"""One line of the process table. `cpu_s` holds the process's own CPU seconds and those of all its children that have ended and that it has
waited for; `started_s` counts from the machine's boot."""


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
            found[pid] = parse_stat(_content(f"/proc/{pid}/stat"))
    return found


def memory_of(process: ProcessTimes) -> int:
    """Bytes that a process uses; pages that it shares with others count by its share, so that forked workers are not counted twice."""
    try:
        for line in _content(f"/proc/{process.pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):  # it has just ended, or this kernel doesn't tell
        pass
    return int(process.resident_bytes)


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
    return float(max(sum(process.cpu_s for process in now.values()) - counted, 0.0))


def _is_same(now: ProcessTimes | None, old: ProcessTimes) -> bool:
    return now is not None and now.started_s == old.started_s


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


class Meter:
    """Samples of the daemon's containers."""

    def __init__(self, containers: Containers, cgroups: Cgroups) -> None:
        self._containers = containers
        self._cgroups = cgroups
        self._at_s = float("-inf")
        self._samples: dict[str, dict[str, Any]] = {}
        self._before: dict[str, dict[int, ProcessTimes]] = {}
        self._marks: dict[tuple[int, float], str] = {}
        """Which container a process is marked with, by its number and its start."""

    def read(self, wanted: Iterable[str]) -> list[dict[str, Any]]:
        """What these containers use: the fields of `usage.ContainerSample`. Those without a process are not in it."""
        found = []
        counted = []
        for identity in wanted:
            sample = self._from_group(identity)
            if sample is None:
                counted.append(identity)
            elif sample["processes"]:
                found.append(sample)
        if counted:
            if time.monotonic() - self._at_s >= FRESH_S or not all(identity in self._samples for identity in counted):
                self._pass()
            found += [self._samples[identity] for identity in counted if identity in self._samples]
        return found

    def _from_group(self, identity: str) -> dict[str, Any] | None:
        """A container's sample by its control group; None if it has none that tells both CPU and memory."""
        used, container = self._cgroups.group(identity).used(), self._containers.get(identity)
        if container is None or used.cpu_s is None or used.memory_bytes is None:
            return None
        age_s = max(time.time() - container.started_at_s, 0.0)
        return _sample(identity, used.cpu_s, used.memory_bytes, self._own(identity, used.processes), age_s, time.monotonic())

    def _own(self, identity: str, processes: int) -> int:
        """How many of the processes are the container's own, not those that confine it: bubblewrap outside and, in a namespace of processes
        of its own, the first one inside."""
        container = self._containers.get(identity)
        if container is None or container.sandbox is None:
            return processes
        return max(processes - (2 if container.sandbox.has_init else 1), 1)

    def _pass(self) -> None:
        table = process_table()
        by_container = self._by_container(table)
        now_s, since_boot_s = time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)
        samples = {}
        for identity, processes in by_container.items():
            known = self._samples.get(identity)
            before = self._before.get(identity, {}) if known is not None else {}
            samples[identity] = _sample(
                identity,
                (known["cpu_s"] if known is not None else 0.0) + spent_s(before, processes),
                sum(memory_of(process) for process in processes.values()),
                self._own(identity, len(processes)),
                max(since_boot_s - min(process.started_s for process in processes.values()), 0.0),
                now_s,
            )
        self._samples, self._before, self._at_s = samples, by_container, now_s

    def _by_container(self, table: dict[int, ProcessTimes]) -> dict[str, dict[int, ProcessTimes]]:
        children: dict[int, list[ProcessTimes]] = {}
        for process in table.values():
            children.setdefault(process.parent, []).append(process)
        mains = {container.pid: container.id for container in self._containers.running()}
        marks: dict[tuple[int, float], str] = {}
        found: dict[str, dict[int, ProcessTimes]] = {}
        sessions: dict[int, str] = {}
        strays: list[ProcessTimes] = []
        waiting: list[tuple[ProcessTimes, str]] = [(child, mains.get(child.pid, "")) for child in children.get(os.getpid(), ())]
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


def _sample(identity: str, cpu_s: float, memory_bytes: int, processes: int, age_s: float, at_s: float) -> dict[str, Any]:
    return {
        "container_id": identity, "cpu_s": cpu_s, "memory_bytes": memory_bytes, "processes": processes, "age_s": age_s, "at_s": at_s,
    }  # fmt: skip
