"""The schema of Kubernetes 1.36 condensed to names, types and keys: the content of `models/data/schema-1.36.json.gz`.

A definition becomes `{"p": {field: type}, "r": [required]}`. A type is a word (string, integer, boolean, number, quantity, intstr, any), or
`{"ref": name}`, `{"list": type, ...}` with merge key, strategy, list type and map keys, or `{"map": type}`.
"""

# ruff: noqa: SIM905 (a run of words is easier to read than forty quoted ones)
from __future__ import annotations

import gzip
import json
from typing import Any

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
NOT_STORED = frozenset(
    "Binding ComponentStatus Eviction LocalSubjectAccessReview Scale SelfSubjectAccessReview SelfSubjectReview SelfSubjectRulesReview "
    "SubjectAccessReview TokenRequest TokenReview".split()
)
CLUSTER_SCOPED = frozenset(
    "APIService CSIDriver CSINode CertificateSigningRequest ClusterRole ClusterRoleBinding ClusterTrustBundle CustomResourceDefinition "
    "DeviceClass DeviceTaintRule FlowSchema IPAddress IngressClass MutatingAdmissionPolicy MutatingAdmissionPolicyBinding "
    "MutatingWebhookConfiguration Namespace Node PersistentVolume PriorityClass PriorityLevelConfiguration ResourcePoolStatusRequest "
    "ResourceSlice RuntimeClass ServiceCIDR StorageClass StorageVersion StorageVersionMigration ValidatingAdmissionPolicy "
    "ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration VolumeAttachment VolumeAttributesClass".split()
)
SHORT_NAMES = {
    "ConfigMap": "cm", "CronJob": "cj", "CustomResourceDefinition": "crd crds", "DaemonSet": "ds", "Deployment": "deploy",
    "Endpoints": "ep", "Event": "ev", "HorizontalPodAutoscaler": "hpa", "Ingress": "ing", "LimitRange": "limits", "Namespace": "ns",
    "NetworkPolicy": "netpol", "Node": "no", "PersistentVolume": "pv", "PersistentVolumeClaim": "pvc", "Pod": "po",
    "PodDisruptionBudget": "pdb", "PriorityClass": "pc", "ReplicaSet": "rs", "ReplicationController": "rc", "ResourceQuota": "quota",
    "Service": "svc", "ServiceAccount": "sa", "StatefulSet": "sts", "StorageClass": "sc", "CertificateSigningRequest": "csr",
    "VolumeAttributesClass": "vac", "IPAddress": "ip",
}  # fmt: skip
IN_ALL = frozenset(
    "Pod ReplicationController Service DaemonSet Deployment ReplicaSet StatefulSet HorizontalPodAutoscaler CronJob Job".split()
)


def condensed(defs: dict[str, Any]) -> bytes:
    """The data file, gzipped; the same bytes for the same schema."""
    table = {name: _definition(schema) for name, schema in sorted(defs.items())}
    kinds = [_kind(name, schema) for name, schema in sorted(defs.items()) if _is_kind(schema)]
    text = json.dumps({"kinds": kinds, "definitions": table}, separators=(",", ":"), sort_keys=True)
    return gzip.compress(text.encode(), mtime=0)


def _is_kind(schema: dict[str, Any]) -> bool:
    named = schema.get("x-kubernetes-group-version-kind", ())
    meta = json.dumps(schema.get("properties", {}).get("metadata", {}))
    return len(named) == 1 and "ObjectMeta" in meta and named[0]["kind"] not in NOT_STORED


def _kind(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    named = schema["x-kubernetes-group-version-kind"][0]
    kind = named["kind"]
    return {
        "group": named["group"],
        "version": named["version"],
        "kind": kind,
        "plural": plural(kind),
        "short": SHORT_NAMES.get(kind, "").split(),
        "namespaced": kind not in CLUSTER_SCOPED,
        "all": kind in IN_ALL,
        "status": "status" in schema["properties"],
        "scale": kind in ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"),
        "definition": name,
    }


def plural(kind: str) -> str:
    """The resource of a kind by the rules of English that Kubernetes follows."""
    word = kind.lower()
    if word == "endpoints":
        return word
    if word.endswith(("s", "x", "ch")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def _definition(schema: dict[str, Any]) -> dict[str, Any]:
    if "properties" not in schema:
        return {}
    out: dict[str, Any] = {"p": {field: _type(one) for field, one in schema["properties"].items()}}
    if schema.get("required"):
        out["r"] = schema["required"]
    return out


def _type(schema: dict[str, Any]) -> Any:
    ref = schema.get("$ref", "").rsplit("/", 1)[-1]
    if ref == QUANTITY:
        return "quantity"
    if ref == INT_OR_STRING:
        return "intstr"
    if ref.endswith((".Time", ".MicroTime")):
        return "string"
    if ref:
        return {"ref": ref, **_strategy(schema)}
    kinds = schema.get("type", "any")
    kind = next((one for one in kinds if one != "null"), "any") if isinstance(kinds, list) else kinds
    if kind == "array":
        return {"list": _type(schema["items"]), **_strategy(schema)}
    if kind == "object":
        inner = schema.get("additionalProperties")
        return {"map": _type(inner) if isinstance(inner, dict) else "any"}
    return kind


def _strategy(schema: dict[str, Any]) -> dict[str, Any]:
    found = {
        "key": schema.get("x-kubernetes-patch-merge-key"),
        "strategy": schema.get("x-kubernetes-patch-strategy"),
        "type": schema.get("x-kubernetes-list-type"),
        "keys": schema.get("x-kubernetes-list-map-keys"),
    }
    return {name: value for name, value in found.items() if value}
