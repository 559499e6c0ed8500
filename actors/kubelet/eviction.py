"""When a node is under pressure, and which pod is evicted then. Pure.

Source: kubernetes pkg/kubelet/eviction (helpers.go: rankMemoryPressure, rankDiskPressureFunc, rankPIDPressure, evictionMessage;
eviction_manager.go: synchronize, localStorageEviction, Admit) and pkg/kubelet/apis/config/v1beta1/defaults_linux.go (DefaultEvictionHard).
What a node has is what it declares, and what is used is what its own pods use: the machine beneath may be shared by many nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from callboard.models.api.core import Container, Pod, PodSpec, Taint
from callboard.models.messages.runtime import PodMeasured
from callboard.models.priorities import CRITICAL_PRIORITY
from callboard.models.quantity import binary_quantity, to_bytes
from callboard.models.taints import is_tolerated

Resource = Literal["memory", "ephemeral-storage", "pids"]
Pressure = Literal["MemoryPressure", "DiskPressure", "PIDPressure"]

PRESSURES: tuple[Pressure, ...] = ("MemoryPressure", "DiskPressure", "PIDPressure")
REASON = "Evicted"
TERMINATED = "TerminationByKubelet"
"""Reason of the condition of a pod that is evicted for the node's sake."""
EVICTION_GRACE_S = 1.0
"""immediateEvictionGracePeriodSeconds: what a pod gets that is evicted by a hard threshold."""
MEMORY_AVAILABLE_BYTES = 100 * 2**20
"""--eviction-hard memory.available<100Mi. A node so small that this were more than a tenth of it keeps a tenth instead."""
NODEFS_AVAILABLE_PART = 10
"""--eviction-hard nodefs.available<10%: one part in so many."""
PID_AVAILABLE_PART = 10
"""Kubernetes has no default for pid.available; its documentation leaves it to the operator. Here it is a tenth as well."""
MEMORY_PRESSURE_TAINT = Taint(key="node.kubernetes.io/memory-pressure", effect="NoSchedule")


class Amounts(msgspec.Struct, frozen=True, gc=False):
    """Bytes of memory, bytes of ephemeral storage, number of processes."""

    memory: int = 0
    storage: int = 0
    pids: int = 0


class Signal(msgspec.Struct, frozen=True, gc=False):
    """A threshold that is crossed: what is starved, the condition that says so, how much should be free, and how much is."""

    resource: Resource
    pressure: Pressure
    threshold: int
    available: int


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A pod that may be evicted: what it asks for (requests in units of `Amounts`), and what it was measured to use, if it was."""

    pod: Pod
    memory_request: int
    storage_request: int
    measured: PodMeasured | None

    @property
    def uid(self) -> str:
        """The pod's UID."""
        return self.pod.metadata.uid

    @property
    def priority(self) -> int:
        """The pod's priority; 0 if it has none."""
        return (self.pod.spec.priority if self.pod.spec is not None else None) or 0


class Eviction(msgspec.Struct, frozen=True, gc=False):
    """Evict this pod, saying so. `disruption`: with the condition DisruptionTarget, as pods get that are evicted for the node's sake."""

    uid: str
    message: str
    disruption: bool


# -- pressure -----------------------------------------------------------------------------------------------------------------------


def used_by(pods: Iterable[PodMeasured]) -> Amounts:
    """What pods use together."""
    memory = storage = pids = 0
    for pod in pods:
        pids += pod.processes
        for one in pod.containers:
            memory += one.memory_bytes
            storage += one.storage_bytes
        for _, amount in pod.volumes:
            storage += amount
    return Amounts(memory, storage, pids)


