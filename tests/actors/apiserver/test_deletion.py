"""Deletes: preconditions, grace periods of pods, finalizers, propagation, namespaces."""

from __future__ import annotations

from typing import Any

from callboard.models.api.core import Namespace, PodStatus
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import freeze, replace
from callboard.models.messages.api import BindPod, CreateObject, DeleteObject, GetObject, PatchObject, UpdateObject, WriteStatus
from callboard.models.times import parse

POD = {"resource": "pods", "namespace": "default", "name": "a"}
MAP = {"resource": "configmaps", "namespace": "default", "name": "a"}


def _running(world: Any, objects: Any, **changes: Any) -> Any:
    uid = world.ok(CreateObject, resource="pods", obj=objects.pod("a", **changes)).obj.metadata.uid
    world.ok(BindPod, uid=uid, node_name="node-1", **POD)
    return world.ok(WriteStatus, status=PodStatus(phase="Running"), **POD).obj


def test_an_object_without_finalizers_goes_at_once(world: Any, objects: Any) -> None:
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    answer = world.ok(DeleteObject, **MAP)
    assert answer.removed
    assert answer.revision == world.revision
    assert world.refused(GetObject, **MAP).message == 'configmaps "a" not found'
    assert world.refused(DeleteObject, **MAP).code == 404


def test_preconditions_are_refused_in_kubernetes_words(world: Any, objects: Any) -> None:
    meta = world.ok(CreateObject, resource="configmaps", obj=objects.config("a")).obj.metadata
    refusal = world.refused(DeleteObject, uid="other", **MAP)
    assert refusal.reason == "Conflict"
    assert f"the UID in the precondition (other) does not match the UID in record ({meta.uid})" in refusal.message
    refusal = world.refused(DeleteObject, resource_version=1, **MAP)
    assert f"the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({meta.resource_version})" in (
        refusal.message
    )
    assert world.ok(DeleteObject, uid=meta.uid, resource_version=meta.resource_version, **MAP).removed


def test_an_unbound_pod_goes_at_once(world: Any, objects: Any) -> None:
    world.ok(CreateObject, resource="pods", obj=objects.pod("a"))
    assert world.ok(DeleteObject, **POD).removed


def test_a_finished_pod_goes_at_once(world: Any, objects: Any) -> None:
    _running(world, objects)
    world.ok(WriteStatus, status=PodStatus(phase="Succeeded"), **POD)
    assert world.ok(DeleteObject, **POD).removed


def test_a_running_pod_waits_for_its_kubelet(world: Any, objects: Any) -> None:
    pod = _running(world, objects, termination_grace_period_seconds=20)
    answer = world.ok(DeleteObject, **POD)
    meta = answer.obj.metadata
    assert not answer.removed
    assert meta.deletion_grace_period_seconds == 20
    assert 19 <= parse(meta.deletion_timestamp) - world.system.now() <= 20
    assert meta.generation == pod.metadata.generation
    assert world.ok(DeleteObject, uid=meta.uid, grace_period_s=0, **POD).removed


def test_a_second_delete_only_shortens_the_grace_period(world: Any, objects: Any) -> None:
    _running(world, objects)
    first = world.ok(DeleteObject, **POD)
    assert first.obj.metadata.deletion_grace_period_seconds == 30
    longer = world.ok(DeleteObject, grace_period_s=60, **POD)
    assert (longer.revision, longer.obj) == (first.revision, first.obj)
    shorter = world.ok(DeleteObject, grace_period_s=5, **POD).obj.metadata
    assert shorter.deletion_grace_period_seconds == 5
    assert parse(first.obj.metadata.deletion_timestamp) - parse(shorter.deletion_timestamp) == 25


def test_grace_zero_removes_a_running_pod(world: Any, objects: Any) -> None:
    _running(world, objects)
    assert world.ok(DeleteObject, grace_period_s=0, **POD).removed


def test_finalizers_keep_an_object_until_the_last_one_goes(world: Any, objects: Any) -> None:
    wanted = objects.config("a")
    wanted = replace(wanted, metadata=replace(wanted.metadata, finalizers=("x.io/one", "x.io/two")))
    world.ok(CreateObject, resource="configmaps", obj=wanted)
    waiting = world.ok(DeleteObject, **MAP)
    assert not waiting.removed
    assert waiting.obj.metadata.deletion_timestamp != ""
    half = world.ok(PatchObject, type="merge", patch=freeze({"metadata": {"finalizers": ["x.io/two"]}}), **MAP)
    assert not half.removed
    obj = half.obj
    last = world.ok(UpdateObject, resource="configmaps", obj=replace(obj, metadata=replace(obj.metadata, finalizers=())))
    assert last.removed
    assert world.refused(GetObject, **MAP).code == 404


