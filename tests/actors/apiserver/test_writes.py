"""Create, update, patch and apply: what is filled in, what is refused in which words, what moves the generation."""

from __future__ import annotations

from typing import Any

from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.messages.api import ApplyObject, CreateObject, GetObject, PatchObject, UpdateObject

DEPLOYMENTS = "deployments.apps"


def test_a_new_object_gets_uid_time_and_a_revision_and_nothing_the_client_made_up(world: Any, objects: Any) -> None:
    wanted = objects.config("a")
    wanted = replace(wanted, metadata=replace(wanted.metadata, uid="mine", creation_timestamp="1999-01-01T00:00:00Z", self_link="x"))
    answer = world.ok(CreateObject, resource="configmaps", obj=wanted)
    meta = answer.obj.metadata
    assert meta.uid != "mine"
    assert meta.creation_timestamp.startswith("2026-01-01")
    assert meta.resource_version == answer.revision == world.revision
    assert meta.self_link == ""


def test_a_second_create_is_refused_as_kubernetes_refuses_it(world: Any, objects: Any) -> None:
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    refusal = world.refused(CreateObject, resource="configmaps", obj=objects.config("a"))
    assert (refusal.code, refusal.reason, refusal.message) == (409, "AlreadyExists", 'configmaps "a" already exists')


def test_generate_name_makes_a_name_of_kubernetes_alphabet(world: Any, objects: Any) -> None:
    wanted = objects.config("")
    wanted = replace(wanted, metadata=replace(wanted.metadata, generate_name="web-"))
    names = [world.ok(CreateObject, resource="configmaps", obj=wanted).obj.metadata.name for _ in range(3)]
    assert len({*names}) == 3
    assert all(name.startswith("web-") and len(name) == 9 and set(name[4:]) <= set("bcdfghjklmnpqrstvwxz2456789") for name in names)


def test_an_object_without_a_name_is_refused(world: Any, objects: Any) -> None:
    refusal = world.refused(CreateObject, resource="configmaps", obj=objects.config(""))
    assert refusal.code == 422
    assert "metadata.name: Required value: name or generateName is required" in refusal.message


def test_a_create_with_a_resource_version_is_refused(world: Any, objects: Any) -> None:
    wanted = objects.config("a")
    refusal = world.refused(CreateObject, resource="configmaps", obj=replace(wanted, metadata=replace(wanted.metadata, resource_version=7)))
    assert (refusal.code, refusal.message) == (400, "resourceVersion should not be set on objects to be created")


def test_an_object_of_another_kind_is_refused(world: Any, objects: Any) -> None:
    assert world.refused(CreateObject, resource="secrets", obj=objects.config("a")).code == 400


def test_a_create_in_an_absent_namespace_is_not_found(world: Any, objects: Any) -> None:
    refusal = world.refused(CreateObject, resource="configmaps", obj=objects.config("a", "shop"))
    assert (refusal.code, refusal.message) == (404, 'namespaces "shop" not found')


def test_the_first_namespaces_are_there_from_the_beginning(world: Any) -> None:
    for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        found = world.ok(GetObject, resource="namespaces", namespace="", name=name).obj
        assert found.status.phase == "Active"
        assert found.spec.finalizers == ("kubernetes",)


def test_a_namespace_left_out_is_default(world: Any, objects: Any) -> None:
    assert world.ok(CreateObject, resource="configmaps", obj=objects.config("a", "")).obj.metadata.namespace == "default"


def test_a_dry_run_stores_nothing_but_refuses_what_would_be_refused(world: Any, objects: Any) -> None:
    before = world.revision
    assert world.ok(CreateObject, resource="configmaps", obj=objects.config("a"), dry_run=True).obj.metadata.name == "a"
    assert world.revision == before
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    assert world.refused(CreateObject, resource="configmaps", obj=objects.config("a"), dry_run=True).reason == "AlreadyExists"


