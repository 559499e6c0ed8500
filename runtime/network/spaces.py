"""Network namespaces, entered by threads: a thread joins one, and what it opens there stays there for ever.

A namespace is named by the file at which it is bound, as `ip netns` does it. Nothing here forks: a program with threads must not. Needs
the right to administer the namespaces (CAP_SYS_ADMIN in the user namespace that owns them), as every program inside the cell has.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MNT_DETACH = 2
OWN = "/proc/thread-self/ns/net"
_SIOCETHTOOL, _ETHTOOL_GLINK, _IFREQ_BYTES = 0x8946, 0x0A, 40
_NOT_MOUNTED = (errno.EINVAL, errno.ENOENT)
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)


def in_space(path: str, doing: Callable[[], T]) -> T:
    """Run a function on a thread of its own that has joined this namespace, and wait for it. What it raises is raised here; OSError also
    where there is no such namespace. About 0.1 ms besides the function."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            with open_space(path) as space:
                join(space)
            outcome.append(doing())
        except BaseException as error:  # carried to the caller, whose it is
            failure.append(error)

    thread = threading.Thread(target=run, name="callboard-in-space")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


@contextlib.contextmanager
def open_space(path: str = OWN) -> Iterator[int]:
    """A descriptor of a namespace; without a path of this thread's. Raises OSError."""
    space = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield space
    finally:
        os.close(space)


def join(space: int) -> None:
    """Take this thread into a namespace. Raises OSError, also where the descriptor is no namespace's."""
    _checked(_libc.setns(space, CLONE_NEWNET), "setns")


@contextlib.contextmanager
def visiting(space: int, home: int) -> Iterator[None]:
    """Take this thread into a namespace and back to its `home`; nothing may wait in between on an event loop. Raises OSError. Should the
    way back fail, the program ends: nobody could say any more what it does where."""
    join(space)
    try:
        yield
    finally:
        try:
            join(home)
        except OSError as error:
            _end(f"a thread can't come back from a namespace: {error}")


def socket_in(space: int, home: int, kind: int) -> socket.socket:
    """A new IPv4 socket of a namespace, made by this thread, whose own is `home`: 20 µs. Raises OSError."""
    with visiting(space, home):
        return socket.socket(socket.AF_INET, kind)


@contextlib.contextmanager
def new_space(path: str, home: int) -> Iterator[int]:
    """Make a namespace, bind it at this file, and visit it: the body runs inside, with the namespace's descriptor, which stays open for the
    caller. The thread's own is `home`. If the body fails nothing is left. Raises OSError, FileExistsError among them."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC, 0o600))
    space = -1
    try:
        _checked(_libc.unshare(CLONE_NEWNET), "unshare")
        try:
            _checked(_libc.mount(OWN.encode(), os.fsencode(path), None, MS_BIND, None), f"mount at {path}")
            space = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
            yield space
        finally:
            try:
                join(home)
            except OSError as error:
                _end(f"a thread can't come back from a namespace: {error}")
    except BaseException:
        if space >= 0:
            os.close(space)
        remove_space(path)
        raise


def remove_space(path: str) -> None:
    """Unbind a namespace and remove the file, if it is there. The kernel ends the namespace once nothing uses it. Raises OSError."""
    if _libc.umount2(os.fsencode(path), MNT_DETACH) and ctypes.get_errno() not in _NOT_MOUNTED:
        _checked(-1, f"umount {path}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def mount_folder(folder: str) -> None:
    """Have this folder be a small file system of its own, seen only inside the cell: namespaces that are bound there end with the cell.
    Raises OSError."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if not os.path.ismount(folder):
        _checked(_libc.mount(b"callboard-netns", os.fsencode(folder), b"tmpfs", 0, b"mode=0700,size=4m"), f"mount at {folder}")


def settle(link: str) -> None:
    """Have an interface of the namespace that this thread is in carry packets from now on, as its state says.

    A link is up a moment before the kernel's own worker lets packets through, and what is sent in between is lost. Asking whether there is
    a carrier, as ethtool does (ETHTOOL_GLINK), does that work at once. Raises OSError.
    """
    answer = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_GLINK, 0))
    request = struct.pack("16sP", link.encode(), ctypes.addressof(answer)).ljust(_IFREQ_BYTES, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCETHTOOL, request)


def set_kernel(name: str, value: str) -> None:
    """Set what /proc/sys/net has for the namespace that this thread is in. Raises OSError."""
    with open(f"/proc/sys/net/{name}", "w") as file:
        file.write(value)


def _checked(result: int, words: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{words}: {os.strerror(number)}")


def _end(words: str) -> NoReturn:
    print(words, file=sys.stderr, flush=True)
    os._exit(70)
