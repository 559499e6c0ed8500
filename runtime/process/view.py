"""What a container sees of the machine's files: layers on /etc, /var and, if something is to be mounted in it, /usr.

Used inside the process daemon. The lower layers are made once: of /etc all that everybody may read, of /var the folders without what is in
them (a container's programs may expect these, and the host's data is none of theirs). The upper ones are in memory, in the mount
namespace of the container, and vanish with it.
"""

from __future__ import annotations

import contextlib
import os
import stat

from callboard.runtime.process import kernel
from callboard.runtime.process.bubblewrap import OVERLAID, Host
from callboard.runtime.process.folders import remove_tree
from callboard.runtime.process.mounts import mount_tmpfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from callboard.runtime.process.cell import Cell

_DEPTH = 3
"""So many levels of folders below /var are shown."""
_ROOT_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")

_GUARDED = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_MASKED = ("/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/timer_list", "/proc/timer_stats")
"""What in /proc is the machine's and not the container's: to be read only, or not at all (oci/spec.go of containerd)."""


class Views:
    """Makes layers for containers."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._lower: dict[str, list[str]] = {}
        self._here = os.path.join(cell.views, "own")
        self.host = Host(
            {place: os.readlink(place) for place in _ROOT_FOLDERS if os.path.islink(place)},
            tuple(place for place in _ROOT_FOLDERS if os.path.isdir(place) and not os.path.islink(place)),
            tuple(place for place in _GUARDED if os.path.exists(place)),
            tuple(place for place in _MASKED if os.path.exists(place)),
            tuple(place for place in (cell.state_folder,) if place.startswith(("/etc/", "/usr/", *(f"{root}/" for root in _ROOT_FOLDERS)))),
        )

    def prepare(self) -> None:
        """Make the lower layers, the first time. Raises OSError."""
        if self._lower:
            return
        os.makedirs(self._here, exist_ok=True)
        cover, bare = os.path.join(self._cell.views, "etc"), os.path.join(self._cell.views, "var")
        for place in (cover, bare):
            if os.path.exists(place):  # an earlier try went wrong
                remove_tree(place)
        self._cover("/etc", cover)
        self._skeleton("/var", bare, _DEPTH)
        self._lower = {"/etc": [cover, "/etc"], "/var": [bare], "/usr": ["/usr"]}

    def places(self, wanted: dict[str, list[tuple[str, str]]]) -> dict[str, str]:
        """Where `mount` is going to put the layered folders, by their places in the container."""
        return {folder: self._layer(folder) for folder in OVERLAID if folder != "/usr" or self._lacks(wanted[folder])}

    def mount(self, wanted: dict[str, list[tuple[str, str]]]) -> None:
        """Mount the layers in this process's mount namespace, which must be one of its own. What is to be mounted in them has its place
        made in the upper layer: below folders of users who don't exist here nobody could make it later. Raises OSError."""
        mount_tmpfs(self._here, mode=0o755)
        for folder, place in self.places(wanted).items():
            upper, work = place + ".upper", place + ".work"
            for new in (place, upper, work):
                os.mkdir(new, 0o755)
            for target, source in wanted[folder]:
                self._make_place(folder, upper, target, source)
            kernel.mount_layers(place, self._lower[folder], upper, work, self._cell.user_namespace)

    def _layer(self, folder: str) -> str:
        return self._here + folder.replace("/", "/own-")

    @staticmethod
    def _lacks(wanted: list[tuple[str, str]]) -> bool:
        return any(not os.path.exists(target) or os.path.islink(target) for target, _ in wanted)

    def _make_place(self, folder: str, upper: str, target: str, source: str) -> None:
        words = target[len(folder) :].strip("/").split("/")
        made, seen = upper, folder
        for word in words[:-1]:
            made, seen = os.path.join(made, word), os.path.join(seen, word)
            self._folder_like(made, seen)
        made, seen = os.path.join(made, words[-1]), os.path.join(seen, words[-1])
        if os.path.lexists(made):
            return
        if source and not os.path.isdir(source):
            if not os.path.isfile(seen) or os.path.islink(seen):
                os.close(os.open(made, os.O_WRONLY | os.O_CREAT, 0o644))
        else:
            self._folder_like(made, seen)

    def _folder_like(self, new: str, like: str) -> None:
        """Make a folder with the mode and, where they exist here, the users of another one, if there is that one."""
        if os.path.isdir(new):
            return
        os.mkdir(new, 0o755)
        with contextlib.suppress(OSError):
            status = os.lstat(like)
            if stat.S_ISDIR(status.st_mode):
                if not self._cell.user_namespace:
                    os.chown(new, status.st_uid, status.st_gid)
                os.chmod(new, stat.S_IMODE(status.st_mode))

    def _skeleton(self, folder: str, new: str, depth: int) -> None:
        self._folder_like(new, folder)
        if depth == 0 or folder == self._cell.state_folder:
            return
        for entry in _entries(folder):
            if entry.is_symlink():
                with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                    os.symlink(os.readlink(entry.path), os.path.join(new, entry.name))
            elif entry.is_dir(follow_symlinks=False):
                self._skeleton(entry.path, os.path.join(new, entry.name), depth - 1)

    def _cover(self, folder: str, new: str) -> None:
        """A layer that hides, below this folder, what not everybody may read."""
        self._folder_like(new, folder)
        for entry in _entries(folder):
            if entry.is_symlink():
                continue
            place = os.path.join(new, entry.name)
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except FileNotFoundError:  # gone meanwhile; what comes in its place may be a secret, as a new /etc/shadow is
                mode = 0
            if mode & stat.S_IROTH == 0 or entry.path == self._cell.state_folder:
                os.mknod(place, stat.S_IFCHR, os.makedev(0, 0))  # what overlayfs calls a whiteout
            elif stat.S_ISDIR(mode):
                self._cover(entry.path, place)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder of the host, which others may be changing; nothing if it may not be read, or is gone."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (PermissionError, FileNotFoundError):
        return []
