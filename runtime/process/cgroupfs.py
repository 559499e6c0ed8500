"""Where the kernel keeps control groups, as this process sees it, and the files in which it does. No imports but the standard library's.

Sources: the kernel's documents admin-guide/cgroup-v1/ (memory.rst, cpuacct.rst, pids.rst), scheduler/sched-bwc.rst and
admin-guide/cgroup-v2.rst; man 5 proc_pid_mountinfo, man 7 cgroups.
"""

from __future__ import annotations

import contextlib
import os
import signal

CONTROLLERS = ("memory", "cpu", "cpuacct", "pids")
"""Those that are used. In version 2 `cpuacct` is no controller: every group counts its time."""


class Hierarchy:
    """One mounted tree of control groups: its version, its controllers, where it is mounted, and the folders in which a group of our own
    may be made: that of this process first, then those above it."""

    __slots__ = ("controllers", "mountpoint", "places", "version")

    def __init__(self, version: int, controllers: tuple[str, ...], mountpoint: str, places: list[str]) -> None:
        self.version = version
        self.controllers = controllers
        self.mountpoint = mountpoint
        self.places = places


class Files:
    """The kernel's files. Tests put a made-up tree in its place. All of it raises OSError."""

    def read(self, path: str) -> str:
        """What a file says."""
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()

    def write(self, path: str, text: str) -> None:
        """Say something to the kernel, in one write; no file is made."""
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def open_to_enter(self, path: str) -> int:
        """A descriptor of a `cgroup.procs` file: the kernel asks for the rights of whoever opened it, not of whoever writes."""
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def make(self, folder: str) -> None:
        """Make a group."""
        os.mkdir(folder, 0o755)

    def remove(self, folder: str) -> None:
        """Remove a group without processes."""
        os.rmdir(folder)

    def groups(self, folder: str) -> list[str]:
        """The names of the groups in one."""
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]

    def try_to_enter(self, path: str) -> None:
        """Move a process there and end it: the only way to learn whether that is allowed."""
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
        try:
            self.write(path, str(child))
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def hierarchies(mountinfo: str, membership: str) -> list[Hierarchy]:
    """The trees that may have controllers for us, from the text of /proc/self/mountinfo and /proc/self/cgroup; version 2 comes first."""
    own = _membership(membership)
    found = []
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        words, kind = fields.split(), rest.split()
        if len(words) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        root, mountpoint = _plain(words[3]), _plain(words[4])
        if kind[0] == "cgroup2":
            found.append(Hierarchy(2, (), mountpoint, _places(mountpoint, root, own.get("", "/"))))
            continue
        controllers = tuple(option for option in kind[2].split(",") if option in CONTROLLERS)
        if controllers and not any(one.controllers == controllers for one in found):
            found.append(Hierarchy(1, controllers, mountpoint, _places(mountpoint, root, own.get(controllers[0], "/"))))
    return sorted(found, key=lambda one: -one.version)


def _membership(text: str) -> dict[str, str]:
    """This process's group by controller; by "" in version 2."""
    own: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            own[controller] = path
    return own


def _places(mountpoint: str, root: str, own: str) -> list[str]:
    """The folder of group `own` and all above it, as they are seen below a mount of `root`. A group that lies outside is not seen."""
    inside = own if root == "/" else own.removeprefix(root) if own == root or own.startswith(root + "/") else "/"
    if "/.." in inside:  # outside the namespace of control groups
        inside = "/"
    parts = [part for part in inside.split("/") if part]
    return [os.path.join(mountpoint, *parts[:count]) for count in range(len(parts), -1, -1)]


def _plain(text: str) -> str:
    """A path of mountinfo, in which blanks are written in octal."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def number(files: Files, path: str, key: str = "") -> int:
    """The number in a file, or of the line that begins with `key`; 0 if there is none (or it is no number, such as `max`)."""
    with contextlib.suppress(OSError, ValueError):
        for line in files.read(path).splitlines():
            name, _, value = line.rpartition(" ")
            if name == key:
                return int(value)
    return 0
