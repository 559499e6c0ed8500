"""What is to be done about a Job: pods that come and go, ends that are counted, how it ends, when it rests."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors import actions as act
from callboard.actors.job.memory import BackOff, Memory
from callboard.models.api.batch import JobCondition, JobStatus, UncountedTerminatedPods
from callboard.models.base import FrozenMap, replace
from callboard.models.jobs import TRACKING
from tests.actors.job.kit import (
    LONG_AGO,
    NOW,
    NOW_TEXT,
    again_s,
    conditions,
    counted_out,
    created,
    decided,
    deleted,
    job,
    let_go,
    pod,
    status_in,
    told,
)


def status(*, succeeded: tuple[str, ...] = (), failed: tuple[str, ...] = (), **fields: Any) -> JobStatus:
    """A stored status; `succeeded` and `failed` are UIDs that aren't counted yet, `done` and `lost` are counters."""
    counters = {"succeeded": fields.pop("done", None), "failed": fields.pop("lost", None)}
    uncounted = UncountedTerminatedPods(succeeded=succeeded, failed=failed)
    return JobStatus(**{"start_time": LONG_AGO, "uncounted_terminated_pods": uncounted, **counters, **fields})


def verdict(type_: str, reason: str = "CompletionsReached") -> tuple[JobCondition, ...]:
    return (JobCondition(type=type_, status="True", reason=reason, message="so", last_transition_time=LONG_AGO),)


# -- pods that come -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "stored", "live", "expected"),
    [
        ({"completions": 5, "parallelism": 2}, None, 0, 2),
        ({"completions": 5, "parallelism": 2}, None, 1, 1),
        ({"completions": 5, "parallelism": 3}, status(done=3), 0, 2),
        ({"completions": 5, "parallelism": 3}, status(done=3), 1, 1),
        ({"completions": 5, "parallelism": 0}, None, 0, 0),
        ({"completions": 0, "parallelism": 3}, None, 0, 0),
        ({"parallelism": 3}, None, 1, 2),
        ({"parallelism": 3}, status(done=1), 1, 0),
    ],
)
def test_as_many_pods_come_as_are_wanted(spec: dict[str, Any], stored: Any, live: int, expected: int) -> None:
    made = job(status=stored, **spec)
    assert len(created(decided(made, *(pod(made, number) for number in range(live))))) == expected


def test_a_new_pod_has_a_finalizer_an_owner_and_the_template_itself() -> None:
    made = job()
    (one,) = [action for action in decided(made) if isinstance(action, act.Create)]
    assert one.obj.metadata.finalizers == (TRACKING,)
    assert one.obj.metadata.owner_references[0].uid == "uid-sum"
    assert one.obj.spec is made.spec.template.spec
    assert one.trusted
    assert one.announce is not None
    assert one.announce.message == f"Created pod: {one.obj.metadata.name}"


def test_the_same_names_come_again_until_pods_with_them_are_seen() -> None:
    made = job(completions=3, parallelism=3)
    first = created(decided(made))
    assert created(decided(made)) == first
    held = pod(made, 0)
    assert created(decided(made, held)) == first[1:]
    assert first[0] not in created(decided(made, taken={first[0]: None}))


def test_a_failed_pod_is_replaced_under_another_name_when_its_pause_is_over() -> None:
    made = job(status=status(failed=("uid-0",)))
    failed = pod(made, 0, "Failed")
    wanted = decided(made, failed, not_before_s=NOW + 7)
    assert created(wanted) == []
    assert again_s(wanted) == [7]
    (name,) = created(decided(made, failed, not_before_s=NOW))
    assert name != failed.metadata.name


def test_pauses_double_from_ten_seconds_to_six_minutes_and_a_success_ends_them() -> None:
    memory, back_off = Memory(), BackOff()
    pauses = []
    for number in range(8):
        memory.pod_ended(f"uid-{number}", True, NOW)
        pauses.append(memory.not_before_s(back_off, NOW) - NOW)
    assert pauses == [10, 20, 40, 80, 160, 320, 360, 360]
    memory.pod_ended("uid-9", False, NOW + 9)
    assert memory.not_before_s(back_off, NOW) == 0
    memory.pod_ended("uid-10", True, NOW + 10)
    assert memory.not_before_s(back_off, NOW + 10) == NOW + 20


