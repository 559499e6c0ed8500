"""What a pod asks for as a whole, exactly, and how amounts are written back as quantities.

Used where amounts are compared with what a person wrote (LimitRanges, ResourceQuotas). Source: kubernetes component-helpers/resource
(PodRequests, PodLimits), apimachinery pkg/api/resource (canonical form).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from callboard.models.api.core import PodSpec, ResourceRequirements
from callboard.models.quantity import parse_quantity, quantity_of

Amounts = dict[str, Decimal]
"""Exact amounts by the name of the resource: cores, bytes, pieces."""
_NONE = ResourceRequirements()
_BINARY = ("memory", "storage", "hugepages-")


def amounts_of(quantities: Mapping[str, Any]) -> Amounts:
    """A map of quantities as exact amounts. Raises `ValueError` if one is none."""
    return {name: parse_quantity(value) for name, value in quantities.items()}


def add(total: Amounts, more: Mapping[str, Decimal]) -> None:
    """Add amounts to a total, in place."""
    for name, amount in more.items():
        total[name] = total.get(name, Decimal(0)) + amount


def requests_of_pod(spec: PodSpec, *, overhead: bool = False) -> Amounts:
    """The requests of a pod as a whole: containers together, init containers one after the other, sidecars with both.

    With `overhead`, what its RuntimeClass takes is added, as quotas count it.
    """
    return _of_pod(spec, lambda one: one.requests, overhead)


def limits_of_pod(spec: PodSpec, *, overhead: bool = False) -> Amounts:
    """The same of the limits; overhead is added only to limits that are there."""
    total = _of_pod(spec, lambda one: one.limits, False)
    if overhead:
        add(total, {name: amount for name, amount in amounts_of(spec.overhead).items() if total.get(name)})
    return total


def _of_pod(spec: PodSpec, pick: Callable[[ResourceRequirements], Mapping[str, Any]], overhead: bool) -> Amounts:
    total: Amounts = {}
    for container in spec.containers:
        add(total, amounts_of(pick(container.resources or _NONE)))
    staying: Amounts = {}
    peak: Amounts = {}
    for container in spec.init_containers:
        own = amounts_of(pick(container.resources or _NONE))
        if container.restart_policy == "Always":
            add(total, own)
            add(staying, own)
            _raise_to(peak, staying)
        else:
            add(own, staying)
            _raise_to(peak, own)
    _raise_to(total, peak)
    if spec.resources is not None:
        total.update(amounts_of(pick(spec.resources)))
    if overhead:
        add(total, amounts_of(spec.overhead))
    return total


def _raise_to(total: Amounts, other: Mapping[str, Decimal]) -> None:
    for name, amount in other.items():
        if name not in total or amount > total[name]:
            total[name] = amount


def quantity_text(name: str, amount: Decimal) -> str:
    """An amount in the shortest form without a fraction: `1500m`, `1Gi`, `3`. Bytes take binary suffixes where they fit.

    Which suffixes a quantity was written with isn't remembered beside its amount, so the name of the resource decides.
    """
    return quantity_of(amount, binary=any(word in name for word in _BINARY))
