"""Quotas, limit ranges, disruption budgets that contradict themselves. Source: kubernetes pkg/apis/{core,policy}/validation."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.api.meta import ObjectMeta
from callboard.models.base import freeze
from callboard.models.defaults import with_defaults
from callboard.models.generic import GenericObject
from callboard.models.kinds import Scheme
from callboard.models.validation import validate

RESOURCES = {
    "ResourceQuota": ("resourcequotas", "v1"),
    "LimitRange": ("limitranges", "v1"),
    "PodDisruptionBudget": ("poddisruptionbudgets.policy", "policy/v1"),
}


def problems(kind: str, spec: dict[str, Any], before: dict[str, Any] | None = None) -> list[str]:
    resource, api_version = RESOURCES[kind]

    def made(tree: dict[str, Any]) -> GenericObject:
        meta = ObjectMeta(name="x", namespace="default")
        obj: GenericObject = with_defaults(GenericObject(api_version=api_version, kind=kind, metadata=meta, content=freeze({"spec": tree})))
        return obj

    old = None if before is None else made(before)
    return [str(one) for one in validate(made(spec), Scheme.builtin().stored(resource), old)]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"hard": {"pods": "3", "count/deployments.apps": "2", "requests.nvidia.com/gpu": "1"}}, []),
        ({"hard": {"pods": "-1"}}, ['spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0']),
        ({"hard": {"pods": "1500m"}}, ['spec.hard[pods]: Invalid value: "1500m": must be an integer']),
        (
            {"hard": {"bananas": "1"}},
            [
                'spec.hard[bananas]: Invalid value: "bananas": must be a standard resource type or fully qualified',
                'spec.hard[bananas]: Invalid value: "bananas": must be a standard resource for quota',
            ],
        ),
        ({"hard": {"pods": "1"}, "scopes": ["Sometimes"]}, ['spec.scopes: Invalid value: ["Sometimes"]: unsupported scope']),
        (
            {"hard": {"services": "1"}, "scopes": ["BestEffort"]},
            ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'],
        ),
        (
            {"hard": {"pods": "1"}, "scopes": ["Terminating", "NotTerminating"]},
            ['spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes'],
        ),
        (
            {"hard": {"pods": "1"}, "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}},
            [
                (
                    "spec.scopeSelector.matchExpressions.values: Required value: "
                    "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                )
            ],
        ),
    ],
)
def test_a_quota(spec: dict[str, Any], words: list[str]) -> None:
    assert problems("ResourceQuota", spec) == words


def test_the_scopes_of_a_quota_do_not_change() -> None:
    before = {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}
    assert problems("ResourceQuota", {"hard": {"pods": "2"}, "scopes": ["BestEffort"]}, before) == []
    assert problems("ResourceQuota", {"hard": {"pods": "1"}}, before) == ["spec.scopes: Invalid value: []: field is immutable"]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"type": "Container", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "defaultRequest": {"cpu": "1"}}, []),
        ({"type": "Node"}, ['spec.limits[0].type: Invalid value: "Node": must be a standard limit type or fully qualified']),
        (
            {"type": "Pod", "min": {"cpu": "3"}, "max": {"cpu": "2"}},
            ['spec.limits[0].min[cpu]: Invalid value: "3": min value 3 is greater than max value 2'],
        ),
        (
            {"type": "Pod", "default": {"cpu": "1"}},
            ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
        ),
        (
            {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "2"}},
            ['spec.limits[0].defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than default limit value 1'],
        ),
        (
            {"type": "Container", "maxLimitRequestRatio": {"cpu": "500m"}},
            ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1'],
        ),
        (
            {"type": "PersistentVolumeClaim", "max": {"cpu": "1"}},
            ["spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided"],
        ),
    ],
)
def test_an_item_of_a_limit_range(item: dict[str, Any], words: list[str]) -> None:
    assert problems("LimitRange", {"limits": [item]}) == words


def test_a_type_stands_in_a_limit_range_once() -> None:
    assert problems("LimitRange", {"limits": [{"type": "Pod"}, {"type": "Pod"}]}) == ['spec.limits[1].type: Duplicate value: "Pod"']


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"minAvailable": "50%"}, ""),
        ({"minAvailable": 1, "maxUnavailable": 1}, "minAvailable and maxUnavailable cannot be both set"),
        ({"minAvailable": -1}, "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"),
        ({"maxUnavailable": "101%"}, 'spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%'),
        ({"maxUnavailable": "half"}, "a valid percent string must be a numeric string followed by an ending '%'"),
    ],
)
def test_a_disruption_budget(spec: dict[str, Any], words: str) -> None:
    told = problems("PodDisruptionBudget", spec)
    assert told == [] if not words else len(told) == 1 and words in told[0]
