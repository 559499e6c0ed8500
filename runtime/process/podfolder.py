"""The folder of a pod: carrying a volume plan out on disk, swapping changed content in atomically, removing it.

Called by the process container runtime, on a thread that may block. A pod's programs can write into their folder, links included, so
every step goes down from the folder's own descriptor and refuses links on the way: nothing is ever written outside the folder.

    <state>/nodes/<node>/pods/<uid>/
        volumes/<name>/            emptyDir: a plain folder; hostPath: a link; others: `key -> ..data/key`, `..data -> ..<number>/`
        root/<container>/etc/web   -> ../../../volumes/<name>     (CALLBOARD_ROOT is root/<container>)
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from callboard.runtime.process.acl import let_search
from callboard.runtime.process.folders import remove_tree
from callboard.runtime.process.volumemounts import PlannedMount
from callboard.runtime.process.volumes import ROOTS, VOLUMES, PlannedFile, PlannedVolume, VolumePlan

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DATA = "..data"
_GROUP_FOLDER, _GROUP_WRITES = 0o2110, 0o660
_HOST_KINDS = {
    "Directory": ("a folder", stat.S_ISDIR),
    "DirectoryOrCreate": ("a folder", stat.S_ISDIR),
    "File": ("a file", stat.S_ISREG),
    "FileOrCreate": ("a file", stat.S_ISREG),
    "Socket": ("a socket", stat.S_ISSOCK),
    "CharDevice": ("a character device", stat.S_ISCHR),
    "BlockDevice": ("a block device", stat.S_ISBLK),
}


class VolumeError(Exception):
    """A volume could not be written or found; the text says which and why."""


def pod_folder(state_dir: str | Path, node: str, uid: str) -> Path:
    """Where a pod's folder lies."""
    for part in (node, uid):
        if not part or "/" in part or part in (".", ".."):
            raise VolumeError(f"{part!r} cannot be the name of a folder")
    return Path(state_dir) / "nodes" / node / "pods" / uid


def container_root(folder: Path, container: str) -> Path:
    """The path that a container finds in CALLBOARD_ROOT."""
    return folder / ROOTS / container


def working_folder(folder: Path, container: str, working_dir: str) -> Path:
    """Where a container's program starts: its root, or the working directory inside it, made where missing. Raises `VolumeError`.

    A `..` cannot lead out of the root, and nothing is made behind a link.
    """
    parts = tuple(part for part in os.path.normpath("/" + working_dir).split("/") if part)
    place = container_root(folder, container).joinpath(*parts)
    if not place.is_dir():
        if not folder.is_dir():
            raise VolumeError(f"the pod's folder {folder} is gone: the process daemon that kept it has ended")
        with told(f"workingDir {working_dir}"), opened(folder) as top:
            os.close(descend(top, (ROOTS, container, *parts)))
    return place


def write_plan(folder: Path, plan: VolumePlan) -> None:
    """Make a pod's folder what its plan says; also for a changed plan, then only what differs is replaced. Raises `VolumeError`."""
    try:
        folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        with opened(folder) as top:
            for volume in plan.volumes:
                with told(f'volume "{volume.name}"'):
                    write_volume(top, volume, plan.fs_group)
            for container in plan.containers:
                os.close(descend(top, (ROOTS, container)))
    except OSError as error:
        raise VolumeError(f"the pod's folder {folder} cannot be written: {error.strerror}") from error
    write_links(folder, plan.mounts)


def write_links(folder: Path, mounts: tuple[PlannedMount, ...]) -> None:
    """Let volumes appear in the roots of containers that can't have them mounted. Raises `VolumeError`."""
    try:
        with opened(folder) as top:
            for mount in mounts:
                with told(f'mount /{"/".join(mount.path)} of volume "{mount.volume}"'):
                    _write_mount(top, mount, _outer(mount, mounts))
    except OSError as error:
        raise VolumeError(f"the pod's folder {folder} cannot be written: {error.strerror}") from error


