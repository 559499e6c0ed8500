"""What is to be done about a CronJob: when a Job is made, what becomes of those that run and have run, what the status says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from callboard.actors import actions as act
from callboard.actors.cronjob.decision import View, decide, new_job, scheduled_s
from callboard.models import times
from callboard.models.api.batch import CronJob, CronJobSpec, CronJobStatus, Job, JobCondition, JobSpec, JobStatus, JobTemplateSpec
from callboard.models.api.core import Container, ObjectReference, PodSpec, PodTemplateSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.defaults import with_defaults

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
MINUTE = 60.0


def cron_job(*, active: Iterable[Any] = (), last_s: float = 0.0, created_s: float = NOON, succeeded: str = "", **spec: Any) -> Any:
    """A CronJob of every five minutes as the store holds it, created at noon."""
    pods = PodTemplateSpec(spec=PodSpec(containers=(Container(name="c", image="task:1"),), restart_policy="Never"))
    template = JobTemplateSpec(
        metadata=ObjectMeta(labels=FrozenMap({"app": "sum"}), annotations=FrozenMap({"a": "b"})), spec=JobSpec(template=pods)
    )
    meta = ObjectMeta(
        name="sum", namespace="default", uid="uid-cron", resource_version=7, creation_timestamp=times.rfc3339(created_s), generation=1
    )
    fields = {"schedule": "*/5 * * * *", "job_template": template, **spec}
    references = tuple(
        ObjectReference(api_version="batch/v1", kind="Job", name=one.metadata.name, namespace="default", uid=one.metadata.uid)
        for one in active
    )
    status = CronJobStatus(active=references, last_schedule_time=times.rfc3339(last_s) if last_s else "", last_successful_time=succeeded)
    return with_defaults(CronJob(metadata=meta, spec=CronJobSpec(**fields), status=status))


def job(minute: int, ended: str = "", **meta: Any) -> Any:
    """The Job of so many minutes after noon."""
    owner = cron_job()
    made = new_job(owner, owner.spec, NOON + minute * MINUTE)
    begun, end = times.rfc3339(NOON + minute * MINUTE), times.rfc3339(NOON + minute * MINUTE + 30)
    conditions = (JobCondition(type=ended, status="True"),) if ended else ()
    status = JobStatus(start_time=begun, conditions=conditions, completion_time=end if ended == "Complete" else "")
    return replace(made, metadata=replace(made.metadata, uid=f"uid-{minute}", resource_version=9, **meta), status=status)


def decided(owner: Any, *jobs: Job, minute: float, **view: Any) -> tuple[act.Action, ...]:
    return decide(View(cron_job=owner, jobs=tuple(jobs), **view), NOON + minute * MINUTE)


def created(actions: Iterable[act.Action]) -> list[Any]:
    return [one.obj for one in actions if isinstance(one, act.Create)]


def deleted(actions: Iterable[act.Action]) -> list[str]:
    return [one.uid for one in actions if isinstance(one, act.Delete)]


def told(actions: Iterable[act.Action]) -> list[str]:
    return [one.reason for one in actions if isinstance(one, act.TellUser)]


def status_in(actions: Iterable[act.Action]) -> Any:
    (one,) = (one for one in actions if isinstance(one, act.SetStatus))
    return one.status


def again_s(actions: Iterable[act.Action]) -> list[float]:
    return [round(one.after_s, 3) for one in actions if isinstance(one, act.LookAgain) and one.idle]


def test_nothing_is_done_before_the_first_moment() -> None:
    wanted = decided(cron_job(), minute=3)
    assert created(wanted) == []
    assert again_s(wanted) == [120.1]


def test_the_job_of_a_moment_is_named_after_it_and_made_of_the_template() -> None:
    (made,) = created(decided(cron_job(), minute=5.5))
    moment_s = NOON + 5 * MINUTE
    assert made.metadata.name == f"sum-{int(moment_s) // 60}"
    assert made.metadata.labels == {"app": "sum"}
    assert made.metadata.annotations == {"a": "b", "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-01T12:05:00Z"}
    assert made.metadata.owner_references[0].uid == "uid-cron"
    assert scheduled_s(made) == moment_s


def test_the_moment_is_told_in_the_time_zone_of_the_schedule() -> None:
    (made,) = created(decided(cron_job(schedule="0 14 * * *", time_zone="Europe/Berlin"), minute=61))
    assert made.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2026-01-01T14:00:00+01:00"


def test_only_the_last_of_missed_moments_is_made_up_for() -> None:
    (made,) = created(decided(cron_job(), minute=18))
    assert scheduled_s(made) == NOON + 15 * MINUTE


def test_too_many_missed_moments_are_told_and_the_last_one_runs() -> None:
    wanted = decided(cron_job(), minute=600)
    assert told(wanted) == ["TooManyMissedTimes"]
    assert [scheduled_s(one) for one in created(wanted)] == [NOON + 600 * MINUTE]
    assert told(decided(cron_job(starting_deadline_seconds=60), minute=600)) == []


def test_a_moment_that_is_too_long_ago_is_missed() -> None:
    assert created(decided(cron_job(starting_deadline_seconds=60), minute=6.5)) == []
    assert len(created(decided(cron_job(starting_deadline_seconds=120), minute=6.5))) == 1


@pytest.mark.parametrize("where", ["status", "job", "memory"])
def test_a_moment_that_has_been_seen_to_has_no_second_job(where: str) -> None:
    moment_s = NOON + 5 * MINUTE
    owner = cron_job(last_s=moment_s if where == "status" else 0.0)
    jobs = (job(5, "Complete"),) if where == "job" else ()
    wanted = decided(owner, *jobs, minute=6, seen_to_s=moment_s if where == "memory" else 0.0)
    assert created(wanted) == []
    assert again_s(wanted) == [240.1]


def test_a_job_that_was_made_is_written_into_the_status() -> None:
    new = status_in(decided(cron_job(), job(5), minute=5.1))
    assert [(one.kind, one.name) for one in new.active] == [("Job", job(5).metadata.name)]
    assert new.last_schedule_time == "2026-01-01T12:05:00Z"


def test_a_finished_job_leaves_the_status_and_its_success_stays_there() -> None:
    owner = cron_job(active=(job(5),), last_s=NOON + 5 * MINUTE)
    wanted = decided(owner, job(5, "Complete"), minute=6)
    new = status_in(wanted)
    assert (new.active, new.last_successful_time) == ((), "2026-01-01T12:05:30Z")
    assert told(wanted) == ["SawCompletedJob"]
    later = cron_job(last_s=NOON + 5 * MINUTE, succeeded="2026-01-01T12:05:30Z")
    assert [one for one in decided(later, minute=6) if isinstance(one, act.SetStatus)] == []


def test_a_job_that_went_missing_leaves_the_status() -> None:
    wanted = decided(cron_job(active=(job(5),), last_s=NOON + 5 * MINUTE), minute=6)
    assert status_in(wanted).active == ()
    assert told(wanted) == ["MissingJob"]


def test_jobs_made_by_hand_of_the_same_template_count_for_nothing() -> None:
    by_hand = replace(job(5), metadata=replace(job(5).metadata, annotations=FrozenMap({})))
    assert len(created(decided(cron_job(concurrency_policy="Forbid"), by_hand, minute=5.5))) == 1


def test_jobs_run_side_by_side_are_not_begun_or_are_replaced_as_the_policy_says() -> None:
    running = job(5)
    fields: dict[str, Any] = {"active": (running,), "last_s": NOON + 5 * MINUTE}
    assert len(created(decided(cron_job(**fields), running, minute=10))) == 1
    forbidden = decided(cron_job(concurrency_policy="Forbid", **fields), running, minute=10)
    assert (created(forbidden), told(forbidden)) == ([], ["JobAlreadyActive"])
    replaced = decided(cron_job(concurrency_policy="Replace", **fields), running, minute=10)
    assert (created(replaced), deleted(replaced)) == ([], ["uid-5"])
    assert status_in(replaced).active == ()
    assert len(created(decided(cron_job(concurrency_policy="Replace", last_s=NOON + 5 * MINUTE), minute=10.01))) == 1


def test_a_forbidden_moment_is_made_up_for_when_the_job_before_it_has_ended() -> None:
    fields: dict[str, Any] = {"concurrency_policy": "Forbid", "active": (job(5),), "last_s": NOON + 5 * MINUTE}
    (made,) = created(decided(cron_job(**fields), job(5, "Complete"), minute=12))
    assert scheduled_s(made) == NOON + 10 * MINUTE


def test_a_cron_job_that_rests_or_goes_makes_no_jobs() -> None:
    rests = decided(cron_job(suspend=True), minute=6)
    assert (created(rests), again_s(rests)) == ([], [])
    going = cron_job()
    going = replace(going, metadata=replace(going.metadata, deletion_timestamp=times.rfc3339(NOON)))
    assert created(decided(going, minute=6)) == []


def test_the_oldest_finished_jobs_go_beyond_the_limits() -> None:
    jobs = [job(5 * number, "Complete") for number in range(1, 6)] + [job(5 * number, "Failed") for number in range(6, 9)]
    wanted = decided(cron_job(last_s=NOON + 40 * MINUTE), *reversed(jobs), minute=41)
    assert deleted(wanted) == ["uid-5", "uid-10", "uid-30", "uid-35"]
    assert deleted(decided(cron_job(successful_jobs_history_limit=0, last_s=NOON + 40 * MINUTE), jobs[0], minute=41)) == ["uid-5"]


def test_a_schedule_that_can_not_be_read_is_told() -> None:
    wanted = decided(cron_job(schedule="whenever"), minute=6)
    assert told(wanted) == ["UnparseableSchedule"]
    assert again_s(wanted) == []
