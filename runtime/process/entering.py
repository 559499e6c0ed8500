"""How a command gets beside a confined container's program: into its namespaces, with its privileges. Used inside the process daemon, in
the child that is about to become the command."""

from __future__ import annotations

import errno
import os
import signal
import stat

from callboard.runtime.process import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_KINDS = (
    ("net", kernel.CLONE_NEWNET),
    ("ipc", kernel.CLONE_NEWIPC),
    ("uts", kernel.CLONE_NEWUTS),
    ("pid", kernel.CLONE_NEWPID),
    ("mnt", kernel.CLONE_NEWNS),  # last: from then on /proc is the container's
)


def enter(pid: int, confinement: Mapping[str, Any], user: list[int] | None, cwd: str) -> None:
    """Move to the namespaces of a process of the container, into a folder there, and give up what the container hasn't got.

    Only a child can be in another namespace of processes: so this process forks, and comes back as the child, while the parent waits and
    ends as the child does. From the fork on the container's programs see the child, which still has this program's memory with other
    containers' secrets in it: so it can't be looked into, and holds no file of ours any more (CVE-2016-9962 of runc). Raises OSError.
    """
    kernel.keep_to_oneself()
    spaces = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), f"/proc/self/ns/{name}", kind) for name, kind in _KINDS]
    _let_go(frozenset(fd for fd, _, _ in spaces))
    for fd, own, kind in spaces:
        if not os.path.samestat(os.fstat(fd), os.stat(own)):  # one that is ours already may be the machine's, which only root may enter
            kernel.setns(fd, kind)
        os.close(fd)
    os.chdir(cwd or "/")
    child = os.fork()
    if child:
        _relay(child)
    _become(confinement, user)


def _let_go(kept: frozenset[int]) -> None:
    """Close what this process has from its parent, folders of the machine among it; but not its streams, and no pipe, since by one of them
    is told what fails here."""
    signal.set_wakeup_fd(-1)
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if fd > 2 and fd not in kept and not stat.S_ISFIFO(os.fstat(fd).st_mode):
                os.close(fd)
        except OSError as error:
            if error.errno != errno.EBADF:  # the one that listed them
                raise


def _become(confinement: Mapping[str, Any], user: list[int] | None) -> None:
    capabilities = list(kernel.CAPABILITIES if confinement["privileged"] else confinement["capabilities"])
    if user is not None:
        os.setgroups(user[2:])
        os.setresgid(user[1], user[1], user[1])
    if not confinement["privileged"]:
        kernel.bound_capabilities(capabilities)
    if user is not None and user[0] != 0:
        os.setresuid(user[0], user[0], user[0])  # the kernel takes the capabilities of who is not root any more
    elif not confinement["privileged"]:
        kernel.set_capabilities(capabilities)
    kernel.gain_nothing()


def _relay(child: int) -> None:
    """Wait for the child and end with its exit code; nothing may be held open meanwhile, since others wait for that to be closed."""
    os.closerange(0, 65536)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(128 - code if code < 0 else code)