def open_to_others(state_dir: Path, folder: Path, uid: int) -> None:
    """Let a container that runs as another user than the cluster reach its pod's folder, and write into its emptyDir volumes (mode 0777, as
    Kubernetes makes them). Nobody can list what lies above, and no further user comes into the folder. Raises OSError."""
    let_search(folder, uid)
    state_dir.chmod(stat.S_IMODE(state_dir.stat().st_mode) | 0o011)
    volumes = folder / VOLUMES
    for place in sorted(volumes.iterdir()) if volumes.is_dir() else ():
        if place.is_dir() and not place.is_symlink() and not (place / _DATA).is_symlink():
            place.chmod(stat.S_IMODE(place.stat().st_mode) | 0o777)


def remove_pod_folder(folder: Path) -> None:
    """Remove a pod's folder with all its volumes; what hostPath volumes link to stays. Raises `VolumeError`."""
    try:
        remove_tree(str(folder))
    except OSError as error:
        raise VolumeError(f"the pod's folder {folder} cannot be removed: {error}") from error


def write_volume(top: int, volume: PlannedVolume, group: int | None) -> None:
    """Make one volume in the pod's folder `top`; what is made belongs to this group (None: to the cluster's own). Raises OSError,
    `VolumeError`."""
    if volume.kind == "host":
        check_host(volume)
        with _at(top, (VOLUMES,)) as parent:
            _link(volume.host_path, volume.name, parent)
        return
    with _at(top, (VOLUMES, volume.name)) as place:
        if volume.kind == "files":
            _swap_in(place, volume.files, group)
        if group is not None:
            _give(place, group, _GROUP_FOLDER | (_GROUP_WRITES if volume.kind == "empty" else 0))


def check_host(volume: PlannedVolume) -> None:
    """Whether a hostPath is there and of the kind it should be. Raises OSError, `VolumeError`."""
    kind = _HOST_KINDS.get(volume.host_type)
    try:
        mode = os.stat(volume.host_path).st_mode
    except FileNotFoundError:
        if volume.host_type:
            raise VolumeError(
                f"hostPath {volume.host_path} does not exist, and nothing is made outside the pod's folder; make it first"
            ) from None
        return
    if kind is not None and not kind[1](mode):
        raise VolumeError(f"hostPath {volume.host_path} is not {kind[0]}, as its type {volume.host_type} says")
    if kind is None and volume.host_type:
        raise VolumeError(f"hostPath type {volume.host_type!r} is unknown")


def _give(place: int, group: int, more: int) -> None:
    """Let a folder or file belong to a group, with more rights (kubernetes pkg/volume/volume_linux.go, SetVolumeOwnership)."""
    mode = stat.S_IMODE(os.fstat(place).st_mode)
    os.fchown(place, -1, group)
    os.fchmod(place, mode | more)


def _swap_in(place: int, files: tuple[PlannedFile, ...], group: int | None) -> None:
    """Kubernetes' atomic writer: a new folder, then one rename of the link `..data`; readers see all of the old or all of the new."""
    old = _target(place, _DATA)
    if old is not None and _holds(place, old, files):
        return
    new = _fresh_name(place, old)
    os.mkdir(new, 0o755, dir_fd=place)
    with _at(place, (new,)) as fresh:
        for file in files:
            _write_file(fresh, file, group)
        if group is not None:
            _give(fresh, group, _GROUP_FOLDER)
    _link(new, _DATA, place)
    names = dict.fromkeys(file.path.split("/")[0] for file in files)
    for name in names:
        if _target(place, name) != f"{_DATA}/{name}":
            _link(f"{_DATA}/{name}", name, place)
    for entry in os.listdir(place):
        if entry.startswith("..") and entry not in (_DATA, new):
            _remove_at(place, entry)
        elif entry not in names and (_target(place, entry) or "").startswith(f"{_DATA}/"):
            os.unlink(entry, dir_fd=place)


def _fresh_name(place: int, old: str | None) -> str:
    number = int(old[2:]) + 1 if old is not None and old[2:].isdigit() else 1
    while f"..{number}" in os.listdir(place):  # left by a writer that was killed
        number += 1
    return f"..{number}"


def _write_file(folder: int, file: PlannedFile, group: int | None) -> None:
    parts = tuple(file.path.split("/"))
    with _at(folder, parts[:-1]) as parent:
        out = os.open(parts[-1], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=parent)
        with os.fdopen(out, "wb") as stream:
            stream.write(file.content)
            if group is not None:
                os.fchown(stream.fileno(), -1, group)
            os.fchmod(stream.fileno(), file.mode & 0o777)


