"""Merge, JSON and strategic patches do what Kubernetes' do, and say so in its words when they can't."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.base import freeze
from callboard.models.errors import BadRequest, Invalid
from callboard.models.patch import json_ops, merge, strategic

POD = "io.k8s.api.core.v1.Pod"
DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
SERVICE = "io.k8s.api.core.v1.Service"


@pytest.mark.parametrize(
    ("tree", "patch", "expected"),
    [  # the examples of RFC 7386, as far as they are about objects
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": "text"}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_a_merge_patch_follows_the_rfc(tree: Any, patch: Any, expected: Any) -> None:
    assert merge(freeze(tree), freeze(patch)) == expected


def test_a_patch_shares_nothing_with_the_object_it_changes() -> None:
    tree = {"a": {"b": [1]}}
    for new in (merge(tree, {"c": 1}), strategic(tree, {"c": 1}, POD), json_ops(tree, [{"op": "add", "path": "/c", "value": 1}])):
        new["a"]["b"].append(2)
    assert tree == {"a": {"b": [1]}}


@pytest.mark.parametrize("patch", [[], "x", 1, None])
def test_a_patch_that_is_no_object_is_refused(patch: Any) -> None:
    with pytest.raises(BadRequest, match="error decoding patch"):
        merge({}, patch)
    with pytest.raises(BadRequest, match="error decoding patch"):
        strategic({}, patch, POD)


def test_json_operations_work_in_turn_on_frozen_trees() -> None:
    tree = freeze({"a": {"b": ["x", "z"]}, "c": 1})
    ops = (
        {"op": "test", "path": "/c", "value": 1},
        {"op": "add", "path": "/a/b/1", "value": "y"},
        {"op": "add", "path": "/a/b/-", "value": {"deep": []}},
        {"op": "copy", "from": "/c", "path": "/d"},
        {"op": "move", "from": "/c", "path": "/e~1f"},
        {"op": "replace", "path": "/d", "value": None},
        {"op": "remove", "path": "/a/b/0"},
    )
    assert json_ops(tree, freeze(list(ops))) == {"a": {"b": ["y", "z", {"deep": []}]}, "d": None, "e/f": 1}


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"op": "test", "path": "/a", "value": 2}, "testing value /a failed: test failed"),
        ({"op": "test", "path": "/a", "value": True}, "testing value /a failed: test failed"),
        ({"op": "remove", "path": "/b"}, "remove operation does not apply: doc is missing path: /b: missing value"),
        ({"op": "replace", "path": "/b", "value": 1}, "replace operation does not apply: doc is missing key: /b: missing value"),
        ({"op": "add", "path": "/a/b", "value": 1}, "add operation does not apply: doc is missing path: /a/b: missing value"),
        ({"op": "move", "from": "/b", "path": "/c"}, "move operation does not apply: doc is missing path: /b: missing value"),
        ({"op": "add", "path": "/l/7", "value": 1}, "add operation does not apply: doc is missing path: /l/7: missing value"),
    ],
)
def test_an_operation_that_does_not_apply_is_named(operation: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as caught:
        json_ops({"a": 1, "l": []}, [operation])
    assert str(caught.value) == f"the server rejected our request due to an error in our request: {words}"


@pytest.mark.parametrize(
    "ops",
    [
        {},
        ["x"],
        [{"op": "jump", "path": "/a"}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": "/a"}],
        [{"op": "copy", "path": "/a"}],
        [{"op": "replace", "path": "", "value": []}],
        [{"op": "test", "path": "/a", "value": 1}] * 10_001,
    ],
)
def test_what_is_no_json_patch_is_refused(ops: Any) -> None:
    with pytest.raises(BadRequest):
        json_ops({"a": 1}, ops)


CONTAINERS = [{"name": "a", "image": "x", "args": ["1"]}, {"name": "b", "image": "y"}]


def strategic_containers(*patch: Any, order: list[str] | None = None) -> Any:
    spec: dict[str, Any] = {"containers": list(patch)} if patch else {}
    if order is not None:
        spec["$setElementOrder/containers"] = [{"name": name} for name in order]
    return strategic({"spec": {"containers": CONTAINERS}}, {"spec": spec}, POD)["spec"]["containers"]


def test_lists_are_merged_by_key_and_a_new_item_comes_first() -> None:
    merged = strategic_containers({"name": "c", "image": "z"}, {"name": "a", "image": "w"})
    assert merged == [{"name": "c", "image": "z"}, {"image": "w", "name": "a", "args": ["1"]}, {"name": "b", "image": "y"}]


def test_a_list_without_merge_strategy_is_replaced() -> None:
    assert strategic_containers({"name": "a", "args": ["2", "3"]})[0]["args"] == ["2", "3"]


def test_an_item_can_be_deleted_or_the_list_replaced() -> None:
    assert strategic_containers({"name": "a", "$patch": "delete"}) == [CONTAINERS[1]]
    assert strategic_containers({"$patch": "replace"}, {"name": "c"}) == [{"name": "c"}]


def test_the_order_that_is_asked_for_is_kept() -> None:
    assert [one["name"] for one in strategic_containers(order=["b", "a"])] == ["b", "a"]
    assert [one["name"] for one in strategic_containers({"name": "c"}, order=["a", "c", "b"])] == ["a", "c", "b"]
    assert [one["name"] for one in strategic_containers({"name": "c"}, order=["b", "c"])] == ["a", "b", "c"]


def test_a_map_can_be_replaced_or_deleted() -> None:
    tree = {"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"affinity": {"nodeAffinity": {}}}}
    assert strategic(tree, {"metadata": {"labels": {"$patch": "replace", "c": "3"}}}, POD)["metadata"]["labels"] == {"c": "3"}
    assert strategic(tree, {"spec": {"affinity": {"$patch": "delete"}}}, POD)["spec"]["affinity"] == {}
    assert "affinity" not in strategic({"spec": {}}, {"spec": {"affinity": {"$patch": "delete"}}}, POD)["spec"]


def test_primitives_are_added_and_taken_away() -> None:
    tree = {"metadata": {"finalizers": ["a", "b"]}}
    assert strategic(tree, {"metadata": {"finalizers": ["c", "a"]}}, POD)["metadata"]["finalizers"] == ["c", "a", "b"]
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}}
    assert strategic(tree, patch, POD)["metadata"]["finalizers"] == ["c", "b"]
    assert strategic(tree, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"]}}, POD)["metadata"]["finalizers"] == ["a"]


def test_retained_keys_push_out_the_others() -> None:
    tree = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic(tree, patch, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}
    with pytest.raises(BadRequest, match="invalid patch format of retainKeys"):
        strategic(tree, {"spec": {"strategy": {"$retainKeys": [], "type": "Recreate"}}}, DEPLOYMENT)


def test_one_port_over_two_protocols_stays_two_ports() -> None:
    tree = {"spec": {"ports": [{"port": 53, "protocol": "TCP", "name": "t"}]}}
    both = [{"port": 53, "protocol": "UDP", "name": "u"}, {"port": 53, "protocol": "TCP", "name": "v"}]
    assert strategic(tree, {"spec": {"ports": both}}, SERVICE)["spec"]["ports"] == both


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"spec": {"containers": [{"image": "x"}]}}, "map: map[image:x] does not contain declared merge key: name"),
        ({"spec": {"containers": [{"name": "a", "$patch": "jump"}]}}, "unknown patch type 'jump' in map: map[$patch:jump name:a]"),
        ({"spec": {"$patch": "jump"}}, "unknown patch type 'jump' in map: map[$patch:jump]"),
        ({"spec": {"containers": ["a"]}}, 'expected an object with the field name in a list, got string "a"'),
        ({"metadata": {"finalizers": [{}]}}, "expected a scalar in the list finalizers, got an object"),
    ],
)
def test_a_strategic_patch_without_sense_is_refused(patch: Any, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        strategic({"spec": {"containers": CONTAINERS}}, patch, POD)
    assert str(caught.value) == words


def test_nulls_and_directives_never_end_up_in_an_object() -> None:
    patch = {"spec": {"containers": [{"name": "c", "image": None, "env": [{"name": "A", "$patch": "delete"}, {"name": "B"}]}]}}
    assert strategic({}, patch, POD) == {"spec": {"containers": [{"name": "c", "env": [{"name": "B"}]}]}}


def test_without_a_definition_a_strategic_patch_is_a_merge_patch() -> None:
    assert strategic({"a": [{"name": "x"}]}, {"a": [{"name": "y"}], "b": None}, "") == {"a": [{"name": "y"}]}