def thresholds(capacity: Amounts) -> Amounts:
    """How much of each has to be free."""
    memory = min(MEMORY_AVAILABLE_BYTES, capacity.memory // 10)
    return Amounts(memory, capacity.storage // NODEFS_AVAILABLE_PART, capacity.pids // PID_AVAILABLE_PART)


def crossed(capacity: Amounts, used: Amounts) -> tuple[Signal, ...]:
    """The thresholds that are crossed, memory before all others (byEvictionPriority): less is free than has to be."""
    least = thresholds(capacity)
    found: list[Signal] = []
    free = max(capacity.memory - used.memory, 0)
    if free < least.memory:
        found.append(Signal("memory", "MemoryPressure", least.memory, free))
    free = max(capacity.storage - used.storage, 0)
    if free < least.storage:
        found.append(Signal("ephemeral-storage", "DiskPressure", least.storage, free))
    free = max(capacity.pids - used.pids, 0)
    if free < least.pids:
        found.append(Signal("pids", "PIDPressure", least.pids, free))
    return tuple(found)


def last_observed(before: Mapping[str, float], signals: Iterable[Signal], now_s: float) -> dict[str, float]:
    """When each pressure was observed last (nodeConditionsLastObservedAt)."""
    return {**before, **{signal.pressure: now_s for signal in signals}}


def standing(observed: Mapping[str, float], transition_s: float, now_s: float) -> tuple[str, ...]:
    """The pressures that hold: observed within the transition period (nodeConditionsObservedSince)."""
    return tuple([one for one in PRESSURES if one in observed and (now_s - observed[one] < transition_s or now_s == observed[one])])


# -- admission ----------------------------------------------------------------------------------------------------------------------


def refusal(pod: Pod, pressures: Sequence[str]) -> tuple[str, str] | None:
    """Why a node under pressure doesn't take a pod (reason and message), or None: it does.

    Critical pods are always taken. Under memory pressure alone, pods that ask for something are taken too, and those that tolerate its
    taint; under any other pressure nothing else is.
    """
    if not pressures or is_critical(pod):
        return None
    if tuple(pressures) == ("MemoryPressure",):
        if pod.status is not None and pod.status.qos_class not in ("", "BestEffort"):
            return None
        if is_tolerated(MEMORY_PRESSURE_TAINT, pod.spec.tolerations if pod.spec is not None else ()):
            return None
    return REASON, f"The node had condition: [{' '.join(pressures)}]. "


def is_critical(pod: Pod) -> bool:
    """Whether a pod is needed for the node itself."""
    return ((pod.spec.priority if pod.spec is not None else None) or 0) >= CRITICAL_PRIORITY


# -- who goes -----------------------------------------------------------------------------------------------------------------------


def to_evict(signals: Sequence[Signal], candidates: Sequence[Candidate]) -> Eviction | None:
    """The pod to be evicted in this round: at most one, for the first of the crossed thresholds. Critical pods are passed over."""
    if not signals:
        return None
    signal = signals[0]
    for candidate in ranked(signal.resource, candidates):
        if not is_critical(candidate.pod):
            return Eviction(candidate.uid, eviction_message(signal, candidate), True)
    return None


def ranked(resource: Resource, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The order in which pods are evicted.

    For memory and storage: pods that nobody measured first; then those that use more than they asked for; of these, lower priority first;
    of these, whose use exceeds its request most. For processes: lower priority, then more of them. Equals stay in their order.
    """
    if resource == "pids":
        return sorted(candidates, key=lambda one: (one.priority, one.measured is not None, -_used(resource, one)))

    def key(one: Candidate) -> tuple[bool, bool, int, int]:
        request = one.memory_request if resource == "memory" else one.storage_request
        used = _used(resource, one)
        if one.measured is None:
            return False, False, one.priority, 0
        return True, used <= request, one.priority, request - used

    return sorted(candidates, key=key)


def _used(resource: Resource, one: Candidate) -> int:
    if one.measured is None:
        return 0
    used = used_by((one.measured,))
    return used.memory if resource == "memory" else used.storage if resource == "ephemeral-storage" else used.pids


def eviction_message(signal: Signal, candidate: Candidate) -> str:
    """Why a pod had to go, in Kubernetes' words."""
    threshold, available = binary_quantity(signal.threshold), binary_quantity(signal.available)
    if signal.resource == "pids":
        threshold, available = str(signal.threshold), str(signal.available)
    message = f"The node was low on resource: {signal.resource}. Threshold quantity: {threshold}, available: {available}. "
    if candidate.measured is None or signal.resource == "pids":
        return message
    specs = {one.name: one for one in _containers(candidate.pod)}
    for used in candidate.measured.containers:
        spec = specs.get(used.name)
        if spec is None:
            continue
        amount = used.memory_bytes if signal.resource == "memory" else used.storage_bytes
        request = _amount_of(spec, "requests", signal.resource)
        if amount > to_bytes(request):
            message += (
                f"Container {used.name} was using {binary_quantity(amount)}, request is {request}, "
                f"has larger consumption of {signal.resource}. "
            )
    return message


# -- limits of a pod's own storage --------------------------------------------------------------------------------------------------


def limits_storage(spec: PodSpec) -> bool:
    """Whether a pod may be evicted for the storage that it uses itself, whatever else the node has."""
    if any(volume.empty_dir is not None and volume.empty_dir.size_limit is not None for volume in spec.volumes):
        return True
    return any(_amount_of(one, "limits", "ephemeral-storage") != "0" for one in spec.containers)


def over_own_limit(pod: Pod, measured: PodMeasured) -> Eviction | None:
    """The eviction of a pod that exceeds its own limits: an emptyDir's sizeLimit, its containers' limits together, then one's own."""
    message = _why_over(pod.spec or PodSpec(), measured)
    return Eviction(pod.metadata.uid, message, False) if message and not is_critical(pod) else None


def _why_over(spec: PodSpec, measured: PodMeasured) -> str:
    volumes = dict(measured.volumes)
    for volume in spec.volumes:
        size = volume.empty_dir.size_limit if volume.empty_dir is not None else None
        if size is not None and 0 < to_bytes(size) < volumes.get(volume.name, 0):
            return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{size}". '
    limits = {one.name: _amount_of(one, "limits", "ephemeral-storage") for one in spec.containers}
    total = sum(to_bytes(limit) for limit in limits.values())
    if 0 < total < used_by((measured,)).storage:
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {binary_quantity(total)}. "
    for used in measured.containers:
        limit = limits.get(used.name, "0")
        if 0 < to_bytes(limit) < used.storage_bytes:
            return f'Container {used.name} exceeded its local ephemeral storage limit "{limit}". '
    return ""


def _containers(pod: Pod) -> tuple[Container, ...]:
    spec = pod.spec or PodSpec()
    return (*spec.containers, *spec.init_containers)


def _amount_of(container: Container, kind: Literal["requests", "limits"], resource: str) -> str:
    resources = container.resources
    if resources is None:
        return "0"
    given = resources.requests if kind == "requests" else resources.limits
    return str(given.get(resource, "0"))