def _holds(place: int, folder: str, files: tuple[PlannedFile, ...]) -> bool:
    """Whether the folder holds exactly these files; then nothing needs to change."""
    wanted = {file.path: (file.content, file.mode & 0o777) for file in files}
    found: dict[str, tuple[bytes, int]] = {}
    try:
        for at, _, names, fd in os.fwalk(folder, dir_fd=place, follow_symlinks=False):
            for name in names:
                path = os.path.relpath(os.path.join(at, name), folder)
                if path not in wanted:
                    return False
                with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=fd), "rb") as stream:
                    mode = os.fstat(stream.fileno()).st_mode
                    found[path] = (stream.read() if stat.S_ISREG(mode) else b"", stat.S_IMODE(mode))
    except OSError:
        return False
    return found == wanted


def _write_mount(top: int, mount: PlannedMount, outer: PlannedMount | None) -> None:
    if mount.kind == "empty" and mount.sub_path:
        os.close(descend(top, (VOLUMES, mount.volume, *mount.sub_path)))
    if outer is None:
        base: tuple[str, ...] = (ROOTS, mount.container)
        path = mount.path
    else:  # the link in the root leads into the outer volume, so this one is made there
        base = (VOLUMES, outer.volume)
        path = mount.path[len(outer.path) :]
    parent = (*base, *path[:-1])
    target = "/".join([*[".."] * len(parent), VOLUMES, mount.volume, *mount.sub_path])
    with _at(top, parent) as folder:
        if _target(folder, path[-1]) != target:
            _link(target, path[-1], folder)


def _outer(mount: PlannedMount, mounts: tuple[PlannedMount, ...]) -> PlannedMount | None:
    """The innermost mount of the same container in which this one lies."""
    around = [m for m in mounts if m.container == mount.container and m is not mount and mount.path[: len(m.path)] == m.path]
    return max(around, key=lambda m: len(m.path), default=None)


def _link(target: str, name: str, folder: int) -> None:
    """Put a link in place, atomically over what was there; over a folder only if it is empty."""
    new = f"{name}_tmp" if name == _DATA else f"..{name}_tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new, dir_fd=folder)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.rmdir(name, dir_fd=folder)
    os.symlink(target, new, dir_fd=folder)
    os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)


def _target(folder: int, name: str) -> str | None:
    """What a link leads to; None if there is no link of this name."""
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:
        return None


def _remove_at(folder: int, name: str) -> None:
    """Remove an entry whatever it is, without following links."""
    try:
        os.unlink(name, dir_fd=folder)
        return
    except IsADirectoryError:
        pass
    with _at(folder, (name,)) as inner:
        for entry in os.listdir(inner):
            _remove_at(inner, entry)
    os.rmdir(name, dir_fd=folder)


def descend(top: int, parts: tuple[str, ...]) -> int:
    """Descriptor of a folder below `top`, made where missing. Raises `VolumeError` at a link on the way."""
    current = os.dup(top)
    for count, part in enumerate(parts, 1):
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=current)
            deeper = os.open(part, _FOLDER, dir_fd=current)
        except OSError as error:
            place = "/".join(parts[:count])
            raise VolumeError(
                f"{place} in the pod's folder is not a plain folder ({error.strerror}); links are not followed there"
            ) from error
        finally:
            os.close(current)
        current = deeper
    return current


@contextlib.contextmanager
def _at(top: int, parts: tuple[str, ...]) -> Iterator[int]:
    place = descend(top, parts)
    try:
        yield place
    finally:
        os.close(place)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[int]:
    """Descriptor of a folder, as long as it is needed. Raises OSError."""
    top = os.open(folder, _FOLDER)
    try:
        yield top
    finally:
        os.close(top)


@contextlib.contextmanager
def told(about: str) -> Iterator[None]:
    """Errors as `VolumeError` that say what they are about."""
    try:
        yield
    except VolumeError as error:
        raise VolumeError(f"{about}: {error}") from error
    except OSError as error:
        raise VolumeError(f"{about}: {error.strerror}") from error
