"""What a process container runtime lets its workers do, since it blocks: reading and writing the folders of pods, asking the daemon.

Each function runs on a worker's thread and returns a message for the runtime that asked. What concerns one pod is done in one lane, in
order, so that a folder is never removed while it's being written.
"""

from __future__ import annotations

import os
import socket
import time
import traceback
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from callboard.models.messages.base import Address, Message
from callboard.models.messages.runtime import DOWNWARD, LogRead, ProbeContainer, Probed, ReadLog, RuntimeRefused, UpdateVolumes
from callboard.models.podnames import NameTooLong, host_name, hosts_file, resolv_conf
from callboard.runtime.containers.process_grpc import Connect
from callboard.runtime.containers.process_launch import container_log
from callboard.runtime.containers.process_logs import read_piece
from callboard.runtime.containers.process_place import Place
from callboard.runtime.containers.process_probes import run_probe
from callboard.runtime.containers.process_security import owned_group
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
from callboard.runtime.helpers.link import HelperError
from callboard.runtime.logs import Logger
from callboard.runtime.process.podfolder import VolumeError, remove_pod_folder, write_plan
from callboard.runtime.process.podmounts import ETC
from callboard.runtime.process.protocol import ContainerRecord, ProcessDaemonError
from callboard.runtime.process.volumes import MissingReferences, VolumesRefused, plan_volumes

FILE_LANES = 4
PROBE_THREADS = 32
PROBES_LIMIT = 1024
"""Probes of one node that are under way or wait for a thread; a kubelet has one at a time for each probe of a container."""
Configs = tuple[tuple[str, Any], ...]
_log = Logger(component="process")


class NodeFound(Message, frozen=True, gc=False):
    """What a runtime that has just started found: sandboxes, and what belongs to none: containers, to be killed and forgotten, and
    networks (of pods with these uids), to be removed."""

    home: Home
    adopted: tuple[Adopted, ...]
    strangers: tuple[ContainerRecord, ...]
    problem: str = ""
    strange_networks: tuple[str, ...] = ()


class FolderWritten(Message, frozen=True, gc=False):
    """A pod's folder is what its volumes say, or `reason` and `message` say why not. `request` is None for a new sandbox."""

    uid: str
    request: UpdateVolumes | None
    reason: str = ""
    message: str = ""


class SandboxNoted(Message, frozen=True, gc=False):
    """A new sandbox is remembered on the disk, or `problem` says why not."""

    uid: str
    problem: str = ""


class NoteStored(Message, frozen=True, gc=False):
    """What is to be remembered of a sandbox is on the disk, or `problem` says why not."""

    uid: str
    problem: str = ""


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


def find_node(place: Place, node: str, now_s: float) -> NodeFound:
    """What is there of a node's pods: the answer of a runtime to "who am I?"."""
    problem = ""
    records: tuple[ContainerRecord, ...] = ()
    try:
        records = place.daemon.list_now(node).containers
    except ProcessDaemonError as error:
        problem = str(error)
    home = Home(place.state_dir, node)
    try:
        home = home_of(place.state_dir, node)
        notes = load_notes(home, _remover(place))
    except (OSError, ValueError) as error:
        return NodeFound(home, (), records, f"the pods' folders of {node} can't be read: {error}")
    adopted, strangers = adopt(notes, records, now_s)
    for note in notes:
        _keep_hosts(place, home, note)
    return NodeFound(home, adopted, strangers, problem, _strange_networks(place, node, {note.uid for note in notes}))


def _strange_networks(place: Place, node: str, known: set[str]) -> tuple[str, ...]:
    if place.network is None:
        return ()
    try:
        pods = place.network.state_now().pods
    except HelperError as error:
        _log.warning("networks of pods that are gone can't be looked for", node=node, reason=str(error))
        return ()
    return tuple(pod.uid for pod in pods if pod.node == node and pod.uid not in known)


def _remover(place: Place) -> Callable[[Path], None]:
    return remove_pod_folder if place.files is None else place.files.remove


