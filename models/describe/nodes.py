"""A node as `kubectl describe` writes it, with what its pods take of it. Source: kubectl pkg/describe/describe.go (describeNode)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from callboard.models.api.core import Pod, PodSpec
from callboard.models.columns.core import node_roles
from callboard.models.describe.events import events_section
from callboard.models.describe.page import NONE, UNSET, Page, moment, quantities, taint_text, write_annotations, write_labels
from callboard.models.describe.related import Related
from callboard.models.look import Look, look
from callboard.models.podresources import Amounts, add, limits_of_pod, quantity_text, requests_of_pod
from callboard.models.quantity import parse_quantity
from callboard.models.spans import age

_SYSTEM = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
)
_STANDARD = ("cpu", "memory", "ephemeral-storage", "pods")


def describe_node(node: Look, related: Related, now_s: float) -> str:
    """A node: conditions, capacity, the pods on it and how much of it they take."""
    page = Page()
    page.field("Name", node.name)
    page.field("Roles", ",".join(node_roles(node)) or NONE)
    write_labels(page, node)
    write_annotations(page, "Annotations", node.map("metadata", "annotations"))
    page.field("CreationTimestamp", moment(node, "metadata", "creationTimestamp"))
    taints = sorted(node.items("spec", "taints"), key=lambda one: f"{one.text('effect')},{one.text('key')}")
    page.lines("Taints", [taint_text(one) for one in taints])
    page.field("Unschedulable", str(node.flag("spec", "unschedulable")).lower())
    _lease(page, look(related.lease))
    _conditions(page, node)
    page.line("Addresses:")
    for one in node.items("status", "addresses"):
        page.field(one.text("type"), one.text("address"), 1)
    quantities(page, "Capacity", node.map("status", "capacity"), 0)
    quantities(page, "Allocatable", node.map("status", "allocatable"), 0)
    page.line("System Info:")
    for title, field in _SYSTEM:
        page.field(title, node.text("status", "nodeInfo", field), 1)
    page.fields(
        [
            ("PodCIDR", node.text("spec", "podCIDR")),
            ("PodCIDRs", ",".join(node.texts("spec", "podCIDRs"))),
            ("ProviderID", node.text("spec", "providerID")),
        ]
    )
    _pods(page, node, related, now_s)
    events_section(page, related.events, now_s)
    return page.text()


def _lease(page: Page, lease: Look) -> None:
    page.line("Lease:")
    page.field("HolderIdentity", lease.text("spec", "holderIdentity", default=UNSET), 1)
    for title, field in (("AcquireTime", "acquireTime"), ("RenewTime", "renewTime")):
        page.field(title, moment(lease, "spec", field) if lease.has("spec", field) else UNSET, 1)


def _conditions(page: Page, node: Look) -> None:
    found = node.items("status", "conditions")
    if not found:
        return
    page.line("Conditions:")
    page.line("Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage", 1)
    page.line("----\t------\t-----------------\t------------------\t------\t-------", 1)
    for one in found:
        times = f"{moment(one, 'lastHeartbeatTime')} \t{moment(one, 'lastTransitionTime')}"
        page.line(f"{one.text('type')} \t{one.text('status')} \t{times} \t{one.text('reason')} \t{one.text('message')}", 1)


def _amounts(pod: Any, judge: Callable[..., Amounts]) -> Amounts:
    """What a pod asks for; what is no quantity counts as nothing."""
    if not isinstance(pod, Pod):
        return {}
    try:
        return judge(pod.spec or PodSpec(), overhead=True)
    except ValueError:
        return {}


def _given(node: Look) -> Amounts:
    """What pods may take of the node, by the name of the resource."""
    found: Amounts = {}
    for name, value in (node.map("status", "allocatable") or node.map("status", "capacity")).items():
        try:
            found[name] = parse_quantity(value)
        except (ValueError, TypeError):
            continue
    return found


def _share(name: str, amount: Decimal, given: Amounts) -> str:
    """`250m (12%)`: an amount, and how much of the node it is, rounded down."""
    whole = given.get(name)
    return f"{quantity_text(name, amount)} ({int(amount * 100 / whole) if whole else 0}%)"


def _pods(page: Page, node: Look, related: Related, now_s: float) -> None:
    given = _given(node)
    all_requests: Amounts = {}
    all_limits: Amounts = {}
    page.field("Non-terminated Pods", f"({len(related.pods)} in total)")
    page.line("Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge", 1)
    page.line("---------\t----\t\t------------\t----------\t---------------\t-------------\t---", 1)
    for pod in related.pods:
        requests, limits, view = _amounts(pod, requests_of_pod), _amounts(pod, limits_of_pod), look(pod)
        add(all_requests, requests)
        add(all_limits, limits)
        cells = [_share(name, of.get(name, Decimal(0)), given) for name in ("cpu", "memory") for of in (requests, limits)]
        page.line("\t".join([view.namespace, view.name, "", *cells, age(view.text("metadata", "creationTimestamp"), now_s)]), 1)
    page.line("Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)")
    page.line("Resource\tRequests\tLimits", 1)
    page.line("--------\t--------\t------", 1)
    pages = [name for name in given if name.startswith("hugepages-")]
    for name in ("cpu", "memory", "ephemeral-storage", *pages):
        cells = [_share(name, of.get(name, Decimal(0)), given) for of in (all_requests, all_limits)]
        page.line("\t".join([name, *cells]), 1)
    for name in (name for name in given if name not in _STANDARD and name not in pages):
        page.line("\t".join([name, *(quantity_text(name, of.get(name, Decimal(0))) for of in (all_requests, all_limits))]), 1)