def test_a_pause_is_over_when_the_clock_is_set_back() -> None:
    memory = Memory()
    memory.pod_ended("uid-0", True, NOW)
    assert memory.not_before_s(BackOff(), NOW - 10_000) == NOW - 10_000


def test_pods_that_terminate_are_replaced_at_once_or_with_the_policy_failed_when_they_have_ended() -> None:
    made = job(completions=1)
    ending = pod(made, 0, deleted=True)
    assert len(created(decided(made, ending))) == 1
    patient = job(completions=1, pod_replacement_policy="Failed")
    assert created(decided(patient, ending)) == []
    assert status_in(decided(patient, ending)).uncounted_terminated_pods.failed == ()
    over = pod(made, 0, deleted=True, grace_s=0)
    assert status_in(decided(patient, over)).uncounted_terminated_pods.failed == ("uid-0",)


# -- pods that go -------------------------------------------------------------------------------------------------------------------------


def test_pods_too_many_are_let_go_of_and_deleted_when_they_have_no_finalizer() -> None:
    made = job(completions=5, parallelism=1)
    wanted = decided(made, pod(made, 0), pod(made, 1))
    (gone,) = let_go(wanted)
    assert deleted(wanted) == []
    assert status_in(wanted).active == 1
    leaving = pod(made, int(gone[-1]), tracked=False)
    staying = pod(made, 1 - int(gone[-1]))
    assert deleted(decided(made, staying, leaving)) == [gone]


def test_a_job_that_rests_lets_go_of_its_pods_and_says_so() -> None:
    made = job(completions=5, parallelism=2, suspend=True, status=status())
    wanted = decided(made, pod(made, 0), pod(made, 1))
    assert let_go(wanted) == ["uid-0", "uid-1"]
    assert conditions(status_in(wanted)) == [("Suspended", "True", "JobSuspended")]
    assert told(wanted) == ["Suspended"]
    assert created(wanted) == []


def test_a_job_that_is_resumed_begins_anew() -> None:
    rests = (JobCondition(type="Suspended", status="True", reason="JobSuspended", last_transition_time=LONG_AGO),)
    resumed = decided(job(completions=1, active_deadline_seconds=60, status=status(conditions=rests)))
    assert len(created(resumed)) == 1
    assert conditions(status_in(resumed)) == [("Suspended", "False", "JobResumed")]
    assert status_in(resumed).start_time == NOW_TEXT


def test_a_job_that_is_created_resting_has_not_begun() -> None:
    assert status_in(decided(job(suspend=True))).start_time == ""
    assert status_in(decided(job())).start_time == NOW_TEXT


# -- counting -----------------------------------------------------------------------------------------------------------------------------


def test_a_pod_that_has_ended_is_written_down_then_loses_its_finalizer_then_is_counted() -> None:
    made = job(completions=2)
    ended = pod(made, 0, "Succeeded")
    first = decided(made, ended)
    assert status_in(first).uncounted_terminated_pods.succeeded == ("uid-0",)
    assert status_in(first).succeeded is None
    assert counted_out(first) == []
    noted = job(completions=2, status=status(succeeded=("uid-0",)))
    second = decided(noted, ended, pod(made, 1))
    assert counted_out(second) == ["uid-0"]
    third = status_in(decided(noted, pod(made, 0, "Succeeded", tracked=False), pod(made, 1)))
    assert (third.succeeded, third.uncounted_terminated_pods.succeeded) == (1, ())
    assert status_in(decided(noted, pod(made, 1))).succeeded == 1, "a pod that is gone is counted too"


def test_a_pod_that_was_counted_is_never_counted_again() -> None:
    made = job(completions=2, status=status(done=1))
    assert status_in(decided(made, pod(made, 0, "Succeeded", tracked=False), pod(made, 1))).succeeded == 1


def test_a_deleted_pod_counts_as_failed_and_one_that_was_let_go_of_does_not() -> None:
    made = job(completions=2)
    assert status_in(decided(made, pod(made, 0, deleted=True))).uncounted_terminated_pods.failed == ("uid-0",)
    assert status_in(decided(made, pod(made, 0, deleted=True, tracked=False))).uncounted_terminated_pods.failed == ()


def test_pods_that_are_not_counted_yet_count_for_what_is_wanted() -> None:
    made = job(completions=2, parallelism=2, status=status(succeeded=("uid-0",)))
    assert len(created(decided(made, pod(made, 0, "Succeeded")))) == 1