def test_the_generation_moves_with_the_spec_only(world: Any, objects: Any) -> None:
    tree = objects.deployment_tree()
    obj = world.ok(ApplyObject, resource=DEPLOYMENTS, namespace="default", name="web", tree=tree).obj
    assert obj.metadata.generation == 1

    def patched(patch: Any, subresource: str = "") -> Any:
        fields = {"resource": DEPLOYMENTS, "namespace": "default", "name": "web", "type": "merge", "subresource": subresource}
        return world.ok(PatchObject, patch=freeze(patch), **fields).obj

    assert patched({"metadata": {"labels": {"tier": "web"}}}).metadata.generation == 1
    assert patched({"status": {"replicas": 2}}, "status").metadata.generation == 1
    assert patched({"spec": {"replicas": 3}}).metadata.generation == 2
    assert patched({"spec": {"replicas": 3}}).metadata.generation == 2


def test_the_status_is_written_through_its_subresource_and_nothing_else_is(world: Any, objects: Any) -> None:
    fields = {"resource": DEPLOYMENTS, "namespace": "default", "name": "web"}
    obj = world.ok(ApplyObject, tree=objects.deployment_tree(replicas=2), **fields).obj
    patch = freeze({"spec": {"replicas": 5}, "status": {"replicas": 4}})
    main = world.ok(PatchObject, patch=patch, type="merge", **fields).obj
    assert (main.spec.replicas, main.status) == (5, obj.status)
    patch = freeze({"spec": {"replicas": 9}, "status": {"replicas": 4}})
    status = world.ok(PatchObject, patch=patch, type="merge", subresource="status", **fields).obj
    assert (status.spec.replicas, status.status.replicas) == (5, 4)


def test_an_unchanged_object_is_not_written_again(world: Any, objects: Any) -> None:
    created = world.ok(CreateObject, resource="configmaps", obj=objects.config("a", key="value"))
    before = world.revision
    answer = world.ok(UpdateObject, resource="configmaps", obj=created.obj)
    assert (answer.revision, world.revision) == (created.revision, before)


def test_an_update_with_a_stale_resource_version_conflicts(world: Any, objects: Any) -> None:
    first = world.ok(CreateObject, resource="configmaps", obj=objects.config("a", key="1")).obj
    world.ok(UpdateObject, resource="configmaps", obj=replace(first, data=FrozenMap(key="2")))
    refusal = world.refused(UpdateObject, resource="configmaps", obj=replace(first, data=FrozenMap(key="3")))
    assert (refusal.code, refusal.reason) == (409, "Conflict")
    assert refusal.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_an_update_without_a_resource_version_is_unconditional(world: Any, objects: Any) -> None:
    first = world.ok(CreateObject, resource="configmaps", obj=objects.config("a", key="1")).obj
    world.ok(UpdateObject, resource="configmaps", obj=replace(first, data=FrozenMap(key="2")))
    assert world.ok(UpdateObject, resource="configmaps", obj=objects.config("a", key="3")).obj.data == {"key": "3"}


def test_an_update_of_another_object_of_the_same_name_conflicts(world: Any, objects: Any) -> None:
    first = world.ok(CreateObject, resource="configmaps", obj=objects.config("a")).obj
    wanted = replace(first, metadata=replace(first.metadata, uid="another", resource_version=0))
    refusal = world.refused(UpdateObject, resource="configmaps", obj=wanted)
    assert refusal.reason == "Conflict"
    assert f"Precondition failed: UID in precondition: another, UID in object meta: {first.metadata.uid}" in refusal.message


def test_what_the_system_set_outlives_an_update(world: Any, objects: Any) -> None:
    first = world.ok(CreateObject, resource="configmaps", obj=objects.config("a")).obj
    updated = world.ok(UpdateObject, resource="configmaps", obj=objects.config("a", key="1")).obj.metadata
    assert (updated.uid, updated.creation_timestamp) == (first.metadata.uid, first.metadata.creation_timestamp)


def test_an_update_or_patch_of_nothing_is_not_found(world: Any, objects: Any) -> None:
    assert world.refused(UpdateObject, resource="configmaps", obj=objects.config("a")).message == 'configmaps "a" not found'
    refusal = world.refused(PatchObject, resource="pods", namespace="default", name="x", type="merge", patch=freeze({}))
    assert (refusal.code, refusal.message) == (404, 'pods "x" not found')


def test_a_patch_with_a_resource_version_or_uid_is_conditional(world: Any, objects: Any) -> None:
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    fields = {"resource": "configmaps", "namespace": "default", "name": "a", "type": "merge"}
    patch = freeze({"metadata": {"resourceVersion": "1"}, "data": {"k": "v"}})
    assert world.refused(PatchObject, patch=patch, **fields).reason == "Conflict"
    assert world.refused(PatchObject, patch=freeze({"data": {"k": "v"}}), uid="another", **fields).reason == "Conflict"


