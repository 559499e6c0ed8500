"""Kubernetes' own defaults, filled in by the apiserver before an object is validated and stored."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from callboard.models.api import apiextensions, apps, batch, core, discovery
from callboard.models.base import EMPTY_MAP, FrozenMap, replace
from callboard.models.defaults.jobs import cronjob_defaults, job_defaults
from callboard.models.defaults.network import endpointslice_defaults, service_defaults
from callboard.models.defaults.pods import for_pod, pod_defaults
from callboard.models.defaults.policies import policy_defaults
from callboard.models.defaults.workloads import daemonset_defaults, deployment_defaults, replicaset_defaults, statefulset_defaults
from callboard.models.generic import GenericObject

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
NAMESPACE_FINALIZER = "kubernetes"
WEBHOOK_PORT = 443


def with_defaults(obj: Any) -> Any:
    """An object with the defaults of its kind; the very same object if there is nothing to add.

    Applying it twice is the same as once. Kinds that are only stored have no defaults here. Source: pkg/apis/*/v1/defaults.go of Kubernetes
    1.36, and the parts of its registry strategies that fill in what a client may leave out.
    """
    change = _CHANGES.get(type(obj))
    return obj if change is None else change(obj)


def _namespace(obj: core.Namespace) -> core.Namespace:
    changes: dict[str, Any] = {}
    meta = obj.metadata
    if meta.name and meta.labels.get(NAMESPACE_LABEL) != meta.name:
        changes["metadata"] = replace(meta, labels=FrozenMap({**meta.labels, NAMESPACE_LABEL: meta.name}))
    if not meta.deletion_timestamp:  # from then on the namespace controller takes the finalizer away, for good
        finalizers = obj.spec.finalizers if obj.spec is not None else ()
        if NAMESPACE_FINALIZER not in finalizers:
            changes["spec"] = core.NamespaceSpec(finalizers=(*finalizers, NAMESPACE_FINALIZER))
    if obj.status is None or not obj.status.phase:
        phase = "Terminating" if meta.deletion_timestamp else "Active"
        changes["status"] = replace(obj.status or core.NamespaceStatus(), phase=phase)
    return replace(obj, **changes) if changes else obj


def _secret(obj: core.Secret) -> core.Secret:
    changes: dict[str, Any] = {}
    if obj.string_data:
        written = {key: b64encode(value.encode()).decode() for key, value in obj.string_data.items()}
        changes["data"], changes["string_data"] = FrozenMap({**obj.data, **written}), EMPTY_MAP
    if not obj.type:
        changes["type"] = "Opaque"
    return replace(obj, **changes) if changes else obj


def _node(obj: core.Node) -> core.Node:
    changes: dict[str, Any] = {}
    status, spec = obj.status, obj.spec
    if status is not None and status.capacity and not status.allocatable:
        changes["status"] = replace(status, allocatable=status.capacity)
    if spec is not None and spec.pod_cidr and not spec.pod_cidrs:
        changes["spec"] = replace(spec, pod_cidrs=(spec.pod_cidr,))
    return replace(obj, **changes) if changes else obj


def _definition(obj: apiextensions.CustomResourceDefinition) -> apiextensions.CustomResourceDefinition:
    spec = obj.spec
    if spec is None:
        return obj
    changes: dict[str, Any] = {}
    names = spec.names
    if names is not None and names.kind and not (names.singular and names.list_kind):
        changes["names"] = replace(names, singular=names.singular or names.kind.lower(), list_kind=names.list_kind or f"{names.kind}List")
    conversion = spec.conversion
    if conversion is None:
        changes["conversion"] = apiextensions.CustomResourceConversion(strategy="None")
    elif (new := _webhook(conversion)) is not conversion:
        changes["conversion"] = new
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


def _webhook(conversion: apiextensions.CustomResourceConversion) -> apiextensions.CustomResourceConversion:
    webhook = conversion.webhook
    if webhook is None or webhook.client_config is None or webhook.client_config.service is None:
        return conversion
    service = webhook.client_config.service
    if service.port is not None:
        return conversion
    config = replace(webhook.client_config, service=replace(service, port=WEBHOOK_PORT))
    return replace(conversion, webhook=replace(webhook, client_config=config))


_CHANGES: dict[type, Callable[[Any], Any]] = {
    core.Pod: pod_defaults,
    core.Service: service_defaults,
    core.Namespace: _namespace,
    core.Secret: _secret,
    core.Node: _node,
    apps.ReplicaSet: replicaset_defaults,
    apps.Deployment: deployment_defaults,
    apps.StatefulSet: statefulset_defaults,
    apps.DaemonSet: daemonset_defaults,
    batch.Job: job_defaults,
    batch.CronJob: cronjob_defaults,
    discovery.EndpointSlice: endpointslice_defaults,
    apiextensions.CustomResourceDefinition: _definition,
    GenericObject: policy_defaults,
}
"""ConfigMaps, Leases, Events and ServiceAccounts have no defaults in Kubernetes."""

__all__ = ["for_pod", "with_defaults"]
