"""The control groups of a cluster's containers: what they use, how much they may, and whether the kernel killed one for its memory.

Only used inside the process daemon. Version 2 is taken where it has the controllers, else version 1, and what is possible is found out by
doing it: making a group and moving a process there. Where nothing is, `kind` is "none" and `reason` says why; limits are not enforced then.

Who removes groups: `Cgroups` those of containers that have ended, and all of them when the daemon ends. If the daemon is killed, the
janitor does: a shell outside the cell that waits for the end of a pipe from the daemon (`JANITOR`). If that is killed too, the next daemon
on the machine does: a daemon holds a lock on its cluster's groups, so that what nobody has locked is nobody's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from callboard.runtime.process.cgroupfs import Files, Hierarchy, hierarchies, number

PREFIX = "callboard-"
PERIOD_US = 100_000
QUOTA_MINIMUM_US = 1_000
"""Kubernetes' and the kernel's least quota (pkg/kubelet/cm/helpers_linux.go, MinQuotaPeriod)."""
_SCRIPT = r"""
command -v flock >/dev/null || flock() { shift 2; "$@"; }
while read -r folder; do set -- "$@" "$folder"; done
tries=0
while [ $tries -lt 100 ]; do
    left=
    for folder; do
        [ -d "$folder" ] && flock -n "$folder" find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null
        [ -d "$folder" ] && left=1
    done
    [ -z "$left" ] && exit 0
    sleep 0.1
    tries=$((tries + 1))
