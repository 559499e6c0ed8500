"""Requests and limits of containers. Source: ValidateContainerResourceRequirements in kubernetes pkg/apis/core/validation."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

from callboard.models.api.core import ResourceRequirements
from callboard.models.quantity import parse_quantity
from callboard.models.validation import formats, words
from callboard.models.validation.meta import Errors

STANDARD = frozenset({"cpu", "memory", "ephemeral-storage"})
_HUGE_PAGES = "hugepages-"
_ZERO = Decimal(0)


def check_resources(resources: ResourceRequirements, path: str, errors: Errors) -> None:
    """Names and amounts, and that no request exceeds its limit."""
    limits = {name: _amount(name, value, f"{path}.limits[{name}]", errors) for name, value in resources.limits.items()}
    requests = {name: _amount(name, value, f"{path}.requests[{name}]", errors) for name, value in resources.requests.items()}
    for name, request in requests.items():
        limit = limits.get(name)
        if request is None:
            continue
        if limit is not None and request > limit:
            detail = f"must be less than or equal to {name} limit of {resources.limits[name]}"
            errors.append(words.invalid(f"{path}.requests", str(resources.requests[name]), detail))
        elif name not in STANDARD and limit != request:
            if limit is None:
                errors.append(words.required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
            else:
                detail = f"must be equal to {name} limit of {resources.limits[name]}"
                errors.append(words.invalid(f"{path}.requests", str(resources.requests[name]), detail))


def _amount(name: str, value: Any, path: str, errors: Errors) -> Decimal | None:
    if name not in STANDARD:
        errors.extend(words.invalid(path, name, problem) for problem in _name_problems(name))
    return check_quantity(value, path, errors, whole=name not in STANDARD)


def check_quantity(value: Any, path: str, errors: Errors, *, whole: bool = False) -> Decimal | None:
    """An amount that is not negative (and an integer, with `whole`); None if it is no quantity."""
    try:
        amount = parse_quantity(value)
    except ValueError:
        errors.append(
            words.invalid(path, str(value), "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
        )
        return None
    if amount < _ZERO:
        errors.append(words.invalid(path, str(value), words.NEGATIVE))
    elif whole and amount != amount.to_integral_value():
        errors.append(words.invalid(path, str(value), "must be an integer"))
    return amount


@lru_cache(maxsize=1024)
def _name_problems(name: str) -> tuple[str, ...]:
    problems = formats.qualified_name(name)
    if not problems and "/" not in name and not name.startswith(_HUGE_PAGES):
        return ("must be a standard resource type or fully qualified", "must be a standard resource for containers")
    return problems
