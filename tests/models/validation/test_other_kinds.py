"""ConfigMaps, Secrets, nodes, leases, events and kinds that are only stored, in Kubernetes' own words."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.base import FrozenMap, replace

Reader = Callable[[str], Any]
Checker = Callable[..., list[str]]


def of(kind: str, fields: str, api_version: str = "v1", namespace: str = "namespace: default") -> str:
    return f"{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: a, {namespace}}}, {fields}}}"


def test_a_key_of_a_config_map_could_be_a_file(read: Reader, problems: Checker) -> None:
    assert problems(read(of("ConfigMap", "data: {a.b_C-9: x}, binaryData: {b: eA==}"))) == []
    (problem,) = problems(read(of("ConfigMap", "data: {a/b: x}")))
    assert problem.startswith('data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric characters')
    assert problems(read(of("ConfigMap", "data: {..: x}"))) == ["data[..]: Invalid value: \"..\": must not be '..'"]
    (problem,) = problems(read(of("ConfigMap", "data: {a: x}, binaryData: {a: eA==}")))
    assert problem == 'data[a]: Invalid value: "a": duplicate of key present in binaryData'


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_a_mebibyte_is_the_limit(stored: Reader, problems: Checker, kind: str) -> None:
    obj = stored(of(kind, ""))
    content = "x" * (1024 * 1024 + 1)
    text = content if kind == "ConfigMap" else b64encode(content.encode()).decode()
    just = content[:-1] if kind == "ConfigMap" else b64encode(content[:-1].encode()).decode()
    assert problems(replace(obj, data=FrozenMap(a=text))) == ["data: Too long: may not be more than 1048576 bytes"]
    assert problems(replace(obj, data=FrozenMap(a=just))) == []


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_what_is_immutable_never_changes_again(stored: Reader, problems: Checker, kind: str) -> None:
    old = stored(of(kind, "immutable: true, data: {a: eA==}"))
    assert problems(old, old) == []
    words = "Forbidden: field is immutable when `immutable` is set"
    assert problems(replace(old, immutable=None), old) == [f"immutable: {words}"]
    assert problems(replace(old, data=FrozenMap(a="eQ==")), old) == [f"data: {words}"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("data: {a: '?'}", ['data[a]: Invalid value: "<redacted>": illegal base64 data']),
        ("type: kubernetes.io/tls, data: {tls.crt: eA==}", ["data[tls.key]: Required value"]),
        ("type: kubernetes.io/basic-auth", ["data[username]: Required value", "data[password]: Required value"]),
        ("type: kubernetes.io/basic-auth, stringData: {username: me}", []),
    ],
)
def test_a_secret_is_told_what_is_wrong_with_it(stored: Reader, problems: Checker, fields: str, expected: list[str]) -> None:
    assert problems(stored(of("Secret", fields))) == expected


def test_the_type_of_a_secret_stays(stored: Reader, problems: Checker) -> None:
    old = stored(of("Secret", "type: mine"))
    assert problems(stored(of("Secret", "type: yours")), old) == ['type: Invalid value: "yours": field is immutable']


NODES = [
    ("spec: {taints: [{key: a, effect: NoSchedule}, {key: a, effect: NoExecute}]}", []),
    (
        "spec: {taints: [{key: a, effect: NoSchedule}, {key: a, effect: NoSchedule}]}",
        ['spec.taints[1]: Duplicate value: {"effect":"NoSchedule","key":"a"}'],
    ),
    (
        "spec: {taints: [{key: a, effect: Never}]}",
        ['spec.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'],
    ),
    (
        "status: {capacity: {cpu: -1}}",
        [f'status.{field}[cpu]: Invalid value: "-1": must be greater than or equal to 0' for field in ("capacity", "allocatable")],
    ),
]


@pytest.mark.parametrize(("fields", "expected"), NODES)
def test_a_node_is_told_what_is_wrong_with_it(stored: Reader, problems: Checker, fields: str, expected: list[str]) -> None:
    assert problems(stored(of("Node", fields, namespace=""))) == expected


def test_a_node_keeps_its_network(stored: Reader, problems: Checker) -> None:
    old = stored(of("Node", "spec: {podCIDR: 10.0.0.0/24}", namespace=""))
    new = stored(of("Node", "spec: {podCIDR: 10.0.1.0/24}", namespace=""))
    assert problems(new, old) == ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid']


def test_a_lease_lasts(read: Reader, problems: Checker) -> None:
    obj = read(of("Lease", "spec: {leaseDurationSeconds: 0, leaseTransitions: -1}", "coordination.k8s.io/v1"))
    assert problems(obj) == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
    ]


def test_an_event_lives_where_what_it_tells_of_does(read: Reader, problems: Checker) -> None:
    obj = read(of("Event", "involvedObject: {namespace: other}"))
    assert problems(obj) == ['involvedObject.namespace: Invalid value: "other": does not match event.namespace']


def test_a_kind_that_is_only_stored_needs_what_its_schema_requires(read: Reader, problems: Checker) -> None:
    obj = read(of("PodDisruptionBudget", "spec: {}", "policy/v1"))
    assert problems(obj) == []
    scaler = read(of("HorizontalPodAutoscaler", "spec: {}", "autoscaling/v2"))
    assert problems(scaler) == ["spec.scaleTargetRef: Required value", "spec.maxReplicas: Required value"]
