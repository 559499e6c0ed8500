"""What a user's reconcile wants becomes actions; what it sees is what its caches hold. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors import actions as act
from callboard.actors.usercontroller.view import Snapshot, View
from callboard.actors.usercontroller.wishes import Apply, Create, Delete, EmitEvent, Patch, RequeueAfter, UpdateStatus, actions_of
from callboard.models.api.core import ConfigMap, Pod, PodStatus
from callboard.models.api.meta import ObjectMeta, OwnerReference
from callboard.models.base import FrozenMap, freeze
from callboard.models.errors import ApiError, BadRequest
from callboard.models.generic import GenericObject
from callboard.models.kinds import Scheme

SCHEME = Scheme.builtin()
OWNER = ConfigMap(metadata=ObjectMeta(name="mine", namespace="shop", uid="u1", resource_version=4))
CHILD = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "child"}, "stringData": {"a": "b"}}


def one(wish: Any, scheme: Scheme = SCHEME) -> Any:
    (action,) = actions_of([wish], scheme)
    return action


def test_a_child_is_made_in_its_owners_namespace_with_the_controller_reference() -> None:
    action = one(Create(CHILD, owner=OWNER))
    assert isinstance(action, act.Create)
    assert action.resource == "secrets"
    assert action.obj.metadata.namespace == "shop"
    (reference,) = action.obj.metadata.owner_references
    assert (reference.kind, reference.name, reference.uid, reference.controller) == ("ConfigMap", "mine", "u1", True)


def test_an_object_without_owner_or_namespace_goes_to_the_default_one() -> None:
    assert one(Create(CHILD)).obj.metadata.namespace == "default"
    assert one(Create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})).obj.metadata.namespace == ""


def test_apply_sends_the_document_as_it_was_written() -> None:
    action = one(Apply(CHILD, owner=OWNER))
    assert isinstance(action, act.Apply)
    assert (action.namespace, action.name) == ("shop", "child")
    assert action.tree["stringData"] == {"a": "b"}
    assert action.tree["metadata"]["ownerReferences"][0]["uid"] == "u1"


def test_patches_and_deletions_name_the_very_object_that_was_seen() -> None:
    for wish in (Patch(OWNER, {"data": {"a": "b"}}), Delete(OWNER)):
        action = one(wish)
        assert (action.resource, action.namespace, action.name, action.uid) == ("configmaps", "shop", "mine", "u1")


def test_a_status_that_is_so_already_is_not_written() -> None:
    pod = Pod(metadata=ObjectMeta(name="p", namespace="default"), status=PodStatus(phase="Running"))
    assert actions_of([UpdateStatus(pod, {"phase": "Running"})], SCHEME) == ()
    assert one(UpdateStatus(pod, {"phase": "Failed"})).obj.status.phase == "Failed"
    assert one(UpdateStatus(pod, PodStatus(phase="Failed"))).subresource == "status"


def test_the_status_of_a_user_defined_object_is_replaced_and_the_rest_stays() -> None:
    lease = GenericObject(
        api_version="resource.k8s.io/v1", kind="ResourceClaim", metadata=ObjectMeta(name="w"), content=freeze({"spec": {"a": 1}})
    )
    assert one(UpdateStatus(lease, {"n": 2})).obj.content == FrozenMap({"spec": {"a": 1}, "status": {"n": 2}})


def test_events_and_requeues_become_what_controllers_say_too() -> None:
    assert one(EmitEvent(OWNER, "Why", "because", type="Warning")).reason == "Why"
    assert one(RequeueAfter("1m30s")).after_s == 90.0


def test_nothing_wanted_is_nothing_done() -> None:
    assert actions_of(None, SCHEME) == ()


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("restart it", "reconcile gave a str; it may give Create, Apply"),
        (Create({"apiVersion": "v1", "kind": "Widget", "metadata": {"name": "a"}}), 'no matches for kind "Widget"'),
        (Create({"apiVersion": "v1", "kind": "Secret"}), "metadata.name is missing"),
        (RequeueAfter("soon"), "is not a duration"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(wish: Any, words: str) -> None:
    with pytest.raises((ApiError, TypeError, ValueError), match=words):
        actions_of([wish], SCHEME)


def pod(name: str, namespace: str = "shop", owner: str = "", **labels: str) -> Pod:
    references = (OwnerReference(api_version="v1", kind="ConfigMap", name="mine", uid=owner, controller=True),) if owner else ()
    return Pod(metadata=ObjectMeta(name=name, namespace=namespace, owner_references=references, labels=FrozenMap(labels)))


def view(key: str = "configmaps/shop/mine") -> View:
    pods = [pod("a", owner="u1"), pod("b", app="x"), pod("c", namespace="other", app="x")]
    sources = {
        "configmaps": Snapshot({"configmaps/shop/mine": OWNER}),
        "pods": Snapshot({f"pods/{one.metadata.namespace}/{one.metadata.name}": one for one in pods}),
    }
    return View(key, SCHEME.lookup("configmaps"), SCHEME, sources)


def names(pods: list[Any]) -> list[str]:
    return [one.metadata.name for one in pods]


def test_a_view_looks_in_the_namespace_of_its_object_unless_told_otherwise() -> None:
    seen = view()
    assert seen.obj is OWNER
    assert (seen.namespace, seen.name) == ("shop", "mine")
    assert names(seen.list("pods")) == ["a", "b"]
    assert names(seen.list("pods", namespace="", selector="app=x")) == ["b", "c"]
    assert seen.get("pod", "c") is None
    assert seen.get("pod", "c", namespace="other").metadata.name == "c"


def test_what_an_object_owns_is_found_by_the_owners_uid() -> None:
    assert names(view().owned("pods")) == ["a"]
    assert view("configmaps/shop/gone").owned("pods") == []


def test_a_kind_that_is_not_watched_can_not_be_seen() -> None:
    with pytest.raises(BadRequest, match=r"doesn't watch services, .* add the kind to watches="):
        view().list("services")
