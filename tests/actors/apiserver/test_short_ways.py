"""Binds, statuses, leases and Events: the writes that make up the load."""

from __future__ import annotations

from typing import Any

from callboard.models.api.core import PodStatus
from callboard.models.base import freeze
from callboard.models.messages.api import (
    BindPod,
    CreateObject,
    DeleteObject,
    GetObject,
    ListObjects,
    PatchObject,
    RecordEvent,
    RenewLease,
    WriteStatus,
)
from callboard.models.messages.store import Fence

POD = {"resource": "pods", "namespace": "default", "name": "a"}
LEASE = {"resource": "leases.coordination.k8s.io", "namespace": "kube-node-lease", "name": "node-1"}


def _pod(world: Any, objects: Any) -> str:
    return str(world.ok(CreateObject, resource="pods", obj=objects.pod("a")).obj.metadata.uid)


def test_a_bind_sets_the_node_and_the_condition(world: Any, objects: Any) -> None:
    uid = _pod(world, objects)
    bound = world.ok(BindPod, uid=uid, node_name="node-1", **POD).obj
    assert bound.spec.node_name == "node-1"
    assert [(one.type, one.status) for one in bound.status.conditions] == [("PodScheduled", "True")]
    assert bound.metadata.generation == 1


def test_binds_are_refused_in_kubernetes_words(world: Any, objects: Any) -> None:
    uid = _pod(world, objects)
    refusal = world.refused(BindPod, uid="another", node_name="node-1", **POD)
    assert (refusal.code, refusal.reason) == (409, "Conflict")
    assert f"Precondition failed: UID in precondition: another, UID in object meta: {uid}" in refusal.message
    world.ok(BindPod, uid=uid, node_name="node-1", **POD)
    refusal = world.refused(BindPod, uid=uid, node_name="node-2", **POD)
    assert refusal.message == 'Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "node-1"'
    world.ok(DeleteObject, **POD)
    refusal = world.refused(BindPod, uid=uid, node_name="node-2", **POD)
    assert refusal.message.endswith("pod a is being deleted, cannot be assigned to a host")
    world.ok(DeleteObject, grace_period_s=0, **POD)
    assert world.refused(BindPod, uid=uid, node_name="node-2", **POD).message == 'pods "a" not found'


def test_a_status_is_replaced_on_condition_of_the_uid(world: Any, objects: Any) -> None:
    uid = _pod(world, objects)
    assert world.ok(WriteStatus, uid=uid, status=PodStatus(phase="Running"), **POD).obj.status.phase == "Running"
    assert world.refused(WriteStatus, uid="another", status=PodStatus(phase="Failed"), **POD).reason == "Conflict"
    assert world.refused(WriteStatus, uid=uid, resource_version=1, status=PodStatus(phase="Failed"), **POD).reason == "Conflict"
    assert world.refused(WriteStatus, resource="pods", namespace="default", name="b", status=PodStatus()).code == 404


def test_an_equal_status_is_not_written(world: Any, objects: Any) -> None:
    uid = _pod(world, objects)
    first = world.ok(WriteStatus, uid=uid, status=PodStatus(phase="Running"), **POD)
    again = world.ok(WriteStatus, uid=uid, status=PodStatus(phase="Running"), **POD)
    assert first.revision == again.revision == world.revision


def test_a_phase_never_leaves_succeeded_or_failed(world: Any, objects: Any) -> None:
    uid = _pod(world, objects)
    world.ok(WriteStatus, uid=uid, status=PodStatus(phase="Failed"), **POD)
    refusal = world.refused(WriteStatus, uid=uid, status=PodStatus(phase="Running"), **POD)
    assert refusal.code == 422
    assert "status.phase" in refusal.message
    assert world.ok(WriteStatus, uid=uid, status=PodStatus(phase="Failed", reason="Evicted"), **POD).obj.status.reason == "Evicted"


def test_the_status_of_a_kind_that_is_only_stored_is_written_too(world: Any, objects: Any) -> None:
    tree = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {}}
    fields = {"resource": "jobs.batch", "namespace": "default", "name": "j"}
    from callboard.models.decode import from_dict
    from callboard.models.kinds import Scheme

    world.ok(CreateObject, resource="jobs.batch", obj=from_dict(tree, Scheme.builtin()), trusted=True)
    written = world.ok(WriteStatus, status=freeze({"succeeded": 1}), **fields).obj
    assert written.to_dict()["status"] == {"succeeded": 1}


