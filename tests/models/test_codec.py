"""Whatever object goes into the codec comes out again, deeply immutable, and every msgpack library can read what lies between."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args, get_type_hints

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.models.api import apiextensions, apps, core, meta
from callboard.models.base import FrozenMap, freeze
from callboard.models.codec import Undecodable, decode, encode
from callboard.models.generic import GenericObject
from callboard.models.kinds import TYPED

TEXT = st.text(max_size=8)
INTEGERS = st.integers(min_value=-(2**63), max_value=2**64 - 1)
SCALARS = st.one_of(st.none(), st.booleans(), INTEGERS, st.floats(allow_nan=False), TEXT)
AWKWARD_SCALARS = st.one_of(SCALARS, st.integers(), st.text(st.characters(codec=None), max_size=8), st.binary(max_size=8))


def trees(scalars: st.SearchStrategy[Any], keys: st.SearchStrategy[Any] = TEXT) -> st.SearchStrategy[FrozenMap]:
    inner = st.recursive(
        scalars, lambda deeper: st.one_of(st.lists(deeper, max_size=3), st.dictionaries(keys, deeper, max_size=3)), max_leaves=8
    )
    return st.dictionaries(keys, inner, max_size=4).map(freeze)


@cache
def structs(type_: type[Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Structs with a few of their fields set, the deeper the fewer."""
    fields = {name: values(hint, depth) for name, hint in get_type_hints(type_).items() if name in type_.__struct_fields__}

    @st.composite
    def build(draw: st.DrawFn) -> Any:
        names = draw(st.lists(st.sampled_from(sorted(fields)), max_size=4 if depth < 4 else 1, unique=True)) if fields else []
        return type_(**{name: draw(fields[name]) for name in names})

    return build()


def values(hint: Any, depth: int) -> st.SearchStrategy[Any]:
    if hint is Any:
        return trees(SCALARS)
    if hint is FrozenMap:
        return trees(SCALARS)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXT, int: INTEGERS, bool: st.booleans(), float: st.floats(allow_nan=False), type(None): st.none()
    }  # fmt: skip
    if hint in plain:
        return plain[hint]
    arguments = get_args(hint)
    if arguments and arguments[-1] is Ellipsis:
        return st.lists(values(arguments[0], depth), max_size=2).map(tuple)
    if arguments:
        return st.one_of(*(values(one, depth) for one in arguments))
    return st.deferred(lambda: structs(hint, depth + 1))


def mutable_parts(obj: Any, path: str = "") -> list[str]:
    if isinstance(obj, msgspec.Struct):
        assert obj.__struct_config__.frozen, path
        return [found for name in obj.__struct_fields__ for found in mutable_parts(getattr(obj, name), f"{path}.{name}")]
    if isinstance(obj, FrozenMap):
        return [found for key, value in obj.items() for found in mutable_parts(value, f"{path}[{key!r}]")]
    if isinstance(obj, tuple):
        return [found for index, value in enumerate(obj) for found in mutable_parts(value, f"{path}[{index}]")]
    return [] if obj is None or isinstance(obj, bool | int | float | str | bytes) else [f"{path} is a {type(obj).__name__}"]


@given(st.sampled_from(sorted(TYPED.values(), key=lambda kind: kind.KIND)).flatmap(structs))
@settings(max_examples=300, deadline=None)
def test_a_typed_object_comes_back_equal_and_immutable(obj: Any) -> None:
    name, data = encode(obj)
    assert name == f"{obj.API_VERSION}/{obj.KIND}"
    back = decode(name, data)
    assert type(back) is type(obj)
    assert back == obj
    assert mutable_parts(back) == []


@given(st.builds(GenericObject, api_version=TEXT, kind=TEXT, metadata=structs(meta.ObjectMeta), content=trees(SCALARS)))
def test_an_object_of_any_kind_comes_back_equal_and_immutable(obj: GenericObject) -> None:
    name, data = encode(obj)
    back = decode(name, data)
    assert name == "*"
    assert back == obj
    assert repr(back) == repr(obj)  # so that True isn't taken for 1, nor 1.0 for 1
    assert mutable_parts(back) == []


