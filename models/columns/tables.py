"""One table of columns for every kind: what `kubectl get` shows, and what an answer of kind Table holds.

Called by the command line. Which columns a kind has is Kubernetes' own: kinds for which its printers know nothing show NAME and
CREATED AT (apiserver registry/rest/table.go), user-defined ones what their definition says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from callboard.models.columns import core, network, others, pods, workloads
from callboard.models.columns.column import CREATED_AT, NAME, Column, as_text, labels_text
from callboard.models.columns.userdefined import user_columns
from callboard.models.kinds import Resource
from callboard.models.look import Look, look

_CORE: dict[str, tuple[Column, ...]] = {
    "Pod": pods.POD_COLUMNS,
    "Node": core.NODE_COLUMNS,
    "Namespace": core.NAMESPACE_COLUMNS,
    "Service": network.SERVICE_COLUMNS,
    "Endpoints": network.ENDPOINTS_COLUMNS,
    "ConfigMap": core.CONFIGMAP_COLUMNS,
    "Secret": core.SECRET_COLUMNS,
    "ServiceAccount": core.SERVICEACCOUNT_COLUMNS,
    "Event": core.EVENT_COLUMNS,
    "ResourceQuota": core.RESOURCEQUOTA_COLUMNS,
    "ReplicationController": workloads.REPLICATIONCONTROLLER_COLUMNS,
    "PodTemplate": workloads.PODTEMPLATE_COLUMNS,
    "PersistentVolume": others.VOLUME_COLUMNS,
    "PersistentVolumeClaim": others.CLAIM_COLUMNS,
}
_GROUPS: dict[tuple[str, str], tuple[Column, ...]] = {
    **{("", kind): columns for kind, columns in _CORE.items()},
    ("apps", "ReplicaSet"): workloads.REPLICASET_COLUMNS,
    ("apps", "Deployment"): workloads.DEPLOYMENT_COLUMNS,
    ("apps", "StatefulSet"): workloads.STATEFULSET_COLUMNS,
    ("apps", "DaemonSet"): workloads.DAEMONSET_COLUMNS,
    ("apps", "ControllerRevision"): workloads.CONTROLLERREVISION_COLUMNS,
    ("batch", "Job"): workloads.JOB_COLUMNS,
    ("batch", "CronJob"): workloads.CRONJOB_COLUMNS,
    ("autoscaling", "HorizontalPodAutoscaler"): workloads.HPA_COLUMNS,
    ("policy", "PodDisruptionBudget"): workloads.PDB_COLUMNS,
    ("networking.k8s.io", "Ingress"): network.INGRESS_COLUMNS,
    ("networking.k8s.io", "IngressClass"): network.INGRESSCLASS_COLUMNS,
    ("networking.k8s.io", "NetworkPolicy"): network.NETWORKPOLICY_COLUMNS,
    ("networking.k8s.io", "ServiceCIDR"): network.SERVICECIDR_COLUMNS,
    ("networking.k8s.io", "IPAddress"): network.IPADDRESS_COLUMNS,
    ("discovery.k8s.io", "EndpointSlice"): network.ENDPOINTSLICE_COLUMNS,
    ("coordination.k8s.io", "Lease"): core.LEASE_COLUMNS,
    ("events.k8s.io", "Event"): core.EVENT_COLUMNS,
    ("scheduling.k8s.io", "PriorityClass"): core.PRIORITYCLASS_COLUMNS,
    ("metrics.k8s.io", "PodMetrics"): core.METRICS_COLUMNS,
    ("metrics.k8s.io", "NodeMetrics"): core.METRICS_COLUMNS,
    ("storage.k8s.io", "StorageClass"): others.STORAGECLASS_COLUMNS,
    ("storage.k8s.io", "VolumeAttributesClass"): others.ATTRIBUTESCLASS_COLUMNS,
    ("storage.k8s.io", "VolumeAttachment"): others.ATTACHMENT_COLUMNS,
    ("storage.k8s.io", "CSIDriver"): others.CSIDRIVER_COLUMNS,
    ("storage.k8s.io", "CSINode"): others.CSINODE_COLUMNS,
    ("storage.k8s.io", "CSIStorageCapacity"): others.CAPACITY_COLUMNS,
    ("rbac.authorization.k8s.io", "RoleBinding"): others.BINDING_COLUMNS,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): others.BINDING_COLUMNS,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): others.WEBHOOK_COLUMNS,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): others.WEBHOOK_COLUMNS,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): others.VALIDATING_POLICY_COLUMNS,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): others.MUTATING_POLICY_COLUMNS,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): others.POLICY_BINDING_COLUMNS,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): others.POLICY_BINDING_COLUMNS,
    ("apiregistration.k8s.io", "APIService"): others.APISERVICE_COLUMNS,
    ("node.k8s.io", "RuntimeClass"): others.RUNTIMECLASS_COLUMNS,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): others.FLOWSCHEMA_COLUMNS,
    ("resource.k8s.io", "ResourceClaim"): others.RESOURCECLAIM_COLUMNS,
    ("resource.k8s.io", "ResourceSlice"): others.RESOURCESLICE_COLUMNS,
    ("resource.k8s.io", "ResourceClaimTemplate"): others.AGED_COLUMNS,
    ("resource.k8s.io", "DeviceClass"): others.AGED_COLUMNS,
}


def columns_of(resource: Resource) -> tuple[Column, ...]:
    """The columns of a kind, wide ones included, in kubectl's order."""
    known = _GROUPS.get((resource.group, resource.kind))
    if known is not None:
        return known
    return (NAME, CREATED_AT) if resource.definition else user_columns(resource.printer_columns)


