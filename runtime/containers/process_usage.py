"""What the pods of a node of real processes use, measured on a worker's thread. A base of `ProcessRuntime`.

CPU is what a container's processes have spent since the sample before, divided by the time between; that of a container seen for the first
time is its average since its start. The process daemon takes the samples, from control groups where there are some.

Whoever looks at how much a container has written also sees to it that its output stays within bounds, so that this takes no timer of
its own: between two looks (timing's `usage_s`, 15 s in Kubernetes' profile) a container may write more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from callboard.actors.component import Port, handles
from callboard.models.messages.base import Message
from callboard.models.messages.runtime import ContainerUsage, PodMeasured, ReadUsage, UsageRead
from callboard.runtime.containers.process_launch import container_log
from callboard.runtime.containers.process_logs import LOG_FILE_BYTES, LOG_FILES, bound_log
from callboard.runtime.containers.process_node import ProcessNode
from callboard.runtime.containers.process_state import Home, parse_container_id
from callboard.runtime.logs import Logger
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.podfolder import VolumeError
from callboard.runtime.process.protocol import ProcessDaemonError
from callboard.runtime.process.usage import ContainerSample, PodStorage, pod_storage

_log = Logger(component="process")
STORAGE_SHARE = 20
"""Folders are looked through again after so many times as long as that took the last time: it takes a twentieth of one thread at most."""


class ToMeasure(msgspec.Struct, frozen=True):
    """A pod to be measured: the ids of its running containers by name, and its emptyDir volumes."""

    uid: str
    containers: tuple[tuple[str, str], ...]
    empty_dirs: tuple[str, ...]


class Measured(Message, frozen=True):
    """What a worker has measured. `storage` is by pod, and None if folders were not looked through; that took `storage_took_s`."""

    pods: tuple[PodMeasured, ...]
    samples: Mapping[str, ContainerSample]
    storage: Mapping[str, PodStorage] | None
    storage_took_s: float


class ProcessUsage(ProcessNode):
    """See `ProcessRuntime`."""

    def __init__(self, port: Port, *arguments: Any) -> None:
        super().__init__(port, *arguments)
        self._waiting_for_usage: list[ReadUsage] = []
        self._samples: Mapping[str, ContainerSample] = {}
        self._storage: Mapping[str, PodStorage] = {}
        self._storage_due_s = 0.0
        self._said: tuple[PodMeasured, ...] = ()

    @handles(ReadUsage)
    def _read_usage(self, request: ReadUsage) -> None:
        if self._too_early(request):
            return
        self._waiting_for_usage.append(request)  # bounded by what a kubelet asks while one measurement goes on
        if len(self._waiting_for_usage) > 1:
            return
        pods = tuple(
            ToMeasure(
                sandbox.uid,
                tuple((one.name, one.id) for one in sandbox.containers.values() if one.state == "running"),
                tuple(volume.name for volume in (sandbox.pod.spec.volumes if sandbox.pod.spec else ()) if volume.empty_dir is not None),
            )
            for sandbox in self.sandboxes.values()
            if any(one.state == "running" for one in sandbox.containers.values())
        )
        daemon, home, samples = self._daemon, self._home, self._samples
        storage = self._storage if self.port.now() < self._storage_due_s else None
        self._workers.probe(lambda: measure(daemon, home, pods, samples, storage), self._tell)

    @handles(Measured)
    def _usage_measured(self, result: Measured) -> None:
        self._samples = result.samples
        if result.storage is not None:
            self._storage = result.storage
            self._storage_due_s = self.port.now() + STORAGE_SHARE * result.storage_took_s
        if result.pods != self._said:
            self._said = result.pods
        waiting, self._waiting_for_usage = self._waiting_for_usage, []
        for request in waiting:
            self.port.send(request.reply_to, UsageRead(request.id, self._said))


def measure(
    daemon: ProcessDaemon,
    home: Home,
    pods: tuple[ToMeasure, ...],
    before: Mapping[str, ContainerSample],
    storage: Mapping[str, PodStorage] | None,
) -> Measured:
    """Measure the running pods of a node; `before` holds the samples of the last time. Folders are looked through if `storage` is None,
    and those of pods that it does not know."""
    ids = [identity for pod in pods for _, identity in pod.containers]
    samples: Mapping[str, ContainerSample] = {}
    try:
        samples = daemon.usage_now(ids) if ids else {}
    except ProcessDaemonError as problem:  # it has just been lost, and its containers with it
        _log.warning("what containers use can't be measured", node=home.node, reason=str(problem))
    began_s = time.monotonic()
    looked = {pod.uid: (storage or {}).get(pod.uid) or _storage_of(home, pod) for pod in pods}
    took_s = time.monotonic() - began_s
    found = []
    for pod in pods:
        files = looked[pod.uid]
        containers = tuple(
            ContainerUsage(name, cpu_milli(before.get(one), samples[one]), samples[one].memory_bytes, files.containers.get(name, 0))
            for name, one in pod.containers
            if one in samples
        )
        processes = sum(samples[one].processes for _, one in pod.containers if one in samples)
        if containers:
            found.append(PodMeasured(pod.uid, containers, processes, tuple(files.volumes.items())))
    fresh = storage is None or any(pod.uid not in storage for pod in pods)
    return Measured(tuple(found), samples, looked if fresh else None, took_s)


def cpu_milli(before: ContainerSample | None, now: ContainerSample) -> int:
    """Thousandths of a core that a container has used since the sample before; without one, since its start."""
    if before is None or now.at_s <= before.at_s or now.cpu_s < before.cpu_s:
        return round(1000 * now.cpu_s / now.age_s) if now.age_s > 0 else 0
    return round(1000 * (now.cpu_s - before.cpu_s) / (now.at_s - before.at_s))


def _storage_of(home: Home, pod: ToMeasure) -> PodStorage:
    names = tuple(name for name, _ in pod.containers)
    try:
        folder = home.pod(pod.uid)
    except VolumeError:  # its uid can't be a folder's name, so it has no folder
        return PodStorage({}, {})
    found = pod_storage(folder, names, pod.empty_dirs)
    much = [identity for name, identity in pod.containers if found.containers.get(name, 0) > LOG_FILES * LOG_FILE_BYTES]
    for identity in much:
        _bound(home, identity)
    return pod_storage(folder, names, pod.empty_dirs) if much else found


def _bound(home: Home, identity: str) -> None:
    parsed = parse_container_id(identity)
    assert parsed is not None
    path = container_log(home.state_dir, home.node, *parsed)
    try:
        bound_log(path)
    except FileNotFoundError:
        return  # the pod has been removed meanwhile
    except OSError as problem:
        _log.warning("a container's output can't be kept within bounds", file=str(path), reason=str(problem))
