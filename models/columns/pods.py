"""Columns of pods. STATUS, READY and RESTARTS follow printPod of kubernetes pkg/printers/internalversion/printers.go."""

from __future__ import annotations

import msgspec

from callboard.models.columns.column import AGE, NAME, NONE, Column, Value
from callboard.models.look import Look
from callboard.models.spans import age, epoch_s

_FINISHED = ("Succeeded", "Failed")


class PodSummary(msgspec.Struct, frozen=True):
    """What READY, STATUS and RESTARTS say of a pod. `last_restart` is an RFC 3339 moment, "" if nothing restarted."""

    ready: int
    total: int
    status: str
    restarts: int
    last_restart: str

    def restarts_text(self, now_s: float) -> str:
        """`0`, `3`, `3 (5m ago)`."""
        return f"{self.restarts} ({age(self.last_restart, now_s)} ago)" if self.restarts and self.last_restart else str(self.restarts)


class _Restarts:
    """A count of restarts and the moment of the last one."""

    def __init__(self) -> None:
        self.count = 0
        self.last = ""

    def add(self, container: Look) -> None:
        """Count a container's restarts in."""
        self.count += container.number("restartCount")
        moment = container.text("lastState", "terminated", "finishedAt")
        at_s = epoch_s(moment) if moment else None
        if at_s is not None and (not self.last or at_s > (epoch_s(self.last) or 0.0)):
            self.last = moment


def summary_of(pod: Look) -> PodSummary:
    """Judge a pod as kubectl does: the worst that its containers say, else its reason, else its phase. Judged once for each view."""
    if not isinstance(pod.judged, PodSummary):
        pod.judged = _judged(pod)
    found: PodSummary = pod.judged
    return found


def _judged(pod: Look) -> PodSummary:
    restartable = {one.text("name") for one in pod.items("spec", "initContainers") if one.text("restartPolicy") == "Always"}
    status = pod.text("status", "reason") or pod.text("status", "phase")
    if pod.condition("PodScheduled").text("reason") == "SchedulingGated":
        status = "SchedulingGated"
    total = len(pod.items("spec", "containers")) + sum(
        1 for one in pod.items("spec", "initContainers") if one.text("restartPolicy") == "Always"
    )
    all_inits, staying = _Restarts(), _Restarts()
    initializing, ready = "", 0
    for index, container in enumerate(pod.items("status", "initContainerStatuses")):
        all_inits.add(container)
        if container.text("name") in restartable:
            staying.add(container)
        if container.has("state", "terminated") and container.number("state", "terminated", "exitCode") == 0:
            continue
        if container.text("name") in restartable and container.flag("started"):
            ready += container.flag("ready")
            continue
        initializing = _initializing(container, index, len(pod.items("spec", "initContainers")))
        break
    restarts = all_inits
    status = initializing or status
    if not initializing or pod.condition("Initialized").text("status") == "True":
        restarts = staying
        status, more_ready = _of_containers(pod, status, restarts)
        ready += more_ready
    if pod.has("metadata", "deletionTimestamp"):
        if pod.text("status", "reason") == "NodeLost":
            status = "Unknown"
        elif pod.text("status", "phase") not in _FINISHED:
            status = "Terminating"
    return PodSummary(ready, total, status, restarts.count, restarts.last)


def _initializing(container: Look, index: int, count: int) -> str:
    """What the first init container that isn't done says."""
    ended = container.below("state", "terminated")
    if ended.tree is not None:
        return f"Init:{_end(ended)}"
    reason = container.text("state", "waiting", "reason")
    if reason and reason != "PodInitializing":
        return f"Init:{reason}"
    return f"Init:{index}/{count}"


def _end(ended: Look) -> str:
    """Why a container ended: its reason, else the signal, else the exit code."""
    reason = ended.text("reason")
    if reason:
        return reason
    signal = ended.number("signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{ended.number('exitCode')}"


def _of_containers(pod: Look, status: str, restarts: _Restarts) -> tuple[str, int]:
    """What the ordinary containers make of a status (the first one has the last word), and how many are ready."""
    ready, error = 0, ""
    for container in reversed(pod.items("status", "containerStatuses")):
        restarts.add(container)
        ended = container.below("state", "terminated")
        if container.text("state", "waiting", "reason"):
            status = container.text("state", "waiting", "reason")
        elif ended.tree is not None:
            status = _end(ended)
            if ended.number("exitCode"):
                error = status
        elif container.flag("ready") and container.has("state", "running"):
            ready += 1
    if status == "Completed":  # a pod that goes on running is not complete, and an error beside a success is worth more words
        if ready and pod.condition("Ready").text("status") == "True":
            status = "Running"
        elif error:
            status = error
        elif ready:
            status = "NotReady"
    return status, ready


def pod_ip(pod: Look) -> str:
    """The first of the pod's addresses."""
    addresses = pod.items("status", "podIPs")
    return (addresses[0].text("ip") if addresses else pod.text("status", "podIP")) or NONE


def _gates(pod: Look, _now_s: float) -> Value:
    gates = [one.text("conditionType") for one in pod.items("spec", "readinessGates")]
    if not gates:
        return NONE
    return f"{sum(1 for gate in gates if pod.condition(gate).text('status') == 'True')}/{len(gates)}"


def _ready(pod: Look, _now_s: float) -> Value:
    found = summary_of(pod)
    return f"{found.ready}/{found.total}"


POD_COLUMNS = (
    NAME,
    Column("Ready", _ready, description="How many of the pod's containers are ready, out of all that stay."),
    Column("Status", lambda pod, _now_s: summary_of(pod).status, description="The worst that the containers say, else the phase."),
    Column("Restarts", lambda pod, now_s: summary_of(pod).restarts_text(now_s), description="Restarts of its containers."),
    AGE,
    Column("IP", lambda pod, _now_s: pod_ip(pod), True, description="The pod's address."),
    Column("Node", lambda pod, _now_s: pod.text("spec", "nodeName", default=NONE), True, description="The node it is bound to."),
    Column(
        "Nominated Node",
        lambda pod, _now_s: pod.text("status", "nominatedNodeName", default=NONE),
        True,
        description="Where the pod waits for others to be preempted.",
    ),
    Column("Readiness Gates", _gates, True, description="How many of its readiness gates are open."),
)