class Cells(msgspec.Struct, frozen=True):
    """A table as text: upper-case headers, and a row of cells for each object."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def cells_of(
    resource: Resource,
    objects: Iterable[Any],
    now_s: float,
    *,
    wide: bool = False,
    with_namespace: bool = False,
    with_kind: bool = False,
    label_columns: Sequence[str] = (),
    show_labels: bool = False,
) -> Cells:
    """The table of some objects of one kind at `now_s` (seconds since the epoch).

    `with_namespace` puts NAMESPACE in front (kubectl's `-A`; only for namespaced kinds), `with_kind` writes `pod/web` for `web` (several
    kinds in one answer), `label_columns` adds a column for the value of each label (`-L`), `show_labels` a column of all labels.
    """
    columns = [column for column in columns_of(resource) if wide or not column.wide]
    namespaced = with_namespace and resource.namespaced
    headers = [*(("NAMESPACE",) if namespaced else ()), *(column.header for column in columns)]
    headers += [*(label.rsplit("/", 1)[-1].upper() for label in label_columns), *(("LABELS",) if show_labels else ())]
    prefix = f"{kind_name(resource)}/" if with_kind else ""
    rows = []
    for obj in objects:
        view = look(obj)
        row = [as_text(view.namespace)] if namespaced else []
        row += [(prefix if column.format == "name" else "") + as_text(column.read(view, now_s)) for column in columns]
        rows.append((*row, *_label_cells(view, label_columns, show_labels)))
    return Cells(tuple(headers), tuple(rows))


def _label_cells(view: Look, label_columns: Sequence[str], show_labels: bool) -> list[str]:
    labels = view.map("metadata", "labels")
    cells = [as_text(str(labels.get(label, ""))) for label in label_columns]
    return [*cells, as_text(labels_text(labels))] if show_labels else cells


def kind_name(resource: Resource) -> str:
    """A kind as `-o name` writes it: `pod`, `deployment.apps`."""
    return f"{resource.singular}.{resource.group}" if resource.group else resource.singular


def table_of(resource: Resource, objects: Iterable[Any], now_s: float) -> dict[str, Any]:
    """The same as an answer of kind Table of meta.k8s.io/v1: column definitions, and rows with typed cells and the objects' metadata."""
    columns = columns_of(resource)
    rows = []
    for obj in objects:
        view = look(obj)
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": view.at("metadata")}
        rows.append({"cells": [column.read(view, now_s) for column in columns], "object": partial})
    definitions = [column.definition() for column in columns]
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": definitions, "rows": rows}
