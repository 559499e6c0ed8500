"""A namespace ends: its pods first, then the rest, then itself."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors import actions as act
from callboard.actors.namespace.actor import NamespaceController
from callboard.actors.namespace.decision import PAUSE_LIMIT_S, deletions, held_by, is_ending, pause_s, remaining, status_of
from callboard.models.api.core import ConfigMap, Namespace, NamespaceSpec, Secret
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import replace
from callboard.models.messages.api import CreateObject
from tests.actors.scheduler.objects import node, pod
from tests.actors.scheduler.world import World, world

CONTROLLER = "controller/namespace"


def _config(name: str, **meta: Any) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="shop", uid=f"uid-{name}", **meta))


# -- pure -------------------------------------------------------------------------------------------------------------------------------


def test_pods_go_first_and_what_is_going_is_left_in_peace() -> None:
    web, going = pod("web", namespace="shop"), pod("going", namespace="shop", deleted="2026-11-24T12:00:00Z")
    content = {"configmaps/shop/c": _config("c"), "pods/shop/web": web, "pods/shop/going": going}
    (only,) = deletions(content)
    assert only == act.Delete(resource="pods", namespace="shop", name="web", uid="uid-web")
    assert deletions({"configmaps/shop/c": _config("c"), "pods/shop/going": going}) == ()
    assert [one.resource for one in deletions({"configmaps/shop/c": _config("c")}) if isinstance(one, act.Delete)] == ["configmaps"]


def test_what_is_left_is_told_in_the_words_of_kubernetes() -> None:
    held = {f"configmaps/shop/{name}": _config(name, finalizers=("example.com/hold",)) for name in "ab"}
    content: dict[str, Any] = {**held, "pods/shop/web": pod("web")}
    assert remaining(content) == "Some resources are remaining: configmaps has 2 resource instances, pods has 1 resource instances"
    assert held_by(content) == "Some content in the namespace has finalizers remaining: example.com/hold in 2 resource instances"
    assert (remaining({}), held_by({})) == ("", "")


def test_the_status_changes_only_with_the_news() -> None:
    shop = Namespace(metadata=ObjectMeta(name="shop"), spec=NamespaceSpec(finalizers=("kubernetes",)))
    first = replace(shop, status=status_of(shop, {"pods/shop/web": pod("web")}, 1000.0))
    assert status_of(first, {"pods/shop/web": pod("web")}, 2000.0) == first.status
    last = status_of(first, {}, 3000.0)
    assert [(one.type, one.status, one.reason) for one in last.conditions] == [("NamespaceContentRemaining", "False", "ContentRemoved")]


def test_only_a_terminating_namespace_with_the_finalizer_is_ending() -> None:
    living = Namespace(metadata=ObjectMeta(name="shop"), spec=NamespaceSpec(finalizers=("kubernetes",)))
    dying = replace(living, metadata=replace(living.metadata, deletion_timestamp="2026-11-24T12:00:00Z"))
    assert (is_ending(living), is_ending(dying), is_ending(replace(dying, spec=NamespaceSpec()))) == (False, True, False)


def test_the_pause_between_looks_grows_to_its_limit() -> None:
    pauses = [pause_s(sweeps) for sweeps in range(12)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_LIMIT_S


# -- with an apiserver --------------------------------------------------------------------------------------------------------------------


def _start(w: World) -> None:
    w.create("namespaces", Namespace(metadata=ObjectMeta(name="shop")))
    w.system.start(CONTROLLER, NamespaceController, w.client)
    w.system.run_for(0.2)


def test_an_empty_namespace_goes_at_once() -> None:
    with world() as w:
        _start(w)
        w.delete("namespaces", "shop")
        w.system.run_for(1.0)
        assert w.get("namespaces", "shop") is None


def test_a_full_namespace_is_emptied_and_others_are_not() -> None:
    with world() as w:
        _start(w)
        for number in range(30):
            w.create("configmaps", _config(f"c{number}"))
        w.create("secrets", Secret(metadata=ObjectMeta(name="s", namespace="shop")))
        w.create("configmaps", ConfigMap(metadata=ObjectMeta(name="other", namespace="default")))
        w.delete("namespaces", "shop")
        w.system.run_for(2.0)
        assert w.get("namespaces", "shop") is None
        assert w.all("secrets", "shop") == []
        assert w.get("configmaps", "other") is not None


def test_what_serves_the_pods_stays_until_their_kubelet_has_ended_them() -> None:
    with world() as w:
        _start(w)
        w.create("nodes", node("a"))
        w.create("configmaps", _config("c"))
        w.create("pods", pod("web", namespace="shop", bound="a", phase="Running"))
        w.delete("namespaces", "shop")
        w.system.run_for(10.0)
        web = w.get("pods", "web", "shop")
        assert web.metadata.deletion_timestamp != ""
        assert w.get("configmaps", "c", "shop") is not None
        told = {one.type: one.message for one in w.get("namespaces", "shop").status.conditions}
        assert told["NamespaceContentRemaining"] == (
            "Some resources are remaining: configmaps has 1 resource instances, pods has 1 resource instances"
        )
        w.finish(web)
        w.system.run_for(12.0)
        assert w.get("namespaces", "shop") is None


def test_a_terminating_namespace_takes_nothing_new() -> None:
    with world() as w:
        _start(w)
        w.create("configmaps", _config("held", finalizers=("example.com/hold",)))
        w.delete("namespaces", "shop")
        w.system.run_for(1.0)
        refused = w.ask(CreateObject, resource="configmaps", obj=_config("late"))
        assert (refused.code, refused.reason) == (403, "Forbidden")
        held = w.get("configmaps", "held", "shop")
        w.change("configmaps", replace(held, metadata=replace(held.metadata, finalizers=())))
        w.system.run_for(12.0)
        assert w.get("namespaces", "shop") is None


def test_waiting_writes_nothing_again_and_again() -> None:
    with world() as w:
        _start(w)
        w.create("configmaps", _config("held", finalizers=("example.com/hold",)))
        w.delete("namespaces", "shop")
        w.system.run_for(5.0)
        revision = w.get("namespaces", "shop").metadata.resource_version
        sent: list[str] = []
        w.system.links.drop(CONTROLLER, "apiserver-0", lambda passage, _message: bool(sent.append(passage.type)))  # type: ignore[func-returns-value]
        w.system.run_for(60.0)
        assert w.get("namespaces", "shop").metadata.resource_version == revision
        assert "DeleteObject" not in sent
        assert sent.count("ListObjects") <= 3 * 60 / PAUSE_LIMIT_S + 3


@pytest.mark.parametrize("lost", ["ListObjects", "DeleteObject", "UpdateObject", "Listed", "Written"])
def test_whatever_message_is_lost_the_namespace_goes_in_the_end(lost: str) -> None:
    with world() as w:
        _start(w)
        for number in range(3):
            w.create("configmaps", _config(f"c{number}"))
        dropped: list[Any] = []

        def judge(passage: Any, message: Any) -> bool:
            if passage.type != lost or len(dropped) >= 2:
                return False
            dropped.append(message)
            return True

        w.system.links.drop(CONTROLLER, "apiserver-0", judge)
        w.system.links.drop("apiserver-0", CONTROLLER, judge)
        w.delete("namespaces", "shop")
        w.system.run_for(20 * w.timing.request_timeout_s)
        assert dropped
        assert w.get("namespaces", "shop") is None


def test_a_restart_in_the_middle_changes_nothing() -> None:
    with world() as w:
        _start(w)
        for number in range(30):
            w.create("configmaps", _config(f"c{number}"))
        w.delete("namespaces", "shop")
        w.system.crash(CONTROLLER)
        w.system.run_for(1.0)
        w.system.restart(CONTROLLER)
        w.system.run_for(2.0)
        assert w.get("namespaces", "shop") is None
