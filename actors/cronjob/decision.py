"""What to do about a CronJob: pure functions of it, its Jobs and what the controller remembers.

Source: kubernetes pkg/controller/cronjob/cronjob_controllerv2.go (syncCronJob, cleanupFinishedJobs), utils.go.

A Job is created first, under a name that its moment decides, so that no second one can be made for that moment; that it has been is written
into the status by a decision that sees it. Whoever looks after a restart finds the moment in the Job's annotation, or meets its name.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.cronjob.moments import MISSED_LIMIT, due, next_s
from callboard.models import cron, times
from callboard.models.api.batch import CronJob, CronJobSpec, CronJobStatus, Job, JobTemplateSpec
from callboard.models.api.core import ObjectReference
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap
from callboard.models.jobs import COMPLETE, CRON_JOBS, FAILED, JOBS, SCHEDULED, finished_condition
from callboard.models.owners import owner_reference

RESOURCE = CRON_JOBS
SKEW_S = 0.1
"""So long after the moment it is looked at, lest the clock be a little early (nextScheduleDelta)."""


class View(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that a decision depends on. `jobs` are those that the CronJob controls."""

    cron_job: CronJob
    jobs: tuple[Job, ...] = ()
    seen_to_s: float = 0.0
    """The last moment that has been seen to, as far as the controller remembers."""


def decide(view: View, now: float) -> tuple[act.Action, ...]:
    """What to do now."""
    if view.cron_job.spec is None:
        return ()
    return _Sync(view, view.cron_job.spec, now).actions()


def scheduled_s(job: Job) -> float:
    """The moment that a Job was made for, in seconds since the epoch; 0 if no schedule has made it."""
    text = job.metadata.annotations.get(SCHEDULED, "")
    return times.parse(text) if text else 0.0


def new_job(cron_job: CronJob, spec: CronJobSpec, moment_s: float) -> Job:
    """The Job for a moment (getJobFromTemplate2)."""
    template = spec.job_template or JobTemplateSpec()
    meta = template.metadata or ObjectMeta()
    moment = datetime.fromtimestamp(moment_s, cron.zone_of(spec.time_zone)).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Job(
        metadata=ObjectMeta(
            name=f"{cron_job.metadata.name}-{int(moment_s) // 60}",
            namespace=cron_job.metadata.namespace,
            labels=meta.labels,
            annotations=FrozenMap({**meta.annotations, SCHEDULED: moment}),
            owner_references=(owner_reference(cron_job),),
        ),
        spec=template.spec,
    )


