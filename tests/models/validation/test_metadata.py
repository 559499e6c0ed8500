"""Names, labels, annotations, owners and finalizers: what every kind has to obey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.api.meta import ObjectMeta, OwnerReference
from callboard.models.base import FrozenMap, replace

Reader = Callable[[str], Any]
Checker = Callable[..., list[str]]

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
OWNER = OwnerReference(api_version="v1", kind="Pod", name="p", uid="u")


@pytest.fixture(scope="session")
def config_map(read: Reader) -> Any:
    return read("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: default}}")


def changed(obj: Any, **fields: Any) -> Any:
    return replace(obj, metadata=replace(obj.metadata, **fields))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "a.b-c"}, []),
        ({"name": ""}, ["metadata.name: Required value: name or generateName is required"]),
        ({"name": "A"}, [f'metadata.name: Invalid value: "A": {SUBDOMAIN}']),
        ({"name": "a" * 254}, [f'metadata.name: Invalid value: "{"a" * 254}": must be no more than 253 characters']),
        ({"name": "a\n"}, [f'metadata.name: Invalid value: "a\\n": {SUBDOMAIN}']),
        ({"generate_name": "web-"}, []),
        ({"generate_name": "Web-"}, [f'metadata.generateName: Invalid value: "Web-": {SUBDOMAIN}']),
        ({"namespace": ""}, ["metadata.namespace: Required value"]),
        ({"namespace": "a.b"}, ['metadata.namespace: Invalid value: "a.b": must not contain dots']),
        ({"labels": FrozenMap({"example.com/tier": "web", "empty": ""})}, []),
        ({"labels": FrozenMap({"/x": "a"})}, ['metadata.labels: Invalid value: "/x": prefix part must be non-empty']),
        ({"labels": FrozenMap(a="x" * 64)}, [f'metadata.labels: Invalid value: "{"x" * 64}": must be no more than 63 characters']),
        ({"annotations": FrozenMap(UPPER="any\ntext at all")}, []),
        ({"annotations": FrozenMap(a="é" * 131072)}, ["metadata.annotations: Too long: may not be more than 262144 bytes"]),
        ({"annotations": FrozenMap(a="e" * 131072)}, []),
        ({"owner_references": (OWNER, replace(OWNER, controller=True))}, []),
        ({"owner_references": (replace(OWNER, uid=""),)}, ["metadata.ownerReferences[0].uid: Required value: must not be empty"]),
    ],
)
def test_metadata_is_told_what_is_wrong_with_it(config_map: Any, problems: Checker, fields: dict[str, Any], expected: list[str]) -> None:
    assert problems(changed(config_map, **fields)) == expected


def test_a_label_that_is_no_label_is_described(config_map: Any, problems: Checker) -> None:
    (problem,) = problems(changed(config_map, labels=FrozenMap({"a": "-b"})))
    assert problem.startswith('metadata.labels: Invalid value: "-b": a valid label must be an empty string or consist of alphanumeric')
    (problem,) = problems(changed(config_map, labels=FrozenMap({"a/b/c": "d"})))
    assert "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')" in problem


def test_there_is_one_controller_at_most(config_map: Any, problems: Checker) -> None:
    twice = (replace(OWNER, controller=True), replace(OWNER, name="q", uid="v", controller=True))
    (problem,) = problems(changed(config_map, owner_references=twice))
    assert 'Only one reference can have Controller set to true. Found "true" in references for Pod/p and Pod/q' in problem


def test_an_object_that_is_being_deleted_gets_no_new_finalizer(config_map: Any, problems: Checker) -> None:
    old = changed(config_map, deletion_timestamp="2026-01-01T00:00:00Z", finalizers=("a.io/x",))
    assert problems(changed(old, finalizers=()), old) == []
    assert problems(changed(old, finalizers=("a.io/x", "a.io/y")), old) == [
        (
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
            'found new finalizers []string{"a.io/y"}'
        )
    ]


def test_what_lives_in_no_namespace_names_none(read: Reader, problems: Checker) -> None:
    obj = read("{apiVersion: v1, kind: Node, metadata: {name: n, namespace: default}}")
    assert problems(obj) == ["metadata.namespace: Forbidden: not allowed on this type"]


@pytest.mark.parametrize(
    ("api_version", "kind", "name", "good"),
    [
        ("v1", "Namespace", "a.b", False),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "system:node", True),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "a/b", False),
        ("networking.k8s.io/v1", "IPAddress", "10.96.0.1", True),
        ("networking.k8s.io/v1", "IPAddress", "fd00::1", True),
        ("v1", "PersistentVolume", "Big", False),
    ],
)
def test_a_kind_has_its_own_rule_for_names(read: Reader, problems: Checker, api_version: str, kind: str, name: str, good: bool) -> None:
    obj = changed(read(f"{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: x}}}}"), name=name)
    assert (not any(problem.startswith("metadata.name") for problem in problems(obj))) == good


def test_metadata_that_is_empty_lacks_a_name(read: Reader, problems: Checker) -> None:
    obj = replace(read("{apiVersion: v1, kind: Node, metadata: {name: n}}"), metadata=ObjectMeta())
    assert problems(obj) == ["metadata.name: Required value: name or generateName is required"]
