"""What holds for every patch, whatever it says."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from callboard.models.base import freeze, thaw
from callboard.models.patch import json_ops, merge, strategic, three_way

KEYS = st.sampled_from(["a", "b", "c"])
SCALARS = st.one_of(st.integers(-3, 3), st.sampled_from(["x", "y", ""]), st.booleans())


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    inner = st.recursive(
        leaves, lambda deeper: st.one_of(st.lists(deeper, max_size=3), st.dictionaries(KEYS, deeper, max_size=3)), max_leaves=8
    )
    return st.dictionaries(KEYS, inner, max_size=3)


TREES = trees(SCALARS)
PATCHES = trees(st.one_of(st.none(), SCALARS))

DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
NAMES = st.sampled_from(["one", "two", "three", "four"])
ENV = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"value": st.sampled_from(["1", "2"])}), max_size=3, unique_by=lambda one: one["name"]
)
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES},
        optional={"image": st.sampled_from(["i", "j"]), "args": st.lists(st.sampled_from(["p", "q"]), max_size=2), "env": ENV},
    ),
    max_size=4,
    unique_by=lambda one: one["name"],
)
DEPLOYMENTS = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries({}, optional={"labels": st.dictionaries(KEYS, st.sampled_from(["1", "2"]), max_size=3)}),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "replicas": st.integers(0, 3),
                "strategy": st.sampled_from([{"type": "Recreate"}, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}]),
                "template": st.fixed_dictionaries({"spec": st.fixed_dictionaries({"containers": CONTAINERS})}),
            },
        ),
    },
)


def covers(tree: Any, wanted: Any) -> bool:
    """Whether a tree says everything that `wanted` does; items of lists with names are found by them."""
    if isinstance(wanted, dict):
        return isinstance(tree, dict) and all(key in tree and covers(tree[key], value) for key, value in wanted.items())
    if isinstance(wanted, list) and all(isinstance(one, dict) and "name" in one for one in wanted):
        found = {one["name"]: one for one in tree}
        return all(one["name"] in found and covers(found[one["name"]], one) for one in wanted)
    return bool(tree == wanted)


@given(TREES, PATCHES)
def test_a_merge_patch_twice_is_a_merge_patch_once(tree: Any, patch: Any) -> None:
    once = merge(tree, patch)
    assert merge(once, patch) == once


@given(TREES, PATCHES)
def test_frozen_and_plain_trees_are_patched_alike(tree: Any, patch: Any) -> None:
    assert merge(freeze(tree), freeze(patch)) == merge(tree, patch)
    assert three_way(freeze(tree), freeze(patch), freeze(tree), "") == three_way(tree, patch, tree, "")


@given(TREES, TREES)
def test_every_object_can_be_made_any_other_by_json_operations(tree: Any, other: Any) -> None:
    ops = [{"op": "remove", "path": f"/{key}"} for key in tree] + [{"op": "add", "path": f"/{key}", "value": other[key]} for key in other]
    before = thaw(tree)
    assert json_ops(tree, ops) == other
    assert tree == before


@given(DEPLOYMENTS, DEPLOYMENTS, DEPLOYMENTS)
def test_apply_reaches_what_is_written(current: Any, modified: Any, original: Any) -> None:
    out = three_way(current, modified, original, DEPLOYMENT)
    assert covers(out, modified)
    assert three_way(out, modified, modified, DEPLOYMENT) == out


@given(DEPLOYMENTS, DEPLOYMENTS)
def test_apply_takes_back_all_that_it_gave(modified: Any, later: Any) -> None:
    assert three_way(modified, later, modified, DEPLOYMENT) == three_way({}, later, None, DEPLOYMENT)


@given(DEPLOYMENTS, DEPLOYMENTS, DEPLOYMENTS)
def test_apply_of_user_defined_kinds_reaches_what_is_written(current: Any, modified: Any, original: Any) -> None:
    out = three_way(current, modified, original, "")
    assert covers(out, modified)
    assert three_way(out, modified, modified, "") == out


@given(CONTAINERS, CONTAINERS)
def test_a_strategic_merge_keeps_every_item_once_and_a_second_changes_nothing(now: Any, patch: Any) -> None:
    tree, change = ({"spec": {"template": {"spec": {"containers": items}}}} for items in (now, patch))
    once = strategic(tree, change, DEPLOYMENT)
    names = [one["name"] for one in once["spec"]["template"]["spec"]["containers"]]
    assert sorted(names) == sorted({one["name"] for one in (*now, *patch)})
    assert covers(once, change)
    again = strategic(once, change, DEPLOYMENT)
    assert covers(again, once)
    assert covers(once, again)


@given(CONTAINERS, st.permutations(["one", "two", "three", "four"]))
def test_an_order_that_names_all_is_the_order(now: Any, order: list[str]) -> None:
    patch = {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": name} for name in order]}}}}
    out = strategic({"spec": {"template": {"spec": {"containers": now}}}}, patch, DEPLOYMENT)
    present = [one["name"] for one in now]
    assert [one["name"] for one in out["spec"]["template"]["spec"]["containers"]] == [name for name in order if name in present]