def test_active_and_ready_pods_are_told() -> None:
    made = job(completions=9, parallelism=3)
    new = status_in(decided(made, pod(made, 0), pod(made, 1, ready=False), pod(made, 2, deleted=True)))
    assert (new.active, new.ready, new.terminating) == (2, 1, 1)


# -- how it ends --------------------------------------------------------------------------------------------------------------------------


def test_a_job_is_complete_when_its_last_pod_has_been_counted() -> None:
    made = job(completions=1, status=status(succeeded=("uid-0",)))
    waits = status_in(decided(made, pod(made, 0, "Succeeded"), pod(made, 1, deleted=True, tracked=False)))
    assert conditions(waits) == [("SuccessCriteriaMet", "True", "CompletionsReached")]
    wanted = decided(made, pod(made, 0, "Succeeded", tracked=False))
    new = status_in(wanted)
    assert conditions(new) == [("SuccessCriteriaMet", "True", "CompletionsReached"), ("Complete", "True", "CompletionsReached")]
    assert (new.completion_time, new.succeeded) == (NOW_TEXT, 1)
    assert told(wanted) == ["Completed"]


def test_a_job_whose_completions_are_not_counted_is_complete_when_one_has_succeeded_and_none_runs() -> None:
    made = job(parallelism=2, status=status(done=1))
    assert decided(made, pod(made, 0, "Succeeded", tracked=False), pod(made, 1)) != ()
    running = status_in(decided(made, pod(made, 0, "Succeeded", tracked=False), pod(made, 1)))
    assert conditions(running) == []
    assert conditions(status_in(decided(made)))[-1][0] == "Complete"


def test_a_job_with_too_many_failures_fails_and_its_other_pods_go() -> None:
    made = job(completions=3, parallelism=2, backoff_limit=1, status=status(lost=1))
    wanted = decided(made, pod(made, 1, "Failed"), pod(made, 2))
    assert deleted(wanted) == ["uid-2"]
    assert conditions(status_in(wanted)) == [("FailureTarget", "True", "BackoffLimitExceeded")]
    assert created(wanted) == []
    over = job(backoff_limit=1, status=status(lost=3, conditions=verdict("FailureTarget", "BackoffLimitExceeded")))
    ended = decided(over, pod(made, 1, "Failed", tracked=False))
    assert conditions(status_in(ended))[-1] == ("Failed", "True", "BackoffLimitExceeded")
    assert told(ended) == ["BackoffLimitExceeded"]


@pytest.mark.parametrize(("limit", "restarts", "fails"), [(2, 1, False), (2, 2, True), (0, 0, False), (0, 1, True)])
def test_restarts_in_place_count_as_failures(limit: int, restarts: int, fails: bool) -> None:
    made = job("OnFailure", backoff_limit=limit)
    new = status_in(decided(made, pod(made, 0, restarts=restarts)))
    assert (conditions(new) == [("FailureTarget", "True", "BackoffLimitExceeded")]) is fails


def test_a_job_fails_when_its_time_is_over() -> None:
    made = job(active_deadline_seconds=60, status=status(start_time=NOW_TEXT))
    assert again_s(decided(made, pod(made, 0), now=NOW + 20)) == [40]
    wanted = decided(made, pod(made, 0), now=NOW + 60)
    assert conditions(status_in(wanted)) == [("FailureTarget", "True", "DeadlineExceeded")]
    assert deleted(wanted) == ["uid-0"]


def test_a_verdict_stands_whatever_happens_then() -> None:
    made = job(completions=1, status=status(done=1, conditions=verdict("FailureTarget", "DeadlineExceeded")))
    assert conditions(status_in(decided(made)))[-1] == ("Failed", "True", "DeadlineExceeded")


def test_pods_of_a_finished_job_lose_their_finalizers_and_do_not_run() -> None:
    made = job(status=status(done=1, conditions=verdict("Complete")))
    wanted = decided(made, pod(made, 0), pod(made, 1, tracked=False), pod(made, 2, "Succeeded", tracked=False))
    assert counted_out(wanted) == ["uid-0"]
    assert deleted(wanted) == ["uid-1"]


def test_a_finished_job_goes_when_its_time_to_live_is_over() -> None:
    ended = (replace(verdict("Complete")[0], last_transition_time=NOW_TEXT),)
    made = job(ttl_seconds_after_finished=100, status=status(conditions=ended))
    assert again_s(decided(made, now=NOW + 1)) == [99]
    (gone,) = decided(made, now=NOW + 100)
    assert isinstance(gone, act.Delete)
    assert (gone.resource, gone.propagation, gone.resource_version) == ("jobs.batch", "Foreground", 7)
    assert decided(job(status=status(conditions=ended)), now=NOW + 10_000) == ()


