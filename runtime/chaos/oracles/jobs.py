"""What holds of Jobs and CronJobs: an end counts once, no pod is one too many, nothing is left of what has finished, and it does finish."""

from __future__ import annotations

from typing import Any

from callboard.models.jobs import CRON_JOBS, JOBS, SCHEDULED, finished_condition, index_of, indexes_of, is_finished, is_indexed, is_tracked
from callboard.models.messages.store import StoreEvent
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_active, is_terminating, phase_of
from callboard.models.podstatus import is_finished as pod_is_finished
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong

_JOBS, _PODS, _CRON_JOBS = f"{JOBS}/", "pods/", f"{CRON_JOBS}/"


def _job_uid(pod: Any) -> str:
    """UID of the Job that controls a pod, "" if none does."""
    owner = controller_of(pod)
    return owner.uid if owner is not None and owner.kind == "Job" else ""


class EndsCountOnce(Oracle):
    """A Job's counters never say more than has happened: successes no more than pods (or indexes) that have succeeded, failures no more
    than pods that have failed or were deleted (k8s#105200, k8s#130103). What is written down as uncounted counts too."""

    name = "an end counts once"

    def __init__(self) -> None:
        self._succeeded: dict[str, dict[str, None]] = {}
        self._indexes: dict[str, dict[str, None]] = {}
        self._failed: dict[str, dict[str, None]] = {}

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if event.key.startswith(_PODS):
            for pod in (event.old, event.obj):
                if pod is not None and (owner := _job_uid(pod)):
                    self._pod(owner, pod, gone=event.obj is None)
        elif event.key.startswith(_JOBS) and event.obj is not None and event.obj.status is not None:
            return self._job(event.key, event.obj)
        return None

    def _pod(self, owner: str, pod: Any, gone: bool) -> None:
        uid = pod.metadata.uid
        if phase_of(pod) == "Succeeded":
            self._succeeded.setdefault(owner, {})[uid] = None
            index = pod.metadata.annotations.get("batch.kubernetes.io/job-completion-index", "")
            self._indexes.setdefault(owner, {})[index] = None
        if phase_of(pod) == "Failed" or is_terminating(pod) or gone:
            self._failed.setdefault(owner, {})[uid] = None

    def _job(self, key: str, job: Any) -> Wrong | None:
        status, uid = job.status, job.metadata.uid
        uncounted = status.uncounted_terminated_pods
        successes, failures = status.succeeded or 0, status.failed or 0
        if uncounted is not None:
            successes += len(uncounted.succeeded)
            failures += len(uncounted.failed)
        seen = len((self._indexes if is_indexed(job) else self._succeeded).get(uid, {}))
        if successes > seen:
            return Wrong(key, f"its status counts {successes} successes, and {seen} there have been")
        seen = len(self._failed.get(uid, {}))
        if failures > seen:
            return Wrong(key, f"its status counts {failures} failures, and {seen} pods have failed or were deleted")
        return None


class NoSurplusTasks(Oracle):
    """When a pod is created for a Job, those that are active with it are no more than the Job was ever asked to run at a time, and with
    those that have succeeded no more than its completions; an index has one pod at a time, and none after a success.

    What is let go of (active without the finalizer), deleted or failed doesn't count, nor do pods that were deleted before they succeeded:
    others come for them. A Job may have had its finished pods deleted: they have succeeded all the same."""

    name = "no surplus tasks"

    def __init__(self) -> None:
        self._jobs: dict[str, Any] = {}
        self._widest: dict[str, int] = {}
        self._pods: dict[str, dict[str, tuple[bool, int]]] = {}
        """By Job and pod, both UIDs: whether it has succeeded, and its index; only of those that count."""

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if event.key.startswith(_JOBS) and event.obj is not None:
            uid = event.obj.metadata.uid
            self._jobs[uid] = event.obj
            wide = event.obj.spec.parallelism
            self._widest[uid] = max(self._widest.get(uid, 0), 1 if wide is None else wide)
        elif event.key.startswith(_PODS):
            return self._pod(event)
        return None

    def _pod(self, event: StoreEvent) -> Wrong | None:
        pod = event.obj if event.obj is not None else event.old
        job = self._jobs.get(_job_uid(pod))
        if job is None or job.spec is None:
            return None
        counting = self._pods.setdefault(job.metadata.uid, {})
        uid = pod.metadata.uid
        known = counting.get(uid)
        if known is not None and known[0]:
            return None  # it has succeeded, and nothing changes that
        completions = job.spec.completions or 0
        index = index_of(pod, completions) if is_indexed(job) else -1
        if is_tracked(pod) and not is_terminating(pod) and phase_of(pod) == "Succeeded":
            counting[uid] = (True, index)
        elif event.obj is not None and is_tracked(pod) and is_active(pod):
            counting[uid] = (False, index)
        else:
            counting.pop(uid, None)
        return self._judged(event.key, job, counting, index) if event.old is None else None

    def _judged(self, key: str, job: Any, counting: dict[str, tuple[bool, int]], index: int) -> Wrong | None:
        active = sum(not succeeded for succeeded, _ in counting.values())
        widest, completions = self._widest[job.metadata.uid], job.spec.completions
        if active > widest:
            return Wrong(key, f"its Job was asked to run {widest} pods at a time at most and has {active} active ones with this one")
        if completions is None:
            return None
        if is_indexed(job):
            mates = sum(other == index for _, other in counting.values())
            return Wrong(key, f"index {index} of its Job has {mates} pods with this one") if index >= 0 and mates > 1 else None
        if len(counting) > completions:
            return Wrong(key, f"its Job needs {completions} pods and has {len(counting)} active or succeeded ones with this one")
        return None


