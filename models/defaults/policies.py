"""Defaults of kinds that are kept as trees and that Callboard acts on: LimitRange, PriorityClass.

Source: SetDefaults_LimitRangeItem in kubernetes pkg/apis/core/v1/defaults.go, SetDefaults_PriorityClass in pkg/apis/scheduling/v1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.generic import GenericObject


def policy_defaults(obj: GenericObject) -> GenericObject:
    """The object with the defaults of its kind; the very same object if there is nothing to add."""
    if obj.kind == "LimitRange" and obj.api_version == "v1":
        return _limit_range(obj)
    if obj.kind == "PriorityClass" and obj.api_version == "scheduling.k8s.io/v1" and not obj.content.get("preemptionPolicy"):
        return replace(obj, content=FrozenMap({**obj.content, "preemptionPolicy": "PreemptLowerPriority"}))
    return obj


def _limit_range(obj: GenericObject) -> GenericObject:
    spec = obj.content.get("spec") or {}
    before = tuple(spec.get("limits") or ())
    after = tuple(_item(one) for one in before)
    if after == before:
        return obj
    return replace(obj, content=FrozenMap({**obj.content, "spec": FrozenMap({**spec, "limits": after})}))


def _item(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """For containers: the default limit is the maximum, the default request the default limit, or else the minimum."""
    if item.get("type") != "Container":
        return item
    limits = {**(item.get("max") or {}), **(item.get("default") or {})}
    requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
    changed = {**item, **({"default": limits} if limits else {}), **({"defaultRequest": requests} if requests else {})}
    frozen: Mapping[str, Any] = freeze(changed)
    return frozen
