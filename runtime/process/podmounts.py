"""The folder of a pod whose containers have their volumes really mounted: beside what `podfolder.py` makes, what is mounted in it.

    <state>/nodes/<node>/pods/<uid>/
        volumes/<name>/            as at level C0; an emptyDir in memory is a file system of its own
        mounts/<container>/<n>     what the n-th mount of the container shows, if it has a subPath or is of a hostPath
        etc/                       hosts, hostname, resolv.conf of all the pod's containers

Pods can write into their emptyDir and hostPath volumes at any time, so what lies below these is only ever opened as `beneath.py` does, and
mounted by the descriptor that was found, in advance and where no pod can write: what its container gets is that mount.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from callboard.runtime.process.beneath import make_beneath, make_file_beneath, open_beneath
from callboard.runtime.process.folders import remove_tree
from callboard.runtime.process.mounts import bind, mount_tmpfs, mounted_below, unmount
from callboard.runtime.process.podfolder import VolumeError, check_host, descend, opened, told, write_volume
from callboard.runtime.process.volumemounts import PlannedMount
from callboard.runtime.process.volumes import VOLUMES, PlannedVolume, VolumePlan

ETC = "etc"
MOUNTS = "mounts"
_OPEN_TO_ALL = 0o777
_STATE_DEPTH = 3  # <state>/nodes/<node>/pods/<uid>


def write_pod(folder: Path, plan: VolumePlan, files: Mapping[str, str]) -> None:
    """Make a pod's folder what its plan says; also for a changed plan, then only what differs is replaced. Raises `VolumeError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with opened(folder) as top:
            for volume in plan.volumes:
                with told(f'volume "{volume.name}"'):
                    if volume.kind == "host":
                        _make_host(volume, folder)
                    else:
                        _write_own(top, folder, volume, plan.fs_group)
            for name, text in files.items():
                _write_in_place(top, name, text)
    except OSError as error:
        raise VolumeError(f"the pod's folder {folder} cannot be written: {error.strerror or error}") from error


def prepare_mounts(
    folder: Path,
    container: str,
    mounts: tuple[PlannedMount, ...],
    volumes: tuple[PlannedVolume, ...],
    bind: Callable[[int, str], None] = bind,
) -> tuple[str, ...]:
    """Sources for a container's mounts, with places for those that lie inside others; `bind` mounts what a descriptor is at a path. Raises
    `VolumeError`, in the kubelet's words where a subPath leads out of its volume."""
    by_name = {volume.name: volume for volume in volumes}
    sources = []
    with contextlib.ExitStack() as held:
        try:
            top = held.enter_context(opened(folder))
        except OSError as error:
            raise VolumeError(f"the pod's folder {folder} is gone: the process daemon that kept it has ended") from error
        for volume in volumes:
            if volume.memory:  # it went with the cell, if that has been lost meanwhile
                with told(f'volume "{volume.name}"'):
                    _in_memory(folder, volume)
        found = [_found(held, top, container, mount, by_name[mount.volume]) for mount in mounts]
        for index, mount in enumerate(mounts):
            around = [outer for outer in mounts[:index] if mount.path[: len(outer.path)] == outer.path]
            if around and around[-1].kind != "host":
                with told(f"mountPath /{'/'.join(mount.path)}"):
                    _make_place(found[mounts.index(around[-1])], mount.path[len(around[-1].path) :], found[index])
        for index, mount in enumerate(mounts):
            if mount.kind != "host" and not mount.sub_path:  # a folder that no pod can exchange
                sources.append(_whole(folder, by_name[mount.volume]))
                continue
            with told(f"mountPath /{'/'.join(mount.path)}"):
                hidden = _way_to_state(found[index], folder) if mount.kind == "host" else ""
                place = _place_for(top, folder, container, index, found[index])
                bind(found[index], place)
                if hidden:
                    _hide(place, hidden)
                sources.append(place)
    return tuple(sources)


def remove_pod(folder: Path) -> None:
    """Remove a pod's folder. What is mounted in it is unmounted first, and stays. Raises `VolumeError`."""
    try:
        remove_tree(str(folder))
    except OSError as error:
        raise VolumeError(f"the pod's folder {folder} cannot be removed: {error}") from error


def _write_own(top: int, folder: Path, volume: PlannedVolume, group: int | None) -> None:
    if volume.kind != "empty":
        write_volume(top, volume, group)
        return
    os.close(descend(top, (VOLUMES, volume.name)))
    if volume.memory:
        _in_memory(folder, volume)
    place = descend(top, (VOLUMES, volume.name))
    try:
        os.fchmod(place, _OPEN_TO_ALL)
    finally:
        os.close(place)
    write_volume(top, volume, group)


