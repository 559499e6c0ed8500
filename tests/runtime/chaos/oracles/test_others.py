"""Oracles of workloads, Services, views, garbage and rates: each with a history that breaks it, and one that is right."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from callboard.models.api.core import ConfigMap, Taint
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap
from callboard.models.messages.api import DeleteObject, Listed, WatchBatch, WatchEvent, WatchObjects
from callboard.runtime.chaos.oracles import caches, every, garbage, rates, services, workloads
from callboard.runtime.chaos.oracles.base import Oracle

from .fake import FakeWorld, daemon_set, deployment, meta, node, pod, replica_set, stateful_set

RS = ("ReplicaSet", "web", "uid-web")
SERVER = "apiserver-0#1"
WEB = {"app": "web"}


def test_every_oracle_has_a_name_of_its_own() -> None:
    names = [oracle.name for oracle in every()]
    assert all(names)
    assert len(set(names)) == len(names)


def _pod_key(name: str) -> str:
    return f"pods/default/{name}"


# -- workloads ------------------------------------------------------------------------------------------------------------------------


def test_a_pod_more_than_a_replica_set_was_ever_asked_to_have_is_noticed() -> None:
    world, oracle = FakeWorld(), workloads.NoSurplus()
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 2))
    assert world.put(oracle, _pod_key("a"), pod("a", owner=RS, labels=WEB)) is None
    assert world.put(oracle, _pod_key("b"), pod("b", owner=RS, labels=WEB)) is None
    found = world.put(oracle, _pod_key("c"), pod("c", owner=RS, labels=WEB))
    assert found is not None
    assert "2 pods at most and has 3" in found.words


def test_pods_beside_those_that_end_and_pods_that_are_adopted_are_no_surplus() -> None:
    world, oracle = FakeWorld(), workloads.NoSurplus()
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 2))
    world.put(oracle, _pod_key("a"), pod("a", owner=RS, labels=WEB))
    world.put(oracle, _pod_key("b"), pod("b", owner=RS, labels=WEB))
    world.put(oracle, _pod_key("a"), pod("a", owner=RS, labels=WEB, going=True))
    assert world.put(oracle, _pod_key("c"), pod("c", owner=RS, labels=WEB)) is None
    world.put(oracle, _pod_key("d"), pod("d"))
    assert world.put(oracle, _pod_key("d"), pod("d", owner=RS, labels=WEB)) is None, "adopted"


def test_a_pod_that_lost_the_labels_of_its_set_is_no_surplus_beside_the_one_that_comes_for_it() -> None:
    world, oracle = FakeWorld(), workloads.NoSurplus()
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 1))
    world.put(oracle, _pod_key("a"), pod("a", owner=RS, labels=WEB))
    world.put(oracle, _pod_key("a"), pod("a", owner=RS, labels={"app": "other"}))
    assert world.put(oracle, _pod_key("b"), pod("b", owner=RS, labels=WEB)) is None
    assert world.put(oracle, _pod_key("c"), pod("c", owner=RS, labels=WEB)) is not None


def test_at_rest_counts_and_statuses_agree_with_what_is_asked_for() -> None:
    world, oracle = FakeWorld(), workloads.DeploymentsAreDone()
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 1, told=(1, 1), owner=None))
    assert oracle.at_rest(world) is not None
    world.put(oracle, _pod_key("a"), pod("a", owner=RS))
    assert oracle.at_rest(world) is None
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 1, told=(1, 0)))
    assert oracle.at_rest(world) is not None
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 1, told=(1, 1)))
    for told, observed, wrong in (((1, 1, 1), 1, False), ((1, 0, 1), 1, True), ((1, 1, 1), 0, True)):
        world.put(oracle, "deployments.apps/default/web", deployment("web", 1, told, observed=observed))
        assert (oracle.at_rest(world) is not None) == wrong


DB = ("StatefulSet", "db", "uid-db")
HASH = {"controller-revision-hash": "r1"}


@pytest.mark.parametrize(
    ("pods", "words"),
    [
        ({"db-0": {}, "db-1": {}}, ""),
        ({"db-0": {}}, "should have the pods db-0, db-1, and has db-0"),
        ({"db-0": {}, "db-1": {}, "db-2": {}}, "and has db-0, db-1, db-2"),
        ({"db-0": {}, "db-1": {"ready": False}}, "it is not ready"),
        ({"db-0": {}, "db-1": {"labels": {"controller-revision-hash": "r0"}}}, "not of the newest revision r1"),
    ],
)
def test_at_rest_every_ordinal_has_its_pod_and_no_other(pods: dict[str, dict[str, Any]], words: str) -> None:
    world, oracle = FakeWorld(), workloads.StatefulSetsAreDone()
    world.objects = {"statefulsets.apps/default/db": stateful_set("db", 2)}
    for name, about in pods.items():
        world.objects[_pod_key(name)] = pod(name, owner=DB, **{"labels": HASH, **about})
    found = oracle.at_rest(world)
    assert words in (found.words if found is not None else "")
    assert (found is not None) == bool(words)


@pytest.mark.parametrize(("since_s", "wrong"), [(0.0, False), (100.0, True)])
def test_an_ordinal_that_comes_out_of_turn_is_noticed_unless_the_lower_one_was_ready_a_moment_ago(since_s: float, wrong: bool) -> None:
    world, oracle = FakeWorld(), workloads.OrdinalsInTurn()
    world.put(oracle, "statefulsets.apps/default/db", stateful_set("db", 2))
    assert world.put(oracle, _pod_key("db-0"), pod("db-0", owner=DB)) is None
    world.put(oracle, _pod_key("db-0"), None)
    world.now += since_s
    assert (world.put(oracle, _pod_key("db-1"), pod("db-1", owner=DB)) is not None) == wrong


@pytest.mark.parametrize(
    ("nodes_of_pods", "taints", "told", "wrong"),
    [
        (("node-1", "node-2"), (), 2, False),
        (("node-1",), (), 1, True),
        (("node-1",), (Taint(key="gone", effect="NoExecute"),), 1, False),
        (("node-1", "node-1", "node-2"), (), 3, True),
        (("node-1", "node-2"), (), 1, True),
    ],
)
def test_at_rest_every_node_that_may_have_one_has_one_daemon(
    nodes_of_pods: tuple[str, ...], taints: tuple[Taint, ...], told: int, wrong: bool
) -> None:
    world, oracle = FakeWorld(), workloads.DaemonSetsAreDone()
    world.objects = {
        "nodes//node-1": node("node-1"),
        "nodes//node-2": node("node-2", *taints),
        "daemonsets.apps/default/agent": daemon_set("agent", told),
    }
    for number, where in enumerate(nodes_of_pods):
        name = f"agent-{number}"
        world.objects[_pod_key(name)] = pod(name, node=where, owner=("DaemonSet", "agent", "uid-agent"))
    assert (oracle.at_rest(world) is not None) == wrong


# -- Services -------------------------------------------------------------------------------------------------------------------------


def _slice(*addresses: str) -> Any:
    ends = tuple(SimpleNamespace(addresses=(one,), conditions=SimpleNamespace(ready=True)) for one in addresses)
    labels = FrozenMap({"kubernetes.io/service-name": "web"})
    return SimpleNamespace(metadata=meta("web-1", labels=labels), endpoints=ends)


def _service(selector: bool = True) -> Any:
    spec = SimpleNamespace(selector=FrozenMap({"app": "web"}) if selector else FrozenMap(), cluster_ip="10.96.0.1")
    return SimpleNamespace(metadata=meta("web"), spec=spec)


@pytest.mark.parametrize(("addresses", "ready", "wrong"), [(("10.0.0.1",), True, False), ((), True, True), (("10.0.0.1",), False, True)])
def test_endpoints_that_are_not_the_ready_pods_are_noticed(addresses: tuple[str, ...], ready: bool, wrong: bool) -> None:
    world, oracle = FakeWorld(), services.EndpointsAreReadyPods()
    world.objects = {
        "services/default/web": _service(),
        "endpointslices.discovery.k8s.io/default/web-1": _slice(*addresses),
        _pod_key("a"): pod("a", labels={"app": "web"}, ready=ready),
    }
    assert (oracle.at_rest(world) is not None) == wrong


def test_an_address_in_two_slices_and_slices_of_a_service_that_is_gone_are_noticed() -> None:
    world, oracle = FakeWorld(), services.EndpointsAreReadyPods()
    world.objects = {
        "services/default/web": _service(),
        "endpointslices.discovery.k8s.io/default/web-1": _slice("10.0.0.1"),
        "endpointslices.discovery.k8s.io/default/web-2": _slice("10.0.0.1"),
        _pod_key("a"): pod("a", labels={"app": "web"}),
    }
    assert oracle.at_rest(world) is not None
    del world.objects["services/default/web"], world.objects["endpointslices.discovery.k8s.io/default/web-2"]
    found = oracle.at_rest(world)
    assert found is not None
    assert "is gone" in found.words


def test_a_proxy_that_sends_elsewhere_is_noticed() -> None:
    def proxy(*addresses: str) -> Any:
        entry = SimpleNamespace(service_key="default/web:80", endpoints=tuple((one, 80) for one in addresses))
        return SimpleNamespace(current_table=lambda: SimpleNamespace(services=(entry,)))

    oracle = services.ProxiesFollow()
    for first, wrong in ((proxy("10.0.0.1"), False), (proxy(), True), (None, True)):
        world = FakeWorld(nodes=("node-1",), components={"proxy/node-1": first})
        world.objects = {"services/default/web": _service(), _pod_key("a"): pod("a", labels={"app": "web"})}
        assert (oracle.at_rest(world) is not None) == wrong


# -- views ----------------------------------------------------------------------------------------------------------------------------


def _informer(objects: dict[str, Any], **more: Any) -> Any:
    about = {"resource": "configmaps", "selection": {"namespace": ""}, "synced": True, "unserved": False, "started": True, "number": 1}
    return SimpleNamespace(objects=objects, **{**about, **more})


def _config_map(name: str, revision: int, uid: str = "") -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", uid=uid or f"uid-{name}", resource_version=revision))


def test_a_view_that_goes_back_is_noticed_and_a_new_life_begins_anew() -> None:
    informer = _informer({}, revision=7)
    world = FakeWorld(components={"scheduler": SimpleNamespace(_streams={3: informer})})
    oracle, batch = caches.ViewsGoForward(), WatchBatch(3, 1, (), 7)
    assert oracle.delivered(SERVER, "scheduler#1", batch, world) is None
    informer.revision = 5
    assert oracle.delivered(SERVER, "scheduler#2", batch, world) is None
    assert oracle.delivered(SERVER, "scheduler#1", batch, world) is not None


def test_an_object_that_gets_older_in_a_view_is_noticed_and_a_new_one_of_the_name_is_not() -> None:
    key = "configmaps/default/a"
    informer = _informer({key: _config_map("a", 5)}, revision=7)
    world = FakeWorld(components={"scheduler": SimpleNamespace(_streams={3: informer})})
    oracle = caches.ViewsGoForward()
    batch = WatchBatch(3, 1, (WatchEvent("ADDED", key, _config_map("a", 5)),), 7)
    assert oracle.delivered(SERVER, "scheduler#1", batch, world) is None
    informer.objects = {key: _config_map("a", 4, uid="another")}
    assert oracle.delivered(SERVER, "scheduler#1", batch, world) is None
    informer.objects = {key: _config_map("a", 3, uid="another")}
    found = oracle.delivered(SERVER, "scheduler#1", batch, world)
    assert found is not None
    assert "saw it at revision 4, and sees it at 3 now" in found.words


@pytest.mark.parametrize(("told", "wrong"), [(6, False), (4, True)])
def test_an_object_that_was_listed_and_gets_older_is_noticed(told: int, wrong: bool) -> None:
    key = "configmaps/default/a"
    informer = _informer({key: _config_map("a", 5)}, revision=7, _list=2)
    world = FakeWorld(components={"scheduler": SimpleNamespace(_streams={3: informer}, informers=(informer,))})
    oracle = caches.ViewsGoForward()
    assert oracle.delivered(SERVER, "scheduler#1", Listed(2, (_config_map("a", 5),), 7), world) is None
    informer.objects = {key: _config_map("a", told)}
    batch = WatchBatch(3, 1, (WatchEvent("MODIFIED", key, _config_map("a", told)),), 8)
    assert (oracle.delivered(SERVER, "scheduler#1", batch, world) is not None) == wrong


@pytest.mark.parametrize(("uid", "wrong"), [("uid-a", True), ("another", False)])
def test_an_object_that_comes_back_in_a_view_after_its_end_is_noticed(uid: str, wrong: bool) -> None:
    key = "configmaps/default/a"
    informer = _informer({key: _config_map("a", 5)}, revision=7)
    world, oracle = FakeWorld(components={"scheduler": SimpleNamespace(_streams={3: informer})}), caches.ViewsGoForward()
    added = WatchBatch(3, 1, (WatchEvent("ADDED", key, _config_map("a", 5)),), 7)
    deleted = WatchBatch(3, 2, (WatchEvent("DELETED", key, _config_map("a", 6)),), 7)
    assert oracle.delivered(SERVER, "scheduler#1", added, world) is None
    informer.objects = {}
    assert oracle.delivered(SERVER, "scheduler#1", deleted, world) is None
    informer.objects = {key: _config_map("a", 5, uid)}
    assert (oracle.delivered(SERVER, "scheduler#1", added, world) is not None) == wrong


@pytest.mark.parametrize(
    ("pieces", "wrong"),
    [
        (((1, 6, 7), (2, 8, 8)), False),
        (((1, 5, 7),), True),
        (((1, 6, 9), (2, 8, 10)), True),
        (((1, 6, 7), (3, 4, 8)), False),
        (((1, 6, 7), (1, 6, 7)), False),
    ],
)
def test_a_stream_that_tells_what_was_over_when_it_began_is_noticed(pieces: tuple[tuple[int, int, int], ...], wrong: bool) -> None:
    world, oracle, key = FakeWorld(), caches.StreamsGoForward(), "configmaps/default/a"
    assert oracle.delivered("scheduler#1", SERVER, WatchObjects(3, "scheduler#1", "configmaps", 5), world) is None
    told = [WatchBatch(3, seq, (WatchEvent("MODIFIED", key, _config_map("a", at)),), mark) for seq, at, mark in pieces]
    assert any(oracle.delivered(SERVER, "scheduler#1", piece, world) is not None for piece in told) == wrong


@pytest.mark.parametrize(
    ("cached", "wrong"),
    [
        ({"a": 1, "b": 2}, ""),
        ({"a": 1}, "does not see it"),
        ({"a": 1, "b": 1}, "sees it at revision 1, and it is stored at 2"),
        ({"a": 1, "b": 2, "c": 3}, "it is gone"),
    ],
)
def test_a_view_that_is_not_the_store_is_noticed(cached: dict[str, int], wrong: str) -> None:
    view = {f"configmaps/default/{name}": _config_map(name, revision) for name, revision in cached.items()}
    world = FakeWorld(components={"dns": SimpleNamespace(informers=(_informer(view),))})
    world.objects = {f"configmaps/default/{name}": _config_map(name, revision) for name, revision in (("a", 1), ("b", 2))}
    found = caches.ViewsEqualTheStore().at_rest(world)
    assert (found.words if found is not None else "").endswith(wrong) or wrong in (found.words if found is not None else "")
    assert (found is not None) == bool(wrong)


def test_views_that_nobody_has_asked_for_and_what_never_rests_are_not_judged() -> None:
    idle = _informer({}, synced=False, started=False)
    leases = _informer({"leases.coordination.k8s.io/a/b": _config_map("b", 1)}, resource="leases.coordination.k8s.io")
    world = FakeWorld(components={"dns": SimpleNamespace(informers=(idle, leases))})
    world.objects = {"configmaps/default/a": _config_map("a", 1)}
    assert caches.ViewsEqualTheStore().at_rest(world) is None


# -- garbage --------------------------------------------------------------------------------------------------------------------------


def _collected(oracle: Oracle, world: FakeWorld, sender: str = "controller/garbagecollector#1") -> None:
    oracle.delivered(sender, SERVER, DeleteObject(1, sender, "pods", "default", "a", uid="uid-a"), world)


@pytest.mark.parametrize(
    ("owner_there", "by_collector", "by_user", "wrong"),
    [(True, True, False, True), (False, True, False, False), (True, False, True, False), (True, True, True, False)],
)
def test_what_is_collected_though_its_owner_lives_is_noticed(owner_there: bool, by_collector: bool, by_user: bool, wrong: bool) -> None:
    world, oracle = FakeWorld(), garbage.OwnersKeepTheirs()
    if owner_there:
        world.put(oracle, "replicasets.apps/default/web", replica_set("web", 1))
    world.put(oracle, _pod_key("a"), pod("a", owner=RS))
    if by_user:
        _collected(oracle, world, "user#1")
    if by_collector:
        _collected(oracle, world)
    assert (world.put(oracle, _pod_key("a"), None) is not None) == wrong


def test_at_rest_owners_and_namespaces_are_there_and_nothing_waits_to_go() -> None:
    oracle = garbage.NothingOutlivesItsOwner()
    space = {"namespaces//default": ConfigMap(metadata=ObjectMeta(name="default", uid="uid-default"))}
    cases: list[tuple[dict[str, Any], str]] = [
        ({**space, _pod_key("a"): pod("a")}, ""),
        ({_pod_key("a"): pod("a")}, "the namespace default is not there"),
        ({**space, _pod_key("a"): pod("a", owner=RS)}, "its owner ReplicaSet web"),
        ({**space, _pod_key("a"): pod("a", going=True)}, "asked to go"),
    ]
    for objects, words in cases:
        world = FakeWorld()
        world.objects = objects
        found = oracle.at_rest(world)
        assert words in (found.words if found is not None else "")
        assert (found is not None) == bool(words)


# -- rates ----------------------------------------------------------------------------------------------------------------------------


def test_an_owner_that_gets_children_without_end_is_noticed_and_many_over_a_long_time_are_not() -> None:
    world, oracle = FakeWorld(), rates.NothingSpins()
    for number in range(3 * rates.CREATIONS_LIMIT):
        world.now += 1.0
        assert world.put(oracle, _pod_key(f"a-{number}"), pod(f"a-{number}", owner=RS)) is None
    found = [world.put(oracle, _pod_key(f"b-{number}"), pod(f"b-{number}", owner=RS)) for number in range(rates.CREATIONS_LIMIT + 1)]
    assert found[-1] is not None


def test_an_object_that_is_written_without_end_is_noticed() -> None:
    world, oracle = FakeWorld(), rates.NothingSpins()
    found = [world.put(oracle, _pod_key("a"), pod("a")) for _ in range(rates.WRITES_LIMIT + 1)]
    assert found[-2] is None
    assert found[-1] is not None