class JobsAreDone(Oracle):
    """At rest: a Job has finished, unless it rests or may run nothing; its counters are what its conditions say; nothing of a finished Job
    runs, and none of its pods keeps the finalizer, nor does one whose Job is gone (k8s#109485)."""

    name = "jobs are done"

    def at_rest(self, world: World) -> Wrong | None:
        jobs = {obj.metadata.uid: obj for key, obj in world.objects.items() if key.startswith(_JOBS)}
        for key, obj in world.objects.items():
            if key.startswith(_PODS):
                wrong = self._pod(key, obj, jobs)
            elif key.startswith(_JOBS):
                wrong = self._job(key, obj)
            else:
                continue
            if wrong is not None:
                return wrong
        return None

    @staticmethod
    def _pod(key: str, pod: Any, jobs: dict[str, Any]) -> Wrong | None:
        owner = _job_uid(pod)
        job = jobs.get(owner)
        if is_tracked(pod) and job is None:
            return Wrong(key, "it has the finalizer of a Job, and there is no such Job")
        if job is None or not is_finished(job):
            return None
        if is_tracked(pod):
            return Wrong(key, "its Job has finished, and it still has the finalizer")
        return None if pod_is_finished(pod) else Wrong(key, "its Job has finished, and it has not")

    @staticmethod
    def _job(key: str, job: Any) -> Wrong | None:
        spec, ended = job.spec, finished_condition(job)
        if ended is None:
            return None if spec.suspend or spec.parallelism == 0 else Wrong(key, "it has not finished")
        status = job.status
        uncounted = status.uncounted_terminated_pods
        if uncounted is not None and (uncounted.succeeded or uncounted.failed):
            return Wrong(key, "it has finished, and some of its pods have not been counted")
        completions = spec.completions
        if ended.type == "Complete" and completions is not None and (status.succeeded or 0) < completions:
            return Wrong(key, f"it is complete with {status.succeeded or 0} of {completions} successes")
        if is_indexed(job) and len(indexes_of(status.completed_indexes, completions or 0)) != (status.succeeded or 0):
            return Wrong(key, f"its indexes {status.completed_indexes} are not {status.succeeded or 0}")
        return None


class OneJobAMoment(Oracle):
    """No moment of a CronJob has two Jobs; and where jobs have always been forbidden to run side by side, none is created while another one
    has not finished."""

    name = "one job a moment"

    def __init__(self) -> None:
        self._moments: dict[tuple[str, str], str] = {}
        self._policies: dict[str, dict[str, None]] = {}

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if event.key.startswith(_CRON_JOBS) and event.obj is not None:
            self._policies.setdefault(event.obj.metadata.uid, {})[event.obj.spec.concurrency_policy] = None
        elif event.key.startswith(_JOBS) and event.old is None and event.obj is not None:
            return self._created(event.key, event.obj, world)
        return None

    def _created(self, key: str, job: Any, world: World) -> Wrong | None:
        owner, moment = controller_of(job), job.metadata.annotations.get(SCHEDULED)
        if owner is None or moment is None:
            return None
        first = self._moments.setdefault((owner.uid, moment), job.metadata.uid)
        if first != job.metadata.uid:
            return Wrong(key, f"it is made for {moment}, for which there has been a Job before")
        if list(self._policies.get(owner.uid, ())) != ["Forbid"]:
            return None
        for other_key, other in world.objects.items():
            if other_key.startswith(_JOBS) and other_key != key and SCHEDULED in other.metadata.annotations and not is_finished(other):
                above = controller_of(other)
                if above is not None and above.uid == owner.uid:
                    return Wrong(key, f"it is created while {other.metadata.name} runs, and that is forbidden")
        return None


class SchedulesAreKept(Oracle):
    """At rest: a CronJob's status names the Jobs of it that run, and no more finished ones are kept than its limits allow."""

    name = "schedules are kept"

    def at_rest(self, world: World) -> Wrong | None:
        for key, cron_job in world.objects.items():
            if not key.startswith(_CRON_JOBS):
                continue
            own = [
                obj
                for name, obj in world.objects.items()
                if name.startswith(_JOBS) and (owner := controller_of(obj)) is not None and owner.uid == cron_job.metadata.uid
            ]
            running = sorted(job.metadata.uid for job in own if not is_finished(job))
            told = sorted(one.uid for one in cron_job.status.active) if cron_job.status is not None else []
            if told != running:
                return Wrong(key, f"{len(running)} Jobs of it run, and its status names {len(told)}")
            spec = cron_job.spec
            for type_, limit in (("Complete", spec.successful_jobs_history_limit), ("Failed", spec.failed_jobs_history_limit)):
                kept = sum((ended := finished_condition(job)) is not None and ended.type == type_ for job in own)
                if limit is not None and kept > limit:
                    return Wrong(key, f"it keeps {kept} Jobs that are {type_}, and its limit is {limit}")
        return None


ORACLES: tuple[type[Oracle], ...] = (EndsCountOnce, NoSurplusTasks, JobsAreDone, OneJobAMoment, SchedulesAreKept)
