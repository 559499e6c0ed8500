"""What a process container runtime lets its workers do, since it blocks: reading and writing the folders of pods, asking the daemon.

Each function runs on a worker's thread and returns a message for the runtime that asked. What concerns one pod is done in one lane, in
order, so that a folder is never removed while it's being written.
"""

from __future__ import annotations

import os
import re
import traceback
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from callboard.models.api import core
from callboard.models.messages.base import Address, Message
from callboard.models.messages.runtime import DOWNWARD, LogRead, ProbeContainer, Probed, ReadLog, RuntimeRefused, UpdateVolumes
from callboard.runtime.containers.process_logs import read_piece
from callboard.runtime.containers.process_probes import run_probe
from callboard.runtime.containers.process_state import (
    Adopted,
    Home,
    SandboxNote,
    adopt,
    container_id,
    home_of,
    load_notes,
    remove_note,
    store_note,
)
from callboard.runtime.logs import Logger
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.podfolder import VolumeError, open_to_others, pod_folder, remove_pod_folder, working_folder, write_plan
from callboard.runtime.process.protocol import ContainerRecord, ProcessDaemonError
from callboard.runtime.process.volumes import MissingReferences, VolumesRefused, plan_volumes

FILE_LANES = 4
PROBE_THREADS = 32
PROBES_LIMIT = 1024
"""Probes of one node that are under way or wait for a thread; a kubelet has one at a time for each probe of a container."""
LOGS_KEPT = 2
"""Log files of the newest attempts of a container that are kept, as Kubernetes keeps the running one's and the previous one's."""
Configs = tuple[tuple[str, Any], ...]
_log = Logger(component="process")


class NodeFound(Message, frozen=True, gc=False):
    """What a runtime that has just started found: sandboxes, and containers that belong to none (to be killed and forgotten)."""

    home: Home
    adopted: tuple[Adopted, ...]
    strangers: tuple[ContainerRecord, ...]
    problem: str = ""


class FolderWritten(Message, frozen=True, gc=False):
    """A pod's folder is what its volumes say, or `reason` and `message` say why not. `request` is None for a new sandbox."""

    uid: str
    request: UpdateVolumes | None
    reason: str = ""
    message: str = ""


class NoteStored(Message, frozen=True, gc=False):
    """What is to be remembered of a sandbox is on the disk, or `problem` says why not."""

    uid: str
    problem: str = ""


class ContainerPrepared(Message, frozen=True, gc=False):
    """All that a container needs before its start is there, or `problem` says what isn't and `reason` which of Kubernetes' words it is."""

    uid: str
    container_id: str
    cwd: str
    log_path: str
    problem: str = ""
    reason: str = "CreateContainerError"


class FolderRemoved(Message, frozen=True, gc=False):
    """Nothing of a pod is left on the disk, or `problem` says why."""

    uid: str
    problem: str = ""


class ProbeEnded(Message, frozen=True, gc=False):
    """A probe is over; its outcome is for whoever asked for it."""

    reply_to: Address
    answer: Probed


class PieceRead(Message, frozen=True, gc=False):
    """A piece of a container's output is read, or could not be; the answer is for whoever asked for it."""

    reply_to: Address
    answer: LogRead | RuntimeRefused


class WorkFailed(Message, frozen=True, gc=False):
    """A worker met something that it should not have met: a fault of ours."""

    traceback: str


class Workers:
    """Threads for what blocks, shared by the runtimes of one cluster. Made when they're first needed."""

    def __init__(self) -> None:
        self._lanes = [ThreadPoolExecutor(1, thread_name_prefix=f"callboard-pods-{number}") for number in range(FILE_LANES)]
        self._probes = ThreadPoolExecutor(PROBE_THREADS, thread_name_prefix="callboard-probe")

    def in_lane(self, key: str, work: Callable[[], Message], tell: Callable[[Message], None]) -> None:
        """Do this after all earlier work of the same key, and tell the result."""
        self._lanes[zlib.crc32(key.encode()) % len(self._lanes)].submit(_carried_out, work, tell)

    def probe(self, work: Callable[[], Message], tell: Callable[[Message], None]) -> None:
        """Do this beside other probes, and tell the result."""
        self._probes.submit(_carried_out, work, tell)

    def close(self) -> None:
        """Take no more work, and come back when what concerns folders is done: a note that waits is worth more than the moment."""
        self._probes.shutdown(wait=False, cancel_futures=True)
        for lane in self._lanes:
            lane.shutdown(wait=True)


def _carried_out(work: Callable[[], Message], tell: Callable[[Message], None]) -> None:
    try:
        result = work()
    except Exception as failure:
        _log.exception("a worker failed")
        result = WorkFailed("".join(traceback.format_exception(failure)))
    tell(result)


def find_node(daemon: ProcessDaemon, state_dir: Path, node: str, now_s: float) -> NodeFound:
    """What is there of a node's pods: the answer of a runtime to "who am I?"."""
    problem = ""
    records: tuple[ContainerRecord, ...] = ()
    try:
        records = daemon.list_now(node).containers
    except ProcessDaemonError as error:
        problem = str(error)
    home = Home(state_dir, node)
    try:
        home = home_of(state_dir, node)
        notes = load_notes(home)
    except (OSError, ValueError) as error:
        return NodeFound(home, (), records, f"the pods' folders of {node} can't be read: {error}")
    adopted, strangers = adopt(notes, records, now_s)
    return NodeFound(home, adopted, strangers, problem)


