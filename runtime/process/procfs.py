"""What /proc tells about processes: whose children they are, which container they belong to.

Used by the process daemon to find what a container has left behind, and by the driver to clear up after a daemon that was killed.
"""

from __future__ import annotations

import contextlib
import os
import signal

from callboard.runtime.process.wire import ENV_CLUSTER, ENV_COMMAND, ENV_CONTAINER

_CONTAINER_MARK = ENV_CONTAINER.encode() + b"="
_CLUSTER_MARK = ENV_CLUSTER.encode() + b"="
_COMMAND_MARK = ENV_COMMAND.encode() + b"="


def children_of_self() -> list[int]:
    """Process ids of this process' direct children, zombies included. Only true of a process with a single thread."""
    return children_of(os.getpid())


def children_of(pid: int) -> list[int]:
    """Process ids of the direct children of a process with a single thread; none if there is no such process."""
    if not os.path.exists(f"/proc/{pid}"):
        return []
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as listing:
            return [int(child) for child in listing.read().split()]
    except FileNotFoundError:  # a kernel built without that file
        return [child for child in all_pids() if _stat(child)[0] == pid]


def all_pids() -> list[int]:
    """Every process id there is now."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent_of(pid: int) -> int:
    """Process id of a process' parent; 0 if there is no such process."""
    return _stat(pid)[0]


def called(pid: int) -> str:
    """First word of the command that a process was executed with; "" if there is no such process, or only its zombie."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsdecode(file.read().partition(b"\0")[0])
    except (FileNotFoundError, ProcessLookupError):
        return ""


def session_of(pid: int) -> int:
    """Session id of a process, zombies included; 0 if there is none."""
    return _stat(pid)[1]


def container_mark(pid: int) -> str:
    """Container id in the environment that a process was started with; "" if none or not readable."""
    return _mark(pid, _CONTAINER_MARK)


def command_mark(pid: int) -> str:
    """The mark of the command beside a container that started a process; "" if none did."""
    return _mark(pid, _COMMAND_MARK)


def kill_cluster_leftovers(cluster_id: str) -> list[int]:
    """SIGKILL every process whose environment names this cluster; for use when its daemon is gone. Returns the process ids."""
    return _kill_marked(_CLUSTER_MARK, cluster_id)


def kill_container_leftovers(container_id: str) -> list[int]:
    """SIGKILL every process whose environment names this container, wherever it was inherited. Returns the process ids."""
    return _kill_marked(_CONTAINER_MARK, container_id)


def _kill_marked(mark: bytes, value: str) -> list[int]:
    killed: list[int] = []
    while True:  # until a whole pass finds nothing new: what is being killed may still have been forking
        found = [pid for pid in all_pids() if pid not in killed and _mark(pid, mark) == value]
        if not found:
            return killed
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed += found


def _stat(pid: int) -> tuple[int, int]:
    """(parent, session) of a process; (0, 0) if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    return int(fields[1]), int(fields[3])


def _mark(pid: int, mark: bytes) -> str:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
    for entry in environment.split(b"\0"):
        if entry.startswith(mark):
            return entry[len(mark) :].decode(errors="replace")
    return ""