@given(trees(AWKWARD_SCALARS, AWKWARD_SCALARS))
def test_what_msgpack_has_no_place_for_comes_back_too(content: FrozenMap) -> None:
    obj = GenericObject(api_version="a/v1", kind="Odd", content=content)
    back = decode(*encode(obj))
    assert repr(back) == repr(obj)
    assert mutable_parts(back) == []


@pytest.mark.parametrize(
    "obj",
    [
        core.Pod(spec=core.PodSpec(priority=2**70)),
        core.Pod(spec=core.PodSpec(node_name="\ud800")),
        core.ConfigMap(data=FrozenMap({"\udfff": "x", "y": "\ud83d"})),
    ],
)
def test_a_typed_object_with_odd_values_comes_back_too(obj: Any) -> None:
    name, data = encode(obj)
    assert name.endswith("!")
    assert decode(name, data) == obj


@given(st.sampled_from(sorted(TYPED.values(), key=lambda kind: kind.KIND)).flatmap(structs))
@settings(deadline=None)
def test_the_other_msgpack_library_reads_it_with_kubernetes_names(obj: Any) -> None:
    _, data = encode(obj)
    assert msgpack.unpackb(data, strict_map_key=False) == msgspec.msgpack.decode(data)
    expected = {key: value for key, value in obj.to_dict().items() if key not in ("apiVersion", "kind")}
    if "resourceVersion" in expected.get("metadata", {}):
        expected["metadata"]["resourceVersion"] = int(expected["metadata"]["resourceVersion"])
    assert msgpack.unpackb(data, strict_map_key=False) == expected


def test_fields_that_may_hold_anything_are_frozen_wherever_they_are() -> None:
    entry = meta.ManagedFieldsEntry(manager="kubectl", fields_v1=freeze({"f:spec": {"f:replicas": {}}}))
    metadata = meta.ObjectMeta(name="a", managed_fields=(entry,))
    template = core.PodTemplateSpec(metadata=metadata)
    deployment = apps.Deployment(metadata=metadata, spec=apps.DeploymentSpec(template=template))
    version = apiextensions.CustomResourceDefinitionVersion(
        name="v1", schema=apiextensions.CustomResourceValidation(open_apiv3_schema=freeze({"type": "object", "required": ["a"]}))
    )
    definition = apiextensions.CustomResourceDefinition(spec=apiextensions.CustomResourceDefinitionSpec(versions=(version,)))
    for obj in (deployment, definition):
        back = decode(*encode(obj))
        assert back == obj
        assert mutable_parts(back) == []


def test_what_an_earlier_version_kept_as_a_tree_comes_back_as_the_struct_of_its_kind() -> None:
    spec = freeze({"replicas": 3, "selector": {"matchLabels": {"app": "db"}}, "template": {"spec": {"containers": [{"name": "db"}]}}})
    old = GenericObject(
        api_version="apps/v1",
        kind="StatefulSet",
        metadata=meta.ObjectMeta(name="db", namespace="default", uid="u", resource_version=7, generation=2),
        content=FrozenMap({"spec": spec, "status": freeze({"replicas": 0})}),
    )
    found = decode(*encode(old))
    assert isinstance(found, apps.StatefulSet)
    assert found.metadata == old.metadata
    assert found.spec is not None
    assert found.spec.replicas == 3
    assert found.to_dict() == old.to_dict()
    with pytest.raises(Undecodable, match="no StatefulSet"):
        decode(*encode(msgspec.structs.replace(old, content=freeze({"spec": 7}))))


def test_what_is_no_api_object_is_refused() -> None:
    with pytest.raises(TypeError, match="a PodSpec is no API object"):
        encode(core.PodSpec())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("apps/v9/Deployment", b"\x80", "objects of type apps/v9/Deployment are unknown to this version"),
        ("v1/Pod", b"\x81\xa4spec\x01", r"no v1/Pod: Expected `object . null`, got `int` - at `\$.spec`"),
        ("v1/Pod", b"\xc1", "no v1/Pod: "),
        ("*", b"\x80", "no \\*: Object missing required field"),
        ("*!", b"\x81\xa7content\xc4\x01z", "a byte string of unknown kind b'z'"),
    ],
)
def test_bytes_that_are_no_such_object_are_refused_with_the_reason(name: str, data: bytes, message: str) -> None:
    with pytest.raises(Undecodable, match=message):
        decode(name, data)
