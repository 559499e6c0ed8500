"""Tables of objects for a terminal, with kubectl's columns and words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table


def nodes_table(nodes: Iterable[Any]) -> Table:
    """NAME and STATUS of nodes."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("NODE", "STATUS"):
        table.add_column(column)
    for node in nodes:
        table.add_row(node.metadata.name, node_status(node))
    return table


def node_status(node: Any) -> str:
    """Ready, NotReady or Unknown, as `kubectl get nodes` says it."""
    conditions = node.status.conditions if node.status else ()
    ready = next((condition.status for condition in conditions if condition.type == "Ready"), "Unknown")
    word = {"True": "Ready", "False": "NotReady"}.get(ready, "NotReady")
    return f"{word},SchedulingDisabled" if node.spec and node.spec.unschedulable else word


def pods_table(pods: Iterable[Any]) -> Table:
    """NAME, READY, STATUS, RESTARTS, IP and NODE of pods."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("POD", "READY", "STATUS", "RESTARTS", "IP", "NODE"):
        table.add_column(column)
    for pod in pods:
        table.add_row(*pod_row(pod))
    return table


def pod_row(pod: Any) -> tuple[str, ...]:
    """The cells of one pod, by the rules of `kubectl get pods -o wide`."""
    status = pod.status
    containers = status.container_statuses if status else ()
    ready = sum(1 for container in containers if container.ready)
    restarts = sum(container.restart_count or 0 for container in containers)
    total = len(pod.spec.containers)
    ip = (status.pod_ip if status else "") or "<none>"
    return (pod.metadata.name, f"{ready}/{total}", pod_status(pod), str(restarts), ip, pod.spec.node_name or "<none>")


def pod_status(pod: Any) -> str:
    """What kubectl's STATUS column shows: the phase, or what is worse (a waiting or terminated container's reason, Terminating)."""
    status = pod.status
    word = (status.reason or status.phase) if status else "Pending"
    for container in status.container_statuses if status else ():
        state = container.state
        if state is None:
            continue
        if state.waiting is not None and state.waiting.reason:
            word = state.waiting.reason
        elif state.terminated is not None and state.terminated.reason:
            word = state.terminated.reason
    return "Terminating" if pod.metadata.deletion_timestamp else word or "Pending"
