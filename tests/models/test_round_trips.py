"""Nothing that a user wrote is lost between YAML and YAML, and what is stored can't be changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.models.api.batch import Job
from callboard.models.base import FrozenMap
from callboard.models.decode import from_dict, load_yaml
from callboard.models.defaults import with_defaults
from callboard.models.jobs import with_generated_selector
from callboard.models.kinds import TYPED, Scheme
from callboard.models.schema import definition
from callboard.models.validation import validate

SCHEME = Scheme.builtin()
ROOT = Path(__file__).resolve().parents[2]
OWN = sorted((ROOT / "examples").glob("*.yaml"))
OTHERS = ROOT.parent / "shared" / "manifests"
FOREIGN = sorted(OTHERS.glob("*.yaml"))
TYPED_RESOURCES = [SCHEME.resource(*names) for names in sorted(TYPED)]
STORED_RESOURCES = [SCHEME.resource("batch/v1", "Job"), SCHEME.resource("networking.k8s.io/v1", "Ingress")]
WORDS = st.sampled_from(["a", "web-1", "8080", "true", "null", "ü", " x\n"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": WORDS,
    "integer": st.integers(-(2**31), 2**31),
    "boolean": st.booleans(),
    "number": st.integers(-5, 5).map(float),
    "quantity": st.sampled_from(["250m", "1Gi", 2, 0.5]),
    "intstr": st.one_of(st.integers(0, 9), st.sampled_from(["25%", "http"])),
    "any": st.one_of(st.integers(0, 9), WORDS),
}
FREE = st.dictionaries(st.sampled_from(["f:x", "k"]), st.one_of(st.integers(0, 9), WORDS, st.lists(WORDS, max_size=2)), max_size=2)
NOT_OURS = ("apiVersion", "kind", "resourceVersion", "generation")
"""Said by the object itself, or numbers inside and text outside."""


def values(type_: Any, depth: int) -> st.SearchStrategy[Any]:
    if isinstance(type_, str):
        return VALUES[type_]
    if "list" in type_:
        return st.lists(values(type_["list"], depth + 1), min_size=1, max_size=2)
    if "map" in type_:
        return st.dictionaries(WORDS, values(type_["map"], depth + 1), min_size=1, max_size=2)
    return trees(type_["ref"], depth + 1)


@st.composite
def trees(draw: st.DrawFn, name: str, depth: int = 0) -> dict[str, Any]:
    """Objects of a definition with a few of their fields, the deeper the fewer."""
    fields = definition(name).fields
    if not fields:
        return draw(FREE)
    names = [one for one in sorted(fields) if one not in NOT_OURS]
    if not names:
        return {}
    chosen = draw(st.lists(st.sampled_from(names), max_size=5 if depth < 4 else 1, unique=True))
    return {one: draw(values(fields[one], depth)) for one in chosen}


def full(tree: dict[str, Any], resource: Any) -> dict[str, Any]:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, **tree}


@pytest.mark.parametrize("resource", [*TYPED_RESOURCES, *STORED_RESOURCES], ids=lambda one: one.kind)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_field_is_lost(resource: Any, data: st.DataObject) -> None:
    tree = full(data.draw(trees(resource.definition)), resource)
    obj = from_dict(tree, SCHEME)
    written = obj.to_dict()
    assert without_empty(written) == without_empty(tree)
    assert from_dict(written, SCHEME) == obj
    assert yaml.safe_load(obj.to_yaml()) == written


def without_empty(tree: Any) -> Any:
    """A tree without metadata that says nothing."""
    return {key: value for key, value in tree.items() if key != "metadata" or value}


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_our_examples_lose_nothing_and_are_valid(path: Path) -> None:
    check_manifest(path)


@pytest.mark.skipif(not FOREIGN, reason=f"no manifests of others in {OTHERS.name}/ beside the project")
@pytest.mark.parametrize("path", FOREIGN or [Path("none")], ids=lambda path: path.name)
def test_manifests_of_others_lose_nothing_and_are_valid(path: Path) -> None:
    check_manifest(path)


def check_manifest(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    documents = load_yaml(text, path.name)
    assert documents
    for document in documents:
        obj = from_dict(document.tree, SCHEME)
        assert obj.to_dict() == said(document.tree)
        resource = SCHEME.resource(document.tree["apiVersion"], document.tree["kind"])
        if resource.namespaced and not obj.metadata.namespace:
            obj = msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, namespace="default"))
        if isinstance(obj, Job):
            obj = with_generated_selector(msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, uid="uid")))
        assert validate(with_defaults(obj), resource) == ()


def said(tree: Any) -> Any:
    """A tree without fields that say nothing: nulls, and empty text, lists and maps where the schema has a plain value."""
    if isinstance(tree, dict):
        return {key: said(value) for key, value in tree.items() if value is not None and value != "" and value != []}
    return [said(value) for value in tree] if isinstance(tree, list) else tree


def mutable_parts(value: Any, path: str) -> list[str]:
    if isinstance(value, msgspec.Struct):
        assert value.__struct_config__.frozen
        parts = [(f"{path}.{name}", getattr(value, name)) for name in value.__struct_fields__]
    elif isinstance(value, FrozenMap):
        parts = [(f"{path}[{key}]", one) for key, one in value.items()]
    elif isinstance(value, tuple):
        parts = [(f"{path}[{index}]", one) for index, one in enumerate(value)]
    else:
        return [] if value is None or isinstance(value, str | int | float) else [f"{path} is a {type(value).__name__}"]
    return [one for inner, part in parts for one in mutable_parts(part, inner)]


@pytest.mark.parametrize("resource", [*TYPED_RESOURCES, *STORED_RESOURCES], ids=lambda one: one.kind)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_decoded_object_is_immutable_at_every_depth(resource: Any, data: st.DataObject) -> None:
    obj = from_dict(full(data.draw(trees(resource.definition)), resource), SCHEME)
    assert mutable_parts(obj, resource.kind) == []
    assert mutable_parts(with_defaults(obj), resource.kind) == []


def test_a_frozen_map_refuses_every_change() -> None:
    frozen = FrozenMap(a=1)
    changes: list[Any] = [
        lambda: frozen.__setitem__("a", 2),
        lambda: frozen.__delitem__("a"),
        frozen.clear,
        frozen.popitem,
        lambda: frozen.pop("a"),
        lambda: frozen.setdefault("b", 1),
        lambda: frozen.update(b=1),
        lambda: frozen.__ior__({"b": 1}),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="can't be changed"):
            change()
    assert frozen == {"a": 1}
