"""Revisions of templates: what they hold, how they are called and numbered, which one is the present one, which ones go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.models import controllerrevisions as revisions
from callboard.models.api.apps import ControllerRevision, StatefulSet
from callboard.models.api.core import Container, EnvVar, PodSpec, PodTemplateSpec
from callboard.models.api.meta import ObjectMeta, OwnerReference
from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.codec import decode, encode


def template(image: str = "web:1") -> PodTemplateSpec:
    container = Container(name="web", image=image, env=(EnvVar(name="A", value="1"),))
    return PodTemplateSpec(metadata=ObjectMeta(labels=FrozenMap(app="web")), spec=PodSpec(containers=(container,)))


def owner(name: str = "web", uid: str = "web-uid") -> StatefulSet:
    return StatefulSet(metadata=ObjectMeta(name=name, namespace="default", uid=uid, annotations=FrozenMap({"told": "why"})))


def named(*found: ControllerRevision) -> dict[str, ControllerRevision]:
    return {one.metadata.name: one for one in found}


def current(*own: ControllerRevision, image: str = "web:1", others: tuple[ControllerRevision, ...] = (), collisions: int = 0) -> Any:
    return revisions.current_of(owner(), template(image), own, named(*own, *others), collisions)


def test_a_revision_is_called_by_its_owner_and_hash_and_restores_the_template() -> None:
    made = revisions.new_revision(owner(), template(), 3, 0)
    hashed = made.metadata.labels[revisions.STATEFUL_SET_REVISION_LABEL]
    assert made.metadata.name == f"web-{hashed}"
    assert 1 <= len(hashed) <= 10
    assert set(hashed) <= set("bcdfghjklmnpqrstvwxz2456789")
    assert made.metadata.labels["app"] == "web"
    assert made.metadata.annotations == {"told": "why"}
    assert made.revision == 3
    assert [(one.kind, one.uid, one.controller) for one in made.metadata.owner_references] == [("StatefulSet", "web-uid", True)]
    assert made.data is not None
    assert made.data["spec"]["template"]["$patch"] == "replace"
    assert revisions.template_in(made) == template()


def test_a_daemon_sets_revision_has_its_hash_under_the_label_of_its_pods() -> None:
    made = revisions.new_revision(owner(), template(), 1, 0, revisions.HASH_LABEL)
    assert made.metadata.name == f"web-{made.metadata.labels['controller-revision-hash']}"


def test_the_hash_is_fnv_1_in_the_alphabet_of_names() -> None:
    assert revisions._hashed(b"") == "65bb57b6b5"  # 2166136261, digit by digit
    assert revisions._hashed(b"a") == "d8bfb88b"  # 84696446 (FNV-1a would give 3826002220)


def test_a_revision_survives_the_store() -> None:
    made = revisions.new_revision(owner(), template(), 1, 0)
    assert decode(*encode(made)) == made


def test_long_names_are_cut() -> None:
    assert len(revisions.revision_name("x" * 253, "abcdefghij")) == 234


def test_the_first_template_is_revision_one_and_the_next_two() -> None:
    first = current()
    assert (first.create, first.renumber, first.revision.revision, first.collisions) == (True, False, 1, 0)
    again = current(first.revision)
    assert (again.create, again.renumber, again.revision) == (False, False, first.revision)
    second = current(first.revision, image="web:2")
    assert (second.create, second.revision.revision) == (True, 2)
    assert second.revision.metadata.name != first.revision.metadata.name


def test_going_back_renumbers_the_old_revision() -> None:
    first = current().revision
    second = current(first, image="web:2").revision
    back = current(first, second, image="web:1")
    assert (back.create, back.renumber) == (False, True)
    assert back.revision == replace(first, revision=3)


def test_a_name_that_another_owner_has_is_a_collision() -> None:
    wanted = current().revision
    foreign = replace(
        wanted,
        metadata=replace(wanted.metadata, owner_references=(OwnerReference(kind="DaemonSet", name="web", uid="d", controller=True),)),
    )
    found = current(others=(foreign,))
    assert found.create
    assert found.collisions == 1
    assert found.revision.metadata.name != wanted.metadata.name
    assert found.revision.data == wanted.data


def test_own_content_that_differs_under_the_same_name_is_a_collision() -> None:
    wanted = current().revision
    other = replace(wanted, data=freeze({"spec": {"template": {"$patch": "replace"}}}))
    found = current(other)
    assert (found.create, found.collisions, found.revision.revision) == (True, 1, 2)
    assert found.revision.metadata.name != other.metadata.name


def test_what_a_deleted_namesake_left_is_waited_for() -> None:
    left = revisions.new_revision(owner(uid="former"), template(), 4, 0)
    found = current(others=(left,))
    assert (found.create, found.blocked_by, found.collisions) == (True, left.metadata.name, 0)


def test_a_revision_that_is_being_deleted_is_not_the_present_one() -> None:
    first = current().revision
    going = replace(first, metadata=replace(first.metadata, deletion_timestamp="2026-01-01T00:00:00Z"))
    assert current(going).blocked_by == first.metadata.name


def test_the_oldest_go_beyond_the_limit_but_none_that_is_live() -> None:
    made = [replace(current(image=f"web:{number}").revision, revision=number) for number in range(1, 6)]
    names = [one.metadata.name for one in made]
    assert revisions.beyond_limit(reversed(made), {names[0], names[4]}, 1) == [made[1], made[2]]
    assert revisions.beyond_limit(made, set(), 0) == made
    assert revisions.beyond_limit(made, set(), 10) == []
    assert revisions.beyond_limit(made, set(), None) == []


def test_only_the_same_owners_same_content_counts_as_created() -> None:
    wanted = current().revision
    assert revisions.same_child(wanted, replace(wanted, revision=7))
    assert not revisions.same_child(wanted, revisions.new_revision(owner(uid="other"), template(), 1, 0))
    assert not revisions.same_child(wanted, current(image="web:2").revision)
    assert not revisions.same_child(wanted, owner())


def test_what_holds_no_template_says_so() -> None:
    for data in (None, freeze({"spec": {"replicas": 3}}), freeze({"spec": {"template": {"spec": {"containers": 7}}}})):
        with pytest.raises(ValueError, match='ControllerRevision "odd" holds no'):
            revisions.template_in(ControllerRevision(metadata=ObjectMeta(name="odd"), data=data))


@given(st.lists(st.sampled_from(["web:1", "web:2", "web:3", "web:4"]), max_size=12))
def test_whatever_the_order_of_templates_the_newest_number_is_the_present_one(images: list[str]) -> None:
    kept: dict[str, ControllerRevision] = {}
    for image in images:
        found = revisions.current_of(owner(), template(image), tuple(kept.values()), kept, 0)
        kept[found.revision.metadata.name] = found.revision
        assert revisions.template_in(revisions.in_order(kept.values())[-1]) == template(image)
    assert len(kept) == len(set(images))
    assert len({one.revision for one in kept.values()}) == len(kept)
