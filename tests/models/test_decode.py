"""What users write is read as Kubernetes reads it, and every error is told at its place."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.decode import from_dict, load_yaml
from callboard.models.errors import BadRequest, Invalid, UnknownKind, YamlError
from callboard.models.kinds import Scheme

SCHEME = Scheme.builtin()


def decode(text: str, **options: Any) -> Any:
    (document,) = load_yaml(text, "file.yaml")
    return from_dict(document.tree, SCHEME, **options)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1\n", "file.yaml:2:1: "),
        ("a: 1\nb: 'x", "file.yaml:2:6: "),
        ("a: 1\na: 2", 'file.yaml:2:1: the key "a" is given twice'),
        ("a:\n  b: 1\n  b: 2", 'file.yaml:3:3: the key "b" is given twice'),
        ("a: *x", "file.yaml:1:4: "),
        ("? [a]\n: 1", "file.yaml:1:3: a key must be text"),
        ("a: \x07", "file.yaml:1:4: "),
    ],
)
def test_text_that_is_no_yaml_is_told_line_and_column(text: str, place: str) -> None:
    with pytest.raises(YamlError) as caught:
        load_yaml(text, "file.yaml")
    assert str(caught.value).startswith(place)


def test_documents_know_where_they_begin_and_lists_are_expanded() -> None:
    text = "# nothing\n---\nkind: A\n---\n---\nkind: PodList\nitems:\n- kind: B\n- kind: C\n"
    assert [(one.tree["kind"], one.line) for one in load_yaml(text, "x")] == [("A", 3), ("B", 6), ("C", 6)]


def test_a_document_that_is_no_object_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"x:1: expected an object with apiVersion and kind, got list"):
        load_yaml("- a\n", "x")


def test_times_stay_text_and_keys_become_text() -> None:
    (document,) = load_yaml("a: 2026-01-01T00:00:00Z\n8080: x\non: y\n", "x")
    assert document.tree == {"a": "2026-01-01T00:00:00Z", "8080": "x", "true": "y"}


@pytest.mark.parametrize("field", ["apiVersion", "kind"])
def test_an_object_says_what_it_is(field: str) -> None:
    tree = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}
    del tree[field]
    with pytest.raises(BadRequest, match=f"{field} is missing"):
        from_dict(tree, SCHEME)


def test_an_unknown_kind_is_told_where_it_is_served() -> None:
    with pytest.raises(UnknownKind, match=r'no matches for kind "Deployment" in version "apps/v2".*Deployment is served as apps/v1'):
        decode("{apiVersion: apps/v2, kind: Deployment, metadata: {name: a}}")


def test_unknown_fields_are_told_all_at_once_in_kubernetes_words() -> None:
    spec = "{foo: 1, template: {spec: {containers: [{name: a}, {bar: 1}]}}}"
    text = f"{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: a}}, spec: {spec}}}"
    with pytest.raises(BadRequest) as caught:
        decode(text)
    assert str(caught.value) == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.foo", '
        'unknown field "spec.template.spec.containers[1].bar"'
    )
    assert decode(text, strict=False).spec.template.spec.containers[0].name == "a"


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ("{replicas: two}", 'spec.replicas: expected integer, got string "two"'),
        ("{replicas: 1.5}", "spec.replicas: expected integer, got number 1.5"),
        ("{paused: 1}", "spec.paused: expected boolean, got integer 1"),
        ("{selector: a}", 'spec.selector: expected an object, got string "a"'),
        ("{template: {spec: {containers: {}}}}", "spec.template.spec.containers: expected a list, got an object"),
        ("{selector: {matchLabels: {a: 1}}}", "spec.selector.matchLabels.a: expected string, got integer 1"),
        (
            "{template: {spec: {containers: [{resources: {limits: {cpu: lots}}}]}}}",
            'spec.template.spec.containers[0].resources.limits.cpu: expected quantity such as 250m, 512Mi or 2, got string "lots"',
        ),
    ],
)
def test_a_field_of_wrong_type_is_told_with_its_path(spec: str, cause: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode(f"{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: a}}, spec: {spec}}}")
    assert str(caught.value) == f'Deployment.apps "a" is invalid: {cause}'


def test_several_wrong_fields_stand_in_brackets_and_become_causes() -> None:
    with pytest.raises(Invalid) as caught:
        decode("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: 1, b: []}}")
    assert str(caught.value) == ('ConfigMap "a" is invalid: [data.a: expected string, got integer 1, data.b: expected string, got a list]')
    assert [cause["field"] for cause in caught.value.to_status()["details"]["causes"]] == ["data.a", "data.b"]


def test_a_null_is_an_absent_field_but_for_what_is_free_form() -> None:
    pod = decode(
        "{apiVersion: v1, kind: Pod, metadata: {name: a, labels: null}, spec: {nodeName: null, containers: [{name: a, env: null}]}}"
    )
    assert (pod.metadata.labels, pod.spec.node_name, pod.spec.containers[0].env) == ({}, "", ())
    definition = decode(
        "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a}, spec: {versions: "
        "[{name: v1, schema: {openAPIV3Schema: {default: null, enum: [null, a]}}}]}}"
    )
    assert definition.spec.versions[0].schema.open_apiv3_schema == {"default": None, "enum": (None, "a")}


def test_a_null_in_a_list_is_refused() -> None:
    with pytest.raises(Invalid, match=r"spec.containers\[0\]: expected an object, got nothing"):
        decode("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [null]}}")


def test_a_resource_version_of_another_system_is_refused() -> None:
    with pytest.raises(Invalid, match=r'metadata.resourceVersion: Invalid value: "abc"'):
        decode("{apiVersion: v1, kind: Pod, metadata: {name: a, resourceVersion: abc}}")
