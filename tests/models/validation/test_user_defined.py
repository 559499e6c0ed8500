"""CustomResourceDefinitions, and objects of the kinds they define: held to their schema, pruned, completed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.defaults import with_defaults
from callboard.models.generic import GenericObject
from callboard.models.kinds import Scheme
from callboard.models.userdefined import apply_defaults, check, completed, prune
from callboard.models.validation import validate

Reader = Callable[[str], Any]
Checker = Callable[..., list[str]]

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crons.x.io}
spec:
  group: x.io
  scope: Namespaced
  names: {plural: crons, kind: Cron, shortNames: [cr]}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [schedule]
              properties:
                schedule: {type: string, pattern: '^\\S+( \\S+){4}$'}
                replicas: {type: integer, minimum: 1, maximum: 9, default: 2}
                mode: {type: string, enum: [a, b], default: a}
                port: {x-kubernetes-int-or-string: true}
                tags: {type: array, maxItems: 2, items: {type: string, minLength: 1}}
                free: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {known: {type: object}}}
                table: {type: object, additionalProperties: {type: object, properties: {live: {type: boolean, default: true}}}}
"""


@pytest.fixture(scope="session")
def definition(stored: Reader) -> Any:
    return stored(DEFINITION)


@pytest.fixture(scope="session")
def schema(definition: Any) -> Any:
    return definition.spec.versions[0].schema.open_apiv3_schema


def test_a_good_definition_has_no_problem(definition: Any, problems: Checker) -> None:
    assert problems(definition) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("crons.x.io", "crons.y.io", ['metadata.name: Invalid value: "crons.y.io": must be spec.names.plural+"."+spec.group']),
        ("scope: Namespaced", "scope: Global", ['spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"']),
        ("storage: true", "storage: false", ["spec.versions: Invalid value: []: must have exactly one version marked as storage version"]),
        ("pattern: '^", "pattern: '(^", ["spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[schedule].pattern"]),
        ("items: {type: string, minLength: 1}", "", ["spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[tags].items"]),
    ],
)
def test_a_definition_is_told_what_is_wrong_with_it(
    stored: Reader, problems: Checker, before: str, after: str, expected: list[str]
) -> None:
    assert before in DEFINITION
    found = problems(stored(DEFINITION.replace(before, after)))
    assert [one[: len(words)] for one, words in zip(found, expected, strict=True)] == expected


def test_a_definition_without_a_schema_is_refused(definition: Any, problems: Checker) -> None:
    version = replace(definition.spec.versions[0], schema=None)
    bare = replace(definition, spec=replace(definition.spec, versions=(version,)))
    assert problems(bare) == ["spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"]


def test_group_and_scope_stay(definition: Any, problems: Checker) -> None:
    other = replace(definition, spec=replace(definition.spec, scope="Cluster"))
    assert problems(other, definition) == ['spec.scope: Invalid value: "Cluster": field is immutable']


SPECS = [
    ({"schedule": "* * * * *", "port": "http", "tags": ["a"], "free": {"x": [1]}, "table": {"a": {"live": False}}}, []),
    ({}, ["spec.schedule: Required value"]),
    (
        {"schedule": "* * * * *", "replicas": 0},
        ["spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1"],
    ),
    (
        {"schedule": "* * * * *", "replicas": 10},
        ["spec.replicas: Invalid value: 10: spec.replicas in body should be less than or equal to 9"],
    ),
    (
        {"schedule": "* * * * *", "replicas": "2"},
        ['spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"'],
    ),
    ({"schedule": "now"}, [r"""spec.schedule: Invalid value: "now": spec.schedule in body should match '^\S+( \S+){4}$'"""]),
    ({"schedule": "* * * * *", "mode": "c"}, ['spec.mode: Unsupported value: "c": supported values: "a", "b"']),
    ({"schedule": "* * * * *", "tags": ["a", "b", "c"]}, ["spec.tags: Too many: 3: must have at most 2 items"]),
    ({"schedule": "* * * * *", "tags": [""]}, ['spec.tags[0]: Invalid value: "": spec.tags[0] in body should be at least 1 chars long']),
    (
        {"schedule": "* * * * *", "port": True},
        ['spec.port: Invalid value: "boolean": spec.port in body must be of type integer or string: "boolean"'],
    ),
    (
        {"schedule": None},
        ['spec.schedule: Invalid value: "null": spec.schedule in body must be of type string: "null"'],
    ),
    (
        {"schedule": "* * * * *", "table": {"a": {"live": "yes"}}},
        ['spec.table.a.live: Invalid value: "string": spec.table.a.live in body must be of type boolean: "string"'],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), SPECS)
def test_an_object_is_held_to_its_schema(definition: Any, spec: dict[str, Any], expected: list[str]) -> None:
    resource = Scheme.builtin().with_definition(definition).resource("x.io/v1", "Cron")
    meta = with_defaults(definition).metadata
    obj = GenericObject(
        api_version="x.io/v1", kind="Cron", metadata=replace(meta, name="a", namespace="default"), content=freeze({"spec": spec})
    )
    assert [str(error) for error in validate(obj, resource)] == expected


def test_unknown_fields_are_pruned_where_the_schema_does_not_keep_them(schema: Any) -> None:
    tree = {"apiVersion": "x.io/v1", "spec": {"odd": 1, "free": {"x": 1, "known": {"gone": 1}}, "table": {"a": {"live": True, "odd": 1}}}}
    assert prune(freeze(tree), schema) == {
        "apiVersion": "x.io/v1",
        "spec": {"free": {"x": 1, "known": {}}, "table": {"a": {"live": True}}},
    }


def test_defaults_are_filled_in_below_what_is_there(schema: Any) -> None:
    assert apply_defaults(freeze({"spec": {"mode": None, "table": {"a": {}}}}), schema) == {
        "spec": {"mode": "a", "replicas": 2, "table": {"a": {"live": True}}}
    }
    assert apply_defaults(FrozenMap(), schema) == {}


def test_what_is_complete_comes_back_as_the_very_same_object(schema: Any) -> None:
    content = freeze({"spec": {"schedule": "x", "mode": "b", "replicas": 1}})
    obj = GenericObject(api_version="x.io/v1", kind="Cron", content=content)
    assert completed(obj, schema) is obj
    assert completed(obj, None) is obj
    assert completed(replace(obj, content=freeze({"spec": {}, "odd": 1})), schema).content == {"spec": {"mode": "a", "replicas": 2}}


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, 1, True),
        ({"anyOf": [{"minimum": 5}, {"maximum": 1}]}, 0, 3),
        ({"allOf": [{"minimum": 5}, {"multipleOf": 2}]}, 6, 7),
        ({"not": {"enum": [1]}}, 2, 1),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, 0.1, 0),
        ({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}, ["a", "b"], ["a", "a"]),
        (
            {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"]},
            [{"n": 1}, {"n": 2}],
            [{"n": 1}, {"n": 1}],
        ),
        ({"type": "string", "nullable": True}, None, 1),
        ({"type": "object", "minProperties": 1, "maxProperties": 1}, {"a": 1}, {}),
        ({"type": "string", "format": "date-time"}, "2026-01-01T00:00:00Z", "yesterday"),
        ({"type": "integer", "format": "int32"}, 2**31 - 1, 2**31),
        ({"enum": [1]}, 1, True),
    ],
)
def test_each_rule_tells_good_from_bad(rule: dict[str, Any], good: Any, bad: Any) -> None:
    assert check(freeze(good), rule, "x") == ()
    assert [error.path.partition("[")[0] for error in check(freeze(bad), rule, "x")] == ["x"]
