"""Kinds that rule over others: ResourceQuota, LimitRange, PriorityClass, PodDisruptionBudget. They are kept as trees.

Source of rules and words: kubernetes pkg/apis/{core,scheduling,policy}/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from callboard.models.base import thaw
from callboard.models.generic import GenericObject
from callboard.models.priorities import HIGHEST_USER_PRIORITY, SYSTEM_PRIORITIES
from callboard.models.validation import formats, words
from callboard.models.validation.meta import Errors
from callboard.models.validation.resources import check_quantity

Tree = Mapping[str, Any]

COUNTED = ("pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims")
WHOLE = (*COUNTED, "services.nodeports", "services.loadbalancers")
COMPUTE = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
STORAGE = ("ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage", "requests.storage")
QUOTA_NAMES = (*WHOLE, *COMPUTE, *STORAGE)
SCOPES = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity")
_EXISTS_ONLY = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort")
_CONFLICTS = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
LIMIT_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is "
    "'[0-9]+%')"
)
SYSTEM_PREFIX = "system-"
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")


def check_policy(obj: GenericObject, old: GenericObject | None, errors: Errors) -> None:
    """What is wrong with an object of one of these kinds; nothing for others."""
    found = _CHECKS.get((obj.api_version, obj.kind))
    if found is not None:
        found(obj, old, errors)


# -- quotas -------------------------------------------------------------------------------------------------------------------------


def _check_quota(obj: GenericObject, old: GenericObject | None, errors: Errors) -> None:
    spec = obj.content.get("spec") or {}
    hard = spec.get("hard") or {}
    for name, value in hard.items():
        path = f"spec.hard[{name}]"
        _check_quota_name(name, path, errors)
        check_quantity(value, path, errors, whole=name in WHOLE or name.startswith("count/"))
    scopes = tuple(spec.get("scopes") or ())
    _check_scopes(scopes, hard, "spec.scopes", scopes, errors)
    selector = spec.get("scopeSelector")
    if selector:
        _check_scope_selector(selector, hard, errors)
    before = tuple((old.content.get("spec") or {}).get("scopes") or ()) if old is not None else scopes
    if sorted(scopes) != sorted(before):
        errors.append(words.invalid("spec.scopes", list(scopes), words.IMMUTABLE))


def _check_quota_name(name: str, path: str, errors: Errors) -> None:
    problems = formats.qualified_name(name)
    if problems:
        errors.extend(words.invalid(path, name, one) for one in problems)
    elif "/" not in name and name not in QUOTA_NAMES and not name.startswith(("hugepages-", "requests.hugepages-")):
        errors.append(words.invalid(path, name, "must be a standard resource type or fully qualified"))
        errors.append(words.invalid(path, name, "must be a standard resource for quota"))


def _check_scopes(scopes: tuple[str, ...], hard: Tree, path: str, shown: Any, errors: Errors) -> None:
    value = list(shown) if isinstance(shown, tuple) else shown
    for scope in scopes:
        if scope not in SCOPES:
            errors.append(words.invalid(path, value, "unsupported scope"))
        for name in sorted(hard):
            if name in QUOTA_NAMES and not _scope_fits(scope, name):
                errors.append(words.invalid(path, value, "unsupported scope applied to resource"))
    for pair in _CONFLICTS:
        if all(one in scopes for one in pair):
            errors.append(words.invalid("spec.scopes", value, "conflicting scopes"))


def _scope_fits(scope: str, name: str) -> bool:
    if scope == "BestEffort":
        return name == "pods"
    return scope not in SCOPES or name == "pods" or name in COMPUTE


def _check_scope_selector(selector: Tree, hard: Tree, errors: Errors) -> None:
    path = "spec.scopeSelector.matchExpressions"
    terms = tuple(selector.get("matchExpressions") or ())
    _check_scopes(tuple(str(one.get("scopeName", "")) for one in terms), hard, path, thaw(selector), errors)
    for one in terms:
        scope, operator, values = one.get("scopeName", ""), one.get("operator", ""), tuple(one.get("values") or ())
        if scope in _EXISTS_ONLY and operator != "Exists":
            detail = (
                "must be 'Exist' only operator when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
                "ResourceQuotaScopeBestEffort and ResourceQuotaScopeNotBestEffort"
            )
            errors.append(words.invalid(f"{path}.operator", operator, detail))
        if operator in ("In", "NotIn"):
            if not values:
                detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                errors.append(words.required(f"{path}.values", detail))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                errors.append(words.invalid(f"{path}.values", list(values), detail))
        else:
            errors.append(words.invalid(f"{path}.operator", operator, "not a valid selector operator"))


# -- limit ranges -------------------------------------------------------------------------------------------------------------------


def _check_limit_range(obj: GenericObject, _old: GenericObject | None, errors: Errors) -> None:
    seen: list[str] = []
    for index, item in enumerate((obj.content.get("spec") or {}).get("limits") or ()):
        path, type_ = f"spec.limits[{index}]", str(item.get("type", ""))
        problems = formats.qualified_name(type_)
        errors.extend(words.invalid(f"{path}.type", type_, one) for one in problems)
        if not problems and "/" not in type_ and type_ not in LIMIT_TYPES:
            errors.append(words.invalid(f"{path}.type", type_, "must be a standard limit type or fully qualified"))
        if type_ in seen:
            errors.append(words.duplicate(f"{path}.type", type_))
        seen.append(type_)
        _check_limit_item(item, type_, path, errors)


def _check_limit_item(item: Tree, type_: str, path: str, errors: Errors) -> None:
    amounts: dict[str, dict[str, Decimal]] = {}
    for field in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
        if type_ == "Pod" and field in ("default", "defaultRequest"):
            if item.get(field):
                errors.append(words.forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'"))
            continue
        found = {name: check_quantity(value, f"{path}.{field}[{name}]", errors) for name, value in (item.get(field) or {}).items()}
        amounts[field] = {name: amount for name, amount in found.items() if amount is not None}
    if type_ == "PersistentVolumeClaim" and "storage" not in (item.get("min") or {}) and "storage" not in (item.get("max") or {}):
        detail = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(words.required(f"{path}.limits", detail))
    for name in sorted({name for field in amounts.values() for name in field}):
        told = {field: str((item.get(field) or {}).get(name)) for field in amounts}
        for field, value, detail in _limit_problems({field: found.get(name) for field, found in amounts.items()}, told):
            errors.append(words.invalid(f"{path}.{field}[{name}]", value, detail))


def _limit_problems(found: Mapping[str, Decimal | None], told: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Field, value and words for every pair of amounts of one resource that contradict each other."""
    pairs = (
        ("min", "max", "min", "min", "min value {} is greater than max value {}"),
        ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min value {} is greater than default request value {}"),
        ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request value {} is greater than max value {}"),
        (
            "defaultRequest",
            "default",
            "defaultRequest",
            "defaultRequest",
            "default request value {} is greater than default limit value {}",
        ),
        ("min", "default", "default", "min", "min value {} is greater than default value {}"),
        ("default", "max", "default", "max", "default value {} is greater than max value {}"),
    )
    for lower, upper, field, shown, text in pairs:
        low, high = found.get(lower), found.get(upper)
        if low is not None and high is not None and low > high:
            yield field, told[shown], text.format(told[lower], told[upper])
    ratio, low, high = found.get("maxLimitRequestRatio"), found.get("min"), found.get("max")
    if ratio is None:
        return
    shown_ratio = told["maxLimitRequestRatio"]
    if ratio < 1:
        yield "maxLimitRequestRatio", shown_ratio, f"ratio {shown_ratio} is less than 1"
    if low and high is not None and ratio > high / low:
        yield "maxLimitRequestRatio", shown_ratio, f"ratio {shown_ratio} is greater than max/min = {high / low:f}"


