"""LimitRanges: what they give the containers of a new pod, and what they forbid. Pure; called by `pods` and `admission`.

Source of rules and words: kubernetes plugin/pkg/admission/limitranger/admission.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from callboard.models.api.core import Container, PodSpec, ResourceRequirements
from callboard.models.base import FrozenMap, replace
from callboard.models.generic import GenericObject
from callboard.models.podresources import Amounts, amounts_of, limits_of_pod, quantity_text, requests_of_pod
from callboard.models.quantity import parse_quantity

RANGES = "limitranges"
ANNOTATION = "kubernetes.io/limit-ranger"
_SIX_DECIMALS = Decimal("0.000001")


def with_range_defaults(spec: PodSpec, ranges: Iterable[GenericObject]) -> tuple[PodSpec, str]:
    """A pod's spec with the requests and limits that LimitRanges give, and the annotation that tells which ("" if none).

    Of a range with several items for containers the last word counts; of several ranges the first.
    """
    told: list[str] = []
    for one in ranges:
        requests: dict[str, str] = {}
        limits: dict[str, str] = {}
        for item in _items(one):
            if item.get("type") == "Container":
                requests.update(item.get("defaultRequest") or {})
                limits.update(item.get("default") or {})
        if not requests and not limits:
            continue
        containers = tuple(_given(container, "container", requests, limits, told) for container in spec.containers)
        starters = tuple(_given(container, "init container", requests, limits, told) for container in spec.init_containers)
        spec = replace(spec, containers=containers, init_containers=starters)
    return spec, f"LimitRanger plugin set: {'; '.join(told)}" if told else ""


def _given(container: Container, what: str, requests: Mapping[str, str], limits: Mapping[str, str], told: list[str]) -> Container:
    own = container.resources or ResourceRequirements()
    new_requests = {name: value for name, value in requests.items() if name not in own.requests}
    new_limits = {name: value for name, value in limits.items() if name not in own.limits}
    if new_requests:
        told.append(f"{', '.join(sorted(new_requests))} request for {what} {container.name}")
    if new_limits:
        told.append(f"{', '.join(sorted(new_limits))} limit for {what} {container.name}")
    if not new_requests and not new_limits:
        return container
    own = replace(own, requests=FrozenMap({**own.requests, **new_requests}), limits=FrozenMap({**own.limits, **new_limits}))
    return replace(container, resources=own)


def pod_problem(spec: PodSpec, ranges: Iterable[GenericObject]) -> str:
    """Why LimitRanges forbid a pod, all reasons together; "" if they don't."""
    return aggregated([problem for one in ranges for item in _items(one) for problem in _pod_problems(spec, item)])


def _pod_problems(spec: PodSpec, item: Mapping[str, Any]) -> Iterator[str]:
    if item.get("type") == "Container":
        for container in (*spec.containers, *spec.init_containers):
            own = container.resources or ResourceRequirements()
            yield from _problems(item, amounts_of(own.requests), amounts_of(own.limits))
    elif item.get("type") == "Pod":
        yield from _problems(item, requests_of_pod(spec), limits_of_pod(spec))


def claim_problem(claim: GenericObject, ranges: Iterable[GenericObject]) -> str:
    """Why LimitRanges forbid a PersistentVolumeClaim; "" if they don't."""
    spec = claim.content.get("spec") or {}
    requests = amounts_of((spec.get("resources") or {}).get("requests") or {})
    found: list[str] = []
    for one in ranges:
        for item in _items(one):
            if item.get("type") == "PersistentVolumeClaim":
                found += _minimum("PersistentVolumeClaim", item.get("min") or {}, requests, {})
                found += _maximum_of_requests("PersistentVolumeClaim", item.get("max") or {}, requests)
    return aggregated(found)


def aggregated(problems: list[str]) -> str:
    """Several errors as Kubernetes tells them: each once, in brackets if there is more than one."""
    once = list(dict.fromkeys(problems))
    return once[0] if len(once) == 1 else f"[{', '.join(once)}]" if once else ""


def _items(one: GenericObject) -> tuple[Mapping[str, Any], ...]:
    return tuple((one.content.get("spec") or {}).get("limits") or ())


def _problems(item: Mapping[str, Any], requests: Amounts, limits: Amounts) -> Iterator[str]:
    type_ = str(item["type"])
    yield from _minimum(type_, item.get("min") or {}, requests, limits)
    yield from _maximum(type_, item.get("max") or {}, requests, limits)
    yield from _ratio(type_, item.get("maxLimitRequestRatio") or {}, requests, limits)


def _minimum(type_: str, enforced: Mapping[str, Any], requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, value in sorted(enforced.items()):
        least, told = parse_quantity(value), f"minimum {name} usage per {type_} is {value}"
        if name not in requests:
            yield f"{told}.  No request is specified"
        elif requests[name] < least:
            yield f"{told}, but request is {quantity_text(name, requests[name])}"
        elif name in limits and limits[name] < least:
            yield f"{told}, but limit is {quantity_text(name, limits[name])}"


def _maximum(type_: str, enforced: Mapping[str, Any], requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, value in sorted(enforced.items()):
        most, told = parse_quantity(value), f"maximum {name} usage per {type_} is {value}"
        if name not in limits:
            yield f"{told}.  No limit is specified"
        elif limits[name] > most:
            yield f"{told}, but limit is {quantity_text(name, limits[name])}"
        elif name in requests and requests[name] > most:
            yield f"{told}, but request is {quantity_text(name, requests[name])}"


def _maximum_of_requests(type_: str, enforced: Mapping[str, Any], requests: Amounts) -> Iterator[str]:
    for name, value in sorted(enforced.items()):
        told = f"maximum {name} usage per {type_} is {value}"
        if name not in requests:
            yield f"{told}.  No request is specified"
        elif requests[name] > parse_quantity(value):
            yield f"{told}, but request is {quantity_text(name, requests[name])}"


def _ratio(type_: str, enforced: Mapping[str, Any], requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, value in sorted(enforced.items()):
        told = f"{name} max limit to request ratio per {type_} is {value}"
        if not requests.get(name):
            yield f"{told}, but no request is specified or request is 0"
        elif not limits.get(name):
            yield f"{told}, but no limit is specified or limit is 0"
        elif limits[name] > requests[name] * parse_quantity(value):
            ratio = (limits[name] / requests[name]).quantize(_SIX_DECIMALS, ROUND_HALF_EVEN)
            yield f"{told}, but provided ratio is {ratio}"
