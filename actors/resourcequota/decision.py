"""The status of a ResourceQuota, given the objects that it counts. Pure; called by the quota controller's actor.

The apiserver's admission adds to `used` what is created, in the same transaction; this is the count that starts it, gives back what is
freed, and mends whatever admission could not know. Source: kubernetes pkg/controller/resourcequota/resource_quota_controller.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from callboard.models.api.core import Pod
from callboard.models.base import EMPTY_MAP, FrozenMap
from callboard.models.generic import GenericObject
from callboard.models.podresources import Amounts
from callboard.models.podstatus import is_finished
from callboard.models.quotas import as_texts, matches, resource_counted, spec_of, usage_of


def resources_counted(quota: GenericObject) -> tuple[str, ...]:
    """The resources of which a quota counts objects, each once, in order."""
    return tuple(dict.fromkeys(resource_counted(name) for name in sorted(spec_of(quota).hard)))


def status_for(quota: GenericObject, objects: Mapping[str, Mapping[str, Any]]) -> FrozenMap:
    """What the status has to be: the limits of the spec, and how much is used of each.

    `objects` holds, by resource, the objects of the quota's namespace. A resource that isn't there is one that nobody serves: what is
    limited of it is left out, and so is not enforced.
    """
    spec = spec_of(quota)
    hard = {name: str(value) for name, value in sorted(spec.hard.items()) if resource_counted(name) in objects}
    used: Amounts = dict.fromkeys(hard, Decimal(0))
    for resource in dict.fromkeys(resource_counted(name) for name in hard):
        for _, obj in sorted(objects[resource].items()):
            if matches(spec, resource, obj):
                for name, amount in usage_of(resource, obj).items():
                    if name in used:
                        used[name] += amount
    return FrozenMap({"hard": FrozenMap(hard), "used": as_texts(used)})


def status_now(quota: GenericObject) -> FrozenMap:
    """The status that a quota has."""
    status: FrozenMap = quota.content.get("status") or EMPTY_MAP
    return status


def counts_otherwise(old: Any, new: Any) -> bool:
    """Whether a change of an object may change what is used."""
    if old is None or new is None:
        return True
    if isinstance(old, Pod) and isinstance(new, Pod):
        return is_finished(old) != is_finished(new) or (old.spec is not new.spec and old.spec != new.spec)
    return getattr(old, "spec", None) != getattr(new, "spec", None) or isinstance(new, GenericObject)