# -- priority classes and disruption budgets ------------------------------------------------------------------------------------------


def _check_priority_class(obj: GenericObject, old: GenericObject | None, errors: Errors) -> None:
    name, value, policy = obj.metadata.name, obj.content.get("value", 0), obj.content.get("preemptionPolicy")
    if old is not None:
        if value != old.content.get("value", 0):
            errors.append(words.forbidden("value", "may not be changed in an update."))
        if policy != old.content.get("preemptionPolicy"):
            errors.append(words.invalid("preemptionPolicy", policy, words.IMMUTABLE))
        return
    if name.startswith(SYSTEM_PREFIX):
        why = _not_known(name, value, bool(obj.content.get("globalDefault")))
        if why:
            detail = f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: {why}"
            errors.append(words.forbidden("metadata.name", detail))
    elif value > HIGHEST_USER_PRIORITY:
        errors.append(words.forbidden("value", f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"))
    if policy and policy not in PREEMPTION_POLICIES:
        errors.append(words.unsupported("preemptionPolicy", policy, PREEMPTION_POLICIES))


def _not_known(name: str, value: int, is_default: bool) -> str:
    """Why this is none of the classes of the system (IsKnownSystemPriorityClass); "" if it is one."""
    known = SYSTEM_PRIORITIES.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    if value != known:
        return f"value of {name} PriorityClass must be {known}"
    return f"globalDefault of {name} PriorityClass must be false" if is_default else ""


def _check_budget(obj: GenericObject, _old: GenericObject | None, errors: Errors) -> None:
    spec = obj.content.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        errors.append(words.invalid("spec", thaw(spec), "minAvailable and maxUnavailable cannot be both set"))
    for field in ("minAvailable", "maxUnavailable"):
        value = spec.get(field)
        if isinstance(value, int):
            if value < 0:
                errors.append(words.invalid(f"spec.{field}", value, words.NEGATIVE))
        elif value is not None:
            number = value.removesuffix("%")
            if not (value.endswith("%") and number.isascii() and number.isdigit()):
                errors.append(words.invalid(f"spec.{field}", value, _PERCENT))
            elif int(number) > 100:
                errors.append(words.invalid(f"spec.{field}", value, "must not be greater than 100%"))


_CHECKS = {
    ("v1", "ResourceQuota"): _check_quota,
    ("v1", "LimitRange"): _check_limit_range,
    ("scheduling.k8s.io/v1", "PriorityClass"): _check_priority_class,
    ("policy/v1", "PodDisruptionBudget"): _check_budget,
}

__all__ = ["check_policy"]
