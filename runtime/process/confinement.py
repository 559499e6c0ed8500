"""What a container sees and may do at the levels that confine it, and what it may use at all levels: plain data over the daemon's wire.

Made by container runtimes; carried out inside the process daemon by `bubblewrap.py`, `view.py` and `confined.py`.
"""

from __future__ import annotations

import msgspec

DEFAULT_CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT",
    "KILL", "AUDIT_WRITE",
)  # fmt: skip
"""What Docker and containerd give to containers (oci/spec_opts.go of containerd), but MKNOD: there is no guard over devices here."""
OWN_PROCESSES = ""
HOST_PROCESSES = "host"
POD_PROCESSES = "pod:"


class Bind(msgspec.Struct, frozen=True):
    """A folder, file, socket or device of the cell that is seen in the container at `target`, made there if it is missing."""

    source: str
    target: str
    read_only: bool = False


class Confinement(msgspec.Struct, frozen=True):
    """A container's surroundings. `netns`: path of its network namespace ("" for the daemon's own). `binds` are made in this order, after
    the view that every container has. `tmpfs`: (path, size in bytes; 0 for no limit). `capabilities` are names without CAP_.
    `no_new_privileges` is kept for who reads it: bubblewrap lets no confined program gain any, whatever is said here.
    `pid_namespace`: "" for one of its own, "pod:<uid>" for one that it shares with other containers of the pod, "host" for the cell's."""

    netns: str = ""
    hostname: str = ""
    binds: tuple[Bind, ...] = ()
    tmpfs: tuple[tuple[str, int], ...] = ()
    read_only_root: bool = False
    capabilities: tuple[str, ...] = DEFAULT_CAPABILITIES
    privileged: bool = False
    no_new_privileges: bool = False
    pid_namespace: str = OWN_PROCESSES


class Limits(msgspec.Struct, frozen=True):
    """What a container may use at most; 0 for no limit. `cpu_milli`: thousandths of one processor's time."""

    memory_bytes: int = 0
    cpu_milli: int = 0
    pids: int = 0