done
exit 1
"""
JANITOR = ("/bin/sh", "-c", _SCRIPT)
"""A command for a process outside the cell, whose standard input is the reading end of a pipe of which the daemon alone holds the other
end (`Cgroups.tell_janitor`). What was killed may take a while to be gone, so it tries for ten seconds; what another daemon of the cluster
has locked meanwhile is left alone."""
LOCK_TRIES = 100
LOCK_PAUSE_S = 0.002
_MANDATORY = ("memory", "cpu")


class Used:
    """What a group uses: CPU seconds since it was made, bytes of memory (None: not known), processes."""

    __slots__ = ("cpu_s", "memory_bytes", "processes")

    def __init__(self, cpu_s: float | None, memory_bytes: int | None, processes: int) -> None:
        self.cpu_s = cpu_s
        self.memory_bytes = memory_bytes
        self.processes = processes


class Group:
    """The control group of one container; in version 1 one folder per hierarchy."""

    def __init__(self, files: Files, version: int, folders: dict[str, str]) -> None:
        self._files = files
        self._version = version
        self._by_controller = folders
        self.folders = tuple(dict.fromkeys(folders.values()))
        self._entries: list[int] = []

    def open(self) -> None:
        """Before a process is forked that is to `enter`. Raises OSError."""
        self.close()
        for folder in self.folders:
            self._entries.append(self._files.open_to_enter(f"{folder}/cgroup.procs"))

    def enter(self) -> None:
        """In the forked process, whoever it runs as by now: become part of the group, with all that it will start. Raises OSError."""
        for entry in self._entries:
            os.write(entry, b"0")

    def close(self) -> None:
        """After the fork."""
        entries, self._entries = self._entries, []
        for entry in entries:
            os.close(entry)

    def used(self) -> Used:
        """What its processes use now. Memory is the kubelet's working set: without pages of files that could be dropped at once
        (cadvisor's container/libcontainer/handler.go)."""
        files, where = self._files, self._by_controller
        cpu_s = memory = None
        if not self.folders:
            return Used(None, None, 0)
        if self._version == 2:
            cpu_s = number(files, f"{self.folders[0]}/cpu.stat", "usage_usec") / 1e6
        elif "cpuacct" in where:
            cpu_s = number(files, f"{where['cpuacct']}/cpuacct.usage") / 1e9
        if "memory" in where:
            folder = where["memory"]
            all_bytes = number(files, f"{folder}/{'memory.current' if self._version == 2 else 'memory.usage_in_bytes'}")
            idle = number(files, f"{folder}/memory.stat", "inactive_file" if self._version == 2 else "total_inactive_file")
            memory = max(all_bytes - idle, 0)
        processes = 0
        with contextlib.suppress(OSError):  # it is being removed
            processes = len(files.read(f"{self.folders[0]}/cgroup.procs").split())
        return Used(cpu_s, memory, processes)

    def oom_killed(self) -> bool:
        """Whether the kernel has killed something in it since the group's memory limit was reached."""
        folder = self._by_controller.get("memory")
        if folder is None:
            return False
        return number(self._files, f"{folder}/{'memory.events' if self._version == 2 else 'memory.oom_control'}", "oom_kill") > 0

    def limit(self, memory_bytes: int, cpu_milli: int, pids: int) -> None:
        """Set its limits; 0: none. What no controller is there for is left. Raises OSError."""
        where, write = self._by_controller, self._files.write
        if memory_bytes and "memory" in where:
            if self._version == 2:
                write(f"{where['memory']}/memory.max", str(memory_bytes))
                self._write_if_there(f"{where['memory']}/memory.swap.max", "0")
                self._write_if_there(f"{where['memory']}/memory.oom.group", "1")  # as kubelets have it: all of the container or nothing
            else:
                write(f"{where['memory']}/memory.limit_in_bytes", str(memory_bytes))
                self._write_if_there(f"{where['memory']}/memory.memsw.limit_in_bytes", str(memory_bytes))
        if cpu_milli and "cpu" in where:
            quota_us = max(cpu_milli * PERIOD_US // 1000, QUOTA_MINIMUM_US)
            if self._version == 2:
                write(f"{where['cpu']}/cpu.max", f"{quota_us} {PERIOD_US}")
            else:
                write(f"{where['cpu']}/cpu.cfs_period_us", str(PERIOD_US))
                write(f"{where['cpu']}/cpu.cfs_quota_us", str(quota_us))
        if pids and "pids" in where:
            write(f"{where['pids']}/pids.max", str(pids))

    def _write_if_there(self, path: str, text: str) -> None:
        with contextlib.suppress(FileNotFoundError):  # a kernel without that: swap isn't accounted for
            self._files.write(path, text)


class Cgroups:
    """The groups of one cluster. `kind` is "v2", "v1" or "none"; `controllers` those that are there; `reason` what is missing, in words."""

    def __init__(self, files: Files, version: int, folders: dict[str, str], locks: list[int], reason: str) -> None:
        self._files = files
        self._version = version
        self._locks = locks
        self._folders = folders
        self._nothing = Group(files, version, {})
        self._groups: dict[str, Group] = {}
        self._to_remove: dict[str, None] = {}
        self.kind = f"v{version}" if folders else "none"
        self.controllers = tuple(folders)
        self.reason = reason
        self.folders = tuple(dict.fromkeys(folders.values()))
        """The cluster's own, of which each container has one inside."""

    def tell_janitor(self, pipe: int) -> None:
        """Say to the janitor what to remove once the daemon is gone; the pipe stays open until then. Raises OSError."""
        if self.folders and pipe >= 0:
            os.write(pipe, "".join(f"{folder}\n" for folder in self.folders).encode())
        elif pipe >= 0:
            os.close(pipe)

    def create(self, container_id: str, memory_bytes: int = 0, cpu_milli: int = 0, pids: int = 0) -> Group:
        """A group for a container that is about to be started, with its limits (0: none); where there are no control groups, one that is
        nothing.

        The caller then: `group.open()`, fork, `group.enter()` in the child before anything else, `group.close()`. Raises OSError.
        """
        if not self._folders:
            return self._nothing
        name = _folder_name(container_id)
        group = Group(self._files, self._version, {controller: f"{folder}/{name}" for controller, folder in self._folders.items()})
        try:
            for folder in group.folders:
                with contextlib.suppress(FileExistsError):  # left by a start that failed
                    self._files.make(folder)
            group.limit(memory_bytes, cpu_milli, pids)
        except OSError:
            self._discard(group.folders)
            raise
        self._groups[container_id] = group
        return group

    def group(self, container_id: str) -> Group:
        """The group of a container; one that is nothing if it has none."""
        return self._groups.get(container_id, self._nothing)

    def oom_killed(self, container_id: str) -> bool:
        """Whether the kernel killed a process of this container for its memory. To be asked before it is removed."""
        return self.group(container_id).oom_killed()

    def remove(self, container_id: str) -> None:
        """The container has ended: its group goes now, or at a later `sweep` while something of it is still dying."""
        group = self._groups.pop(container_id, None)
        if group is not None:
            group.close()
            self._discard(group.folders)

    def sweep(self) -> bool:
        """Try again to remove what could not be removed; returns whether anything is still left."""
        waiting, self._to_remove = self._to_remove, {}
        self._discard(waiting)
        return bool(self._to_remove)

    def close(self) -> None:
        """Remove all groups, as far as nothing runs in them any more."""
        for container_id in list(self._groups):
            self.remove(container_id)
        self.sweep()
        for folder in self.folders:
            _clear(self._files, folder)
        for fd in self._locks:
            os.close(fd)
        self._locks = []

    def _discard(self, folders: tuple[str, ...] | dict[str, None]) -> None:
        for folder in folders:
            try:
                self._files.remove(folder)
            except FileNotFoundError:
                continue
            except OSError:  # EBUSY: a process in it has been killed and is not gone yet
                self._to_remove[folder] = None


def no_cgroups(reason: str) -> Cgroups:
    """Where there are none."""
    return Cgroups(Files(), 0, {}, [], reason)


def open_cgroups(
    cluster_id: str, files: Files | None = None, mountinfo: str = "/proc/self/mountinfo", membership: str = "/proc/self/cgroup"
) -> Cgroups:
    """The control groups for a cluster: whatever this process may have here. Removes what daemons that were killed have left."""
    files = files or Files()
    try:
        found = hierarchies(files.read(mountinfo), files.read(membership))
    except OSError as error:
        return Cgroups(files, 0, {}, [], f"control groups can't be looked for: {error}")
    problems: list[str] = []
    for version in (2, 1):
        folders: dict[str, str] = {}
        locks: list[int] = []
        for hierarchy in found:
            if hierarchy.version == version:
                folders.update(_take(files, hierarchy, PREFIX + cluster_id, locks, problems))
        missing = [controller for controller in _MANDATORY if controller not in folders]
        if len(missing) < len(_MANDATORY):
            return Cgroups(files, version, folders, locks, f"no controller {missing[0]}: its limits have no effect" if missing else "")
        for folder in dict.fromkeys(folders.values()):
            _clear(files, folder)
        for fd in locks:
            os.close(fd)
    why = "; ".join(dict.fromkeys(problems)) or "none are mounted that have the controllers memory and cpu"
    return Cgroups(files, 0, {}, [], f"control groups can't be used: {why}")


def _take(files: Files, hierarchy: Hierarchy, name: str, locks: list[int], problems: list[str]) -> dict[str, str]:
    """A group for the cluster in one hierarchy, in the nearest place where that is possible: its folder by controller."""
    for place in hierarchy.places:
        folder = f"{place}/{name}"
        lock = -1
        try:
            controllers = _enabled(files, place) if hierarchy.version == 2 else hierarchy.controllers
            if not controllers:
                continue
            _clear_strangers(files, place)
            lock = _made_and_locked(files, folder)
            for one in files.groups(folder):  # of an earlier daemon of this cluster
                _clear(files, f"{folder}/{one}")
            if hierarchy.version == 2:
                files.write(f"{folder}/cgroup.subtree_control", " ".join(f"+{controller}" for controller in controllers))
                _try(files, f"{folder}/trial")
        except OSError as error:
            problems.append(f"{place}: {error.strerror or error}")
            if lock >= 0:
                _clear(files, folder)
                os.close(lock)
            continue
        locks.append(lock)
        return dict.fromkeys(controllers, folder)
    return {}


def _try(files: Files, group: str) -> None:
    """Move a process into a group, which in version 2 is another right than making one (cgroup-v2.rst, "Delegation Containment"). In
    version 1 who may make a group may do so, and the kernel takes ten milliseconds for the first move. Raises OSError."""
    files.make(group)
    try:
        files.try_to_enter(f"{group}/cgroup.procs")
    finally:
        files.remove(group)


def _made_and_locked(files: Files, folder: str) -> int:
    """Make a group that nobody takes for one of a daemon that was killed; returns what holds the lock. Raises OSError."""
    for _ in range(LOCK_TRIES):
        with contextlib.suppress(FileExistsError):
            files.make(folder)
        fd = _locked(folder)
        if fd >= 0 and os.path.isdir(folder) and os.path.samestat(os.fstat(fd), os.stat(folder)):
            return fd
        if fd >= 0:
            os.close(fd)  # between the two it was removed by a daemon that starts at this moment
        time.sleep(LOCK_PAUSE_S)
    raise OSError(f"another process holds the lock on {folder}")


def _enabled(files: Files, place: str) -> tuple[str, ...]:
    """Our controllers, switched on for groups in this place of version 2. Raises OSError if the kernel refuses, as it does for a group that
    has processes itself (EBUSY) and is not the root of all."""
    there = files.read(f"{place}/cgroup.controllers").split()
    wanted = tuple(controller for controller in ("memory", "cpu", "pids") if controller in there)
    if not any(controller in wanted for controller in _MANDATORY):
        return ()
    on = files.read(f"{place}/cgroup.subtree_control").split()
    off = [controller for controller in wanted if controller not in on]
    if off:
        files.write(f"{place}/cgroup.subtree_control", " ".join(f"+{controller}" for controller in off))
    return wanted


def _clear_strangers(files: Files, place: str) -> None:
    """Remove the groups of clusters whose daemon is gone and whose janitor was killed: no living daemon has a lock on them."""
    for name in files.groups(place):
        if name.startswith(PREFIX):
            fd = _locked(f"{place}/{name}")
            if fd >= 0:
                _clear(files, f"{place}/{name}")
                os.close(fd)


def _clear(files: Files, folder: str) -> None:
    """Remove a group and those in it, as far as they have no processes."""
    with contextlib.suppress(OSError):  # what can't be removed has processes: it is the janitor's, or the next daemon's
        for name in files.groups(folder):
            _clear(files, f"{folder}/{name}")
        files.remove(folder)


def _locked(folder: str) -> int:
    """A descriptor that holds a lock on a folder until it is closed; -1 if another process has one, or it is gone."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return -1
    return fd


def _folder_name(container_id: str) -> str:
    """A container's id as the name of a folder.

    >>> _folder_name("callboard://f00d/web/3")
    'f00d_web_3'
    """
    return container_id.rpartition("://")[2].replace("/", "_")
