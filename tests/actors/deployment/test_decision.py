"""Decisions about a Deployment, against the rules of Kubernetes' pkg/controller/deployment."""

from __future__ import annotations

from typing import Any

from callboard.actors import actions as act
from callboard.actors.deployment.decision import View, decide
from callboard.models.api.apps import DeploymentStatus
from callboard.models.base import FrozenMap, replace
from callboard.models.owners import controller_of
from callboard.models.rollouts import HASH_LABEL
from tests.actors.controller.playground import template
from tests.actors.deployment.kit import DESIRED, MAXIMUM, NOW, NOW_TEXT, of_type, owned, sizes_after, stored

REVISION = "deployment.kubernetes.io/revision"


def _decide(owner: Any, *replica_sets: Any, **more: Any) -> tuple[act.Action, ...]:
    return decide(View(deployment=owner, replica_sets=replica_sets, **more), NOW)


def _revised(owner: Any, revision: int) -> Any:
    annotations = FrozenMap({**owner.metadata.annotations, REVISION: str(revision)})
    return replace(owner, metadata=replace(owner.metadata, annotations=annotations))


def test_the_first_replica_set_has_all_replicas_the_hash_and_the_annotations_of_a_rollout() -> None:
    (created,) = of_type(_decide(stored(4)), act.Create)
    made = created.obj
    hashed = made.metadata.labels[HASH_LABEL]
    assert made.metadata.name == f"web-{hashed}"
    assert made.spec.selector.match_labels == {"app": "web", HASH_LABEL: hashed}
    assert made.spec.template.metadata.labels == {"app": "web", HASH_LABEL: hashed}
    assert made.spec.replicas == 4
    assert made.metadata.annotations == {REVISION: "1", DESIRED: "4", MAXIMUM: "5"}
    assert controller_of(made).uid == "uid-web"  # type: ignore[union-attr]
    assert created.announce.message == f"Scaled up replica set web-{hashed} from 0 to 4"


def test_annotations_are_passed_on_but_for_those_that_belong_to_the_deployment_alone() -> None:
    owner = stored(1)
    own = {"team": "shop", "kubectl.kubernetes.io/last-applied-configuration": "{}", REVISION: "7"}
    owner = replace(owner, metadata=replace(owner.metadata, annotations=FrozenMap(own)))
    made = of_type(_decide(owner), act.Create)[0].obj
    assert made.metadata.annotations == {"team": "shop", REVISION: "1", DESIRED: "1", MAXIMUM: "2"}


def test_a_new_template_gets_a_replica_set_with_what_the_surge_allows_and_the_next_revision() -> None:
    owner = stored(10, image="web:2", surge=3, unavailable=2)
    old = owned(owner, "web:1", 10, revision=4)
    (created,) = of_type(_decide(owner, old), act.Create)
    assert created.obj.spec.replicas == 3
    assert created.obj.metadata.annotations[REVISION] == "5"


def test_the_revision_of_the_deployment_follows_before_its_status_is_written() -> None:
    owner = stored(1)
    actions = _decide(owner, owned(owner, "web:1", 1, revision=1))
    (patch,) = of_type(actions, act.Patch)
    assert patch.patch == {"metadata": {"annotations": {REVISION: "1"}}}
    assert not of_type(actions, act.SetStatus), "two writes of one object in one decision would meet each other's precondition"


def test_going_back_to_an_old_template_gives_its_replica_set_a_new_revision_and_keeps_its_history() -> None:
    owner = stored(1, image="web:1")
    first, second = owned(owner, "web:1", 0, revision=1), owned(owner, "web:2", 1, revision=2)
    updated = {one.obj.metadata.name: one.obj for one in of_type(_decide(owner, first, second), act.Update)}[first.metadata.name]
    assert updated.metadata.annotations[REVISION] == "3"
    assert updated.metadata.annotations["deployment.kubernetes.io/revision-history"] == "1"


def test_a_rollout_scales_up_what_there_is_room_for_before_it_scales_down() -> None:
    owner = stored(10, image="web:2", surge=3, unavailable=2)
    old, new = owned(owner, "web:1", 8), owned(owner, "web:2", 3, revision=2)
    assert sizes_after((old, new), _decide(owner, old, new)) == {"web:1": 8, "web:2": 5}
    old, new = owned(owner, "web:1", 8), owned(owner, "web:2", 5, revision=2)
    assert sizes_after((old, new), _decide(owner, old, new)) == {"web:1": 3, "web:2": 5}


def test_nothing_old_is_taken_away_while_the_new_pods_are_not_available() -> None:
    owner = stored(4, image="web:2", surge=1, unavailable=1)
    old, new = owned(owner, "web:1", 3), owned(owner, "web:2", 2, available=0, revision=2)
    assert sizes_after((old, new), _decide(owner, old, new)) == {"web:1": 3, "web:2": 2}


