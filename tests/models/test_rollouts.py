"""What `kubectl rollout` makes of a Deployment and its ReplicaSets, in its words. The rules named are those of pkg/polymorphichelpers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.models.api.apps import Deployment, DeploymentCondition, DeploymentSpec, DeploymentStatus, ReplicaSet, ReplicaSetSpec
from callboard.models.api.core import Container, PodSpec, PodTemplateSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.errors import BadRequest, Conflict, NotFound, WaitTimeout
from callboard.models.owners import owner_reference
from callboard.models.rollouts import (
    HASH_LABEL,
    at_revision,
    history_of,
    progress_of,
    rollback_patch,
    rollback_target,
    skipped_words,
)

REVISION = "deployment.kubernetes.io/revision"


def template(image: str, **labels: str) -> PodTemplateSpec:
    meta = ObjectMeta(labels=FrozenMap({"app": "web", **labels}))
    return PodTemplateSpec(metadata=meta, spec=PodSpec(containers=(Container(name="web", image=image),)))


def deployment(annotations: dict[str, str] | None = None, *, image: str = "web:3", paused: bool = False) -> Deployment:
    meta = ObjectMeta(name="web", namespace="default", uid="uid-web", generation=4, annotations=FrozenMap(annotations or {}))
    return Deployment(metadata=meta, spec=DeploymentSpec(replicas=3, paused=paused or None, template=template(image)))


def replica_set(revision: int, image: str, *, owner: Any = None, **annotations: str) -> ReplicaSet:
    meta = ObjectMeta(
        name=f"web-{image[-1]}",
        namespace="default",
        annotations=FrozenMap({REVISION: str(revision), **annotations}),
        owner_references=(owner_reference(owner or deployment()),),
    )
    return ReplicaSet(metadata=meta, spec=ReplicaSetSpec(template=template(image, **{HASH_LABEL: image[-1]})))


THREE = (replica_set(3, "web:3"), replica_set(1, "web:1"), replica_set(2, "web:2", **{"kubernetes.io/change-cause": "because"}))


def test_the_history_is_sorted_by_number_and_tells_causes_and_templates_without_their_hash() -> None:
    told = history_of(deployment(), THREE)
    assert [(one.revision, one.change_cause) for one in told] == [(1, ""), (2, "because"), (3, "")]
    assert told[0].template == template("web:1")


def test_replica_sets_of_others_and_those_without_a_revision_are_no_history() -> None:
    other = replace(deployment(), metadata=replace(deployment().metadata, uid="uid-other"))
    unnumbered = replace(THREE[0], metadata=replace(THREE[0].metadata, annotations=FrozenMap()))
    assert history_of(deployment(), (replica_set(7, "web:7", owner=other), unnumbered)) == ()


def test_a_revision_that_is_not_in_the_history_is_said_to_be_missing() -> None:
    history = history_of(deployment(), THREE)
    assert at_revision(history, 2).change_cause == "because"
    with pytest.raises(NotFound, match="^unable to find the specified revision$"):
        at_revision(history, 4)


def test_undo_without_a_number_goes_to_the_revision_before_the_newest() -> None:
    """deploymentRevision with toRevision 0."""
    target = rollback_target(deployment(), THREE)
    assert target.metadata.annotations[REVISION] == "2"
    assert rollback_target(deployment(), THREE, 1).metadata.annotations[REVISION] == "1"


@pytest.mark.parametrize("wanted", [4, -1])
def test_undo_to_a_revision_that_does_not_exist_is_refused(wanted: int) -> None:
    with pytest.raises(NotFound, match=f"^unable to find specified revision {wanted} in history$"):
        rollback_target(deployment(), THREE, wanted)


@pytest.mark.parametrize("sets", [(), THREE[:1]])
def test_undo_without_an_older_revision_is_refused(sets: tuple[ReplicaSet, ...]) -> None:
    with pytest.raises(NotFound, match='^no rollout history found for deployment "web"$'):
        rollback_target(deployment(), sets)


def test_undo_of_a_paused_deployment_is_refused_but_only_if_there_is_something_to_undo() -> None:
    words = "cannot rollback a paused deployment; resume it first with 'callboard rollout resume deployment/web' and try again"
    with pytest.raises(BadRequest) as refused:
        rollback_target(deployment(paused=True), THREE)
    assert str(refused.value) == words
    with pytest.raises(NotFound):
        rollback_target(deployment(paused=True), THREE, 9)


def test_a_rollback_restores_template_and_annotations_but_those_that_each_has_of_its_own() -> None:
    """Rollback: annotationsToSkip stay the Deployment's, all others become the ReplicaSet's."""
    own = deployment({REVISION: "3", "kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "now"})
    old = replica_set(1, "web:1", **{"team": "then", "deployment.kubernetes.io/desired-replicas": "9"})
    template_op, annotations_op = rollback_patch(own, old)
    assert template_op["path"] == "/spec/template"
    assert template_op["value"] == {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    assert annotations_op["path"] == "/metadata/annotations"
    assert annotations_op["value"] == {REVISION: "3", "kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "then"}


def test_a_rollback_that_changes_nothing_is_skipped_in_words() -> None:
    assert skipped_words(2) == "skipped rollback (current template already matches revision 2)"


# -- status -----------------------------------------------------------------------------------------------------------------------------


def seen(**fields: Any) -> Deployment:
    fields.setdefault("observed_generation", 4)
    return replace(deployment({REVISION: "3"}), status=DeploymentStatus(**fields))


LATE = DeploymentCondition(type="Progressing", status="False", reason="ProgressDeadlineExceeded")
WAITS = 'Waiting for deployment "web" rollout to finish: '


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (seen(observed_generation=3, updated_replicas=3, replicas=3), "Waiting for deployment spec update to be observed..."),
        (seen(updated_replicas=1, replicas=4), WAITS + "1 out of 3 new replicas have been updated..."),
        (seen(updated_replicas=3, replicas=5), WAITS + "2 old replicas are pending termination..."),
        (seen(updated_replicas=3, replicas=3, available_replicas=1), WAITS + "1 of 3 updated replicas are available..."),
        (seen(updated_replicas=3, replicas=3, available_replicas=3), 'deployment "web" successfully rolled out'),
    ],
)
def test_the_status_is_told_as_kubectl_tells_it(found: Deployment, words: str) -> None:
    progress = progress_of(found)
    assert progress.words == words
    assert progress.done == words.endswith("rolled out")
    assert progress.failure is None


def test_a_rollout_that_makes_no_progress_has_failed() -> None:
    progress = progress_of(seen(updated_replicas=1, replicas=4, conditions=(LATE,)))
    assert (progress.words, progress.failure) == ('deployment "web" exceeded its progress deadline', WaitTimeout)


def test_another_revision_than_the_one_asked_for_is_a_failure() -> None:
    progress = progress_of(seen(), 2)
    assert (progress.words, progress.failure) == ("desired revision (2) is different from the running revision (3)", Conflict)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8, unique=True), st.integers(0, 31))
def test_undo_finds_exactly_what_the_history_shows(numbers: list[int], wanted: int) -> None:
    sets = tuple(replica_set(number, f"web:{number}") for number in numbers)
    shown = [one.revision for one in history_of(deployment(), sets)]
    expected = (shown[-2] if len(shown) > 1 else None) if wanted == 0 else (wanted if wanted in shown else None)
    if expected is None:
        with pytest.raises(NotFound):
            rollback_target(deployment(), sets, wanted)
    else:
        assert rollback_target(deployment(), sets, wanted).metadata.annotations[REVISION] == str(expected)