def write_folder(place: Place, home: Home, note: SandboxNote, configs: Configs, request: UpdateVolumes | None) -> FolderWritten:
    """Make a pod's folder what its volumes say, and for a new sandbox its names."""
    confined, pod, folder = place.files is not None, note.pod, home.pod(note.uid)
    plan = plan_volumes(pod, _by_name(configs, "configmaps"), _by_name(configs, "secrets"), _by_name(configs, DOWNWARD), confined=confined)
    if isinstance(plan, MissingReferences | VolumesRefused):
        return FolderWritten(note.uid, request, "FailedMount", "; ".join(plan.messages))
    plan = msgspec.structs.replace(plan, fs_group=owned_group(pod, place.level, os.geteuid()))
    try:
        if place.files is None:
            write_plan(folder, plan)
        else:
            place.files.write(folder, plan, {} if request is not None else _etc_files(place, home, note))
        if request is None:
            _keep_hosts(place, home, note)
    except VolumeError as error:
        return FolderWritten(note.uid, request, "FailedMount", str(error))
    except (OSError, NameTooLong) as error:
        return FolderWritten(note.uid, request, "FailedCreatePodSandBox", f"the sandbox can't be made: {error}")
    return FolderWritten(note.uid, request)


def _etc_files(place: Place, home: Home, note: SandboxNote) -> dict[str, str]:
    """What a pod's containers see in /etc of their names and of whom they ask for others. Raises `NameTooLong`."""
    name = host_name(note.pod, home.node, place.domain)
    node_conf = "" if place.level.network else _text_of("/etc/resolv.conf")  # a cell with a network of its own doesn't reach them
    return {
        "hosts": _own_hosts(place, home, note),
        "hostname": f"{name.hostname}\n",
        "resolv.conf": resolv_conf(note.pod, place.cluster_dns, place.domain, node_conf),
    }


def _own_hosts(place: Place, home: Home, note: SandboxNote) -> str:
    name = host_name(note.pod, home.node, place.domain)
    node_hosts = _text_of("/etc/hosts") if not place.level.network else f"127.0.0.1\tlocalhost\n{note.ip}\t{home.node}\n"
    return hosts_file(note.pod, note.ip, name, node_hosts)


def _keep_hosts(place: Place, home: Home, note: SandboxNote) -> None:
    if place.hosts is not None:
        path = home.pod(note.uid) / ETC / "hosts"
        place.hosts.put(note.uid, note.pod.metadata.namespace, path, _own_hosts(place, home, note))


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def connector_of(place: Place, node: str) -> Connect:
    """How a connection is made from a node's network."""
    network = place.network
    if network is None:
        return socket.create_connection

    def connect(address: tuple[str, int], timeout_s: float) -> socket.socket:
        deadline_s = time.monotonic() + timeout_s
        try:
            sock = network.socket_now(f"node/{node}", timeout_s)
        except HelperError as error:
            raise OSError(str(error)) from error
        try:
            sock.settimeout(max(deadline_s - time.monotonic(), 0.001))
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock

    return connect


def _by_name(configs: Configs, resource: str) -> Mapping[str, Any]:
    return {key.rpartition("/")[2]: obj for key, obj in configs if key.partition("/")[0] == resource}


def note_new(home: Home, note: SandboxNote) -> SandboxNoted:
    """Store the note of a sandbox that is complete: from now on it is found again."""
    try:
        store_note(home, note)
    except OSError as error:
        return SandboxNoted(note.uid, f"the sandbox can't be stored: {error}")
    return SandboxNoted(note.uid)


def note_sandbox(home: Home, note: SandboxNote) -> NoteStored:
    """Store a sandbox's note anew, since a container of it has started or is to end."""
    try:
        store_note(home, note)
    except OSError as error:
        return NoteStored(note.uid, str(error))
    return NoteStored(note.uid)


def remove_folder(place: Place, home: Home, uid: str) -> FolderRemoved:
    """Remove a pod's folder and its note."""
    if place.hosts is not None:
        place.hosts.drop(uid)
    try:
        remove_note(home, uid)
        _remover(place)(home.pod(uid))
    except (OSError, VolumeError) as error:
        return FolderRemoved(uid, str(error))
    return FolderRemoved(uid)


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


def probe(place: Place, node: str, request: ProbeContainer) -> ProbeEnded:
    """Carry out a probe that makes a connection, from the node's network; the daemon carries out those that are commands."""
    outcome = run_probe(request.probe, request.ip, request.port, request.timeout_s, connector_of(place, node))
    return ProbeEnded(request.reply_to, Probed(request.id, outcome.ok, outcome.message))
