"""What is wrong with an object, in Kubernetes' words, before it is stored. Called by the apiserver after the defaults are filled in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.models.api import apiextensions, apps, batch, coordination, core, discovery
from callboard.models.errors import FieldError
from callboard.models.generic import GenericObject
from callboard.models.kinds import Resource
from callboard.models.schema import check_tree
from callboard.models.validation.cluster import check_event, check_lease, check_namespace, check_node
from callboard.models.validation.config import check_config_map, check_secret
from callboard.models.validation.daemonsets import check_daemonset
from callboard.models.validation.definitions import check_definition
from callboard.models.validation.ingresses import check_ingress, check_ingress_class
from callboard.models.validation.jobs import check_cronjob, check_job
from callboard.models.validation.meta import Errors, check_meta
from callboard.models.validation.network import check_endpointslice, check_service
from callboard.models.validation.pods import check_pod
from callboard.models.validation.policies import check_policy
from callboard.models.validation.statefulsets import check_statefulset
from callboard.models.validation.structural import check
from callboard.models.validation.workloads import check_controller_revision, check_deployment, check_replicaset


def validate(obj: Any, resource: Resource, old: Any = None) -> tuple[FieldError, ...]:
    """Everything that is wrong with an object; with `old`, the stored one, also what an update may not change.

    The identity of an object (name, namespace, uid, creationTimestamp) is the apiserver's to keep. Source: the validation packages of
    Kubernetes 1.36; kinds that are only stored are held to the required fields of their schema, user-defined ones to their own schema.
    """
    errors: Errors = []
    check_meta(obj, resource, old, errors)
    special = _CHECKS.get(type(obj))
    if special is not None:
        special(obj, old, errors)
    elif isinstance(obj, GenericObject):
        if resource.schema:
            errors.extend(check(obj.content, resource.schema))
        elif resource.definition:
            missing = [one for one in check_tree(obj.to_dict(), resource.definition) if one.reason == "FieldValueRequired"]
            errors.extend(missing)
            if not missing:
                _TREE_CHECKS.get((obj.api_version, obj.kind), check_policy)(obj, old, errors)
    return tuple(errors)


_CHECKS: dict[type, Callable[[Any, Any, Errors], None]] = {
    core.Pod: check_pod,
    core.Service: check_service,
    core.ConfigMap: check_config_map,
    core.Secret: check_secret,
    core.Namespace: check_namespace,
    core.Node: check_node,
    core.Event: check_event,
    apps.ReplicaSet: check_replicaset,
    apps.Deployment: check_deployment,
    apps.StatefulSet: check_statefulset,
    apps.DaemonSet: check_daemonset,
    apps.ControllerRevision: check_controller_revision,
    batch.Job: check_job,
    batch.CronJob: check_cronjob,
    discovery.EndpointSlice: check_endpointslice,
    coordination.Lease: check_lease,
    apiextensions.CustomResourceDefinition: check_definition,
}
"""ServiceAccounts have nothing but metadata to check."""

__all__ = ["validate"]

_TREE_CHECKS: dict[tuple[str, str], Callable[[GenericObject, GenericObject | None, Errors], None]] = {
    ("networking.k8s.io/v1", "Ingress"): check_ingress,
    ("networking.k8s.io/v1", "IngressClass"): check_ingress_class,
}