def test_a_lease_is_made_and_then_renewed(world: Any) -> None:
    first = world.ok(RenewLease, holder="node-1", renew_time="2026-01-01T00:00:00.000000Z", **LEASE)
    assert first.obj is None
    world.ok(RenewLease, holder="node-1", renew_time="2026-01-01T00:00:10.000000Z", duration_s=15, **LEASE)
    spec = world.ok(GetObject, **LEASE).obj.spec
    assert (spec.holder_identity, spec.renew_time, spec.lease_duration_seconds) == ("node-1", "2026-01-01T00:00:10.000000Z", 15)
    assert (spec.acquire_time, spec.lease_transitions) == ("2026-01-01T00:00:00.000000Z", 0)


def test_a_lease_that_changes_hands_counts_it(world: Any) -> None:
    world.ok(RenewLease, holder="a", renew_time="2026-01-01T00:00:00.000000Z", **LEASE)
    world.ok(RenewLease, holder="b", renew_time="2026-01-01T00:00:10.000000Z", **LEASE)
    assert world.ok(GetObject, **LEASE).obj.spec.lease_transitions == 1


def test_a_write_of_a_leader_that_was_succeeded_is_refused(world: Any, objects: Any) -> None:
    uid = _pod(world, objects)
    world.ok(RenewLease, holder="a", renew_time="2026-01-01T00:00:00.000000Z", **LEASE)
    key = "leases.coordination.k8s.io/kube-node-lease/node-1"
    world.ok(WriteStatus, uid=uid, status=PodStatus(phase="Running"), fence=Fence(key, 0), **POD)
    world.ok(RenewLease, holder="b", renew_time="2026-01-01T00:00:10.000000Z", **LEASE)
    refusal = world.refused(WriteStatus, uid=uid, status=PodStatus(phase="Failed"), fence=Fence(key, 0), **POD)
    assert refusal.reason == "Conflict"
    assert "no longer the leader" in refusal.message


def _event(**changes: Any) -> dict[str, Any]:
    fields = {
        "involved_resource": "pods",
        "involved_kind": "Pod",
        "involved_api_version": "v1",
        "namespace": "default",
        "name": "a",
        "uid": "u",
        "type": "Warning",
        "reason": "BackOff",
        "message": "Back-off restarting failed container",
        "component": "kubelet",
    }
    return {**fields, **changes}


def test_events_that_repeat_themselves_are_counted(world: Any) -> None:
    assert world.ok(RecordEvent, **_event()).obj is None
    world.run(10)
    world.ok(RecordEvent, **_event())
    world.ok(RecordEvent, **_event(message="another"))
    found = world.ok(ListObjects, resource="events", namespace="default", fields="involvedObject.name=a,reason=BackOff").objects
    assert sorted((one.message, one.count) for one in found) == [("Back-off restarting failed container", 2), ("another", 1)]
    counted = next(one for one in found if one.count == 2)
    assert counted.first_timestamp < counted.last_timestamp
    assert counted.involved_object.kind == "Pod"


def test_combined_events_are_one_that_shows_the_last_message(world: Any) -> None:
    for message in ("(combined from similar events): a", "(combined from similar events): b"):
        world.ok(RecordEvent, **_event(message=message, combined=True))
    world.ok(RecordEvent, **_event(message="(combined from similar events): a"))
    found = world.ok(ListObjects, resource="events", namespace="default").objects
    assert sorted((one.message[-1], one.count) for one in found) == [("a", 1), ("b", 2)]


def test_an_event_about_a_node_lies_in_default(world: Any) -> None:
    world.ok(RecordEvent, **_event(involved_resource="nodes", involved_kind="Node", namespace="", name="node-1"))
    found = world.ok(ListObjects, resource="events", namespace="default").objects
    assert [one.involved_object.namespace for one in found] == [""]


def test_events_expire(make_world: Any) -> None:
    world = make_world(event_ttl_s=60.0)
    world.ok(RecordEvent, **_event())
    world.run(200)
    assert world.ok(ListObjects, resource="events").objects == ()


def test_an_event_in_an_absent_namespace_is_not_found(world: Any) -> None:
    assert world.refused(RecordEvent, **_event(namespace="gone")).message == 'namespaces "gone" not found'


def test_a_patch_of_a_status_meets_the_trusted_writers(world: Any, objects: Any) -> None:
    uid = _pod(world, objects)
    world.ok(WriteStatus, uid=uid, status=PodStatus(phase="Running", message="up"), **POD)
    patch = freeze({"status": {"reason": "Patched"}})
    status = world.ok(PatchObject, type="merge", subresource="status", patch=patch, **POD).obj.status
    assert (status.phase, status.message, status.reason) == ("Running", "up", "Patched")
