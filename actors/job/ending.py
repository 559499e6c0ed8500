"""When a Job has come to its end, and why. Pure.

Sources: kubernetes pkg/controller/job/job_controller.go (syncJob, pastBackoffLimitOnFailure, pastActiveDeadline, enactJobFinished).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from callboard.actors.job.counting import Counted
from callboard.models import times
from callboard.models.api.batch import Job, JobCondition, JobSpec
from callboard.models.api.core import Pod
from callboard.models.jobs import COMPLETE, CRITERIA_MET, FAILED, FAILURE_TARGET, SUSPENDED
from callboard.models.podstatus import condition, condition_is, phase_of


class Verdict(msgspec.Struct, frozen=True):
    """How it ends: `Complete` or `Failed`, with reason and message."""

    type: str
    reason: str
    message: str

    @property
    def interim(self) -> str:
        """The condition that tells it while pods are left."""
        return CRITERIA_MET if self.type == COMPLETE else FAILURE_TARGET


_BACK_OFF = Verdict(FAILED, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
_DEADLINE = Verdict(FAILED, "DeadlineExceeded", "Job was active longer than specified deadline")
_REACHED = Verdict(COMPLETE, "CompletionsReached", "Reached expected number of succeeded pods")


def verdict_on(job: Job, spec: JobSpec, counted: Counted, pods: Iterable[Pod], live: int, now: float) -> Verdict | None:
    """Whether, and how, a Job ends: as has been decided before, or as it stands now. A failure goes before a success."""
    for type_, interim in ((FAILED, FAILURE_TARGET), (COMPLETE, CRITERIA_MET)):
        found: JobCondition | None = condition(job, interim)
        if found is not None and found.status == "True":
            return Verdict(type_, found.reason, found.message)
    if counted.fails:
        return Verdict(FAILED, "PodFailurePolicy", counted.fails)
    limit = spec.backoff_limit if spec.backoff_limit is not None else 6
    if counted.failures > limit or _too_many_restarts(spec, pods, limit):
        return _BACK_OFF
    deadline_s = deadline_of(job, spec)
    if deadline_s is not None and now >= deadline_s:
        return _DEADLINE
    if spec.completions is None:
        return _REACHED if counted.successes > 0 and not live else None
    return _REACHED if counted.successes >= spec.completions else None


def deadline_of(job: Job, spec: JobSpec) -> float | None:
    """When it has been active for too long, in seconds since the epoch; None if it never is, rests, or has rested until now: then it begins
    anew."""
    begin = job.status.start_time if job.status is not None else ""
    if spec.active_deadline_seconds is None or not begin or spec.suspend or condition_is(job, SUSPENDED):
        return None
    return times.parse(begin) + spec.active_deadline_seconds


def _too_many_restarts(spec: JobSpec, pods: Iterable[Pod], limit: int) -> bool:
    """With restartPolicy OnFailure, pods that are started again in place count too."""
    if spec.template is None or spec.template.spec is None or spec.template.spec.restart_policy != "OnFailure":
        return False
    restarts = 0
    for pod in pods:
        if pod.status is not None and phase_of(pod) in ("Running", "Pending"):
            statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
            restarts += sum(one.restart_count or 0 for one in statuses)
    return restarts > 0 if limit == 0 else restarts >= limit


def with_verdict(conditions: tuple[JobCondition, ...], verdict: Verdict, over: bool, now: float) -> tuple[JobCondition, ...]:
    """The conditions with the verdict: the interim one, and if nothing is left of the Job (`over`), the last one too."""
    wanted = (verdict.interim, verdict.type) if over else (verdict.interim,)
    missing = [type_ for type_ in wanted if not any(one.type == type_ and one.status == "True" for one in conditions)]
    return (*conditions, *(new_condition(type_, "True", verdict.reason, verdict.message, now) for type_ in missing))


def new_condition(type_: str, status: str, reason: str, message: str, now: float) -> JobCondition:
    """A condition that has come about now."""
    moment = times.rfc3339(now)
    return JobCondition(type=type_, status=status, reason=reason, message=message, last_probe_time=moment, last_transition_time=moment)