def _in_memory(folder: Path, volume: PlannedVolume) -> None:
    place = str(folder / VOLUMES / volume.name)  # no pod can write into the folders above it
    if not mounted_below(place):
        mount_tmpfs(place, volume.size_bytes)


def _make_host(volume: PlannedVolume, folder: Path) -> None:
    """A hostPath as its type says, made where it may be (kubernetes pkg/volume/hostpath; a container runtime makes what has no type)."""
    path = Path(volume.host_path)
    real, state = Path(os.path.realpath(path)), _state_of(folder)
    if real == state or state in real.parents:
        raise VolumeError(f"hostPath {path} lies in the cluster's own folder {state}, where other pods have their Secrets")
    if volume.host_type in ("", "DirectoryOrCreate") and not path.exists():
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif volume.host_type == "FileOrCreate":
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    check_host(volume)


def _whole(folder: Path, volume: PlannedVolume) -> str:
    return volume.host_path if volume.kind == "host" else str(folder / VOLUMES / volume.name)


def _found(held: contextlib.ExitStack, top: int, container: str, mount: PlannedMount, volume: PlannedVolume) -> int:
    """Descriptor of what a mount shows, as long as `held` is; a missing subPath is made as a folder."""
    flags = os.O_PATH | os.O_CLOEXEC
    try:
        base = os.open(volume.host_path, flags) if volume.kind == "host" else descend(top, (VOLUMES, volume.name))
    except OSError as error:
        raise VolumeError(f'volume "{volume.name}": {error.strerror}') from error
    held.callback(os.close, base)
    if not mount.sub_path:
        return base
    try:
        try:
            found = open_beneath(base, "/".join(mount.sub_path))
        except FileNotFoundError:
            found = make_beneath(base, mount.sub_path)
    except OSError as error:
        why = "a link in it leads out of the volume" if error.errno == errno.EXDEV else error.strerror
        words = f'failed to prepare subPath for volumeMount "{mount.volume}" of container "{container}"'
        raise VolumeError(f"{words}: {'/'.join(mount.sub_path)}: {why}") from error
    held.callback(os.close, found)
    return found


def _way_to_state(source: int, folder: Path) -> str:
    """The path from a folder of the machine to the cluster's own, "" if that lies elsewhere. Raises `VolumeError` for what lies there."""
    found, state = Path(os.readlink(f"/proc/self/fd/{source}")), _state_of(folder)
    if found == state or state in found.parents:
        raise VolumeError(f"{found} lies in the cluster's own folder {state}, where other pods have their Secrets")
    return str(state.relative_to(found)) if found in state.parents else ""


def _state_of(folder: Path) -> Path:
    return Path(os.path.realpath(folder.parents[_STATE_DEPTH]))


def _hide(place: str, path: str) -> None:
    """Cover a folder below `place` with an empty one: a pod that sees much of the machine sees nothing of other pods' Secrets."""
    with opened(Path(place)) as top:
        inner = open_beneath(top, path)
        try:
            mount_tmpfs(f"/proc/self/fd/{inner}", mode=0)
        finally:
            os.close(inner)


def _make_place(outer: int, path: tuple[str, ...], inner: int) -> None:
    """Something for `inner` to be mounted at inside of what the descriptor `outer` is (kubernetes: MakeNestedMountpoints)."""
    if stat.S_ISDIR(os.fstat(inner).st_mode):
        os.close(make_beneath(outer, path))
    else:
        make_file_beneath(outer, path)


def _place_for(top: int, folder: Path, container: str, index: int, source: int) -> str:
    """A place for a source to be mounted at, where an earlier life of the container may have had something; its path."""
    place = folder / MOUNTS / container / str(index)
    for old in mounted_below(str(place)):
        unmount(old)
    with _opened_at(top, (MOUNTS, container)) as parent:
        folder_wanted = stat.S_ISDIR(os.fstat(source).st_mode)
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(place.name, dir_fd=parent, follow_symlinks=False).st_mode):
                os.rmdir(place.name, dir_fd=parent)
            else:
                os.unlink(place.name, dir_fd=parent)
        if folder_wanted:
            os.mkdir(place.name, 0o700, dir_fd=parent)
        else:
            os.close(os.open(place.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=parent))
    return str(place)


def _write_in_place(top: int, name: str, text: str) -> None:
    """Write a file without exchanging it: containers have it mounted."""
    with _opened_at(top, (ETC,)) as parent:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, 0o644, dir_fd=parent), "r+b") as file:
            content = text.encode()
            if file.read() != content:
                file.seek(0)
                file.write(content)
                file.truncate()
            os.fchmod(file.fileno(), 0o644)


@contextlib.contextmanager
def _opened_at(top: int, parts: tuple[str, ...]) -> Iterator[int]:
    place = descend(top, parts)
    try:
        yield place
    finally:
        os.close(place)
