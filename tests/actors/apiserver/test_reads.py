"""Reads: as new as asked for, selected, in key order; and what happens when the store does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.messages.api import (
    BindPod,
    CreateObject,
    GetObject,
    ListObjects,
    Refused,
    RenewLease,
)


def _names(answer: Any) -> list[str]:
    return [obj.metadata.name for obj in answer.objects]


def test_a_list_is_in_key_order_and_says_its_revision(world: Any, objects: Any) -> None:
    for name, namespace in (("b", "default"), ("a", "kube-system"), ("a", "default")):
        world.ok(CreateObject, resource="configmaps", obj=objects.config(name, namespace))
    answer = world.ok(ListObjects, resource="configmaps")
    assert [(obj.metadata.namespace, obj.metadata.name) for obj in answer.objects] == [
        ("default", "a"),
        ("default", "b"),
        ("kube-system", "a"),
    ]
    assert answer.revision == world.revision
    assert answer.keys == ()
    assert _names(world.ok(ListObjects, resource="configmaps", namespace="kube-system")) == ["a"]


def test_labels_and_fields_select(world: Any, objects: Any) -> None:
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a", labels={"app": "web"}))
    world.ok(CreateObject, resource="configmaps", obj=objects.config("b", labels={"app": "db"}))
    assert _names(world.ok(ListObjects, resource="configmaps", labels="app in (web,x)")) == ["a"]
    assert _names(world.ok(ListObjects, resource="configmaps", fields="metadata.name=b")) == ["b"]
    assert _names(world.ok(ListObjects, resource="configmaps", fields="metadata.name!=b")) == ["a"]
    assert _names(world.ok(ListObjects, resource="configmaps", labels="app=web", fields="metadata.name=b")) == []
    assert _names(world.ok(ListObjects, resource="configmaps", fields="metadata.namespace=kube-system")) == []


def test_a_kubelet_lists_its_own_pods(world: Any, objects: Any) -> None:
    for name, node in (("a", "n1"), ("b", "n2"), ("c", "n1")):
        uid = world.ok(CreateObject, resource="pods", obj=objects.pod(name)).obj.metadata.uid
        world.ok(BindPod, resource="pods", namespace="default", name=name, uid=uid, node_name=node)
    assert _names(world.ok(ListObjects, resource="pods", fields="spec.nodeName=n1")) == ["a", "c"]
    assert _names(world.ok(ListObjects, resource="pods", fields="spec.nodeName=n1", namespace="kube-system")) == []
    assert _names(world.ok(ListObjects, resource="pods", fields="spec.nodeName!=n1")) == ["b"]


def test_a_field_that_a_kind_does_not_support_is_refused(world: Any) -> None:
    refusal = world.refused(ListObjects, resource="configmaps", fields="spec.nodeName=x")
    assert (refusal.code, refusal.message) == (400, "field label not supported: spec.nodeName")
    assert world.refused(ListObjects, resource="pods", labels="a in b").code == 400


def test_the_star_lists_everything_with_its_keys(world: Any, objects: Any) -> None:
    world.ok(CreateObject, resource="services", obj=objects.service("web", type="NodePort"))
    lease = {"resource": "leases.coordination.k8s.io", "namespace": "kube-node-lease", "name": "n"}
    world.ok(RenewLease, holder="n", renew_time="2026-01-01T00:00:00.000000Z", **lease)
    answer = world.ok(ListObjects, resource="*")
    assert len(answer.keys) == len(answer.objects)
    classes = "priorityclasses.scheduling.k8s.io"
    assert {key.partition("/")[0] for key in answer.keys} == {"ipaddresses.networking.k8s.io", "namespaces", "services", classes}
    assert world.ok(ListObjects, resource="*", namespace="default").keys == ("services/default/web",)


def test_a_read_as_new_as_the_store_sees_what_another_apiserver_acknowledged(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(servers=2)
    for number in range(20):
        name = f"c{number}"
        world.ok(CreateObject, resource="configmaps", obj=objects.config(name))
        assert world.ok(GetObject, resource="configmaps", namespace="default", name=name, server=1).obj.metadata.name == name


def test_reads_that_come_together_ask_the_store_once(world: Any) -> None:
    asked: list[Any] = []

    def count(passage: Any, _: Any) -> bool:
        if passage.type == "ReadRevision":
            asked.append(passage)
        return False

    world.system.links.drop("apiserver-0", "store", count)
    answers: list[Any] = []
    address = world.system.outlet(answers.append)
    for number in range(50):
        world.system.post("apiserver-0", ListObjects(number, address, "pods"))
    world.run()
    assert len(answers) == 50
    assert 1 <= len(asked) <= 3


def test_a_read_waits_for_the_revision_it_names(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(servers=2)
    world.make_stale(1)
    revision = world.ok(CreateObject, resource="configmaps", obj=objects.config("a")).revision
    fields = {"resource": "configmaps", "namespace": "default", "name": "a", "server": 1}
    assert world.refused(GetObject, min_revision=0, **fields).code == 404
    assert world.refused(GetObject, min_revision=revision - 1, **fields).code == 404
    world.system.links.clear()
    answer = world.ok(GetObject, min_revision=revision, **fields)
    assert answer.revision >= revision


def test_a_read_that_waits_in_vain_is_a_timeout(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(store_timeout_s=4.0)
    refusal = world.refused(ListObjects, resource="pods", min_revision=999)
    assert (refusal.code, refusal.reason) == (504, "Timeout")
    assert refusal.message == f"Too large resource version: 999, current: {world.revision}"


def test_a_lost_question_for_the_revision_is_asked_again(world: Any) -> None:
    world.drop_once("apiserver-0", "store", "ReadRevision")
    assert world.ok(ListObjects, resource="pods").objects == ()


def test_without_its_store_an_apiserver_answers_with_timeouts(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(store_timeout_s=4.0)
    world.system.crash("store")
    assert world.refused(ListObjects, resource="pods").code == 504
    assert world.ok(ListObjects, resource="namespaces", min_revision=0).objects
    refusal = world.refused(CreateObject, resource="configmaps", obj=objects.config("a"))
    assert (refusal.code, refusal.reason) == (504, "Timeout")
    assert "whether it was carried out is unknown" in refusal.message


def test_an_apiserver_comes_back_when_its_store_does(world: Any, objects: Any) -> None:
    stream = world.watch("configmaps")
    world.system.crash("store")
    world.run(5.0)
    world.system.restart("store")
    world.run(5.0)
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    world.run()
    assert stream.events == [("ADDED", "a")]


def test_what_comes_before_the_store_can_be_read_waits(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(store_timeout_s=10.0)
    world.system.crash("store")
    world.system.restart("apiserver-0")
    answers: list[Any] = []
    world.system.post("apiserver-0", ListObjects(1, world.system.outlet(answers.append), "namespaces"))
    world.run(1.0)
    assert answers == []
    world.system.restart("store")
    world.run(5.0)
    assert [len(answer.objects) for answer in answers] == [4]


@pytest.mark.parametrize("server_is_open", [True, False])
def test_too_much_at_once_is_refused_with_429(make_world: Callable[..., Any], objects: Any, server_is_open: bool) -> None:
    world = make_world(in_flight_limit=10, retry_after_s=2.5)
    world.system.crash("store")
    if not server_is_open:
        world.system.restart("apiserver-0")
    answers: list[Any] = []
    address = world.system.outlet(answers.append)
    for number in range(15):
        world.system.post("apiserver-0", CreateObject(number, address, "configmaps", objects.config(f"c{number}")))
    world.run(1.0)
    assert len(answers) == 5
    assert all(isinstance(one, Refused) and (one.code, one.reason, one.retry_after_s) == (429, "TooManyRequests", 2.5) for one in answers)