def test_json_and_strategic_patches_are_carried_out(world: Any, objects: Any) -> None:
    fields = {"resource": DEPLOYMENTS, "namespace": "default", "name": "web"}
    world.ok(ApplyObject, tree=objects.deployment_tree(), **fields)
    ops = freeze([{"op": "test", "path": "/spec/replicas", "value": 2}, {"op": "replace", "path": "/spec/replicas", "value": 7}])
    assert world.ok(PatchObject, type="json", patch=ops, **fields).obj.spec.replicas == 7
    assert world.refused(PatchObject, type="json", patch=ops, **fields).code == 422
    side = freeze({"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "envoy"}]}}}})
    names = [one.name for one in world.ok(PatchObject, type="strategic", patch=side, **fields).obj.spec.template.spec.containers]
    assert sorted(names) == ["main", "side"]


def test_a_patch_cannot_rename(world: Any, objects: Any) -> None:
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    patch = freeze({"metadata": {"name": "b"}})
    refusal = world.refused(PatchObject, resource="configmaps", namespace="default", name="a", type="merge", patch=patch)
    assert (refusal.code, refusal.message) == (400, "the name of the object does not match the name on the URL")


def test_apply_creates_then_patches_then_leaves_alone(world: Any, objects: Any) -> None:
    fields = {"resource": DEPLOYMENTS, "namespace": "default", "name": "web"}
    created = world.ok(ApplyObject, tree=objects.deployment_tree(image="nginx:1"), **fields)
    scaled = world.ok(PatchObject, type="merge", patch=freeze({"metadata": {"labels": {"by": "hand"}}}), **fields)
    changed = world.ok(ApplyObject, tree=objects.deployment_tree(image="nginx:2"), **fields)
    again = world.ok(ApplyObject, tree=objects.deployment_tree(image="nginx:2"), **fields)
    assert created.revision < scaled.revision < changed.revision == again.revision
    assert changed.obj.spec.template.spec.containers[0].image == "nginx:2"
    assert changed.obj.metadata.labels == {"by": "hand"}
    assert again.obj.metadata.generation == 2


def test_apply_takes_away_what_was_applied_and_is_not_any_more(world: Any, objects: Any) -> None:
    fields = {"resource": "configmaps", "namespace": "default", "name": "a"}
    tree = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    world.ok(ApplyObject, tree=freeze({**tree, "data": {"x": "1", "y": "2"}}), **fields)
    assert world.ok(ApplyObject, tree=freeze({**tree, "data": {"x": "1"}}), **fields).obj.data == {"x": "1"}


def test_an_unknown_field_or_kind_is_refused_and_nothing_is_stored(world: Any) -> None:
    tree = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "dta": {}}
    refusal = world.refused(ApplyObject, resource="configmaps", namespace="default", name="a", tree=freeze(tree))
    assert refusal.code == 400
    assert 'unknown field "dta"' in refusal.message
    assert "configmaps/default/a" not in world.items
    refusal = world.refused(ApplyObject, resource="gizmos.example.com", namespace="default", name="a", tree=freeze(tree))
    assert (refusal.code, refusal.reason) == (404, "NotFound")


def test_a_pod_gets_tolerations_a_phase_and_its_quality_of_service(world: Any, objects: Any) -> None:
    created = world.ok(CreateObject, resource="pods", obj=objects.pod("a")).obj
    tolerated = [(one.key, one.effect, one.toleration_seconds) for one in created.spec.tolerations]
    assert tolerated == [
        ("node.kubernetes.io/not-ready", "NoExecute", 300),
        ("node.kubernetes.io/unreachable", "NoExecute", 300),
    ]
    assert (created.status.phase, created.status.qos_class) == ("Pending", "BestEffort")


def test_trusted_pods_of_one_template_share_what_was_admitted_once(world: Any, objects: Any) -> None:
    template = objects.pod("a")
    other = replace(template, metadata=replace(template.metadata, name="b"))
    first = world.ok(CreateObject, resource="pods", obj=template, trusted=True).obj
    second = world.ok(CreateObject, resource="pods", obj=other, trusted=True).obj
    assert len(first.spec.tolerations) == 2
    assert first.spec is second.spec