def test_a_job_that_is_deleted_keeps_no_pod() -> None:
    made = job(meta={"deletion_timestamp": NOW_TEXT})
    wanted = decided(made, pod(made, 0), pod(made, 1, "Succeeded", tracked=False))
    assert [type(one).__name__ for one in wanted] == ["Patch"]
    assert counted_out(wanted) == ["uid-0"]


def test_a_job_of_another_controller_is_left_alone() -> None:
    assert decided(job(managed_by="acme.io/jobs")) == ()
    assert decided(job(managed_by="kubernetes.io/job-controller")) != ()


# -- indexes ------------------------------------------------------------------------------------------------------------------------------


def indexed(completions: int = 3, parallelism: int = 3, **fields: Any) -> Any:
    return job(completion_mode="Indexed", completions=completions, parallelism=parallelism, **fields)


def indexes(actions: tuple[act.Action, ...]) -> list[str]:
    key = "batch.kubernetes.io/job-completion-index"
    return [one.obj.metadata.annotations[key] for one in actions if isinstance(one, act.Create)]


def test_the_lowest_indexes_that_are_not_completed_get_pods() -> None:
    made = indexed(6, 3, status=status(completed_indexes="1,3-4"))
    assert indexes(decided(made, pod(made, 0, index=0))) == ["2", "5"]
    assert indexes(decided(made)) == ["0", "2", "5"]


def test_a_pod_knows_its_index_by_label_variable_and_host_name() -> None:
    (one,) = [action for action in decided(indexed(1, 1)) if isinstance(action, act.Create)]
    made: Any = one.obj
    assert made.metadata.name.startswith("sum-0-")
    assert made.metadata.labels["batch.kubernetes.io/job-completion-index"] == "0"
    assert made.spec.hostname == "sum-0"
    assert made.spec.containers[0].env[0].name == "JOB_COMPLETION_INDEX"


def test_an_index_counts_once() -> None:
    made = indexed()
    first = decided(made, pod(made, 0, "Succeeded", index=1), pod(made, 1, "Succeeded", index=1))
    assert (status_in(first).completed_indexes, status_in(first).succeeded) == ("1", 1)
    assert counted_out(first) == []
    noted = indexed(status=status(completed_indexes="1", done=1))
    second = decided(noted, pod(made, 0, "Succeeded", index=1), pod(made, 1, "Succeeded", index=1))
    assert len(counted_out(second)) == 2
    assert status_in(second).succeeded == 1


def test_of_two_pods_with_an_index_the_older_one_stays() -> None:
    made = indexed()
    assert let_go(decided(made, pod(made, 0, index=1), pod(made, 1, index=1))) == ["uid-1-1"]
    done = indexed(status=status(completed_indexes="1"))
    assert let_go(decided(done, pod(made, 0, index=1))) == ["uid-1-0"]


def test_an_indexed_job_is_complete_with_its_last_index() -> None:
    made = indexed(2, 2, status=status(completed_indexes="0,1", done=2))
    assert conditions(status_in(decided(made)))[-1][0] == "Complete"


def test_a_failed_pod_of_an_index_is_replaced_under_another_name() -> None:
    made = indexed(1, 1, status=status(failed=("uid-0-0",)))
    failed = pod(made, 0, "Failed", index=0)
    (name,) = created(decided(made, failed))
    assert name != failed.metadata.name


# -- whose pods ---------------------------------------------------------------------------------------------------------------------------


def test_orphans_are_adopted_with_the_finalizer_and_strangers_released_without() -> None:
    made = job()
    orphan = pod(made, 0, owner_references=(), tracked=False)
    (adopted,) = decided(made, orphans=(orphan,))
    assert isinstance(adopted, act.Update)
    assert adopted.obj.metadata.owner_references[0].uid == "uid-sum"
    assert adopted.obj.metadata.finalizers == (TRACKING,)
    (released,) = decided(made, pod(made, 1, labels=FrozenMap({"job": "other"})))
    assert isinstance(released, act.Update)
    assert (released.obj.metadata.owner_references, released.obj.metadata.finalizers) == ((), ())
