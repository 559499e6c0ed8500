"""Opening and making what lies below a folder that others write into, whatever links they plant there or swap meanwhile.

The kernel itself follows the path (openat2 with RESOLVE_BENEATH, Linux 5.6): links that stay below the folder are followed, one that leads
out is an error, and nothing can be exchanged between a check and its use, since what is used is the descriptor. The purpose is that of
kubernetes pkg/volume/util/subpath/subpath_linux.go (doSafeOpen, doSafeMakeDir).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat

_SYS_OPENAT2 = 437  # the same on every architecture
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_BENEATH = 0x08
_TRIES = 128
"""The kernel gives up (EAGAIN) where a rename happens just then; so often it is asked again."""
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def open_beneath(folder: int, path: str, flags: int = os.O_PATH) -> int:
    """Descriptor of what `path` names, starting at the folder with this descriptor and staying below it.

    Raises OSError: EXDEV where the path or a link in it leads out of the folder, EAGAIN where it is being changed all the time, ENOSYS on a
    kernel before Linux 5.6, and what open(2) knows.
    """
    how = _OpenHow(flags | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    name = os.fsencode(path or ".")
    for _ in range(_TRIES):
        found = _libc.syscall(
            ctypes.c_long(_SYS_OPENAT2),
            ctypes.c_int(folder),
            ctypes.c_char_p(name),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if found >= 0:
            return int(found)
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(number, os.strerror(number), path)


def make_beneath(folder: int, parts: tuple[str, ...], mode: int | None = None) -> int:
    """Descriptor of a folder below this one, made where missing with `mode` (None: that of the folder itself). Raises OSError as above."""
    wanted = stat.S_IMODE(os.fstat(folder).st_mode) if mode is None else mode
    current = open_beneath(folder, ".")
    for count, part in enumerate(parts, 1):
        path = "/".join(parts[:count])
        try:
            deeper = open_beneath(folder, path)
        except FileNotFoundError:
            try:
                deeper = _made(folder, current, path, part, wanted)
            finally:
                os.close(current)
        except BaseException:
            os.close(current)
            raise
        else:
            os.close(current)
        current = deeper
    return current


def _made(folder: int, parent: int, path: str, name: str, mode: int) -> int:
    # A descriptor that is only a place (O_PATH) can be made in: the new folder lies where the parent was found, whatever happened since.
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)
        own = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.fchmod(own, mode | (stat.S_IMODE(os.fstat(own).st_mode) & stat.S_ISGID))  # whatever this process's umask is
        finally:
            os.close(own)
    return open_beneath(folder, path)


def make_file_beneath(folder: int, parts: tuple[str, ...]) -> None:
    """Make an empty file below this folder, with the folders on the way, if nothing is there: a place for a file to be mounted at. Raises
    OSError as above."""
    parent = make_beneath(folder, parts[:-1])
    try:
        with contextlib.suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(parts[-1], flags, 0o644, dir_fd=parent))
    finally:
        os.close(parent)
