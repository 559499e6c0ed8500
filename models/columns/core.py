"""Columns of nodes, namespaces, events and what holds configuration. Source: kubernetes pkg/printers/internalversion/printers.go."""

from __future__ import annotations

from callboard.models.columns.column import AGE, NAME, NONE, UNKNOWN, Column, Value, number_column, text_column
from callboard.models.look import Look
from callboard.models.quantity import canonical_quantity, sum_of_quantities
from callboard.models.spans import age

ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"


def node_roles(node: Look) -> list[str]:
    """The roles that a node's labels give it, sorted."""
    found: list[str] = []
    for key, value in node.map("metadata", "labels").items():
        if key.startswith(ROLE_PREFIX) and key != ROLE_PREFIX:
            found.append(key.removeprefix(ROLE_PREFIX))
        elif key == ROLE_LABEL and value:
            found.append(str(value))
    return sorted(dict.fromkeys(found))


def node_status(node: Look) -> str:
    """Ready, NotReady or Unknown (no condition Ready yet), and whether it is cordoned."""
    ready = node.condition("Ready")
    word = "Unknown" if ready.tree is None else "Ready" if ready.text("status") == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if node.flag("spec", "unschedulable") else word


def _address(type_: str) -> Column:
    def read(node: Look, _now_s: float) -> Value:
        return next((one.text("address") for one in node.items("status", "addresses") if one.text("type") == type_), NONE)

    return Column({"InternalIP": "Internal-IP", "ExternalIP": "External-IP"}[type_], read, True, description=f"The node's {type_}.")


NODE_COLUMNS = (
    NAME,
    Column("Status", lambda node, _now_s: node_status(node), description="Whether the node is ready and takes pods."),
    Column("Roles", lambda node, _now_s: ",".join(node_roles(node)) or NONE, description="The roles its labels give it."),
    AGE,
    text_column("Version", "status", "nodeInfo", "kubeletVersion", description="The kubelet's version."),
    _address("InternalIP"),
    _address("ExternalIP"),
    text_column("OS-Image", "status", "nodeInfo", "osImage", default=UNKNOWN, wide=True),
    text_column("Kernel-Version", "status", "nodeInfo", "kernelVersion", default=UNKNOWN, wide=True),
    text_column("Container-Runtime", "status", "nodeInfo", "containerRuntimeVersion", default=UNKNOWN, wide=True),
)

NAMESPACE_COLUMNS = (NAME, text_column("Status", "status", "phase", description="Active or Terminating."), AGE)


def _count(name: str, *paths: tuple[str, ...]) -> Column:
    def read(obj: Look, _now_s: float) -> Value:
        return sum(len(value) for value in (obj.at(*path) for path in paths) if isinstance(value, dict | list | tuple))

    return Column(name, read, type="integer", description="How many entries there are.")


CONFIGMAP_COLUMNS = (NAME, _count("Data", ("data",), ("binaryData",)), AGE)
SECRET_COLUMNS = (NAME, text_column("Type", "type"), _count("Data", ("data",)), AGE)
SERVICEACCOUNT_COLUMNS = (NAME, _count("Secrets", ("secrets",)), AGE)


# -- events -------------------------------------------------------------------------------------------------------------------------


def _first_seen(event: Look, now_s: float) -> str:
    return age(event.text("firstTimestamp") or event.text("eventTime"), now_s)


def _last_seen(event: Look, now_s: float) -> Value:
    if event.has("series"):
        return age(event.text("series", "lastObservedTime"), now_s)
    moment = event.text("lastTimestamp")
    return age(moment, now_s) if moment else _first_seen(event, now_s)


def event_count(event: Look) -> int:
    """How often it happened."""
    return event.number("series", "count") if event.has("series") else event.number("count") or 1


def _target(event: Look, _now_s: float) -> Value:
    about = "involvedObject" if event.has("involvedObject") else "regarding"
    kind, name = event.text(about, "kind").lower(), event.text(about, "name")
    return f"{kind}/{name}" if name else kind


def event_source(event: Look) -> str:
    """Who said it: component and host."""
    component = event.text("source", "component") or event.text("reportingComponent") or event.text("reportingController")
    host = event.text("source", "host") or event.text("reportingInstance")
    return f"{component}, {host}" if host else component


EVENT_COLUMNS = (
    Column("Last Seen", _last_seen, description="The time since it happened last."),
    text_column("Type", "type", description="Normal or Warning."),
    text_column("Reason", "reason", description="Why, in one word."),
    Column("Object", _target, description="What it happened to."),
    text_column("Subobject", "involvedObject", "fieldPath", wide=True, description="Which part of the object."),
    Column("Source", lambda event, _now_s: event_source(event), True, description="Who reports it."),
    Column("Message", lambda event, _now_s: (event.text("message") or event.text("note")).strip(), description="What happened."),
    Column("First Seen", lambda event, now_s: _first_seen(event, now_s), True, description="The time since it happened first."),
    Column("Count", lambda event, _now_s: event_count(event), True, "integer", description="How often it happened."),
    Column("Name", lambda event, _now_s: event.name, True, format="name", description="The event's own name."),
)


# -- quotas, limits and usage -------------------------------------------------------------------------------------------------------


def _quota(limits: bool) -> Column:
    def read(quota: Look, _now_s: float) -> Value:
        used = quota.map("status", "used")
        return ", ".join(
            f"{name}: {canonical_quantity(used.get(name))}/{canonical_quantity(hard)}"
            for name, hard in quota.map("status", "hard").items()
            if name.startswith("limits.") == limits
        )

    name = "Limit" if limits else "Request"
    return Column(name, read, description=f"What is used out of what the namespace may have of {name.lower()}s.")


RESOURCEQUOTA_COLUMNS = (NAME, _quota(False), _quota(True), AGE)

PRIORITYCLASS_COLUMNS = (
    NAME,
    number_column("Value", "value", description="The priority of pods of this class."),
    Column("Global-Default", lambda obj, _now_s: obj.flag("globalDefault"), type="boolean", description="Whether others get it."),
    AGE,
    text_column("PreemptionPolicy", "preemptionPolicy", description="Whether its pods may push others out."),
)

LEASE_COLUMNS = (NAME, text_column("Holder", "spec", "holderIdentity", description="Who holds the lease."), AGE)


def _usage(name: str, resource: str) -> Column:
    def read(metrics: Look, _now_s: float) -> Value:
        whole = metrics.at("usage", resource)
        return canonical_quantity(whole) if whole is not None else _sum(metrics, resource)

    return Column(name, read, description=f"{resource} in use.")


def _sum(metrics: Look, resource: str) -> str:
    return sum_of_quantities(one.at("usage", resource) for one in metrics.items("containers"))


METRICS_COLUMNS = (NAME, _usage("CPU", "cpu"), _usage("Memory", "memory"), text_column("Window", "window"))