def write_folder(home: Home, note: SandboxNote, configs: Configs, request: UpdateVolumes | None) -> FolderWritten:
    """Make a pod's folder what its volumes say; for a new sandbox store its note too, last."""
    plan = plan_volumes(note.pod, _by_name(configs, "configmaps"), _by_name(configs, "secrets"), _by_name(configs, DOWNWARD))
    if isinstance(plan, MissingReferences | VolumesRefused):
        return FolderWritten(note.uid, request, "FailedMount", "; ".join(plan.messages))
    try:
        write_plan(home.pod(note.uid), plan)
        if request is None:
            store_note(home, note)
    except VolumeError as error:
        return FolderWritten(note.uid, request, "FailedMount", str(error))
    except OSError as error:
        return FolderWritten(note.uid, request, "FailedCreatePodSandBox", f"the sandbox can't be stored: {error}")
    return FolderWritten(note.uid, request)


def _by_name(configs: Configs, resource: str) -> Mapping[str, Any]:
    return {key.rpartition("/")[2]: obj for key, obj in configs if key.partition("/")[0] == resource}


def prepare(home: Home, uid: str, container: core.Container, attempt: int, shared: bool = False) -> ContainerPrepared:
    """Where a container starts and where its output goes; logs of attempts long past are removed. `shared`: it runs as another user."""
    folder = home.pod(uid)
    identity = container_id(uid, container.name, attempt)
    log_path = container_log(home.state_dir, home.node, uid, container.name, attempt)
    if container.working_dir and not container.working_dir.startswith("/"):
        words = f"failed to start container {container.name!r}: workingDir {container.working_dir!r}: Cwd must be an absolute path"
        return ContainerPrepared(uid, identity, "", "", words, "RunContainerError")
    try:
        cwd = working_folder(folder, container.name, container.working_dir)
        if shared:
            open_to_others(home.state_dir, folder)
        if attempt >= LOGS_KEPT:
            container_log(home.state_dir, home.node, uid, container.name, attempt - LOGS_KEPT).unlink(missing_ok=True)
    except (VolumeError, OSError) as error:
        return ContainerPrepared(uid, identity, "", "", str(error))
    return ContainerPrepared(uid, identity, str(cwd), str(log_path))


def container_log(state_dir: str | Path, node: str, uid: str, name: str, attempt: int) -> Path:
    """The file that one attempt of a container writes its output to."""
    return pod_folder(state_dir, node, uid) / "logs" / name / f"{attempt}.log"


def note_sandbox(home: Home, note: SandboxNote) -> NoteStored:
    """Store a sandbox's note anew, since a container of it has started or is to end."""
    try:
        store_note(home, note)
    except OSError as error:
        return NoteStored(note.uid, str(error))
    return NoteStored(note.uid)


def remove_folder(home: Home, uid: str) -> FolderRemoved:
    """Remove a pod's folder and its note."""
    try:
        remove_note(home, uid)
        remove_pod_folder(home.pod(uid))
    except (OSError, VolumeError) as error:
        return FolderRemoved(uid, str(error))
    return FolderRemoved(uid)


def environment(pod: core.Pod, ip: str, root: Path, resolved: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """A container's whole environment: what every container has here, then what its spec says."""
    spec = pod.spec or core.PodSpec()
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOSTNAME": spec.hostname or pod.metadata.name,
        "POD_IP": ip,
        "CALLBOARD_ROOT": str(root),
        **dict(resolved),
    }


def read_log(home: Home, request: ReadLog, attempt: int, ended: bool) -> PieceRead:
    """Read a piece of what one life of a container has written. `ended`: it was over before this began."""
    identity = container_id(request.pod_uid, request.name, attempt)
    path = container_log(home.state_dir, home.node, request.pod_uid, request.name, attempt)
    answer: LogRead | RuntimeRefused
    try:
        piece = read_piece(path, request.offset, request.tail_lines)
    except FileNotFoundError:
        answer = RuntimeRefused(request.id, request.pod_uid, "NotFound", f"the output of container {identity} is not kept any more")
    except OSError as error:
        answer = RuntimeRefused(request.id, request.pod_uid, "ReadLogError", f"the output of container {identity} can't be read: {error}")
    else:
        answer = LogRead(request.id, piece.content, piece.offset, piece.end, ended, identity)
    return PieceRead(request.reply_to, answer)


def probe(request: ProbeContainer) -> ProbeEnded:
    """Carry out a probe that makes a connection; the daemon carries out those that are commands."""
    outcome = run_probe(request.probe, request.ip, request.port, request.timeout_s)
    return ProbeEnded(request.reply_to, Probed(request.id, outcome.ok, outcome.message))


def command_line(container: core.Container, env: Mapping[str, str]) -> list[str]:
    """Command and arguments, with Kubernetes' `$(NAME)` replaced from the environment; `$$(NAME)` stays `$(NAME)`."""
    return [expanded(word, env) for word in (*container.command, *container.args)]


def expanded(text: str, env: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where `env` has that name, else left as it is; `$$` is one `$`."""

    def one(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return env.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", one, text)