def test_recreate_waits_until_the_last_old_pod_is_gone_terminating_ones_included() -> None:
    owner = stored(3, image="web:2", kind="Recreate")
    running = owned(owner, "web:1", 3)
    assert sizes_after((running,), _decide(owner, running)) == {"web:1": 0}
    for waiting in (
        owned(owner, "web:1", 0, has=2),
        owned(owner, "web:1", 0, terminating=1),
        owned(owner, "web:1", 0, observed=False),
    ):
        assert sizes_after((waiting,), _decide(owner, waiting)) == {"web:1": 0}
    gone = owned(owner, "web:1", 0)
    assert sizes_after((gone,), _decide(owner, gone)) == {"web:1": 0, "web:2": 3}


def test_a_paused_deployment_is_scaled_but_not_rolled_out_and_says_so() -> None:
    owner = stored(6, image="web:2", paused=True, progress_deadline_seconds=600)
    old = owned(owner, "web:1", 3, for_size=3)
    actions = _decide(owner, old)
    assert sizes_after((old,), actions) == {"web:1": 6}
    told = {one.type: (one.status, one.reason) for one in of_type(actions, act.SetStatus)[0].status.conditions}
    assert told["Progressing"] == ("Unknown", "DeploymentPaused")


def test_scaling_in_the_middle_of_a_rollout_is_spread_over_both() -> None:
    owner = stored(15, image="web:2", surge=3, unavailable=2)
    old, new = owned(owner, "web:1", 8, for_size=10), owned(owner, "web:2", 5, for_size=10, available=0, revision=2)
    assert sizes_after((old, new), _decide(owner, old, new)) == {"web:1": 11, "web:2": 7}


def test_size_annotations_are_brought_up_to_date_even_where_the_size_stays() -> None:
    """kubernetes#43948: a scaling event that changes no size would never be over, and nothing would be rolled out any more."""
    owner = stored(5, image="web:2")
    old = owned(owner, "web:1", 5, for_size=4)
    (updated,) = of_type(_decide(owner, old), act.Update)
    assert updated.obj.metadata.annotations[DESIRED] == "5"
    assert updated.announce is None
    assert of_type(_decide(owner, updated.obj), act.Create)


def test_old_revisions_beyond_the_limit_are_deleted_once_the_rollout_is_complete() -> None:
    owner = _revised(stored(1, image="web:9", revision_history_limit=2), 5)
    done = DeploymentStatus(replicas=1, updated_replicas=1, available_replicas=1, ready_replicas=1, observed_generation=1)
    olds = [owned(owner, f"web:{number}", 0, revision=number) for number in (3, 1, 4, 2)]
    new = owned(owner, "web:9", 1, revision=5)
    deleted = of_type(_decide(replace(owner, status=done), *olds, new), act.Delete)
    assert {one.name for one in deleted} == {olds[1].metadata.name, olds[3].metadata.name}
    assert all(one.uid and one.resource_version for one in deleted)
    unfinished = replace(owner, status=replace(done, updated_replicas=0))
    assert not of_type(_decide(unfinished, *olds, new), act.Delete)


def test_a_taken_name_of_other_content_moves_the_collision_count_and_then_the_name() -> None:
    """kubernetes#29735: a ReplicaSet of other content is not taken for ours."""
    owner = stored(1)
    (written,) = _decide(owner, collided=True)
    assert isinstance(written, act.SetStatus)
    assert written.status.collision_count == 1
    first = of_type(_decide(owner), act.Create)[0].obj.metadata.name
    second = of_type(_decide(replace(owner, status=written.status)), act.Create)[0].obj.metadata.name
    assert first != second


def test_orphans_are_adopted_and_strangers_released_before_anything_else() -> None:
    owner = stored(2)
    mine = owned(owner, "web:1", 2)
    orphan = replace(mine, metadata=replace(mine.metadata, owner_references=()))
    (adopted,) = _decide(owner, orphans=(orphan,))
    assert isinstance(adopted, act.Update)
    assert controller_of(adopted.obj).uid == "uid-web"  # type: ignore[union-attr]
    stranger = replace(mine, metadata=replace(mine.metadata, labels=FrozenMap(app="other")))
    (released,) = _decide(owner, stranger)
    assert isinstance(released, act.Update)
    assert released.obj.metadata.owner_references == ()


def test_a_deployment_that_is_being_deleted_only_writes_its_status() -> None:
    owner = stored(3, image="web:2")
    owner = replace(owner, metadata=replace(owner.metadata, deletion_timestamp=NOW_TEXT))
    assert [type(action) for action in _decide(owner, owned(owner, "web:1", 1))] == [act.SetStatus]


def test_min_ready_seconds_reach_the_present_replica_set() -> None:
    before = owned(stored(1), "web:1", 1)
    owner = _revised(stored(1, min_ready_seconds=9), 1)
    (updated,) = of_type(_decide(owner, before), act.Update)
    assert updated.obj.spec.min_ready_seconds == 9


def test_a_template_that_differs_in_its_hash_label_only_is_the_same() -> None:
    owner = stored(1)
    assert not of_type(_decide(owner, owned(owner, "web:1", 1)), act.Create)
    other = replace(owner, spec=replace(owner.spec, template=template("web:1", tier="front")))
    assert of_type(_decide(other, owned(owner, "web:1", 1)), act.Create)
