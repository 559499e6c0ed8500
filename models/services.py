"""What a Service's type means, where more than one component asks. Source: kubernetes pkg/api/v1/service/util.go."""

from __future__ import annotations

from callboard.models.api.core import ServiceSpec


def is_reachable_outside(spec: ServiceSpec) -> bool:
    """Whether a Service is meant to be reached from outside the cluster (ExternallyAccessible): by ports of nodes, or by addresses that the
    user says lead to them."""
    return spec.type in ("NodePort", "LoadBalancer") or (spec.type == "ClusterIP" and bool(spec.external_ips))
