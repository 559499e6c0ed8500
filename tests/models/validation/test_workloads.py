"""Deployments and ReplicaSets that break a rule are refused in Kubernetes' own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.base import replace

Reader = Callable[[str], Any]
Checker = Callable[..., list[str]]

WORKLOAD = """
apiVersion: apps/v1
kind: {kind}
metadata: {{name: web, namespace: default}}
spec:
  {fields}
  selector: {{matchLabels: {{app: {selected}}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{{pods} containers: [{{name: web, image: nginx}}]}}
"""


def workload(kind: str = "Deployment", fields: str = "", selected: str = "web", pods: str = "") -> str:
    return WORKLOAD.format(kind=kind, fields=fields, selected=selected, pods=pods)


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"fields": "replicas: -1"}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        ({"fields": "minReadySeconds: -1"}, ["spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"]),
        (
            {"selected": "api"},
            ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
        ),
        (
            {"pods": "restartPolicy: Never,"},
            ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
        ),
        (
            {"pods": "activeDeadlineSeconds: 5,"},
            ["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"],
        ),
        ({"pods": "hostname: a.b,"}, ['spec.template.spec.hostname: Invalid value: "a.b": must not contain dots']),
    ],
)
def test_the_rules_that_both_share(stored: Reader, problems: Checker, kind: str, change: dict[str, str], expected: list[str]) -> None:
    assert problems(stored(workload(kind, **change))) == expected


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_a_selector_and_a_template_are_needed(stored: Reader, problems: Checker, kind: str) -> None:
    obj = stored(f"{{apiVersion: apps/v1, kind: {kind}, metadata: {{name: a, namespace: default}}, spec: {{}}}}")
    assert problems(obj) == ["spec.selector: Required value", "spec.template: Required value"]


def test_an_empty_selector_is_no_selector(stored: Reader, problems: Checker) -> None:
    obj = stored(workload().replace("{matchLabels: {app: web}}", "{}"))
    assert problems(obj) == ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_a_selector_never_changes(stored: Reader, problems: Checker, kind: str) -> None:
    old = stored(workload(kind))
    new = stored(workload(kind).replace("matchLabels: {app: web}", "matchExpressions: [{key: app, operator: Exists}]"))
    assert problems(new, old) == [
        'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Exists"}]}: field is immutable'
    ]


STRATEGIES = [
    ("{type: Recreate}", []),
    (
        "{type: Recreate, rollingUpdate: {maxSurge: 1}}",
        ["rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ),
    ("{type: Slow}", ['type: Unsupported value: "Slow": supported values: "Recreate", "RollingUpdate"']),
    (
        "{rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}",
        ['rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
    ),
    (
        "{rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}",
        ["rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
    ),
    ("{rollingUpdate: {maxUnavailable: 150%}}", ['rollingUpdate.maxUnavailable: Invalid value: "150%": must not be greater than 100%']),
    ("{rollingUpdate: {maxSurge: 150%}}", []),
    ("{rollingUpdate: {maxSurge: -1}}", ["rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0"]),
    (
        "{rollingUpdate: {maxSurge: some}}",
        [
            (
                'rollingUpdate.maxSurge: Invalid value: "some": a valid percent string must be a numeric string followed by an '
                "ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
            )
        ],
    ),
]


@pytest.mark.parametrize(("strategy", "expected"), STRATEGIES)
def test_a_strategy_must_be_able_to_go_on(stored: Reader, problems: Checker, strategy: str, expected: list[str]) -> None:
    obj = stored(workload(fields=f"strategy: {strategy}"))
    assert problems(obj) == [f"spec.strategy.{words}" for words in expected]


def test_the_deadline_of_progress_leaves_time_to_become_ready(stored: Reader, problems: Checker) -> None:
    obj = stored(workload(fields="{progressDeadlineSeconds: 5, minReadySeconds: 5}".strip("{}").replace(", ", "\n  ")))
    assert problems(obj) == ["spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"]


def test_a_template_that_was_stored_is_not_checked_again(stored: Reader, problems: Checker) -> None:
    old = stored(workload(pods="hostname: a.b,"))
    assert problems(replace(old, spec=replace(old.spec, replicas=2)), old) == []
