"""Kinds that users define: they appear and disappear with their definition, on every apiserver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.base import freeze, replace
from callboard.models.decode import from_dict
from callboard.models.generic import GenericObject
from callboard.models.kinds import DEFINITIONS, Scheme
from callboard.models.messages.api import (
    ApplyObject,
    CreateObject,
    DeleteObject,
    GetObject,
    ListObjects,
    PatchObject,
    WriteStatus,
)

GIZMOS = "gizmos.example.com"
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {"size": {"type": "integer", "minimum": 1}, "color": {"type": "string", "default": "red"}},
        },
        "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
    },
}


def definition(plural: str = "gizmos", kind: str = "Gizmo", *, status: bool = True, versions: tuple[str, ...] = ("v1",)) -> Any:
    """A definition as a user writes it; the first version is the stored one."""
    listed = [
        {
            "name": version,
            "served": True,
            "storage": version == versions[0],
            "schema": {"openAPIV3Schema": SCHEMA},
            **({"subresources": {"status": {}}} if status else {}),
        }
        for version in versions
    ]
    names = {"plural": plural, "kind": kind, "singular": kind.lower()}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": listed}
    meta = {"name": f"{plural}.example.com"}
    return freeze({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec})


def define(world: Any, tree: Any = None, server: int = 0) -> Any:
    """Store a definition."""
    tree = definition() if tree is None else tree
    return world.ok(ApplyObject, resource=DEFINITIONS, namespace="", name=tree["metadata"]["name"], tree=tree, server=server).obj


def gizmo(name: str, version: str = "v1", **spec: Any) -> GenericObject:
    """An object of the kind."""
    tree = {"apiVersion": f"example.com/{version}", "kind": "Gizmo", "metadata": {"name": name}, "spec": {"size": 1, **spec}}
    scheme = Scheme.builtin().with_definition(from_dict(definition(versions=("v1", "v2")), Scheme.builtin()))
    made: GenericObject = from_dict(tree, scheme)
    return made


@pytest.fixture
def defined(world: Any) -> Any:
    """A world that knows the kind."""
    define(world)
    return world


def test_a_definition_is_established_at_once(world: Any) -> None:
    status = define(world).status
    assert [(one.type, one.status, one.reason) for one in status.conditions] == [
        ("NamesAccepted", "True", "NoConflicts"),
        ("Established", "True", "InitialNamesAccepted"),
    ]
    assert status.accepted_names.plural == "gizmos"
    assert status.stored_versions == ("v1",)


def test_names_of_another_definition_are_not_accepted_twice(defined: Any) -> None:
    second = define(defined, definition("things", "Gizmo"))
    assert [(one.type, one.status, one.reason) for one in second.status.conditions] == [
        ("NamesAccepted", "False", "SingularConflict"),
        ("Established", "False", "NotAccepted"),
    ]
    assert defined.refused(ListObjects, resource="things.example.com").code == 404


def test_a_kind_is_served_as_soon_as_its_definition_is_acknowledged(defined: Any) -> None:
    created = defined.ok(CreateObject, resource=GIZMOS, obj=gizmo("a")).obj
    assert created.metadata.generation == 1
    assert defined.ok(GetObject, resource=GIZMOS, namespace="default", name="a").obj == created


def test_another_apiserver_serves_it_too_even_if_it_has_not_heard_yet(make_world: Callable[..., Any]) -> None:
    world = make_world(servers=2)
    for number in range(5):
        plural = f"things{number}"
        define(world, definition(plural, f"Thing{number}"))
        assert world.ok(ListObjects, resource=f"{plural}.example.com", server=1).objects == ()


def test_objects_are_pruned_defaulted_and_checked(defined: Any) -> None:
    created = defined.ok(CreateObject, resource=GIZMOS, obj=gizmo("a", size=3, unknown="x")).obj
    assert created.to_dict()["spec"] == {"size": 3, "color": "red"}
    refusal = defined.refused(CreateObject, resource=GIZMOS, obj=gizmo("b", size=0))
    assert refusal.code == 422
    assert 'Gizmo.example.com "b" is invalid' in refusal.message
    assert "spec.size" in refusal.message


def test_the_status_subresource_and_the_generation_work_as_for_other_kinds(defined: Any) -> None:
    fields = {"resource": GIZMOS, "namespace": "default", "name": "a"}
    defined.ok(CreateObject, resource=GIZMOS, obj=gizmo("a"))
    main = defined.ok(PatchObject, type="merge", patch=freeze({"spec": {"size": 2}, "status": {"ready": True}}), **fields).obj
    assert main.metadata.generation == 2
    assert "status" not in main.content
    status = defined.ok(WriteStatus, status=freeze({"ready": True}), **fields).obj
    assert status.to_dict()["status"] == {"ready": True}
    assert status.metadata.generation == 2
    labelled = defined.ok(PatchObject, type="merge", patch=freeze({"metadata": {"labels": {"a": "b"}}}), **fields).obj
    assert labelled.metadata.generation == 2


def test_a_strategic_patch_of_a_user_defined_kind_is_refused(defined: Any) -> None:
    defined.ok(CreateObject, resource=GIZMOS, obj=gizmo("a"))
    refusal = defined.refused(PatchObject, resource=GIZMOS, namespace="default", name="a", type="strategic", patch=freeze({"spec": {}}))
    assert (refusal.code, refusal.reason) == (415, "UnsupportedMediaType")


def test_the_versions_of_a_kind_share_their_objects(world: Any) -> None:
    define(world, definition(versions=("v1", "v2")))
    created = world.ok(CreateObject, resource=GIZMOS, obj=gizmo("a", version="v2")).obj
    assert created.api_version == "example.com/v1"
    tree = freeze({"apiVersion": "example.com/v2", "kind": "Gizmo", "metadata": {"name": "a"}, "spec": {"size": 5}})
    applied = world.ok(ApplyObject, resource=GIZMOS, namespace="default", name="a", tree=tree).obj
    assert (applied.api_version, applied.to_dict()["spec"]["size"]) == ("example.com/v1", 5)


def test_a_deleted_definition_takes_its_objects_along(make_world: Callable[..., Any]) -> None:
    world = make_world(servers=2)
    define(world)
    for number in range(250):
        world.ok(CreateObject, resource=GIZMOS, obj=gizmo(f"g{number}"), server=number % 2)
    stream = world.watch(GIZMOS)
    answer = world.ok(DeleteObject, resource=DEFINITIONS, namespace="", name=GIZMOS)
    assert not answer.removed
    assert [one.status for one in answer.obj.status.conditions if one.type == "Terminating"] == ["True"]
    world.run(10.0)
    assert not [key for key in world.items if key.startswith((GIZMOS, DEFINITIONS))]
    assert [type_ for type_, _ in stream.events] == ["DELETED"] * 250
    for server in (0, 1):
        assert world.refused(ListObjects, resource=GIZMOS, server=server).code == 404


def test_an_object_with_a_finalizer_keeps_its_definition(defined: Any) -> None:
    held = gizmo("a")
    defined.ok(CreateObject, resource=GIZMOS, obj=replace(held, metadata=replace(held.metadata, finalizers=("x.io/one",))))
    defined.ok(DeleteObject, resource=DEFINITIONS, namespace="", name=GIZMOS)
    defined.run(10.0)
    refusal = defined.refused(CreateObject, resource=GIZMOS, obj=gizmo("b"))
    assert (refusal.code, refusal.reason) == (405, "MethodNotAllowed")
    assert refusal.message == "create not allowed while custom resource definition is terminating"
    patch = freeze({"metadata": {"finalizers": None}})
    defined.ok(PatchObject, resource=GIZMOS, namespace="default", name="a", type="merge", patch=patch)
    defined.run(10.0)
    assert defined.refused(GetObject, resource=DEFINITIONS, namespace="", name=GIZMOS).code == 404


def test_nothing_is_created_of_a_kind_whose_end_a_stale_apiserver_has_missed(make_world: Callable[..., Any]) -> None:
    world = make_world(servers=2)
    define(world)
    world.ok(CreateObject, resource=GIZMOS, obj=gizmo("a"), server=1)
    world.run()
    world.make_stale(1)
    world.ok(DeleteObject, resource=DEFINITIONS, namespace="", name=GIZMOS)
    world.run(1.0)
    assert world.ask(CreateObject, resource=GIZMOS, obj=gizmo("b"), server=1).code in (404, 405)
    world.run(5.0)
    assert not [key for key in world.items if key.startswith(GIZMOS)]
