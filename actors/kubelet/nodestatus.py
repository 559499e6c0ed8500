"""The object of a node as its kubelet writes it: labels, capacity, addresses, conditions. Pure.

Source: kubernetes pkg/kubelet/kubelet_node_status.go and nodestatus/setters.go.
"""

from __future__ import annotations

from callboard.actors.kubelet.admission import is_extended
from callboard.actors.kubelet.settings import VERSION, KubeletSettings
from callboard.models.api.core import Node, NodeAddress, NodeCondition, NodeSpec, NodeStatus, NodeSystemInfo, Taint
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.podstatus import with_condition
from callboard.models.taints import NOT_READY
from callboard.models.times import rfc3339

RUNTIME_VERSION = "callboard://1"
OS_IMAGE = "Callboard"
_PRESSURES = (
    (
        "MemoryPressure",
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available", "NodeHasSufficientMemory"),
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available", "NodeHasInsufficientMemory"),
    ),
    (
        "DiskPressure",
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure", "NodeHasNoDiskPressure"),
        ("KubeletHasDiskPressure", "kubelet has disk pressure", "NodeHasDiskPressure"),
    ),
    (
        "PIDPressure",
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available", "NodeHasSufficientPID"),
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available", "NodeHasInsufficientPID"),
    ),
)
"""Each pressure: reason, message and Event where it is absent, and where it is there."""
_READY = ("KubeletReady", "kubelet is posting ready status")
Pressures = tuple[str, ...] | None


def labels_of(settings: KubeletSettings) -> FrozenMap:
    """The labels that a kubelet gives its node."""
    architecture = settings.architecture
    return FrozenMap(
        {
            "beta.kubernetes.io/arch": architecture,
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": architecture,
            "kubernetes.io/hostname": settings.node_name,
            "kubernetes.io/os": "linux",
            **settings.labels,
        }
    )


def new_node(settings: KubeletSettings, host_ip: str, problem: str, now_s: float, pressures: Pressures = None) -> Node:
    """The node as it is registered.

    One that is not ready comes with the taint that keeps pods away, so that none is bound to it before the node lifecycle controller has
    seen it. Kubernetes' admission plugin TaintNodesByCondition (plugin/pkg/admission/nodetaint) gives it to every new node and the
    controller takes it off ready ones; a node that registers as ready would lose it at once, so here it is spared both writes.
    """
    not_ready = (Taint(key=NOT_READY, effect="NoSchedule"),) if problem else ()
    return Node(
        metadata=ObjectMeta(name=settings.node_name, labels=labels_of(settings)),
        spec=NodeSpec(taints=(*settings.taints, *not_ready)),
        status=status_of_node(settings, NodeStatus(), host_ip, problem, now_s, pressures),
    )


def status_of_node(
    settings: KubeletSettings, seen: NodeStatus, host_ip: str, problem: str, now_s: float, pressures: Pressures = None
) -> NodeStatus:
    """What the API should say of a node: what others wrote stays. `problem` says why it is not ready, "" if it is; `pressures` are those
    that hold, None if nothing has been measured yet: then what the API says of them stays, unless it is that nobody knows. Resources that
    only the API knows of (extended ones, patched in) stay, and all of them can be allocated (setters.go, MachineInfo)."""
    addresses = (NodeAddress(type="InternalIP", address=host_ip),) if host_ip else ()
    capacity = FrozenMap({**seen.capacity, **settings.capacity})  # what somebody patched in stays
    others = {name: amount for name, amount in seen.allocatable.items() if name in capacity or not is_extended(name)}
    conditions = seen.conditions
    time = rfc3339(now_s)
    held = tuple([one.type for one in seen.conditions if one.status == "True"]) if pressures is None else pressures
    for type_, absent, there in _PRESSURES:
        reason, message, _ = there if type_ in held else absent
        conditions = with_condition(conditions, _condition(type_, "True" if type_ in held else "False", reason, message, time))
    reason, message = ("KubeletNotReady", problem) if problem else _READY
    conditions = with_condition(conditions, _condition("Ready", "False" if problem else "True", reason, message, time))
    return replace(
        seen,
        addresses=(*addresses, NodeAddress(type="Hostname", address=settings.node_name)),
        capacity=capacity,
        allocatable=FrozenMap({**others, **capacity}),
        conditions=conditions,
        node_info=NodeSystemInfo(
            architecture=settings.architecture,
            boot_id=settings.node_name,
            container_runtime_version=RUNTIME_VERSION,
            kernel_version=OS_IMAGE,
            kube_proxy_version=VERSION,
            kubelet_version=VERSION,
            machine_id=settings.node_name,
            operating_system="linux",
            os_image=OS_IMAGE,
            system_uuid=settings.node_name,
        ),
    )


def _condition(type_: str, status: str, reason: str, message: str, time: str) -> NodeCondition:
    return NodeCondition(type=type_, status=status, reason=reason, message=message, last_heartbeat_time=time, last_transition_time=time)


def pressure_event(pressure: str, holds: bool) -> str:
    """The reason of the Event that tells of a node's pressure coming or going."""
    return next(there[2] if holds else absent[2] for type_, absent, there in _PRESSURES if type_ == pressure)


def says_the_same(one: NodeStatus, other: NodeStatus) -> bool:
    """Whether two statuses differ in nothing but the time of their heartbeats."""
    return _without_heartbeats(one) == _without_heartbeats(other)


def _without_heartbeats(status: NodeStatus) -> NodeStatus:
    return replace(status, conditions=tuple([replace(one, last_heartbeat_time="") for one in status.conditions]))


def lacks_labels(node: Node, settings: KubeletSettings) -> FrozenMap:
    """The labels that a node should have and has not."""
    labels = node.metadata.labels
    return FrozenMap({name: value for name, value in labels_of(settings).items() if labels.get(name) != value})
