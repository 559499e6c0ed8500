"""Built-in kinds in another version than the one they are stored in: converted, or refused in words.

Of the versions that the schema of Kubernetes 1.36 declares, its apiserver serves only the stable ones unless told otherwise. One kind has
two stable versions: HorizontalPodAutoscaler. Source: kubernetes pkg/apis/autoscaling/v1/conversion.go, doc page "The Kubernetes API".
"""

from __future__ import annotations

from typing import Any

from callboard.models.base import FrozenMap, freeze, replace, thaw
from callboard.models.errors import UnknownKind
from callboard.models.generic import GenericObject
from callboard.models.kinds import Resource

_AUTOSCALER_V1 = ("autoscaling/v1", "HorizontalPodAutoscaler")
_CPU_V1 = "targetCPUUtilizationPercentage"


def to_hub(obj: GenericObject, hub: Resource) -> GenericObject:
    """An object of a built-in kind in the version that it is stored in.

    Raises:
        UnknownKind: its version is not served.
    """
    if obj.api_version == hub.api_version:
        return obj
    if (obj.api_version, obj.kind) == _AUTOSCALER_V1:
        return replace(obj, api_version=hub.api_version, content=_autoscaler(obj.content))
    raise UnknownKind(
        f'no matches for kind "{obj.kind}" in version "{obj.api_version}": Kubernetes 1.36 does not serve this version unless told to; '
        f"write {hub.api_version}"
    )


def _autoscaler(content: FrozenMap) -> FrozenMap:
    """autoscaling/v1 to v2: the target of the CPU's utilization becomes a metric."""
    tree: dict[str, Any] = thaw(content)
    spec = tree.get("spec") or {}
    target = spec.pop(_CPU_V1, None)
    if target is not None:
        resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}
        spec["metrics"] = [{"type": "Resource", "resource": resource}]
    tree.pop("status", None)  # nobody but its controller, which speaks v2, writes one
    frozen: FrozenMap = freeze(tree)
    return frozen
