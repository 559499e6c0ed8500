"""Objects described for people, in kubectl's layout: `describe_object(obj, related, now_s)`. Pure: what it needs comes in `Related`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.models.describe import config, generic, network, nodes, pods, workloads
from callboard.models.describe.events import EVENT_HEADERS, event_rows, in_order, last_time_s
from callboard.models.describe.pods import describe_template
from callboard.models.describe.related import Related
from callboard.models.look import look

_BY_KIND: dict[tuple[str, str], Callable[[Any, Related, float], str]] = {
    ("", "Pod"): pods.describe_pod,
    ("", "Node"): nodes.describe_node,
    ("", "Service"): network.describe_service,
    ("", "ConfigMap"): config.describe_config_map,
    ("", "Secret"): config.describe_secret,
    ("", "Namespace"): config.describe_namespace,
    ("", "ResourceQuota"): config.describe_quota,
    ("", "LimitRange"): config.describe_limits,
    ("", "ServiceAccount"): config.describe_service_account,
    ("", "Endpoints"): network.describe_endpoints,
    ("discovery.k8s.io", "EndpointSlice"): network.describe_slice,
    ("networking.k8s.io", "Ingress"): network.describe_ingress,
    ("networking.k8s.io", "IngressClass"): network.describe_ingress_class,
    ("scheduling.k8s.io", "PriorityClass"): config.describe_priority_class,
}
_WORKLOADS: dict[tuple[str, str], Callable[[Any, Related, float], str]] = {
    ("apps", "Deployment"): workloads.describe_deployment,
    ("apps", "ReplicaSet"): workloads.describe_replica_set,
    ("apps", "StatefulSet"): workloads.describe_stateful_set,
    ("apps", "DaemonSet"): workloads.describe_daemon_set,
    ("batch", "Job"): workloads.describe_job,
    ("batch", "CronJob"): workloads.describe_cron_job,
    ("policy", "PodDisruptionBudget"): workloads.describe_budget,
}


def describe_object(obj: Any, related: Related, now_s: float) -> str:
    """The description of a stored object, as `kubectl describe` prints it at `now_s` (seconds since the epoch)."""
    view = look(obj)
    key = (view.text("apiVersion").rpartition("/")[0], view.text("kind"))
    if key in _WORKLOADS:
        return _WORKLOADS[key](obj, related, now_s)
    return _BY_KIND.get(key, generic.describe_generic)(view, related, now_s)


__all__ = ["EVENT_HEADERS", "Related", "describe_object", "describe_template", "event_rows", "in_order", "last_time_s"]
