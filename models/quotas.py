"""What a ResourceQuota counts: which objects it is about, and what each of them uses. Pure; for admission and for the controller.

Source of rules: kubernetes pkg/quota/v1/evaluator/core/{pods,services,persistent_volume_claims}.go, doc page "Resource Quotas". Amounts are
exact. Names of what is counted: `pods`, `requests.cpu`, `services.nodeports`, `count/deployments.apps`...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from callboard.models.api.core import Pod, PodAffinityTerm, Service
from callboard.models.base import EMPTY_MAP, FrozenMap
from callboard.models.generic import GenericObject
from callboard.models.podresources import Amounts, add, amounts_of, limits_of_pod, quantity_text, requests_of_pod
from callboard.models.podstatus import is_finished

QUOTAS = "resourcequotas"
CLAIMS = "persistentvolumeclaims"
COUNTED = ("resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", CLAIMS)
"""Kinds that may be counted by their bare name; pods too, but only those that are not finished."""
POD_NAMES = (
    "pods",
    "cpu",
    "memory",
    "ephemeral-storage",
    *(f"{kind}.{name}" for kind in ("requests", "limits") for name in ("cpu", "memory", "ephemeral-storage")),
)
REQUIRED_OF_CONTAINERS = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
"""Where one of these is limited, every container has to say how much of it it wants."""
_ONE = Decimal(1)
_STORAGE_CLASS = ".storageclass.storage.k8s.io/"


class QuotaSpec(msgspec.Struct, frozen=True, gc=False):
    """What a quota limits, by name, and which pods it is about: pairs of scope, operator and values, all of which must match."""

    hard: Mapping[str, str]
    scopes: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


def spec_of(quota: GenericObject) -> QuotaSpec:
    """The spec of a stored ResourceQuota."""
    spec: Mapping[str, Any] = quota.content.get("spec") or EMPTY_MAP
    scopes = [(str(scope), "Exists", ()) for scope in spec.get("scopes") or ()]
    for one in (spec.get("scopeSelector") or EMPTY_MAP).get("matchExpressions") or ():
        scopes.append((str(one.get("scopeName", "")), str(one.get("operator", "")), tuple(one.get("values") or ())))
    return QuotaSpec(spec.get("hard") or EMPTY_MAP, tuple(scopes))


def resource_counted(name: str) -> str:
    """The resource whose objects a name counts: `pods` for `requests.cpu`, `deployments.apps` for `count/deployments.apps`."""
    if name.startswith("count/"):
        return name.removeprefix("count/")
    if name in COUNTED:
        return name
    if name.startswith("services."):
        return "services"
    if name == "requests.storage" or _STORAGE_CLASS in name:
        return CLAIMS
    return "pods"


def names_for(resource: str, hard: Iterable[str]) -> tuple[str, ...]:
    """Those of the limited names that objects of a resource count towards, sorted."""
    return tuple(sorted(name for name in hard if resource_counted(name) == resource))


def matches(quota: QuotaSpec, resource: str, obj: Any) -> bool:
    """Whether a quota is about an object: it limits something of its kind, and every scope matches. Only pods have scopes."""
    if not names_for(resource, quota.hard):
        return False
    if not quota.scopes:
        return True
    return isinstance(obj, Pod) and all(_in_scope(obj, *scope) for scope in quota.scopes)


def _in_scope(pod: Pod, scope: str, operator: str, values: tuple[str, ...]) -> bool:
    spec = pod.spec
    if spec is None:
        return False
    if scope in ("Terminating", "NotTerminating"):
        deadline_s = spec.active_deadline_seconds
        return (deadline_s is not None and deadline_s >= 0) == (scope == "Terminating")
    if scope in ("BestEffort", "NotBestEffort"):
        best_effort = pod.status is not None and pod.status.qos_class == "BestEffort"
        return best_effort == (scope == "BestEffort")
    if scope == "CrossNamespacePodAffinity":
        return _looks_across(pod)
    if scope != "PriorityClass":
        return False
    name = spec.priority_class_name
    if operator == "In":
        return name != "" and name in values
    if operator == "NotIn":
        return name == "" or name not in values
    return (name != "") == (operator == "Exists")


def _looks_across(pod: Pod) -> bool:
    affinity = pod.spec.affinity if pod.spec is not None else None
    terms: list[PodAffinityTerm | None] = []
    for one in (affinity.pod_affinity, affinity.pod_anti_affinity) if affinity is not None else ():
        if one is not None:
            terms += one.required_during_scheduling_ignored_during_execution
            terms += [weighted.pod_affinity_term for weighted in one.preferred_during_scheduling_ignored_during_execution]
    return any(term is not None and (term.namespaces or term.namespace_selector is not None) for term in terms)


def usage_of(resource: str, obj: Any) -> Amounts:
    """What an object uses, by every name that could be limited."""
    used: Amounts = {f"count/{resource}": _ONE}
    if isinstance(obj, Pod):
        if not is_finished(obj) and obj.spec is not None:
            add(used, _compute(requests_of_pod(obj.spec, overhead=True), limits_of_pod(obj.spec, overhead=True)))
    elif resource in COUNTED:
        used[resource] = _ONE
        if isinstance(obj, Service):
            add(used, _of_service(obj))
        elif resource == CLAIMS:
            add(used, _of_claim(obj))
    return used


def _compute(requests: Amounts, limits: Amounts) -> Amounts:
    used: Amounts = {"pods": _ONE}
    for name, amount in requests.items():
        used[f"requests.{name}"] = amount
        if name in POD_NAMES or name.startswith("hugepages-"):
            used[name] = amount
    for name, amount in limits.items():
        used[f"limits.{name}"] = amount
    return used


def _of_service(service: Service) -> Amounts:
    spec = service.spec
    if spec is None or spec.type not in ("NodePort", "LoadBalancer"):
        return {}
    balanced = spec.type == "LoadBalancer"
    ports = len(spec.ports)
    if balanced and spec.allocate_load_balancer_node_ports is False:
        ports = sum(1 for port in spec.ports if port.node_port)
    used = {"services.nodeports": Decimal(ports)}
    return {**used, "services.loadbalancers": _ONE} if balanced else used


def _of_claim(claim: GenericObject) -> Amounts:
    spec: Mapping[str, Any] = claim.content.get("spec") or EMPTY_MAP
    requests = amounts_of((spec.get("resources") or EMPTY_MAP).get("requests") or EMPTY_MAP)
    storage, name = requests.get("storage"), spec.get("storageClassName")
    used: Amounts = {} if storage is None else {"requests.storage": storage}
    if name:
        used[f"{name}{_STORAGE_CLASS}{CLAIMS}"] = _ONE
        if storage is not None:
            used[f"{name}{_STORAGE_CLASS}requests.storage"] = storage
    return used


def missing_of(pod: Pod, names: Iterable[str]) -> str:
    """Which limited amounts containers don't tell, as `limits.cpu for: a,b; limits.memory for: a`; "" if they tell all."""
    required = [name for name in sorted(names) if name in REQUIRED_OF_CONTAINERS]
    if not required or pod.spec is None:
        return ""
    missing: dict[str, list[str]] = {}
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        own = container.resources
        told = _compute(amounts_of(own.requests), amounts_of(own.limits)) if own is not None else {}
        for name in required:
            if name not in told:
                missing.setdefault(name, []).append(container.name)
    return "; ".join(f"{name} for: {','.join(sorted(dict.fromkeys(names)))}" for name, names in missing.items())


def as_texts(amounts: Mapping[str, Decimal]) -> FrozenMap:
    """Amounts as a frozen map of quantities, sorted by name."""
    return FrozenMap({name: quantity_text(name, amount) for name, amount in sorted(amounts.items())})
