"""Which fields a list or a watch of a kind may be selected by. Used by apiservers, and by the face before it opens a stream."""

from __future__ import annotations

from callboard.models.base import wire_name
from callboard.models.errors import BadRequest
from callboard.models.selectors import FieldSelector, Selector, parse_fields, parse_labels

_ALWAYS = ("metadata.name", "metadata.namespace")
_SUPPORTED: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicasets.apps": ("status.replicas",),
}
"""Source: the conversion functions of each kind in kubernetes pkg/apis/*/v1/conversion.go."""


def selection(resource: str, labels: str, fields: str) -> tuple[Selector, FieldSelector]:
    """Both selectors of a list or watch, compiled.

    Raises:
        BadRequest: one is no selector, or the kind does not support the field.
    """
    by_fields = parse_fields(fields)
    for path, _, _ in by_fields.terms:
        label = ".".join(wire_name(part) for part in path)
        if label not in _ALWAYS and label not in _SUPPORTED.get(resource, ()):
            raise BadRequest(f"field label not supported: {label}")
    return parse_labels(labels), by_fields
