"""Decisions about a StatefulSet, against the rules of Kubernetes' stateful_set_control.go and stateful_set_utils.go."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors import actions as act
from callboard.models.api.apps import StatefulSetStatus
from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.owners import controller_of
from tests.actors.controller.playground import template
from tests.actors.statefulset.kit import (
    NEW,
    NOW,
    NOW_TEXT,
    OLD,
    created,
    decided,
    deleted,
    of_type,
    pod,
    revision,
    status_in,
    stored,
)


def pods(owner: Any, count: int, image: str = OLD, **more: Any) -> list[Any]:
    first = owner.spec.ordinals.start if owner.spec.ordinals is not None else 0
    return [pod(owner, ordinal, image, **more) for ordinal in range(first, first + count)]


# -- revisions ------------------------------------------------------------------------------------------------------------------------


def test_the_revision_of_the_template_is_created_before_anything_else() -> None:
    owner = stored(3)
    (only,) = decided(owner, revisions=())
    assert isinstance(only, act.Create)
    assert only.resource == "controllerrevisions.apps"
    assert only.obj.metadata.name == revision(owner).metadata.name
    assert only.obj.revision == 1


def test_going_back_to_an_older_template_renumbers_its_revision_before_anything_else() -> None:
    owner = stored(3, image=OLD)
    known = (revision(owner, OLD, 1), revision(owner, NEW, 2))
    (only,) = decided(owner, pods(owner, 3, NEW), known)
    assert isinstance(only, act.Update)
    assert only.obj == replace(known[0], revision=3)


def test_nothing_is_done_while_a_namesakes_revision_is_still_there() -> None:
    owner, former = stored(3), stored(3, uid="uid-former")
    left = revision(former)
    assert decided(owner, revisions=(), named={left.metadata.name: left}) == ()


def test_a_collision_is_counted_in_the_status() -> None:
    owner = stored(1)
    other = replace(revision(owner), data=freeze({"spec": {}}), metadata=replace(revision(owner).metadata, owner_references=()))
    (only,) = decided(owner, revisions=(), named={other.metadata.name: other})
    assert isinstance(only, act.Create)
    mine = replace(only.obj, metadata=replace(only.obj.metadata, uid="uid-mine"))
    named = {other.metadata.name: other, mine.metadata.name: mine}
    counted = replace(owner, status=StatefulSetStatus(collision_count=1))
    assert status_in(decided(counted, revisions=(mine,), named=named)).collision_count == 1


def test_old_revisions_beyond_the_limit_go_but_none_that_a_pod_is_of() -> None:
    owner = stored(2, image="web:9", partition=1, revision_history_limit=1)
    known = [revision(owner, f"web:{number}", number) for number in (1, 2, 3, 4, 9)]
    current = known[3].metadata.name
    owner = replace(owner, status=StatefulSetStatus(current_revision=current))
    actions = decided(owner, [pod(owner, 0, "web:1"), pod(owner, 1, "web:9")], known)
    gone = [(one.name, one.uid) for one in of_type(actions, act.Delete) if one.resource != "pods"]
    assert gone == [(known[1].metadata.name, known[1].metadata.uid)], "3 is kept, 1, 4 and 9 are alive"


# -- in order -------------------------------------------------------------------------------------------------------------------------


def test_a_pod_has_name_labels_host_name_and_owner_of_its_own() -> None:
    owner = stored(1, start=4)
    (one,) = of_type(decided(owner), act.Create)
    meta, spec = one.obj.metadata, one.obj.spec
    assert (meta.name, meta.generate_name, meta.namespace) == ("db-4", "db-", "default")
    assert meta.labels == {
        "app": "web",
        "statefulset.kubernetes.io/pod-name": "db-4",
        "apps.kubernetes.io/pod-index": "4",
        "controller-revision-hash": revision(owner).metadata.name,
    }
    assert (spec.hostname, spec.subdomain) == ("db-4", "net")
    assert spec.containers == template(OLD).spec.containers
    reference = controller_of(one.obj)
    assert reference is not None
    assert (reference.kind, reference.uid) == ("StatefulSet", "uid-db")
    assert one.announce.message == "create Pod db-4 in StatefulSet db successful"


@pytest.mark.parametrize(
    ("below", "comes"),
    [
        ({}, True),
        ({"ready": False}, False),
        ({"phase": "Pending"}, False),
        ({"deleted": True}, False),
        ({"since": NOW_TEXT}, False),
    ],
)
def test_in_order_a_pod_comes_only_when_all_below_are_available(below: dict[str, Any], comes: bool) -> None:
    owner = stored(3, min_ready_seconds=5)
    actions = decided(owner, [pod(owner, 0), pod(owner, 1, **below)])
    assert created(actions) == (["db-2"] if comes else [])
    assert created(decided(owner, [pod(owner, 0, **below)])) == (["db-1"] if comes else [])


def test_it_is_looked_again_when_a_pod_has_been_ready_long_enough() -> None:
    owner = stored(2, min_ready_seconds=5)
    (again,) = of_type(decided(owner, [pod(owner, 0, since=NOW_TEXT)]), act.LookAgain)
    assert again.after_s == pytest.approx(5.0)


def test_a_gap_is_filled_before_anything_above_comes_and_nothing_goes_meanwhile() -> None:
    owner = stored(3)
    actions = decided(owner, [pod(owner, 0), pod(owner, 2), pod(owner, 5)])
    assert created(actions) == ["db-1"]
    assert deleted(actions) == []


def test_in_order_the_highest_goes_first_and_alone() -> None:
    owner = stored(1)
    assert deleted(decided(owner, pods(owner, 4))) == ["db-3"]
    going = [*pods(owner, 3), pod(owner, 3, deleted=True)]
    assert deleted(decided(owner, going)) == []


def test_in_order_none_goes_while_one_below_is_not_available() -> None:
    owner = stored(2)
    assert deleted(decided(owner, [pod(owner, 0), pod(owner, 1, ready=False), pod(owner, 2)])) == []
    assert deleted(decided(owner, [pod(owner, 0), pod(owner, 1), pod(owner, 2, ready=False), pod(owner, 3)])) == ["db-3"]
    assert deleted(decided(owner, [pod(owner, 0), pod(owner, 1), pod(owner, 2), pod(owner, 3, ready=False)])) == ["db-3"]


def test_a_deletion_names_the_very_pod() -> None:
    owner = stored(0)
    (one,) = of_type(decided(owner, pods(owner, 1)), act.Delete)
    assert (one.resource, one.name, one.uid, one.resource_version) == ("pods", "db-0", "uid-db-0", 11)
    assert one.announce.message == "delete Pod db-0 in StatefulSet db successful"


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
def test_a_pod_that_ended_goes_and_comes_again_when_it_is_gone(phase: str, policy: str) -> None:
    owner = stored(2, pod_management_policy=policy)
    actions = decided(owner, [pod(owner, 0, phase=phase, ready=False), pod(owner, 1)])
    assert (created(actions), deleted(actions)) == ([], ["db-0"])
    actions = decided(owner, [pod(owner, 0, phase=phase, ready=False, deleted=True), pod(owner, 1)])
    assert (created(actions), deleted(actions)) == ([], [])
    assert created(decided(owner, [pod(owner, 1)])) == ["db-0"]


def test_a_pod_that_keeps_failing_waits_but_not_for_another_revision() -> None:
    owner = stored(1)
    failed = [pod(owner, 0, phase="Failed", ready=False)]
    actions = decided(owner, failed, not_before_s={0: NOW + 7})
    assert deleted(actions) == []
    assert [one.after_s for one in of_type(actions, act.LookAgain)] == [pytest.approx(7.0)]
    assert deleted(decided(owner, failed, not_before_s={0: NOW - 1})) == ["db-0"]
    changed = stored(1, image=NEW)
    known = (revision(changed, OLD, 1), revision(changed, NEW, 2))
    assert deleted(decided(changed, failed, known, not_before_s={0: NOW + 7})) == ["db-0"]


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
def test_a_terminating_pod_is_waited_for(policy: str) -> None:
    owner = stored(1, pod_management_policy=policy)
    actions = decided(owner, [pod(owner, 0, deleted=True)])
    assert (created(actions), deleted(actions)) == ([], [])


# -- in parallel ------------------------------------------------------------------------------------------------------------------------


def test_in_parallel_all_come_and_go_at_once() -> None:
    owner = stored(4, start=2, pod_management_policy="Parallel")
    assert created(decided(owner, [pod(owner, 3, ready=False)])) == ["db-2", "db-4", "db-5"]
    few = stored(1, pod_management_policy="Parallel")
    assert deleted(decided(few, [*pods(few, 3), pod(few, 3, deleted=True)])) == ["db-2", "db-1"]


def test_in_parallel_creations_are_limited_after_a_failure() -> None:
    owner = stored(5, pod_management_policy="Parallel")
    assert created(decided(owner, creates_limit=2)) == ["db-0", "db-1"]


def test_pods_below_a_raised_start_go_and_those_above_stay() -> None:
    owner = stored(2, start=1)
    actions = decided(owner, [pod(owner, 0), pod(owner, 1), pod(owner, 2)])
    assert (created(actions), deleted(actions)) == ([], ["db-0"])


# -- rolling update -----------------------------------------------------------------------------------------------------------------------


def rolling(replicas: int, images: str, **changes: Any) -> tuple[Any, list[Any], tuple[Any, Any]]:
    """A StatefulSet on its way from OLD to NEW; `images` has a letter for each pod: o(ld), n(ew), O, N not ready, d(eleted), - none."""
    owner = stored(replicas, image=NEW, **changes)
    known = (revision(owner, OLD, 1), revision(owner, NEW, 2))
    owner = replace(owner, status=StatefulSetStatus(current_revision=known[0].metadata.name))
    first = owner.spec.ordinals.start if owner.spec.ordinals is not None else 0
    found = [
        pod(owner, ordinal, NEW if letter in "nN" else OLD, ready=letter.islower(), deleted=letter == "d")
        for ordinal, letter in enumerate(images, first)
        if letter != "-"
    ]
    return owner, found, known


@pytest.mark.parametrize(
    ("images", "changes", "expected"),
    [
        ("ooo", {}, ["db-2"]),
        ("ood", {}, []),
        ("ooN", {}, []),
        ("oon", {}, ["db-1"]),
        ("onn", {}, ["db-0"]),
        ("nnn", {}, []),
        ("ooo", {"partition": 2}, ["db-2"]),
        ("oon", {"partition": 2}, []),
        ("ooo", {"partition": None}, ["db-2"]),
        ("ooo", {"strategy": "OnDelete"}, []),
        ("ooo", {"start": 3, "partition": 1}, ["db-5"]),
        ("onn", {"start": 3, "partition": 1}, []),
        ("oooo", {"unavailable": 2}, ["db-3", "db-2"]),
        ("oooo", {"unavailable": "50%"}, ["db-3", "db-2"]),
        ("oooo", {"unavailable": "1%"}, ["db-3"]),
        ("ooon", {"unavailable": 2, "partition": 2}, ["db-2"]),
        ("oooN", {"unavailable": 3}, []),
        ("oooN", {"unavailable": 3, "pod_management_policy": "Parallel"}, ["db-2", "db-1"]),
        ("oOOo", {"unavailable": 2, "pod_management_policy": "Parallel"}, ["db-2", "db-1"]),
        ("OooO", {"unavailable": 3, "pod_management_policy": "Parallel"}, ["db-3", "db-2", "db-0"]),
        ("OOOO", {"pod_management_policy": "Parallel"}, ["db-3"]),
        ("ooNo", {"pod_management_policy": "Parallel"}, ["db-3"]),
        ("oooN", {"pod_management_policy": "Parallel"}, []),
        ("ooOo", {}, []),
    ],
)
def test_old_pods_go_from_the_highest_down_to_the_partition(images: str, changes: dict[str, Any], expected: list[str]) -> None:
    owner, found, known = rolling(len(images), images, **changes)
    assert deleted(decided(owner, found, known)) == expected


@pytest.mark.parametrize(
    ("images", "changes", "ordinal", "image"),
    [
        ("oo-", {}, 2, NEW),
        ("-nn", {}, 0, NEW),
        ("-nn", {"partition": 1}, 0, OLD),
        ("oo-", {"partition": 2}, 2, NEW),
        ("oo-", {"partition": None}, 2, NEW),
        ("-on", {"partition": None}, 0, OLD),
        ("o-n", {"partition": None}, 1, NEW),
        ("-oo", {"strategy": "OnDelete"}, 0, NEW),
        ("-nn", {"start": 3, "partition": 1}, 3, OLD),
    ],
)
def test_of_which_revision_a_new_pod_is(images: str, changes: dict[str, Any], ordinal: int, image: str) -> None:
    owner, found, known = rolling(3, images, **changes)
    (one,) = [action.obj for action in of_type(decided(owner, found, known), act.Create)]
    assert one.metadata.name == f"db-{ordinal}"
    assert one.spec.containers[0].image == image
    assert one.metadata.labels["controller-revision-hash"] == revision(owner, image).metadata.name


def test_scaling_down_comes_before_the_update() -> None:
    owner, found, known = rolling(2, "ooo")
    assert deleted(decided(owner, found, known)) == ["db-2"]


# -- whose pods ---------------------------------------------------------------------------------------------------------------------------


def test_orphans_of_its_names_are_adopted_before_anything_else() -> None:
    owner = stored(2)
    stray = pod(owner, 0, orphan=True)
    old = replace(revision(owner), metadata=replace(revision(owner).metadata, owner_references=()))
    actions = decided(owner, [], (), orphans=(stray,), orphaned_revisions=(old,))
    assert [type(one) for one in actions] == [act.Update, act.Update]
    for one, was in zip(of_type(actions, act.Update), (stray, old), strict=True):
        reference = controller_of(one.obj)
        assert reference is not None
        assert reference.uid == "uid-db"
        assert (one.obj.metadata.uid, one.obj.metadata.resource_version) == (was.metadata.uid, was.metadata.resource_version)


def test_pods_that_are_not_selected_any_more_or_have_a_foreign_name_are_released() -> None:
    owner = stored(2)
    relabelled = pod(owner, 0, labels={"app": "debug"})
    renamed = pod(owner, 0, name="other-0")
    released = of_type(decided(owner, [relabelled, renamed, pod(owner, 1)]), act.Update)
    assert [(one.obj.metadata.name, one.obj.metadata.owner_references) for one in released] == [("db-0", ()), ("other-0", ())]


def test_lost_labels_of_an_identity_are_put_back() -> None:
    owner = stored(1)
    (mended,) = of_type(decided(owner, [pod(owner, 0, labels={"app": "web"})]), act.Update)
    assert mended.obj.metadata.labels == {
        "app": "web",
        "statefulset.kubernetes.io/pod-name": "db-0",
        "apps.kubernetes.io/pod-index": "0",
    }


def test_a_name_that_will_be_free_by_itself_is_waited_for_and_any_other_tried() -> None:
    owner, former = stored(1), stored(1, uid="uid-former")
    assert created(decided(owner, taken={"db-0": pod(former, 0)})) == []
    assert created(decided(owner, taken={"db-0": pod(owner, 0, orphan=True, deleted=True)})) == []
    assert created(decided(owner, taken={"db-0": pod(owner, 0, orphan=True, labels={})})) == ["db-0"]


# -- status and the rest ----------------------------------------------------------------------------------------------------------------


def test_the_status_counts_pods_by_what_they_are() -> None:
    owner, found, known = rolling(4, "onNd", min_ready_seconds=5)
    found[1] = pod(owner, 1, NEW, since=NOW_TEXT)
    status = status_in(decided(owner, found, known))
    assert (status.replicas, status.ready_replicas, status.available_replicas) == (4, 3, 2)
    assert (status.current_replicas, status.updated_replicas) == (1, 2)
    assert (status.current_revision, status.update_revision) == (known[0].metadata.name, known[1].metadata.name)
    assert (status.observed_generation, status.collision_count) == (3, 0)


def test_a_pod_that_is_deleted_now_is_promised_no_more() -> None:
    owner, found, known = rolling(3, "ooo")
    status = status_in(decided(owner, found, known))
    assert (status.replicas, status.ready_replicas, status.available_replicas, status.current_replicas) == (3, 2, 2, 2)


def test_an_update_that_is_complete_becomes_current() -> None:
    owner, found, known = rolling(3, "nnn")
    status = status_in(decided(owner, found, known))
    assert (status.current_revision, status.current_replicas) == (known[1].metadata.name, 3)
    owner, found, known = rolling(3, "nnN")
    assert status_in(decided(owner, found, known)).current_revision == known[0].metadata.name


def test_at_rest_nothing_is_written() -> None:
    owner = stored(3)
    status = status_in(decided(owner, pods(owner, 3)))
    assert decided(replace(owner, status=status), pods(owner, 3)) == ()


def test_of_a_deleted_set_only_the_status_is_kept() -> None:
    owner = stored(3, deleted=True, status=StatefulSetStatus(current_revision="a", update_revision="b"))
    (only,) = decided(owner, pods(owner, 1), revisions=())
    assert isinstance(only, act.SetStatus)
    assert (only.status.replicas, only.status.current_revision, only.status.update_revision) == (1, "a", "b")


def test_claim_templates_make_no_pods_and_are_told_once() -> None:
    claim = freeze({"metadata": {"name": "data"}})
    owner = stored(2, volume_claim_templates=(claim,))
    actions = decided(owner)
    words = 'persistentvolumeclaim "data-db-0" can\'t be bound, since there are no PersistentVolumes here; use '
    assert created(actions) == []
    (told,) = of_type(actions, act.TellUser)
    assert (told.type, told.reason) == ("Warning", "FailedCreate")
    assert told.message.startswith(f"create Pod db-0 in StatefulSet db failed error: {words}")
    (condition,) = status_in(actions).conditions
    assert (condition.type, condition.status, condition.reason) == ("VolumeClaimsBound", "False", "NoPersistentVolumes")
    assert condition.message.startswith(words)
    assert decided(replace(owner, status=status_in(actions))) == ()


def test_without_a_template_or_with_a_selector_that_selects_everything_nothing_is_done() -> None:
    owner = stored(3)
    assert decided(replace(owner, spec=None), revisions=()) == ()
    everything = replace(owner.spec.selector, match_labels=FrozenMap())
    assert decided(replace(owner, spec=replace(owner.spec, selector=everything))) == ()
