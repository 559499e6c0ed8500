"""Calls to the kernel that Python has no function for (3.12 has some): namespaces, mounts of layers, privileges. Each raises OSError.

Used inside the process daemon, mostly by a child that is about to become a container's program or a command beside it.
"""

from __future__ import annotations

import ctypes
import os
import struct

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x20000000, 0x40000000
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP, _PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_DUMPABLE = 38, 24, 1, 36, 4
_CAPABILITY_VERSION = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)

CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
    "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
    "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
    "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip
"""Names without CAP_, by their number (linux/capability.h)."""


def unshare(flags: int) -> None:
    """Move to new namespaces of these kinds (a new one of processes: for children only)."""
    _check(_libc.unshare(flags), "unshare")


def enter(path: str, kind: int) -> None:
    """Move to the namespace that this file is."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(fd, kind)
    finally:
        os.close(fd)


def setns(fd: int, kind: int) -> None:
    """Move to the namespace that this descriptor is."""
    _check(_libc.setns(fd, kind), "setns")


def mount_layers(place: str, lower: list[str], upper: str, work: str, user_namespace: bool) -> None:
    """Mount an overlay: what is written goes to `upper`."""
    data = f"lowerdir={':'.join(lower)},upperdir={upper},workdir={work}" + (",userxattr" if user_namespace else "")
    _check(_libc.mount(b"overlay", os.fsencode(place), b"overlay", ctypes.c_ulong(0), os.fsencode(data)), place)


def die_with_parent(signum: int) -> None:
    """Have the kernel send this signal when the parent ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0), "PR_SET_PDEATHSIG")


def become_subreaper() -> None:
    """Make orphans below this process its own children; older kernels than Linux 3.4 refuse."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "PR_SET_CHILD_SUBREAPER")


def keep_to_oneself() -> None:
    """Nobody without CAP_SYS_PTRACE may look into this process, its memory and its open files, until it executes a program."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "PR_SET_DUMPABLE")


def gain_nothing() -> None:
    """No program that is executed from now on has more privileges than this one."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")


def bound_capabilities(names: list[str]) -> None:
    """Give up for ever all capabilities but these."""
    for number, name in enumerate(CAPABILITIES):
        if name not in names and _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) != 0 and ctypes.get_errno() != 22:  # EINVAL: not known yet
            _check(-1, f"PR_CAPBSET_DROP {name}")


def set_capabilities(names: list[str]) -> None:
    """Have these capabilities now, and no others."""
    bits = sum(1 << number for number, name in enumerate(CAPABILITIES) if name in names)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    _check(_libc.capset(header, struct.pack("6I", low, low, 0, high, high, 0)), "capset")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
