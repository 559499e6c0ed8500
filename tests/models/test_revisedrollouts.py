"""What `kubectl rollout` makes of a StatefulSet and its ControllerRevisions, in its words. The rules are in pkg/polymorphichelpers."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.api.apps import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetSpec,
    StatefulSetStatus,
    StatefulSetUpdateStrategy,
)
from callboard.models.api.core import Container, PodSpec, PodTemplateSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.controllerrevisions import new_revision
from callboard.models.errors import BadRequest, NotFound
from callboard.models.revisedrollouts import history_of, progress_of_stateful_set, rollback_patch, rollback_template


def template(image: str) -> PodTemplateSpec:
    return PodTemplateSpec(metadata=ObjectMeta(labels=FrozenMap(app="db")), spec=PodSpec(containers=(Container(name="db", image=image),)))


def stateful_set(replicas: int = 3, partition: int | None = 0, kind: str = "RollingUpdate", cause: str = "", **status: Any) -> StatefulSet:
    rolling = RollingUpdateStatefulSetStrategy(partition=partition) if partition is not None else None
    annotations = FrozenMap({"kubernetes.io/change-cause": cause} if cause else {})
    return StatefulSet(
        metadata=ObjectMeta(name="db", namespace="default", uid="uid-db", generation=2, annotations=annotations),
        spec=StatefulSetSpec(replicas=replicas, update_strategy=StatefulSetUpdateStrategy(type=kind, rolling_update=rolling)),
        status=StatefulSetStatus(**status) if status else None,
    )


OTHER = replace(stateful_set(), metadata=replace(stateful_set().metadata, uid="uid-other"))
THREE = (
    new_revision(stateful_set(cause="because"), template("db:3"), 3, 0),
    new_revision(stateful_set(), template("db:1"), 1, 0),
    new_revision(stateful_set(), template("db:2"), 2, 0),
    new_revision(OTHER, template("db:9"), 9, 0),
)


def test_the_history_is_sorted_by_number_and_of_ones_own_revisions_only() -> None:
    told = history_of(stateful_set(), THREE)
    assert [(one.revision, one.change_cause) for one in told] == [(1, ""), (2, ""), (3, "because")]
    assert told[1].template == template("db:2")


def test_a_rollback_goes_to_the_one_before_the_newest_or_to_the_one_that_is_named() -> None:
    assert rollback_template(stateful_set(), THREE) == template("db:2")
    assert rollback_template(stateful_set(), THREE, 1) == template("db:1")
    with pytest.raises(NotFound, match="unable to find specified revision 9 in history"):
        rollback_template(stateful_set(), THREE, 9)
    with pytest.raises(NotFound, match="no last revision to roll back to"):
        rollback_template(stateful_set(), THREE[:1])
    (patch,) = rollback_patch(template("db:1"))
    assert (patch["op"], patch["path"]) == ("replace", "/spec/template")
    assert patch["value"]["spec"]["containers"] == [{"name": "db", "image": "db:1"}]


@pytest.mark.parametrize(
    ("partition", "status", "done", "words"),
    [
        (0, {}, False, "Waiting for statefulset spec update to be observed..."),
        (0, {"observed_generation": 1}, False, "Waiting for statefulset spec update to be observed..."),
        (0, {"observed_generation": 2, "ready_replicas": 1}, False, "Waiting for 2 pods to be ready..."),
        (
            1,
            {"observed_generation": 2, "ready_replicas": 3, "updated_replicas": 1},
            False,
            "Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...",
        ),
        (
            1,
            {"observed_generation": 2, "ready_replicas": 3, "updated_replicas": 2},
            True,
            "partitioned roll out complete: 2 new pods have been updated...",
        ),
        (
            None,
            {"observed_generation": 2, "ready_replicas": 3, "updated_replicas": 2, "current_revision": "a", "update_revision": "b"},
            False,
            "waiting for statefulset rolling update to complete 2 pods at revision b...",
        ),
        (
            None,
            {"observed_generation": 2, "ready_replicas": 3, "current_replicas": 3, "current_revision": "b", "update_revision": "b"},
            True,
            "statefulset rolling update complete 3 pods at revision b...",
        ),
    ],
)
def test_how_far_a_rollout_is(partition: int | None, status: dict[str, Any], done: bool, words: str) -> None:
    progress = progress_of_stateful_set(stateful_set(partition=partition, **status))
    assert (progress.done, progress.words, progress.failure) == (done, words, None)


def test_of_another_strategy_no_progress_is_told() -> None:
    with pytest.raises(BadRequest, match="rollout status is only available for RollingUpdate strategy type"):
        progress_of_stateful_set(stateful_set(partition=None, kind="OnDelete"))
