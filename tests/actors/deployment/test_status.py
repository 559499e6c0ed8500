"""The status of a Deployment, against Kubernetes' progress.go and calculateStatus."""

from __future__ import annotations

from typing import Any

from callboard.actors import actions as act
from callboard.actors.deployment.decision import View, decide
from callboard.models import times
from callboard.models.api.apps import DeploymentStatus, ReplicaSetCondition
from callboard.models.base import FrozenMap, replace
from tests.actors.deployment.kit import NOW, of_type, owned, stored


def _owner(replicas: int, status: DeploymentStatus | None = None, *, revision: int = 1, **changes: Any) -> Any:
    made = stored(replicas, progress_deadline_seconds=600, **changes)
    annotations = FrozenMap({"deployment.kubernetes.io/revision": str(revision)})
    return replace(made, metadata=replace(made.metadata, annotations=annotations), status=status)


def _told(owner: Any, *replica_sets: Any, now: float = NOW, **more: Any) -> Any:
    written = of_type(decide(View(deployment=owner, replica_sets=replica_sets, **more), now), act.SetStatus)
    return written[0].status if written else owner.status


def _condition(status: Any, type_: str) -> Any:
    return next(one for one in status.conditions if one.type == type_)


def test_the_counts_are_those_of_all_replica_sets_and_updated_those_of_the_new_one() -> None:
    owner = _owner(4, image="web:2", surge=1, unavailable=1)
    status = _told(owner, owned(owner, "web:1", 3, available=2, terminating=2), owned(owner, "web:2", 2, available=1))
    assert (status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas) == (5, 2, 3, 3)
    assert (status.unavailable_replicas, status.terminating_replicas, status.observed_generation) == (2, 2, 1)


def test_it_is_available_while_no_more_are_missing_than_may_be() -> None:
    owner = _owner(4, surge=1, unavailable=1)
    assert _condition(_told(owner, owned(owner, "web:1", 4, available=3)), "Available").reason == "MinimumReplicasAvailable"
    bad = _condition(_told(owner, owned(owner, "web:1", 4, available=2)), "Available")
    assert (bad.status, bad.reason) == ("False", "MinimumReplicasUnavailable")


def test_progress_is_told_from_the_creation_to_the_end() -> None:
    owner = _owner(2)
    empty = owned(owner, "web:1", 2, has=0)
    created = _told(owner, empty, created=empty.metadata.name)
    assert _condition(created, "Progressing").reason == "NewReplicaSetCreated"
    owner = replace(owner, status=created)
    moving = _told(owner, owned(owner, "web:1", 2, available=1), created=empty.metadata.name, now=NOW + 10)
    assert _condition(moving, "Progressing").reason == "ReplicaSetUpdated"
    assert _condition(moving, "Progressing").last_update_time == times.rfc3339(NOW + 10)
    assert _condition(moving, "Progressing").last_transition_time == times.rfc3339(NOW)
    done = _told(replace(owner, status=moving), owned(owner, "web:1", 2), now=NOW + 20)
    last = _condition(done, "Progressing")
    assert (last.status, last.reason) == ("True", "NewReplicaSetAvailable")
    assert last.message == f'ReplicaSet "{empty.metadata.name}" has successfully progressed.'
    assert _told(replace(owner, status=done), owned(owner, "web:1", 2), now=NOW + 9999) == done, "at rest nothing is written"


def test_a_replica_set_that_was_found_is_told_as_found() -> None:
    owner = _owner(2)
    assert _condition(_told(owner, owned(owner, "web:1", 2, has=0)), "Progressing").reason == "FoundNewReplicaSet"


def test_without_progress_the_deadline_passes_is_told_once_and_is_not_missed() -> None:
    owner = _owner(2)
    stuck = owned(owner, "web:1", 2, available=0)
    begun = _told(owner, stuck)
    owner = replace(owner, status=begun)
    (again,) = of_type(decide(View(deployment=owner, replica_sets=(stuck,)), NOW + 100), act.LookAgain)
    assert again.after_s == 501
    late = _told(owner, stuck, now=NOW + 601)
    condition = _condition(late, "Progressing")
    assert (condition.status, condition.reason) == ("False", "ProgressDeadlineExceeded")
    assert decide(View(deployment=replace(owner, status=late), replica_sets=(stuck,)), NOW + 700) == ()


def test_a_deployment_that_timed_out_recovers_when_its_pods_do() -> None:
    owner = _owner(2)
    stuck = owned(owner, "web:1", 2, available=0)
    owner = replace(owner, status=_told(replace(owner, status=_told(owner, stuck)), stuck, now=NOW + 601))
    assert _condition(_told(owner, owned(owner, "web:1", 2), now=NOW + 700), "Progressing").reason == "NewReplicaSetAvailable"


def test_without_a_deadline_nothing_is_told_of_progress() -> None:
    owner = stored(2)
    owner = replace(owner, metadata=replace(owner.metadata, annotations=FrozenMap({"deployment.kubernetes.io/revision": "1"})))
    assert [one.type for one in _told(owner, owned(owner, "web:1", 2)).conditions] == ["Available"]


def test_a_failed_creation_is_told_with_its_reason() -> None:
    status = _told(_owner(2), create_error='Failed to create new replica set "web-x": exceeded quota')
    condition = _condition(status, "Progressing")
    assert (condition.status, condition.reason) == ("False", "ReplicaSetCreateError")
    assert "exceeded quota" in condition.message


def test_the_failure_of_a_replica_set_is_passed_on_and_taken_back() -> None:
    owner = _owner(2)
    failing = owned(owner, "web:1", 2, has=0)
    condition = ReplicaSetCondition(type="ReplicaFailure", status="True", reason="FailedCreate", message="quota", last_transition_time="t")
    failing = replace(failing, status=replace(failing.status, conditions=(condition,)))
    told = _told(owner, failing)
    assert (_condition(told, "ReplicaFailure").reason, _condition(told, "ReplicaFailure").message) == ("FailedCreate", "quota")
    after = _told(replace(owner, status=told), owned(owner, "web:1", 2))
    assert all(one.type != "ReplicaFailure" for one in after.conditions)


def test_a_resumed_deployment_says_so_until_it_moves() -> None:
    paused = _owner(2, paused=True)
    status = _told(paused, owned(paused, "web:1", 2, available=1))
    assert _condition(status, "Progressing").reason == "DeploymentPaused"
    resumed = _owner(2, status)
    assert _condition(_told(resumed, owned(resumed, "web:1", 2, available=1)), "Progressing").reason == "DeploymentResumed"
