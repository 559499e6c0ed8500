"""Mounting and unmounting in this process's mount namespace, and what is mounted below a folder. Only for who is root there.

mount(2) itself rather than a program: a source that is a descriptor (`/proc/self/fd/N`) must not be turned into a path again on the way,
as mount(8) would do, since by then the path may lead elsewhere.
"""

from __future__ import annotations

import ctypes
import os
import re

_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC = 0x02, 0x04, 0x1000, 0x4000
_MNT_DETACH, _UMOUNT_NOFOLLOW = 0x02, 0x08
MOUNTINFO = "/proc/self/mountinfo"
_libc = ctypes.CDLL(None, use_errno=True)


def bind(source: int, target: str) -> None:
    """Mount what this descriptor is (a folder or a file) at `target`, a place of the same kind. Raises OSError."""
    _mount(f"/proc/self/fd/{source}", target, None, _MS_BIND | _MS_REC, None)


def mount_tmpfs(target: str, size_bytes: int = 0, mode: int = 0o777) -> None:
    """Mount memory at a folder, so many bytes at most (0: what the kernel allows, half of the machine's memory). Raises OSError."""
    size = f",size={size_bytes}" if size_bytes else ""
    _mount("tmpfs", target, "tmpfs", _MS_NOSUID | _MS_NODEV, f"mode={mode:o}{size}")


def unmount(target: str) -> None:
    """Take what is mounted at this place away, also while it is in use. Raises OSError."""
    if _libc.umount2(os.fsencode(target), _MNT_DETACH | _UMOUNT_NOFOLLOW) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def mounted_below(folder: str, mountinfo: str | None = None) -> list[str]:
    """The places at and below a folder where something is mounted, inner ones first. Raises OSError.

    >>> mounted_below("/a", "1 0 0:1 / / rw -\\n2 1 0:2 / /a/b rw -\\n3 2 0:3 / /a/b/c\\\\040d rw -\\n4 1 0:4 / /ab rw -")
    ['/a/b/c d', '/a/b']
    """
    if mountinfo is None:
        with open(MOUNTINFO) as file:
            mountinfo = file.read()
    top = folder.rstrip("/")
    places = [_plain(line.split(" ")[4]) for line in mountinfo.splitlines()]
    return [place for place in reversed(places) if place == top or place.startswith(top + "/")]


def unmount_below(folder: str) -> None:
    """Take away all that is mounted at or below a folder. Raises OSError, if anything is left too: then nothing below may be removed, since
    what is mounted may be anybody's."""
    for place in mounted_below(folder):
        unmount(place)
    left = mounted_below(folder)
    if left:
        raise OSError(f"{left[0]} is mounted still, so nothing of {folder} is removed")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    if _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), None if data is None else data.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def _plain(text: str) -> str:
    """A path as mountinfo writes it, with its octal escapes undone."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