class _Sync:
    """One decision under way."""

    def __init__(self, view: View, spec: CronJobSpec, now: float) -> None:
        self.cron_job, self.spec, self.now = view.cron_job, spec, now
        self.old = view.cron_job.status or CronJobStatus()
        self.jobs = view.jobs
        known = dict.fromkeys(one.uid for one in self.old.active)
        running = [job for job in view.jobs if finished_condition(job) is None]
        self.active = [job for job in running if job.metadata.uid in known or SCHEDULED in job.metadata.annotations]
        self.doomed: dict[str, None] = {}
        stored_s = times.parse(self.old.last_schedule_time) if self.old.last_schedule_time else 0.0
        self.created_s = max((scheduled_s(job) for job in view.jobs), default=0.0)
        self.last_s = max(stored_s, self.created_s, view.seen_to_s)
        self.recorded_s = max(stored_s, self.created_s)
        self.told: list[act.TellUser] = []

    def actions(self) -> tuple[act.Action, ...]:
        """What to do."""
        writes = self._history()
        again: tuple[act.Action, ...] = ()
        if not self.cron_job.metadata.deletion_timestamp and not self.spec.suspend:
            again = self._keep_time(writes)
        status = self._write_status()
        return (*again, *self.told, *writes, *status)

    def _tell(self, reason: str, message: str, type_: str = "Normal") -> act.TellUser:
        return act.TellUser(resource=RESOURCE, obj=self.cron_job, type=type_, reason=reason, message=message)

    # -- the schedule -------------------------------------------------------------------------------------------------------------------

    def _keep_time(self, writes: list[act.Action]) -> tuple[act.Action, ...]:
        """Create the Job that is due, if any, and say when the next one is."""
        try:
            schedule = cron.parse(self.spec.schedule, self.spec.time_zone)
        except ValueError as problem:  # stored by an older version of this program: validation refuses it
            self.told.append(self._tell("UnparseableSchedule", f'unparseable schedule: "{self.spec.schedule}" : {problem}', "Warning"))
            return ()
        created_s = times.parse(self.cron_job.metadata.creation_timestamp)
        since_s = max(created_s, self.last_s) if self.last_s else created_s
        deadline_s = self.spec.starting_deadline_seconds
        found = due(schedule, since_s if deadline_s is None else max(since_s, self.now - deadline_s), self.now)
        if found.moment_s is not None:
            if found.missed > MISSED_LIMIT:
                words = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
                self.told.append(self._tell("TooManyMissedTimes", words, "Warning"))
            self._begin(found.moment_s, writes)
        following_s = next_s(schedule, found.moment_s if found.moment_s is not None else since_s, self.now)
        if following_s is None:
            return ()
        return (act.LookAgain(after_s=following_s - self.now + SKEW_S, idle=True),)

    def _begin(self, moment_s: float, writes: list[act.Action]) -> None:
        """The Job of this moment, if the concurrency policy lets it: Replace first deletes those that run, and creates it when they go."""
        if self.spec.concurrency_policy == "Forbid" and self.active:
            words = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self.told.append(self._tell("JobAlreadyActive", words))
            return
        if self.spec.concurrency_policy == "Replace":
            running = [job for job in self.active if not job.metadata.deletion_timestamp]
            if running:
                writes.extend(self._delete(job) for job in running)
                self.doomed.update(dict.fromkeys(job.metadata.uid for job in running))
                return
        job = new_job(self.cron_job, self.spec, moment_s)
        writes.append(act.Create(resource=JOBS, obj=job, announce=self._tell("SuccessfulCreate", f"Created job {job.metadata.name}")))

    # -- Jobs of the past ---------------------------------------------------------------------------------------------------------------

    def _history(self) -> list[act.Action]:
        """Finished Jobs beyond the limits go, those that began first."""
        writes: list[act.Action] = []
        limits = ((COMPLETE, self.spec.successful_jobs_history_limit), (FAILED, self.spec.failed_jobs_history_limit))
        for type_, limit in limits:
            if limit is None:
                continue
            ended = [job for job in self.jobs if (found := finished_condition(job)) is not None and found.type == type_]
            ended.sort(key=_begun)
            doomed = ended[: max(0, len(ended) - limit)]
            writes.extend(self._delete(job) for job in doomed if not job.metadata.deletion_timestamp)
        return writes

    def _delete(self, job: Job) -> act.Delete:
        meta = job.metadata
        return act.Delete(
            resource=JOBS,
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            announce=self._tell("SuccessfulDelete", f"Deleted job {meta.name}"),
        )

    # -- status -------------------------------------------------------------------------------------------------------------------------

    def _write_status(self) -> tuple[act.Action, ...]:
        by_uid = {job.metadata.uid: job for job in self.jobs}
        active = sorted((job for job in self.active if job.metadata.uid not in self.doomed), key=_begun)
        running = dict.fromkeys(job.metadata.uid for job in active)
        kept = tuple(one for one in self.old.active if one.uid in running)
        for one in self.old.active:
            if one.uid not in by_uid:
                self.told.append(self._tell("MissingJob", f"Active job went missing: {one.name}"))
            elif (ended := finished_condition(by_uid[one.uid])) is not None:
                self.told.append(self._tell("SawCompletedJob", f"Saw completed job: {one.name}, condition: {ended.type}"))
        known = dict.fromkeys(one.uid for one in kept)
        added = tuple(_reference(job) for job in active if job.metadata.uid not in known)
        new = CronJobStatus(
            active=kept + added,
            last_schedule_time=times.rfc3339(self.recorded_s) if self.recorded_s else "",
            last_successful_time=self._last_success(),
        )
        if new == self.old:
            return ()
        meta = self.cron_job.metadata
        named: dict[str, Any] = {"resource": RESOURCE, "namespace": meta.namespace, "name": meta.name, "uid": meta.uid}
        return (act.SetStatus(**named, status=new, resource_version=meta.resource_version),)

    def _last_success(self) -> str:
        ends = [job.status.completion_time for job in self.jobs if job.status is not None and job.status.completion_time]
        return max((*ends, self.old.last_successful_time), key=lambda text: times.parse(text) if text else 0.0)


def _begun(job: Job) -> tuple[bool, str, str]:
    """Those that have begun first, and of two that began together, the first by name (byJobStartTime)."""
    begun = job.status.start_time if job.status is not None else ""
    return not begun, begun, job.metadata.name


def _reference(job: Job) -> ObjectReference:
    meta = job.metadata
    return ObjectReference(
        api_version=job.API_VERSION,
        kind=job.KIND,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=str(meta.resource_version),
    )
