"""What a pod asks for as a whole, and how amounts are written back as quantities.

Exactly where amounts are compared with what a person wrote (LimitRanges, ResourceQuotas), rounded up where nodes are filled. Source:
kubernetes component-helpers/resource (PodRequests, PodLimits), apimachinery pkg/api/resource (canonical form).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from callboard.models.api.core import PodSpec, ResourceRequirements
from callboard.models.quantity import cpu_milli, parse_quantity, quantity_of, to_bytes

Amounts = dict[str, Decimal]
"""Exact amounts by the name of the resource: cores, bytes, pieces."""
N = TypeVar("N", int, Decimal)
_NONE = ResourceRequirements()
_BINARY = ("memory", "storage", "hugepages-")


def amounts_of(quantities: Mapping[str, Any]) -> Amounts:
    """A map of quantities as exact amounts. Raises `ValueError` if one is none."""
    return {name: parse_quantity(value) for name, value in quantities.items()}


def rounded_amounts(quantities: Mapping[str, Any]) -> dict[str, int]:
    """A map of quantities as nodes are filled with them: CPU in thousandths of a core, the rest in bytes or pieces, each rounded up.
    Raises `ValueError` if one is none."""
    return {name: cpu_milli(value) if name == "cpu" else to_bytes(value) for name, value in quantities.items()}


def add(total: dict[str, N], more: Mapping[str, N]) -> None:
    """Add amounts to a total, in place."""
    for name, amount in more.items():
        total[name] = total[name] + amount if name in total else amount


def requests_of_pod(spec: PodSpec, *, overhead: bool = False) -> Amounts:
    """The requests of a pod as a whole: containers together, init containers one after the other, sidecars with both.

    With `overhead`, what its RuntimeClass takes is added, as quotas count it.
    """
    total = whole(spec, lambda one: amounts_of(one.requests))
    if overhead:
        add(total, amounts_of(spec.overhead))
    return total


def limits_of_pod(spec: PodSpec, *, overhead: bool = False) -> Amounts:
    """The same of the limits; overhead is added only to limits that are there."""
    total = whole(spec, lambda one: amounts_of(one.limits))
    if overhead:
        add(total, {name: amount for name, amount in amounts_of(spec.overhead).items() if total.get(name)})
    return total


def pod_requests(spec: PodSpec) -> dict[str, int]:
    """What a pod takes of its node, overhead and all; see `rounded_amounts` for the units. What it takes nothing of isn't named."""
    total = whole(spec, lambda one: rounded_amounts(one.requests))
    add(total, rounded_amounts(spec.overhead))
    return {name: amount for name, amount in total.items() if amount > 0}


def whole(spec: PodSpec, read: Callable[[ResourceRequirements], dict[str, N]]) -> dict[str, N]:
    """A pod's amounts as a whole, without overhead; `read` tells those of one container.

    Containers run together, init containers one after the other (restartable ones stay), so the larger of both counts; amounts of the pod
    as a whole replace the sum.
    """
    total: dict[str, N] = {}
    for container in spec.containers:
        add(total, read(container.resources or _NONE))
    staying: dict[str, N] = {}
    peak: dict[str, N] = {}
    for container in spec.init_containers:
        own = read(container.resources or _NONE)
        if container.restart_policy == "Always":
            add(total, own)
            add(staying, own)
            _raise_to(peak, staying)
        else:
            add(own, staying)
            _raise_to(peak, own)
    _raise_to(total, peak)
    if spec.resources is not None:
        total.update(read(spec.resources))
    return total


def _raise_to(total: dict[str, N], other: Mapping[str, N]) -> None:
    for name, amount in other.items():
        if name not in total or amount > total[name]:
            total[name] = amount


def quantity_text(name: str, amount: Decimal) -> str:
    """An amount in the shortest form without a fraction: `1500m`, `1Gi`, `3`. Bytes take binary suffixes where they fit.

    Which suffixes a quantity was written with isn't remembered beside its amount, so the name of the resource decides.
    """
    return quantity_of(amount, binary=any(word in name for word in _BINARY))
