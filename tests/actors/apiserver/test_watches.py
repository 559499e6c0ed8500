"""Watch streams: order, numbering, selectors, 410, credit, heartbeats, and that a change costs only those who want it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.actors.apiserver.watches import Selection
from callboard.actors.store.actor import StoreSettings
from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.messages.api import (
    AckWatch,
    BindPod,
    CreateObject,
    DeleteObject,
    PatchObject,
    UpdateObject,
    WatchBatch,
    WatchObjects,
)


def _label(world: Any, name: str, labels: dict[str, Any] | None) -> None:
    patch = freeze({"metadata": {"labels": labels}})
    world.ok(PatchObject, resource="configmaps", namespace="default", name=name, type="merge", patch=patch)


def test_a_watcher_hears_every_change_in_order_and_numbered(world: Any, objects: Any) -> None:
    stream = world.watch("configmaps")
    obj = world.ok(CreateObject, resource="configmaps", obj=objects.config("a", k="1")).obj
    world.ok(UpdateObject, resource="configmaps", obj=replace(obj, data=FrozenMap(k="2")))
    removal = world.ok(DeleteObject, resource="configmaps", namespace="default", name="a")
    world.run()
    assert stream.events == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert [batch.seq for batch in stream.heard] == [*range(1, len(stream.heard) + 1)]
    revisions = [event.obj.metadata.resource_version for batch in stream.heard for event in batch.events]
    assert revisions == sorted(revisions)
    assert revisions[-1] == removal.revision == stream.heard[-1].revision


def test_a_stream_resumes_from_any_revision_in_the_history(world: Any, objects: Any) -> None:
    start = world.revision
    for name in ("a", "b", "c"):
        world.ok(CreateObject, resource="configmaps", obj=objects.config(name))
    assert world.watch("configmaps", after=start).events == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]
    assert world.watch("configmaps", after=start + 2).events == [("ADDED", "c")]
    assert world.watch("secrets", after=start).events == []


def test_a_revision_older_than_the_history_is_gone(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(history_limit=4)
    start = world.revision
    for number in range(12):
        world.ok(CreateObject, resource="configmaps", obj=objects.config(f"c{number}"))
    stream = world.watch("configmaps", after=start)
    assert stream.closed is not None
    assert (stream.closed.seq, stream.closed.code, stream.closed.reason) == (1, 410, "Expired")
    assert stream.closed.message.startswith(f"too old resource version: {start} (")


def test_a_revision_in_the_future_hears_only_what_comes_after_it(world: Any, objects: Any) -> None:
    stream = world.watch("configmaps", after=world.revision + 2)
    for name in ("a", "b", "c"):
        world.ok(CreateObject, resource="configmaps", obj=objects.config(name))
    world.run()
    assert stream.events == [("ADDED", "c")]


def test_objects_that_start_and_stop_matching_come_and_go(world: Any, objects: Any) -> None:
    stream = world.watch("configmaps", labels="app=web")
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    _label(world, "a", {"app": "web"})
    _label(world, "a", {"tier": "1"})
    _label(world, "a", {"app": None})
    _label(world, "a", {"tier": "2"})
    world.run()
    assert stream.events == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    last = [event for batch in stream.heard for event in batch.events][-1]
    assert last.obj.metadata.labels == {"tier": "1"}


def test_a_kubelet_hears_of_its_own_pods_from_the_bind_on(world: Any, objects: Any) -> None:
    mine, other = (world.watch("pods", fields=f"spec.nodeName={node}") for node in ("node-1", "node-2"))
    uid = world.ok(CreateObject, resource="pods", obj=objects.pod("a")).obj.metadata.uid
    world.ok(BindPod, resource="pods", namespace="default", name="a", uid=uid, node_name="node-1")
    world.ok(DeleteObject, resource="pods", namespace="default", name="a", grace_period_s=0)
    world.run()
    assert mine.events == [("ADDED", "a"), ("DELETED", "a")]
    assert other.events == []


def test_streams_of_one_namespace_or_name_hear_nothing_else(world: Any, objects: Any) -> None:
    place = world.watch("configmaps", namespace="kube-system")
    name = world.watch("configmaps", fields="metadata.name=a")
    both = world.watch("configmaps", namespace="default", fields="metadata.name=a")
    for one, namespace in (("a", "default"), ("b", "default"), ("a", "kube-system")):
        world.ok(CreateObject, resource="configmaps", obj=objects.config(one, namespace))
    world.run()
    assert [len(stream.events) for stream in (place, name, both)] == [1, 2, 1]


def test_the_star_hears_every_kind_but_events_and_leases(world: Any, objects: Any) -> None:
    from callboard.models.messages.api import RecordEvent, RenewLease

    stream = world.watch("*")
    world.ok(CreateObject, resource="services", obj=objects.service("web", type="NodePort"))
    lease = {"resource": "leases.coordination.k8s.io", "namespace": "kube-node-lease", "name": "n"}
    world.ok(RenewLease, holder="n", renew_time="2026-01-01T00:00:00.000000Z", **lease)
    about = {"involved_resource": "services", "involved_kind": "Service", "involved_api_version": "v1", "namespace": "default"}
    world.ok(RecordEvent, name="web", uid="u", type="Normal", reason="r", message="m", component="c", **about)
    world.run()
    keys = [event.key.partition("/")[0] for batch in stream.heard for event in batch.events]
    assert sorted(keys) == ["ipaddresses.networking.k8s.io", "services"]


def test_silence_is_filled_with_progress_marks(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(watch_heartbeat_s=2.0)
    stream = world.watch("secrets")
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    world.run(9.0)
    assert 3 <= len(stream.heard) <= 5
    assert stream.heard[-1].events == ()
    assert stream.heard[-1].revision == world.revision


def test_a_watcher_without_credit_is_closed(world: Any, objects: Any) -> None:
    stream = world.watch("configmaps", credit=3)
    for number in range(5):
        world.ok(CreateObject, resource="configmaps", obj=objects.config(f"c{number}"))
        world.run()
    assert stream.closed is not None
    assert (stream.closed.code, stream.closed.reason) == (429, "TooManyRequests")
    assert stream.closed.seq == len(stream.heard) == 4
    assert not world.server().streams.index.watchers


def test_acknowledged_batches_give_credit_back(world: Any, objects: Any) -> None:
    stream = world.watch("configmaps", credit=3)
    for number in range(9):
        world.ok(CreateObject, resource="configmaps", obj=objects.config(f"c{number}"))
        world.run()
        world.system.post("apiserver-0", AckWatch(1, stream.address, number + 1))
    world.run()
    assert stream.closed is None
    assert len(stream.events) == 9


def test_a_stopped_stream_hears_no_more(world: Any, objects: Any) -> None:
    stream = world.watch("configmaps")
    stream.stop()
    world.run()
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    world.run()
    assert stream.events == []
    assert not world.server().streams.index.watchers


def test_a_new_incarnation_of_a_client_ends_the_streams_of_the_old(world: Any, objects: Any) -> None:
    def open_as(address: str, number: int) -> None:
        world.system.post("apiserver-0", WatchObjects(number, address, "configmaps", world.revision))
        world.run()

    open_as("controller/x#1", 1)
    open_as("controller/x#1", 2)
    open_as("controller/x#2", 1)
    open_as("controller/x#1", 3)  # late, from the life before
    assert [*world.server().streams.index.watchers] == [("controller/x#2", 1)]


def test_a_watch_of_nonsense_is_closed_with_the_reason(world: Any) -> None:
    for fields, code in (({"resource": "gizmos"}, 404), ({"resource": "pods", "fields": "spec.nope=1"}, 400)):
        closed = world.watch(fields.pop("resource"), **fields).closed
        assert closed is not None
        assert closed.code == code


def test_watchers_with_one_selection_share_one_tuple_of_events(world: Any, objects: Any) -> None:
    streams = [world.watch("configmaps") for _ in range(3)]
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    world.run()
    tuples = [next(batch.events for batch in stream.heard if isinstance(batch, WatchBatch) and batch.events) for stream in streams]
    assert tuples[0] is tuples[1]
    assert tuples[1] is tuples[2]


def test_a_change_is_judged_by_those_who_can_want_it_and_nobody_else(world: Any, objects: Any, monkeypatch: Any) -> None:
    for number in range(500):
        world.system.post(
            "apiserver-0", WatchObjects(number, f"kubelet/n{number}#1", "pods", world.revision, fields=f"spec.nodeName=n{number}")
        )
    world.watch("pods")
    judged: list[Selection] = []
    judge = Selection.judge

    def judge_and_count(selection: Selection, change: Any) -> Any:
        judged.append(selection)
        return judge(selection, change)

    monkeypatch.setattr(Selection, "judge", judge_and_count)
    uid = world.ok(CreateObject, resource="pods", obj=objects.pod("a")).obj.metadata.uid
    world.ok(BindPod, resource="pods", namespace="default", name="a", uid=uid, node_name="n7")
    world.run()
    assert len(judged) == 3  # the create: everybody's stream; the bind: that and the one of n7


def test_a_store_that_compacted_what_an_apiserver_missed_sends_a_picture(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(store=StoreSettings(history_limit=4))
    stream = world.watch("configmaps")
    world.ok(CreateObject, resource="configmaps", obj=objects.config("gone"))
    world.ok(CreateObject, resource="configmaps", obj=objects.config("kept", k="1"))
    world.run()
    cut = world.make_stale(0)
    world.ok(DeleteObject, resource="configmaps", namespace="default", name="gone")
    world.ok(UpdateObject, resource="configmaps", obj=objects.config("kept", k="2"))
    for number in range(10):
        world.ok(CreateObject, resource="configmaps", obj=objects.config(f"c{number}"))
    world.system.links.remove(cut)
    world.run(10.0)
    assert stream.events[2:4] == [("MODIFIED", "kept"), ("ADDED", "c0")]
    assert ("DELETED", "gone") in stream.events
    assert len(stream.events) == 2 + 12
    cached = {key: obj for bucket in world.server().cache.buckets("configmaps") for key, obj in bucket.items()}
    assert cached == {key: obj for key, obj in world.items.items() if key.startswith("configmaps/")}


def test_a_watcher_that_was_ahead_of_an_apiserver_lists_again_when_that_is_given_a_picture(
    make_world: Callable[..., Any], objects: Any
) -> None:
    world = make_world(servers=2, store=StoreSettings(history_limit=4))
    cut = world.make_stale(1)
    world.ok(CreateObject, resource="configmaps", obj=objects.config("seen"))
    ahead = world.watch("configmaps", server=1)
    level = world.watch("configmaps", server=1, after=world.server(1).cache.revision)
    world.ok(DeleteObject, resource="configmaps", namespace="default", name="seen")
    for number in range(10):
        world.ok(CreateObject, resource="configmaps", obj=objects.config(f"c{number}"))
    world.system.links.remove(cut)
    world.run(10.0)
    assert ahead.closed is not None
    assert ahead.closed.code == 410
    assert ahead.events == []
    assert level.closed is None
    assert [name for _, name in level.events] == [f"c{number}" for number in range(10)]
