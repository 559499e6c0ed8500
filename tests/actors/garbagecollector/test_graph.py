"""What becomes of an object when its owners go: the pure part of the garbage collector."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors import actions as act
from callboard.actors.garbagecollector.everything import Kinds
from callboard.actors.garbagecollector.graph import FOREGROUND, ORPHAN, Graph, Target, decide_dependent, decide_owner
from callboard.models.api.core import ConfigMap
from callboard.models.api.meta import ObjectMeta, OwnerReference


def ref(uid: str, *, block: bool | None = None) -> OwnerReference:
    """A reference to an owner of this UID."""
    return OwnerReference(api_version="v1", kind="ConfigMap", name=uid, uid=uid, block_owner_deletion=block)


def thing(uid: str, *owners: OwnerReference, deleted: bool = False, finalizers: tuple[str, ...] = ()) -> ConfigMap:
    """An object."""
    stamp = "2026-11-24T12:00:00Z" if deleted else ""
    meta = ObjectMeta(
        name=uid, namespace="default", uid=uid, owner_references=owners, deletion_timestamp=stamp, finalizers=finalizers, resource_version=7
    )
    return ConfigMap(metadata=meta)


def target(obj: Any) -> Target:
    """As the actor hands it over."""
    return Target(f"configmaps/default/{obj.metadata.name}", "configmaps", obj)


def decide(obj: Any, states: dict[str, Any], dependents: dict[str, Any] | None = None) -> tuple[act.Action, ...]:
    """The decision about a dependent, given the states of its owners by UID."""
    return decide_dependent(target(obj), lambda reference: states[reference.uid], dependents or {})


def test_an_object_whose_owners_are_all_absent_is_deleted_as_it_was_judged() -> None:
    (action,) = decide(thing("pod", ref("a"), ref("b")), {"a": "absent", "b": "absent"})
    assert action == act.Delete(resource="configmaps", namespace="default", name="pod", uid="pod", resource_version=7)


@pytest.mark.parametrize("states", [{"a": "present"}, {"a": "unknown"}])
def test_an_object_with_an_owner_that_is_there_or_not_yet_known_stays(states: dict[str, Any]) -> None:
    assert decide(thing("pod", ref("a")), states) == ()


def test_one_unknown_owner_is_enough_to_wait() -> None:
    assert decide(thing("pod", ref("a"), ref("b")), {"a": "absent", "b": "unknown"}) == ()


def test_while_one_owner_is_there_references_to_absent_ones_are_taken_off() -> None:
    (action,) = decide(thing("pod", ref("a"), ref("b")), {"a": "absent", "b": "present"})
    assert isinstance(action, act.Update)
    assert [one.uid for one in action.obj.metadata.owner_references] == ["b"]
    assert action.obj.metadata.resource_version == 7


def test_an_object_without_owners_or_already_going_is_left_alone() -> None:
    assert decide(thing("pod"), {}) == ()
    assert decide(thing("pod", ref("a"), deleted=True), {"a": "absent"}) == ()


def test_what_an_owner_waits_for_goes_and_waits_in_turn_if_it_has_dependents() -> None:
    child = thing("rs", ref("d", block=True))
    (leaf,) = decide(child, {"d": "waiting"})
    (branch,) = decide(child, {"d": "waiting"}, {"configmaps/default/pod": thing("pod", ref("rs"))})
    assert isinstance(leaf, act.Delete)
    assert isinstance(branch, act.Delete)
    assert (leaf.propagation, branch.propagation) == ("Background", "Foreground")


def test_objects_that_wait_for_each_other_stop_blocking() -> None:
    one = thing("one", ref("two", block=True), deleted=True, finalizers=(FOREGROUND,))
    two = thing("two", ref("one", block=True), deleted=True, finalizers=(FOREGROUND,))
    (action,) = decide(one, {"two": "waiting"}, {"configmaps/default/two": two})
    assert isinstance(action, act.Update)
    assert action.obj.metadata.owner_references[0].block_owner_deletion is False


def test_the_objects_own_wish_for_its_dependents_is_kept() -> None:
    (action,) = decide(thing("rs", ref("d"), finalizers=(ORPHAN,)), {"d": "absent"})
    assert isinstance(action, act.Delete)
    assert action.propagation == "Orphan"


def test_an_owner_waits_for_blocking_dependents_only() -> None:
    owner = target(thing("d", deleted=True, finalizers=("other", FOREGROUND)))
    blocking, free = thing("x", ref("d", block=True)), thing("y", ref("d"))
    assert decide_owner(owner, {"configmaps/default/x": blocking, "configmaps/default/y": free}) == ()
    (action,) = decide_owner(owner, {"configmaps/default/y": free})
    assert isinstance(action, act.Update)
    assert action.obj.metadata.finalizers == ("other",)


def test_an_orphaning_owner_lets_go_of_its_dependents_before_it_goes() -> None:
    owner = target(thing("d", deleted=True, finalizers=(ORPHAN,)))
    (freed,) = decide_owner(owner, {"configmaps/default/x": thing("x", ref("d"), ref("other"))})
    assert isinstance(freed, act.Update)
    assert [one.uid for one in freed.obj.metadata.owner_references] == ["other"]
    (gone,) = decide_owner(owner, {})
    assert isinstance(gone, act.Update)
    assert gone.obj.metadata.finalizers == ()


def test_owners_are_looked_for_in_the_dependents_own_namespace() -> None:
    kinds = Kinds()
    deployment = OwnerReference(api_version="apps/v1", kind="Deployment", name="web", uid="1")
    assert kinds.owner_key(deployment, "shop") == "deployments.apps/shop/web"
    assert kinds.owner_key(deployment, "") == ""  # nothing cluster-wide may belong to something in a namespace
    assert kinds.owner_key(OwnerReference(api_version="v1", kind="Node", name="a", uid="1"), "shop") == "nodes//a"
    assert kinds.owner_key(OwnerReference(api_version="example.com/v1", kind="Robot", name="a", uid="1"), "shop") == ""


@given(st.lists(st.tuples(st.integers(0, 4), st.lists(st.integers(0, 3), unique=True, max_size=3)), max_size=30))
def test_the_graph_equals_the_references_it_was_told(changes: list[tuple[int, list[int]]]) -> None:
    graph = Graph()
    known: dict[str, tuple[OwnerReference, ...]] = {}
    for number, owners in changes:
        key = f"configmaps/default/{number}"
        new = tuple(ref(str(owner)) for owner in owners)
        graph.changed(key, known.get(key, ()), new)
        known[key] = new
    for owner in range(4):
        expected = sorted(key for key, references in known.items() if any(one.uid == str(owner) for one in references))
        assert sorted(graph.dependents(str(owner))) == expected
