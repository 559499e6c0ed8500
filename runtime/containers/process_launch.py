"""All that a container needs before its start: its command, its environment, as whom it runs, what it sees, where its output goes.

Carried out by a worker, since it looks at the disk and asks the pods helper.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from callboard.models.api import core
from callboard.models.images import PullProblem, Resolved
from callboard.models.messages.base import Message
from callboard.models.podnames import host_name
from callboard.runtime.containers.process_confining import confinement_of, limits_of
from callboard.runtime.containers.process_place import Place
from callboard.runtime.containers.process_security import Security, security_of
from callboard.runtime.containers.process_state import Home, container_id
from callboard.runtime.containers.process_users import UserRefused
from callboard.runtime.process.confinement import Bind, Confinement, Limits
from callboard.runtime.process.podfolder import VolumeError, container_root, open_to_others, pod_folder, working_folder, write_links
from callboard.runtime.process.podmounts import ETC
from callboard.runtime.process.volumemounts import PlanRefused, plan_mounts
from callboard.runtime.process.volumes import bare_volumes

LOGS_KEPT = 2
"""Log files of the newest attempts of a container that are kept, as Kubernetes keeps the running one's and the previous one's."""


class Launch(msgspec.Struct, frozen=True, gc=False):
    """What the process daemon is told of a container. `user` is a user id, a group id and further group ids (None: the cluster's own)."""

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    log_path: str
    user: tuple[int, ...] | None = None
    confinement: Confinement | None = None
    limits: Limits | None = None


class ContainerPrepared(Message, frozen=True, gc=False):
    """All that a container needs before its start is there; or `problem` says what isn't, and `reason` which of Kubernetes' words it is."""

    uid: str
    container_id: str
    launch: Launch | None
    problem: str = ""
    reason: str = "CreateContainerError"


class _Unprepared(Exception):
    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason


def prepare(
    place: Place, home: Home, pod: core.Pod, ip: str, container: core.Container, attempt: int, variables: tuple[tuple[str, str], ...]
) -> ContainerPrepared:
    """Prepare one attempt of a container; `variables` are what the kubelet resolved of its spec. Logs of attempts long past are removed."""
    uid = pod.metadata.uid
    identity = container_id(uid, container.name, attempt)
    try:
        return ContainerPrepared(uid, identity, _launch(place, home, pod, ip, container, attempt, variables))
    except _Unprepared as problem:
        return ContainerPrepared(uid, identity, None, str(problem), problem.reason)
    except (UserRefused, PlanRefused) as problem:
        return ContainerPrepared(uid, identity, None, str(problem), "CreateContainerConfigError")
    except VolumeError as problem:
        reason = "CreateContainerConfigError" if str(problem).startswith("failed to prepare subPath") else "CreateContainerError"
        return ContainerPrepared(uid, identity, None, str(problem), reason)
    except OSError as problem:
        return ContainerPrepared(uid, identity, None, str(problem))


def container_log(state_dir: str | Path, node: str, uid: str, name: str, attempt: int) -> Path:
    """The file that one attempt of a container writes its output to."""
    return pod_folder(state_dir, node, uid) / "logs" / name / f"{attempt}.log"


def environment(place: Place, home: Home, pod: core.Pod, ip: str, name: str) -> dict[str, str]:
    """What every container has in its environment here. CALLBOARD_ROOT is where its mount paths begin: "" where they are its own `/`."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOSTNAME": host_name(pod, home.node, place.domain).kernel,
        "POD_IP": ip,
        "CALLBOARD_ROOT": "" if place.files is not None else str(container_root(home.pod(pod.metadata.uid), name)),
    }


def _launch(
    place: Place, home: Home, pod: core.Pod, ip: str, container: core.Container, attempt: int, variables: tuple[tuple[str, str], ...]
) -> Launch:
    """Raises `_Unprepared`, `UserRefused`, `PlanRefused`, `VolumeError`, OSError."""
    env = {**environment(place, home, pod, ip, container.name), **dict(variables)}
    image = _resolved(place, container, env)
    env = {**env, **dict(image.env), **dict(variables)}
    security = security_of(pod, container, place.level, os.geteuid(), os.getegid(), image.user)
    cwd = container.working_dir or image.working_dir
    if cwd and not cwd.startswith("/"):
        words = f"failed to start container {container.name!r}: workingDir {cwd!r}: Cwd must be an absolute path"
        raise _Unprepared("RunContainerError", words)
    log_path = container_log(home.state_dir, home.node, pod.metadata.uid, container.name, attempt)
    if attempt >= LOGS_KEPT:
        log_path.with_name(f"{attempt - LOGS_KEPT}.log").unlink(missing_ok=True)
    confinement = None
    if place.files is not None:
        confinement, cwd = _confined(place, home, pod, container, env, security, image), cwd or "/"
    else:
        cwd = _on_plain_disk(home, pod, container, env, security, cwd)
    limits = limits_of(container)
    return Launch(image.argv, env, cwd, str(log_path), security.user, confinement, limits if limits != Limits() else None)


def _resolved(place: Place, container: core.Container, env: dict[str, str]) -> Resolved:
    found = place.images.command_of(container, env)
    if isinstance(found, PullProblem):
        raise _Unprepared(found.reason, found.message)
    return found


def _confined(
    place: Place, home: Home, pod: core.Pod, container: core.Container, env: dict[str, str], security: Security, image: Resolved
) -> Confinement:
    """The container's view, with its volumes ready to be mounted."""
    assert place.files is not None
    folder = home.pod(pod.metadata.uid)
    volumes = bare_volumes(pod)
    mounts = plan_mounts(container, {volume.name: volume.kind for volume in volumes}, env, confined=True)
    used = {mount.volume for mount in mounts}
    sources = place.files.prepare(folder, container.name, mounts, tuple(one for one in volumes if one.name in used))
    hostname = host_name(pod, home.node, place.domain).kernel
    found = confinement_of(pod, security, hostname, mounts, sources, str(folder / ETC))
    own = tuple(Bind(path, path, True) for path in image.mounts)
    return msgspec.structs.replace(found, binds=(*own, *found.binds))


def _on_plain_disk(home: Home, pod: core.Pod, container: core.Container, env: dict[str, str], security: Security, cwd: str) -> str:
    """Where nothing can be mounted: links for the mounts that are known only now, and the folder that the container starts in."""
    folder = home.pod(pod.metadata.uid)
    late = tuple(mount.name for mount in container.volume_mounts if mount.sub_path_expr)
    if late:
        volumes = bare_volumes(pod)
        write_links(folder, plan_mounts(container, {volume.name: volume.kind for volume in volumes}, env, confined=False))
    found = working_folder(folder, container.name, cwd)
    if security.user is not None:
        open_to_others(home.state_dir, folder, security.user[0])
    return str(found)
