"""Two apiservers over one store, one of them behind; lost races and lost answers: the compares keep everything right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.api.core import Namespace, PodStatus
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.messages.api import (
    BindPod,
    CreateObject,
    DeleteObject,
    GetObject,
    PatchObject,
    UpdateObject,
    WriteStatus,
    Written,
)

MAP = {"resource": "configmaps", "namespace": "default", "name": "a"}


@pytest.fixture
def stale(make_world: Callable[..., Any]) -> Any:
    """Two apiservers, the second of which hears nothing of what the store does."""
    world = make_world(servers=2)
    world.make_stale(1)
    return world


def test_a_stale_apiserver_updates_what_it_has_never_seen(stale: Any, objects: Any) -> None:
    first = stale.ok(CreateObject, resource="configmaps", obj=objects.config("a", k="1")).obj
    updated = stale.ok(UpdateObject, resource="configmaps", obj=replace(first, data=FrozenMap(k="2")), server=1).obj
    assert updated.data == {"k": "2"}
    assert updated.metadata.uid == first.metadata.uid


def test_a_stale_apiserver_refuses_only_what_the_store_would(stale: Any, objects: Any) -> None:
    stale.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    assert stale.refused(CreateObject, resource="configmaps", obj=objects.config("a"), server=1).reason == "AlreadyExists"
    assert stale.ok(DeleteObject, server=1, **MAP).removed
    assert stale.refused(DeleteObject, server=0, **MAP).code == 404


def test_a_stale_patch_is_made_on_the_object_as_it_is(stale: Any, objects: Any) -> None:
    stale.ok(CreateObject, resource="configmaps", obj=objects.config("a", x="1"))
    stale.ok(PatchObject, type="merge", patch=freeze({"data": {"y": "2"}}), **MAP)
    merged = stale.ok(PatchObject, type="merge", patch=freeze({"data": {"z": "3"}}), server=1, **MAP).obj
    assert merged.data == {"x": "1", "y": "2", "z": "3"}


def test_a_write_that_a_stale_cache_thinks_is_done_already_is_carried_out(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(servers=2)
    first = world.ok(CreateObject, resource="configmaps", obj=objects.config("a", k="1")).obj
    world.run()
    world.make_stale(1)
    world.ok(UpdateObject, resource="configmaps", obj=replace(first, data=FrozenMap(k="2")))
    back = world.ok(UpdateObject, resource="configmaps", obj=objects.config("a", k="1"), server=1)
    assert back.revision == world.revision
    assert world.items["configmaps/default/a"].data == {"k": "1"}


def test_a_pod_is_bound_once_whoever_is_asked(stale: Any, objects: Any) -> None:
    pod = {"resource": "pods", "namespace": "default", "name": "a"}
    uid = stale.ok(CreateObject, resource="pods", obj=objects.pod("a")).obj.metadata.uid
    stale.ok(BindPod, uid=uid, node_name="node-1", **pod)
    refusal = stale.refused(BindPod, uid=uid, node_name="node-2", server=1, **pod)
    assert 'already assigned to node "node-1"' in refusal.message
    assert stale.items["pods/default/a"].spec.node_name == "node-1"


def test_a_status_never_overwrites_a_spec_that_the_cache_has_not_seen(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(servers=2)
    pod = {"resource": "pods", "namespace": "default", "name": "a"}
    uid = world.ok(CreateObject, resource="pods", obj=objects.pod("a")).obj.metadata.uid
    world.run()
    world.make_stale(1)
    world.ok(BindPod, uid=uid, node_name="node-1", **pod)
    world.ok(DeleteObject, uid=uid, **pod)
    world.ok(WriteStatus, uid=uid, status=PodStatus(phase="Running"), server=1, **pod)
    stored = world.items["pods/default/a"]
    assert (stored.spec.node_name, stored.status.phase) == ("node-1", "Running")
    assert stored.metadata.deletion_timestamp != ""


def test_nothing_is_created_in_a_namespace_whose_end_a_stale_cache_has_missed(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(servers=2)
    world.ok(CreateObject, resource="namespaces", obj=Namespace(metadata=ObjectMeta(name="shop")))
    world.run()
    world.make_stale(1)
    world.ok(DeleteObject, resource="namespaces", namespace="", name="shop")
    refusal = world.refused(CreateObject, resource="configmaps", obj=objects.config("a", "shop"), server=1)
    assert refusal.code == 403
    assert "configmaps/shop/a" not in world.items


def test_a_namespace_that_a_stale_cache_has_not_seen_is_there(stale: Any, objects: Any) -> None:
    stale.ok(CreateObject, resource="namespaces", obj=Namespace(metadata=ObjectMeta(name="shop")))
    assert stale.ok(CreateObject, resource="configmaps", obj=objects.config("a", "shop"), server=1).obj.metadata.namespace == "shop"


def test_writers_who_race_all_get_their_change_in(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(servers=2, seed=3)
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    world.run()
    answers: list[Any] = []
    address = world.system.outlet(answers.append)
    for number in range(4):
        patch = freeze({"data": {f"k{number}": "v"}})
        world.system.post(f"apiserver-{number % 2}", PatchObject(number, address, "configmaps", "default", "a", "merge", patch))
    world.run(1.0)
    assert [isinstance(answer, Written) for answer in answers] == [True] * 4
    assert len(world.items["configmaps/default/a"].data) == 4


def test_a_race_lost_six_times_is_a_conflict(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world()
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    answers: list[Any] = []
    address = world.system.outlet(answers.append)
    tries: list[int] = []

    def another_first(passage: Any, message: Any) -> bool:
        """Whoever writes for our client finds that another has just written."""
        if passage.type == "Transact" and message.ops and "mine" in getattr(message.ops[0].obj, "data", {}):
            tries.append(message.id)
            keyspace = world.system.look("store")._keyspace
            old = keyspace.items["configmaps/default/a"]
            new = replace(old, metadata=replace(old.metadata, resource_version=old.metadata.resource_version + 1000))
            keyspace.items["configmaps/default/a"] = new
        return False

    world.system.links.drop("apiserver-0", "store", another_first)
    patch = freeze({"data": {"mine": "1"}})
    world.system.post("apiserver-0", PatchObject(1, address, "configmaps", "default", "a", "merge", patch))
    world.run(1.0)
    assert len(tries) == 6
    assert (answers[0].code, answers[0].reason) == (409, "Conflict")


def test_a_lost_answer_of_the_store_is_a_timeout_and_nothing_is_tried_twice(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(store_timeout_s=4.0)
    world.drop_once("store", "apiserver-0", "Committed")
    before = world.revision
    refusal = world.refused(CreateObject, resource="configmaps", obj=objects.config("a"))
    assert (refusal.code, refusal.reason) == (504, "Timeout")
    assert world.revision == before + 1
    assert world.ok(GetObject, **MAP).obj.metadata.name == "a"


def test_a_transaction_that_arrives_twice_is_carried_out_once(world: Any, objects: Any) -> None:
    world.system.links.duplicate("apiserver-0", "store", lambda passage, _: passage.type == "Transact")
    before = world.revision
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    world.run()
    assert world.revision == before + 1


def test_a_lost_piece_of_the_stream_is_noticed_and_made_good(world: Any, objects: Any) -> None:
    stream = world.watch("configmaps")
    world.drop_once("store", "apiserver-0", "StoreChanged")
    for name in ("a", "b", "c"):
        world.ok(CreateObject, resource="configmaps", obj=objects.config(name))
        world.run()
    world.run(5.0)
    assert stream.events == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


def test_a_repeated_piece_of_the_stream_is_told_once(world: Any, objects: Any) -> None:
    world.system.links.duplicate("store", "apiserver-0", lambda passage, _: passage.type == "StoreChanged")
    stream = world.watch("configmaps")
    for name in ("a", "b", "c"):
        world.ok(CreateObject, resource="configmaps", obj=objects.config(name))
    world.run()
    assert stream.events == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


def test_an_apiserver_that_restarts_knows_what_the_store_knows(world: Any, objects: Any) -> None:
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    world.system.restart("apiserver-0")
    assert world.ok(GetObject, **MAP).obj.metadata.name == "a"
    assert world.server().cache.revision == world.revision


def test_one_seed_is_one_history(make_world: Callable[..., Any], objects: Any) -> None:
    hashes = []
    for _ in range(2):
        world = make_world(servers=2, seed=11)
        for number in range(5):
            world.ok(CreateObject, resource="services", obj=objects.service(f"s{number}"), server=number % 2)
        world.run(3.0)
        hashes.append(world.system.trace_hash)
    assert hashes[0] == hashes[1]
