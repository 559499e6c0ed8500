"""A pod, and a pod's template, as `kubectl describe` writes them.

Source: kubectl pkg/describe/describe.go (describePod, DescribePodTemplate).
"""

from __future__ import annotations

from typing import Any

from callboard.models.base import plain
from callboard.models.columns.selectors import selector_text
from callboard.models.describe.containers import containers
from callboard.models.describe.events import events_section
from callboard.models.describe.page import NONE, Page, controlled_by, moment, pairs, quantities, tolerations, write_annotations
from callboard.models.describe.related import Related
from callboard.models.describe.volumes import volumes
from callboard.models.look import Look
from callboard.models.spans import age

_FINISHED = ("Succeeded", "Failed")


def describe_pod(pod: Look, related: Related, now_s: float) -> str:
    """All of a pod that a person asks for: where it is, how each container fares, what it mounts, what happened to it."""
    page = Page()
    _head(page, pod)
    _state(page, pod, now_s)
    if pod.items("spec", "initContainers"):
        containers(page, "Init Containers", pod.items("spec", "initContainers"), pod.items("status", "initContainerStatuses"), pod)
    containers(page, "Containers", pod.items("spec", "containers"), pod.items("status", "containerStatuses"), pod)
    if pod.items("spec", "ephemeralContainers"):
        found = pod.items("status", "ephemeralContainerStatuses")
        containers(page, "Ephemeral Containers", pod.items("spec", "ephemeralContainers"), found, pod)
    gates = pod.items("spec", "readinessGates")
    if gates:
        page.line("Readiness Gates:\n  Type\tStatus")
    for gate in gates:
        type_ = gate.text("conditionType")
        page.line(f"{type_} \t{pod.condition(type_).text('status', default=NONE)} ", 1)
    conditions = pod.items("status", "conditions")
    if conditions:
        page.line("Conditions:\n  Type\tStatus")
    for one in conditions:
        page.line(f"{one.text('type')} \t{one.text('status')} ", 1)
    volumes(page, pod.items("spec", "volumes"))
    page.field("QoS Class", pod.text("status", "qosClass"))
    page.lines("Node-Selectors", pairs(pod.map("spec", "nodeSelector")))
    tolerations(page, pod.items("spec", "tolerations"))
    _spread(page, pod.below("spec"))
    events_section(page, related.events, now_s)
    return page.text()


def _head(page: Page, pod: Look) -> None:
    page.field("Name", pod.name)
    page.field("Namespace", pod.namespace)
    if pod.has("spec", "priority"):
        page.field("Priority", pod.number("spec", "priority"))
    page.fields(
        [
            ("Priority Class Name", pod.text("spec", "priorityClassName")),
            ("Runtime Class Name", pod.text("spec", "runtimeClassName")),
            ("Service Account", pod.text("spec", "serviceAccountName")),
        ]
    )
    node = pod.text("spec", "nodeName")
    page.field("Node", f"{node}/{pod.text('status', 'hostIP')}" if node else NONE)
    if pod.has("status", "startTime"):
        page.field("Start Time", moment(pod, "status", "startTime"))


def _state(page: Page, pod: Look, now_s: float) -> None:
    """From the labels to the pod's resources."""
    page.lines("Labels", pairs(pod.map("metadata", "labels")))
    write_annotations(page, "Annotations", pod.map("metadata", "annotations"))
    phase = pod.text("status", "phase")
    if pod.has("metadata", "deletionTimestamp") and phase not in _FINISHED:
        page.field("Status", f"Terminating (lasts {age(pod.text('metadata', 'deletionTimestamp'), now_s)})")
        page.field("Termination Grace Period", f"{pod.number('metadata', 'deletionGracePeriodSeconds')}s")
    else:
        page.field("Status", phase)
    page.fields([("Reason", pod.text("status", "reason")), ("Message", pod.text("status", "message"))])
    page.field("IP", pod.text("status", "podIP"))
    addresses = pod.items("status", "podIPs")
    page.line("IPs:" if addresses else f"IPs:\t{NONE}")
    for one in addresses:
        page.field("IP", one.text("ip"), 1)
    controlled_by(page, pod)
    page.fields([("NominatedNodeName", pod.text("status", "nominatedNodeName"))])
    if pod.has("spec", "resources"):
        page.line("Resources:")
        quantities(page, "Limits", pod.map("spec", "resources", "limits"), 1)
        quantities(page, "Requests", pod.map("spec", "resources", "requests"), 1)


def _spread(page: Page, spec: Look, indent: str = "") -> None:
    found = sorted(spec.items("topologySpreadConstraints"), key=lambda one: one.text("topologyKey"))
    if not found:
        return
    texts = []
    for one in found:
        text = f"{one.text('topologyKey')}:{one.text('whenUnsatisfiable')} when max skew {one.number('maxSkew')} is exceeded"
        texts.append(f"{text} for selector {selector_text(one.below('labelSelector'))}" if one.has("labelSelector") else text)
    page.lines("Topology Spread Constraints", texts, indent)


def describe_template(found: Any) -> str:
    """A pod template alone, as `kubectl rollout history --revision` prints it (DescribePodTemplate)."""
    page = Page()
    template(page, Look(plain(found)))
    return page.text()


def template(page: Page, found: Look) -> None:
    """The template of a workload."""
    page.line("Pod Template:")
    if found.tree is None:
        page.line("<unset>", 1)
        return
    page.lines("Labels", pairs(found.map("metadata", "labels")), "  ")
    if found.map("metadata", "annotations"):
        write_annotations(page, "  Annotations", found.map("metadata", "annotations"))
    spec = found.below("spec")
    page.fields([("Service Account", spec.text("serviceAccountName"))], 1)
    if spec.items("initContainers"):
        containers(page, "Init Containers", spec.items("initContainers"), None, Look(None), "  ")
    containers(page, "Containers", spec.items("containers"), None, Look(None), "  ")
    volumes(page, spec.items("volumes"), "  ")
    _spread(page, spec, "  ")
    page.fields([("Priority Class Name", spec.text("priorityClassName"))], 1)
    page.lines("Node-Selectors", pairs(spec.map("nodeSelector")), "  ")
    tolerations(page, spec.items("tolerations"), "  ")
