"""The garbage collector against a real store and apiserver on virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.garbagecollector.actor import GarbageCollector
from callboard.models.api.core import ConfigMap, Secret
from callboard.models.api.meta import ObjectMeta, OwnerReference
from callboard.models.base import replace
from callboard.models.kinds import api_version_of, kind_of
from tests.actors.scheduler.world import World, world

CONTROLLER = "controller/garbagecollector"
RESOURCES = {"ConfigMap": "configmaps", "Secret": "secrets"}


def _start(w: World) -> None:
    w.system.start(CONTROLLER, GarbageCollector, w.client)
    w.system.run_for(0.3)


def _make(w: World, name: str, *owners: Any, kind: Any = ConfigMap, block: bool = True, namespace: str = "default", **meta: Any) -> Any:
    references = tuple(
        OwnerReference(
            api_version=api_version_of(one), kind=kind_of(one), name=one.metadata.name, uid=one.metadata.uid, block_owner_deletion=block
        )
        for one in owners
    )
    obj = kind(metadata=ObjectMeta(name=name, namespace=namespace, owner_references=references, **meta))
    return w.create(RESOURCES[kind.KIND], obj)


def _names(w: World) -> list[str]:
    found = [*w.all("configmaps", "default"), *w.all("secrets", "default")]
    return sorted(one.metadata.name for one in found if one.metadata.name != "kube-root-ca.crt")


def test_a_whole_tree_goes_with_its_root() -> None:
    with world() as w:
        _start(w)
        root = _make(w, "root")
        for number in range(3):
            branch = _make(w, f"branch-{number}", root, kind=Secret)
            for leaf in range(2):
                _make(w, f"leaf-{number}-{leaf}", branch)
        _make(w, "other")
        w.delete("configmaps", "root")
        w.system.run_for(2.0)
        assert _names(w) == ["other"]


def test_an_object_with_another_owner_stays_without_the_reference() -> None:
    with world() as w:
        _start(w)
        one, two = _make(w, "one"), _make(w, "two")
        _make(w, "child", one, two)
        w.delete("configmaps", "one")
        w.system.run_for(2.0)
        assert [ref.name for ref in w.get("configmaps", "child").metadata.owner_references] == ["two"]


def test_what_was_left_behind_while_nobody_looked_is_found_at_the_start() -> None:
    with world() as w:
        root = _make(w, "root")
        _make(w, "child", root)
        w.delete("configmaps", "root")
        _start(w)
        w.system.run_for(2.0)
        assert _names(w) == []


def test_a_child_that_comes_after_its_owner_has_gone_is_collected() -> None:
    with world() as w:
        _start(w)
        root = _make(w, "root")
        w.delete("configmaps", "root")
        w.system.run_for(1.0)
        _make(w, "late", root)
        w.system.run_for(2.0)
        assert _names(w) == []


def test_an_owner_made_anew_under_the_same_name_is_another() -> None:
    with world() as w:
        _start(w)
        old = _make(w, "root")
        _make(w, "child", old)
        w.delete("configmaps", "root")
        new = _make(w, "root")
        _make(w, "new-child", new)
        w.system.run_for(2.0)
        assert _names(w) == ["new-child", "root"]


def test_an_owner_in_another_namespace_counts_as_absent() -> None:
    with world() as w:
        _start(w)
        root = _make(w, "root", namespace="kube-system")
        _make(w, "stranger", root)
        _make(w, "relative", root, namespace="kube-system")
        w.system.run_for(2.0)
        assert _names(w) == []
        assert w.get("configmaps", "relative", "kube-system") is not None


def test_an_owner_of_a_kind_that_nobody_knows_is_never_taken_for_absent() -> None:
    with world() as w:
        _start(w)
        reference = OwnerReference(api_version="example.com/v1", kind="Robot", name="r", uid="1")
        w.create("configmaps", ConfigMap(metadata=ObjectMeta(name="child", namespace="default", owner_references=(reference,))))
        w.system.run_for(60.0)
        assert _names(w) == ["child"]


def test_an_object_whose_owner_the_cache_does_not_show_yet_is_not_touched() -> None:
    with world() as w:
        _start(w)
        late = 5.0
        w.system.links.hold(
            lambda passage: late if passage.target == CONTROLLER and passage.type == "WatchBatch" else 0.0
        )  # list and reads are in time, the stream is late
        for number in range(5):
            root = _make(w, f"root-{number}")
            _make(w, f"child-{number}", root)
            w.system.run_for(1.0)
        w.system.crash(CONTROLLER)
        w.system.restart(CONTROLLER)
        w.system.run_for(20.0)
        assert len(_names(w)) == 10


def test_foreground_deletion_keeps_the_owner_until_its_dependents_are_gone() -> None:
    with world() as w:
        _start(w)
        root = _make(w, "root")
        _make(w, "child", root, finalizers=("example.com/slow",))
        _make(w, "free", root, block=False, finalizers=("example.com/slow",))
        w.delete("configmaps", "root", propagation="Foreground")
        w.system.run_for(2.0)
        assert _names(w) == ["child", "free", "root"]
        child = w.get("configmaps", "child")
        assert child.metadata.deletion_timestamp != ""
        w.change("configmaps", replace(child, metadata=replace(child.metadata, finalizers=())))
        w.system.run_for(2.0)
        assert _names(w) == ["free"]  # it does not block


def test_foreground_deletion_of_a_tree_goes_from_the_leaves() -> None:
    with world() as w:
        _start(w)
        root = _make(w, "root")
        branch = _make(w, "branch", root, kind=Secret)
        _make(w, "leaf", branch)
        w.delete("configmaps", "root", propagation="Foreground")
        w.system.run_for(3.0)
        assert _names(w) == []


def test_foreground_deletion_of_a_circle_ends() -> None:
    with world() as w:
        _start(w)
        one = _make(w, "one")
        two = _make(w, "two", one)
        back = OwnerReference(api_version="v1", kind="ConfigMap", name="two", uid=two.metadata.uid, block_owner_deletion=True)
        w.change("configmaps", replace(one, metadata=replace(one.metadata, owner_references=(back,))))
        w.delete("configmaps", "one", propagation="Foreground")
        w.system.run_for(5.0)
        assert _names(w) == []


def test_orphans_live_on_without_the_reference() -> None:
    with world() as w:
        _start(w)
        root = _make(w, "root")
        for number in range(3):
            _make(w, f"child-{number}", root)
        w.delete("configmaps", "root", propagation="Orphan")
        w.system.run_for(2.0)
        assert _names(w) == ["child-0", "child-1", "child-2"]
        assert all(not one.metadata.owner_references for one in w.all("configmaps", "default"))


def test_a_status_update_of_an_object_whose_owner_is_there_costs_no_request() -> None:
    with world() as w:
        _start(w)
        root = _make(w, "root")
        child = _make(w, "child", root)
        w.system.run_for(1.0)
        asked: list[Any] = []

        def judge(passage: Any, message: Any) -> bool:
            if passage.type not in ("AckWatch", "WatchObjects"):
                asked.append(message)
            return False

        w.system.links.drop(CONTROLLER, "apiserver-0", judge)
        for number in range(5):
            child = w.change("configmaps", replace(child, data=replace_data(child, number)))
        w.system.run_for(2.0)
        assert asked == []


def replace_data(obj: ConfigMap, number: int) -> Any:
    """Other data."""
    return type(obj.data)({"count": str(number)})


@pytest.mark.parametrize("lost", ["GetObject", "DeleteObject", "Written", "Refused"])
def test_whatever_message_is_lost_nothing_is_left_in_the_end(lost: str) -> None:
    with world() as w:
        _start(w)
        root = _make(w, "root")
        for number in range(3):
            _make(w, f"child-{number}", root)
        dropped: list[Any] = []

        def judge(passage: Any, message: Any) -> bool:
            if passage.type != lost or len(dropped) >= 2 or CONTROLLER not in (passage.source, passage.target):
                return False
            dropped.append(message)
            return True

        w.system.links.drop(CONTROLLER, "apiserver-0", judge)
        w.system.links.drop("apiserver-0", CONTROLLER, judge)
        w.delete("configmaps", "root")
        w.system.run_for(10 * w.timing.request_timeout_s)
        assert dropped
        assert _names(w) == []
