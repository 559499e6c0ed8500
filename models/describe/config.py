"""ConfigMaps, Secrets, namespaces, quotas and limits as `kubectl describe` writes them. Source: kubectl pkg/describe/describe.go.

Of a Secret only sizes are ever written; kubectl would show a service account's token, which is withheld here too.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from callboard.models.describe.events import events_section
from callboard.models.describe.page import HIDDEN_ANNOTATIONS, NONE, Page, begin, moment, write_annotations, write_labels
from callboard.models.describe.related import Related
from callboard.models.look import Look, look
from callboard.models.quantity import canonical_quantity

_SCOPES = {
    "Terminating": "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being actively "
    "terminated by the system.",
    "NotTerminating": "Matches all pods that do not have an active deadline. These pods usually include long running pods whose container "
    "command is not expected to terminate.",
    "BestEffort": "Matches all pods that do not have resource requirements set. These pods have a best effort quality of service.",
    "NotBestEffort": "Matches all pods that have at least one resource requirement set. These pods have a burstable or guaranteed "
    "quality of service.",
}


def _bytes_of(value: Any) -> int:
    """How many bytes base64 text stands for."""
    if not isinstance(value, str):
        return 0
    try:
        return len(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        return len(value)


def describe_config_map(obj: Look, related: Related, now_s: float) -> str:
    """A ConfigMap with its content; of binary data just the sizes."""
    page = Page()
    begin(page, obj)
    page.line("\nData\n====")
    for key, value in obj.map("data").items():
        page.end_columns()
        page.line(f"{key}:\n----\n{value}\n")
    page.end_columns()
    page.line("\nBinaryData\n====")
    for key, value in obj.map("binaryData").items():
        page.line(f"{key}: {_bytes_of(value)} bytes")
    page.line()
    events_section(page, related.events, now_s)
    return page.text()


def describe_secret(obj: Look, _related: Related, _now_s: float) -> str:
    """A Secret: its keys, and how many bytes each holds. Never what."""
    page = Page()
    begin(page, obj)
    page.line(f"\nType:\t{obj.text('type')}")
    page.line("\nData\n====")
    for key, value in obj.map("data").items():
        page.field(key, f"{_bytes_of(value)} bytes")
    return page.text()


def describe_namespace(obj: Look, related: Related, _now_s: float) -> str:
    """A namespace with its quotas and limits, and why it isn't gone yet."""
    page = Page()
    page.field("Name", obj.name)
    write_labels(page, obj)
    write_annotations(page, "Annotations", obj.map("metadata", "annotations"))
    page.field("Status", obj.text("status", "phase"))
    found = obj.items("status", "conditions")
    if found:
        page.line("Conditions:")
        page.line("Type\tStatus\tLastTransitionTime\tReason\tMessage", 1)
        page.line("----\t------\t------------------\t------\t-------", 1)
    for one in found:
        cells = (one.text("type"), one.text("status"), moment(one, "lastTransitionTime"), one.text("reason"), one.text("message"))
        page.line("\t".join(cells), 1)
    page.line()
    _quotas(page, related.quotas)
    page.line()
    if not related.limits:
        page.line("No LimitRange resource.")
        return page.text()
    page.line(f"Resource Limits\n {_LIMIT_TITLES}\n {_LIMIT_RULES}")
    for limits in related.limits:
        _limits(page, look(limits), " ")
    return page.text()


def _quotas(page: Page, quotas: tuple[Any, ...]) -> None:
    if not quotas:
        page.line("No resource quota.")
        return
    page.line("Resource Quotas")
    for quota in sorted((look(one) for one in quotas), key=lambda one: one.name):
        page.field("Name", quota.name, 1)
        _scopes(page, quota, 1)
        page.line("Resource\tUsed\tHard", 1)
        page.line("--------\t---\t---", 1)
        _used(page, quota, 1)


def _scopes(page: Page, quota: Look, level: int) -> None:
    scopes = sorted(quota.texts("spec", "scopes"))
    if scopes:
        page.field("Scopes", ", ".join(scopes), level)
    for scope in scopes:
        if scope in _SCOPES:
            page.line(f"{'' if level else ' '}* {_SCOPES[scope]}", level)


def _used(page: Page, quota: Look, level: int) -> None:
    used = quota.map("status", "used")
    for name, hard in quota.map("status", "hard").items():
        page.line(f"{name}\t{canonical_quantity(used.get(name))}\t{canonical_quantity(hard)}", level)


def describe_quota(obj: Look, _related: Related, _now_s: float) -> str:
    """A ResourceQuota: what is used, out of what may be."""
    page = Page()
    page.field("Name", obj.name)
    page.field("Namespace", obj.namespace)
    _scopes(page, obj, 0)
    page.line("Resource\tUsed\tHard")
    page.line("--------\t----\t----")
    _used(page, obj, 0)
    return page.text()


_LIMIT_TITLES = "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio"
_LIMIT_RULES = "----\t--------\t---\t---\t---------------\t-------------\t-----------------------"
_LIMIT_FIELDS = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")


def describe_limits(obj: Look, _related: Related, _now_s: float) -> str:
    """A LimitRange as a table."""
    page = Page()
    page.field("Name", obj.name)
    page.field("Namespace", obj.namespace)
    page.line(_LIMIT_TITLES)
    page.line(_LIMIT_RULES)
    _limits(page, obj, "")
    return page.text()


def _limits(page: Page, obj: Look, prefix: str) -> None:
    for item in obj.items("spec", "limits"):
        names = sorted({name: True for field in _LIMIT_FIELDS for name in item.map(field)})
        for name in names:
            values = [item.map(field).get(name) for field in _LIMIT_FIELDS]
            cells = [item.text("type"), name, *("-" if value is None else canonical_quantity(value) for value in values)]
            page.line(prefix + "\t".join(cells))


def describe_service_account(obj: Look, related: Related, now_s: float) -> str:
    """A ServiceAccount."""
    page = Page()
    begin(page, obj)
    page.lines("Image pull secrets", [one.text("name") for one in obj.items("imagePullSecrets")])
    events_section(page, related.events, now_s)
    return page.text()


def describe_priority_class(obj: Look, related: Related, now_s: float) -> str:
    """A PriorityClass."""
    page = Page()
    page.field("Name", obj.name)
    page.field("Value", obj.number("value"))
    page.field("GlobalDefault", str(obj.flag("globalDefault")).lower())
    page.field("PreemptionPolicy", obj.text("preemptionPolicy"))
    page.field("Description", obj.text("description"))
    annotations_text = ",".join(f"{key}={value}" for key, value in _own(obj).items())
    page.field("Annotations", annotations_text or NONE)
    events_section(page, related.events, now_s)
    return page.text()


def _own(obj: Look) -> dict[str, Any]:
    return {key: value for key, value in obj.map("metadata", "annotations").items() if key not in HIDDEN_ANNOTATIONS}