def test_no_finalizer_can_be_added_to_a_terminating_object(world: Any, objects: Any) -> None:
    wanted = objects.config("a")
    world.ok(CreateObject, resource="configmaps", obj=replace(wanted, metadata=replace(wanted.metadata, finalizers=("x.io/one",))))
    world.ok(DeleteObject, **MAP)
    patch = freeze({"metadata": {"finalizers": ["x.io/one", "x.io/two"]}})
    refusal = world.refused(PatchObject, type="merge", patch=patch, **MAP)
    assert refusal.code == 422
    assert (
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"x.io/two"}'
    ) in refusal.message


def test_a_client_cannot_set_or_take_back_a_deletion(world: Any, objects: Any) -> None:
    wanted = objects.config("a")
    wanted = replace(wanted, metadata=replace(wanted.metadata, finalizers=("x.io/one",), deletion_timestamp="2020-01-01T00:00:00Z"))
    created = world.ok(CreateObject, resource="configmaps", obj=wanted).obj
    assert created.metadata.deletion_timestamp == ""
    deleted = world.ok(DeleteObject, **MAP).obj
    undone = replace(deleted, metadata=replace(deleted.metadata, deletion_timestamp="", labels=freeze({"a": "b"})))
    assert world.ok(UpdateObject, resource="configmaps", obj=undone).obj.metadata.deletion_timestamp == deleted.metadata.deletion_timestamp


def test_foreground_and_orphan_leave_their_finalizer_for_the_garbage_collector(world: Any, objects: Any) -> None:
    for propagation, finalizer in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
        world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
        answer = world.ok(DeleteObject, propagation=propagation, **MAP)
        assert not answer.removed
        assert answer.obj.metadata.finalizers == (finalizer,)
        assert world.ok(PatchObject, type="merge", patch=freeze({"metadata": {"finalizers": None}}), **MAP).removed


def test_a_pod_with_finalizers_is_held_after_its_kubelet_is_done(world: Any, objects: Any) -> None:
    wanted = objects.pod("a")
    wanted = replace(wanted, metadata=replace(wanted.metadata, finalizers=("x.io/one",)))
    uid = world.ok(CreateObject, resource="pods", obj=wanted).obj.metadata.uid
    world.ok(BindPod, uid=uid, node_name="node-1", **POD)
    world.ok(DeleteObject, **POD)
    done = world.ok(DeleteObject, grace_period_s=0, **POD)
    assert not done.removed
    assert done.obj.metadata.deletion_grace_period_seconds == 0
    assert world.ok(PatchObject, type="merge", patch=freeze({"metadata": {"finalizers": []}}), **POD).removed


def test_a_namespace_terminates_until_its_finalizer_is_cleared(world: Any, objects: Any) -> None:
    world.ok(CreateObject, resource="namespaces", obj=Namespace(metadata=ObjectMeta(name="shop")))
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a", "shop"))
    answer = world.ok(DeleteObject, resource="namespaces", namespace="", name="shop")
    assert not answer.removed
    assert answer.obj.status.phase == "Terminating"
    refusal = world.refused(CreateObject, resource="configmaps", obj=objects.config("b", "shop"))
    assert (refusal.code, refusal.message) == (
        403,
        'configmaps "b" is forbidden: unable to create new content in namespace shop because it is being terminated',
    )
    cleared = replace(answer.obj, spec=replace(answer.obj.spec, finalizers=()))
    assert world.ok(UpdateObject, resource="namespaces", obj=cleared, subresource="finalize").removed
    assert world.refused(GetObject, resource="namespaces", namespace="", name="shop").code == 404


def test_the_first_namespaces_cannot_be_deleted(world: Any) -> None:
    refusal = world.refused(DeleteObject, resource="namespaces", namespace="", name="default")
    assert (refusal.code, refusal.message) == (403, 'namespaces "default" is forbidden: this namespace may not be deleted')
