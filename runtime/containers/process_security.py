"""What a real container may do: its securityContext as this level of isolation can honour it, or why it can't. Pure.

What is not honoured is refused, never left out in silence, but for filters of system calls and mandatory access control (seccompProfile,
appArmorProfile, seLinuxOptions), which no level has. Sources: kubernetes pkg/securitycontext, pkg/kubelet/kuberuntime/security_context.go;
containerd's default capabilities.
"""

from __future__ import annotations

from typing import NoReturn

import msgspec

from callboard.models.api import core
from callboard.runtime.containers.process_users import ROOT, UserRefused, user_of
from callboard.runtime.isolation.levels import Level
from callboard.runtime.process.confinement import DEFAULT_CAPABILITIES

ALL_CAPABILITIES = (
    *DEFAULT_CAPABILITIES, "AUDIT_CONTROL", "AUDIT_READ", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH", "IPC_LOCK",
    "IPC_OWNER", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BROADCAST", "PERFMON", "SYSLOG",
    "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME",
    "SYS_TTY_CONFIG", "WAKE_ALARM",
)  # fmt: skip
MAPPED_IDS = 65536
"""Users and groups that a user namespace with subordinate ids has: 0 is the cluster's own user, the others are its subordinate ones."""
CONFINED = "levels C1, B and A can"


class Security(msgspec.Struct, frozen=True):
    """How a container runs. `user` is a user id, a group id and further group ids (None: as the cluster's own user)."""

    user: tuple[int, ...] | None = None
    capabilities: tuple[str, ...] = DEFAULT_CAPABILITIES
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = False


def security_of(
    pod: core.Pod, container: core.Container, level: Level, our_uid: int, our_gid: int, image_user: tuple[int, int] | None = None
) -> Security:
    """How a container runs at this level, in a cluster that itself runs as this user; `image_user` is the user of its image, if it has one.

    Raises:
        UserRefused: this level can't honour what it asks for; the text says which can.
    """
    own = container.security_context or core.SecurityContext()
    if level.user_namespace:
        our_uid = our_gid = ROOT
    user = user_of(pod, container, our_uid, our_gid, image_user)
    _check_pod(pod, level)
    _check_ids(pod, user, level)
    privileged = bool(own.privileged)
    capabilities = _capabilities(own, level, privileged, our_uid)
    if own.read_only_root_filesystem and not level.confined:
        _refuse("readOnlyRootFilesystem", level, "a container sees the machine's own files", CONFINED)
    if own.allow_privilege_escalation is False and not level.confined:
        _refuse("allowPrivilegeEscalation: false", level, "a container is a plain process", CONFINED)
    if privileged and our_uid != ROOT:
        _refuse("privileged", level, "the cluster does not run as root", "levels A and B can")
    return Security(user, capabilities, privileged, bool(own.read_only_root_filesystem), own.allow_privilege_escalation is False)


def owned_group(pod: core.Pod, level: Level, our_uid: int) -> int | None:
    """The fsGroup that a pod's volumes are to be given to, where that is possible at this level; None if there is none, or it isn't."""
    context = pod.spec.security_context if pod.spec is not None else None
    group = context.fs_group if context is not None else None
    if group is None or (our_uid != ROOT and not level.user_namespace) or (level.user_namespace and not _mapped(group, level)):
        return None
    return group


def _check_pod(pod: core.Pod, level: Level) -> None:
    spec = pod.spec or core.PodSpec()
    context = spec.security_context or core.PodSecurityContext()
    if context.sysctls:
        _refuse("securityContext.sysctls", level, f"{context.sysctls[0].name} would be the machine's own", "no level can; leave them out")
    if spec.host_users is False and not level.user_namespace:
        _refuse("hostUsers: false", level, "pods have the users of this machine", "level B can")
    if spec.share_process_namespace and not level.confined:
        _refuse("shareProcessNamespace", level, "containers are plain processes of this machine", CONFINED)
    if spec.host_ipc and level.confined:
        _refuse("hostIPC", level, "every container has shared memory of its own", "level C0 can")


def _check_ids(pod: core.Pod, user: tuple[int, ...] | None, level: Level) -> None:
    """Whether the users and groups that are asked for exist in the user namespace, if there is one."""
    context = (pod.spec.security_context if pod.spec is not None else None) or core.PodSecurityContext()
    asked = [("runAsUser", user[0]), ("runAsGroup", user[1])] if user is not None else []
    asked += [("supplementalGroups", group) for group in context.supplemental_groups]
    asked += [("fsGroup", context.fs_group)] if context.fs_group is not None else []
    for field, number in asked:
        if level.user_namespace and not _mapped(number, level):
            why = (
                f"its user namespace has the ids 0 to {MAPPED_IDS - 1} only"
                if level.subuids
                else "its user namespace has no ids but 0, as this user has no subordinate ones (package uidmap, /etc/subuid, /etc/subgid)"
            )
            _refuse(f"{field} {number}", level, why, "level A can")


def _mapped(number: int, level: Level) -> bool:
    return number == ROOT or (level.subuids and 0 <= number < MAPPED_IDS)


def _capabilities(own: core.SecurityContext, level: Level, privileged: bool, our_uid: int) -> tuple[str, ...]:
    """The capabilities that a container may have at most (containerd: default ones without those dropped, with those added)."""
    asked = own.capabilities or core.Capabilities()
    add, drop = _names(asked.add), _names(asked.drop)
    if our_uid != ROOT:  # a plain user has none, which is what dropping them comes to
        if add:
            _refuse(f"capabilities.add {add[0]}", level, "the cluster does not run as root", "levels A and B can")
        return ()
    if not level.confined:
        if drop:
            _refuse(f"capabilities.drop {drop[0]}", level, "a container is a plain process of root", CONFINED)
        return ALL_CAPABILITIES
    if privileged:
        return ALL_CAPABILITIES
    base = () if "ALL" in drop else ALL_CAPABILITIES if "ALL" in add else DEFAULT_CAPABILITIES
    wanted = {name for name in (*base, *add) if name != "ALL" and (name not in drop or name in add)}
    if "ALL" in add and "ALL" in drop:
        wanted = {*ALL_CAPABILITIES}
    return tuple(name for name in ALL_CAPABILITIES if name in wanted)


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    plain = tuple(name.upper().removeprefix("CAP_") for name in names)
    for name in plain:
        if name != "ALL" and name not in ALL_CAPABILITIES:
            raise UserRefused(f'unknown capability "CAP_{name}"')
    return plain


def _refuse(what: str, level: Level, why: str, others: str) -> NoReturn:
    raise UserRefused(f"{what} is not possible at isolation level {level.name}: {why}; {others}")
