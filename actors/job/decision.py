"""What to do about a Job: pure functions of it, its pods and what the controller remembers.

Source: kubernetes pkg/controller/job/job_controller.go (syncJob, manageJob), pkg/controller/ttlafterfinished.

A pod that is wanted no longer (the Job rests, or has too many) is let go of first: it loses its finalizer, so that its end counts for
nothing; pods that run without one are deleted by the next decision. A Job is declared finished only when no pod of it has a finalizer,
runs, or has not been counted: whatever was created has to be seen before (kubernetes#109485). Kubernetes looks at finished Jobs no more;
here pods that come to light afterwards lose their finalizers all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.job.counting import Counted, counted
from callboard.actors.job.ending import Verdict, deadline_of, new_condition, verdict_on, with_verdict
from callboard.actors.job.memory import CREATES_LIMIT
from callboard.actors.job.pods import (
    free_name,
    free_names,
    is_ending,
    is_leaving,
    is_live,
    new_pod,
    pending_indexes,
    surplus,
)
from callboard.models import times
from callboard.models.api.batch import Job, JobCondition, JobStatus
from callboard.models.api.core import Pod
from callboard.models.base import EMPTY_MAP, freeze, replace
from callboard.models.jobs import (
    COMPLETE,
    JOBS,
    SUSPENDED,
    TRACKING,
    finished_condition,
    index_of,
    indexes_text,
    is_indexed,
    is_managed_elsewhere,
    is_tracked,
)
from callboard.models.owners import owner_reference
from callboard.models.podstatus import condition_is, is_ready, is_terminating, with_condition
from callboard.models.selectors import Selector, selector_of

RESOURCE = JOBS
PODS = "pods"
_UNTRACKED = freeze({"metadata": {"$deleteFromPrimitiveList/finalizers": [TRACKING]}})


class View(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that a decision depends on. `pods` are those that the Job controls."""

    job: Job
    pods: tuple[Pod, ...] = ()
    orphans: tuple[Pod, ...] = ()
    """Pods that nobody controls, that match the selector, and that did when the Job was certainly alive."""
    taken: Mapping[str, Any] = EMPTY_MAP
    """Names of pods that somebody else has."""
    not_before_s: float = 0.0
    """Failed pods must not be replaced before this moment."""
    creates_limit: int = CREATES_LIMIT


def decide(view: View, now: float) -> tuple[act.Action, ...]:
    """What to do now."""
    job = view.job
    spec = job.spec
    if spec is None or spec.template is None or is_managed_elsewhere(job):
        return ()
    if job.metadata.deletion_timestamp:
        return tuple(untracked(pod) for pod in view.pods if is_tracked(pod))
    ended = finished_condition(job)
    if ended is not None:
        return _after_the_end(view, ended, now)
    selector = selector_of(spec.selector)
    if selector.empty:
        return ()  # validation refuses it
    return _claims(view, selector) or _Sync(view, now).actions()


def untracked(pod: Pod) -> act.Patch:
    """Take the finalizer off a pod whose end has been counted, or counts for nothing. Other changes of the pod don't matter."""
    meta = pod.metadata
    return act.Patch(resource=PODS, namespace=meta.namespace, name=meta.name, uid=meta.uid, patch=_UNTRACKED, type="strategic")


def released(pod: Pod, job_uid: str) -> act.Patch:
    """Let a pod go that this controller doesn't see any more: neither finalizer nor owner is left."""
    owners = [{"$patch": "delete", "uid": job_uid}]
    patch = freeze({"metadata": {**_UNTRACKED["metadata"], "ownerReferences": owners}})
    return replace(untracked(pod), patch=patch)


# -- whose pods ---------------------------------------------------------------------------------------------------------------------------


def _claims(view: View, selector: Selector) -> tuple[act.Action, ...]:
    """Adopt orphans, with the finalizer; release pods that the selector does not match any more, without it."""
    uid, reference = view.job.metadata.uid, owner_reference(view.job)
    strangers = [pod for pod in view.pods if not is_terminating(pod) and not selector.matches(pod.metadata.labels)]
    return (
        *(_claimed(pod, tuple(one for one in pod.metadata.owner_references if one.uid != uid), False) for pod in strangers),
        *(_claimed(pod, (*pod.metadata.owner_references, reference), True) for pod in view.orphans),
    )


def _claimed(pod: Pod, owners: tuple[Any, ...], tracked: bool) -> act.Update:
    """Its UID and its resourceVersion are preconditions: nobody else may have adopted, released or deleted it meanwhile."""
    others = tuple(one for one in pod.metadata.finalizers if one != TRACKING)
    finalizers = (*others, TRACKING) if tracked else others
    return act.Update(resource=PODS, obj=replace(pod, metadata=replace(pod.metadata, owner_references=owners, finalizers=finalizers)))


# -- the end ------------------------------------------------------------------------------------------------------------------------------


def _after_the_end(view: View, ended: JobCondition, now: float) -> tuple[act.Action, ...]:
    """Nothing of a finished Job goes on, and it goes itself when its time to live is over."""
    job, spec = view.job, view.job.spec
    assert spec is not None
    actions: list[act.Action] = [untracked(pod) for pod in view.pods if is_tracked(pod)]
    actions += [_delete(job, pod) for pod in view.pods if is_leaving(pod)]
    if actions or spec.ttl_seconds_after_finished is None:
        return tuple(actions)
    left_s = times.parse(ended.last_transition_time) + spec.ttl_seconds_after_finished - now
    if left_s > 0:
        return (act.LookAgain(after_s=max(left_s, 0.001), idle=True),)
    meta = job.metadata
    revision = meta.resource_version
    return (
        act.Delete(
            resource=RESOURCE, namespace=meta.namespace, name=meta.name, uid=meta.uid, resource_version=revision, propagation="Foreground"
        ),
    )


def _delete(job: Job, pod: Pod) -> act.Delete:
    """The resourceVersion is a precondition: what was orphaned meanwhile is not ours to delete."""
    meta = pod.metadata
    return act.Delete(
        resource=PODS,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        announce=_told(job, "SuccessfulDelete", f"Deleted pod: {meta.name}"),
    )


def _told(job: Job, reason: str, message: str, type_: str = "Normal") -> act.TellUser:
    return act.TellUser(resource=RESOURCE, obj=job, type=type_, reason=reason, message=message)


# -- one decision -------------------------------------------------------------------------------------------------------------------------


class _Sync:
    """One decision under way, about a Job that goes on."""

    def __init__(self, view: View, now: float) -> None:
        assert view.job.spec is not None
        self.view, self.now = view, now
        self.job, self.spec = view.job, view.job.spec
        self.old = view.job.status or JobStatus()
        self.only_replace_failed = self.spec.pod_replacement_policy == "Failed"
        self.counted: Counted = counted(view.job, view.pods, self.only_replace_failed)
        self.live = [pod for pod in view.pods if is_live(pod)]
        self.leaving = [pod for pod in view.pods if is_leaving(pod)]
        self.ending = [pod for pod in view.pods if is_ending(pod)]
        self.writes: list[act.Action] = [untracked(pod) for pod in self.counted.release]
        self.writes += [_delete(self.job, pod) for pod in self.leaving]
        self.again_s: float | None = None
        self.removed: list[Pod] = []
        self.added = 0

    def actions(self) -> tuple[act.Action, ...]:
        """What to do."""
        verdict = verdict_on(self.job, self.spec, self.counted, self.view.pods, len(self.live), self.now)
        if verdict is None and self.spec.suspend:
            self._let_go(self.live)
        elif verdict is None:
            self._keep_up()
        elif verdict.type == COMPLETE:
            self._let_go(self.live)
        else:
            self._stop()
        return (*self._looks_again(verdict), *self.writes, *self._write_status(verdict))

    def _looks_again(self, verdict: Verdict | None) -> list[act.LookAgain]:
        """When failed pods may be replaced, and when its time is over."""
        deadline_s = None if verdict is not None else deadline_of(self.job, self.spec)
        moments = ((self.again_s, False), (deadline_s, True))
        return [act.LookAgain(after_s=max(at_s - self.now, 0.001), idle=idle) for at_s, idle in moments if at_s is not None]

    # -- pods ---------------------------------------------------------------------------------------------------------------------------

    def _let_go(self, pods: list[Pod]) -> None:
        """Their ends count for nothing. The resourceVersion is a precondition: one that has just succeeded is to be counted."""
        for pod in pods[:CREATES_LIMIT]:
            self.writes.append(_claimed(pod, pod.metadata.owner_references, False))
            self.removed.append(pod)

    def _stop(self) -> None:
        """A failed Job's pods are deleted; they count as failed."""
        for pod in self.live[:CREATES_LIMIT]:
            self.writes.append(_delete(self.job, pod))
            self.removed.append(pod)

    def _keep_up(self) -> None:
        """As many active pods as are wanted (manageJob): either some go, or some come."""
        live, done = len(self.live), self.counted.successes
        parallelism = self.spec.parallelism if self.spec.parallelism is not None else 1
        if self.spec.completions is None:
            wanted = live if done else parallelism  # after a success those that run may run on, and no more come
        else:
            wanted = max(0, min(self.spec.completions - done, parallelism))
        doomed = surplus(self.live, live - wanted, is_indexed(self.job), self.spec.completions or 0, self.counted.completed, self.now)
        if doomed:
            self._let_go(doomed)
            return
        short = wanted - live
        if self.only_replace_failed:
            short -= len(self.ending) + len(self.leaving)
        if short <= 0:
            return
        if self.view.not_before_s > self.now:
            self.again_s = self.view.not_before_s
            return
        self._create(min(short, self.view.creates_limit))

    def _create(self, number: int) -> None:
        taken = {pod.metadata.name: None for pod in self.view.pods} | dict(self.view.taken)
        if is_indexed(self.job):
            completions = self.spec.completions or 0
            holders = [*self.live, *self.ending, *self.leaving] if self.only_replace_failed else self.live
            held = {index_of(pod, completions): None for pod in holders}
            indexes = pending_indexes(completions, self.counted.completed, held)
            for index, _ in zip(indexes, range(number), strict=False):
                self._add(new_pod(self.job, free_name(self.job, index, taken), index), trusted=False)
            return
        for name, _ in zip(free_names(self.job, taken), range(number), strict=False):
            self._add(new_pod(self.job, name), trusted=True)

    def _add(self, pod: Pod, *, trusted: bool) -> None:
        """Pods without an index share the template's spec, which has been admitted."""
        told = _told(self.job, "SuccessfulCreate", f"Created pod: {pod.metadata.name}")
        self.writes.append(act.Create(resource=PODS, obj=pod, trusted=trusted, announce=told))
        self.added += 1

    # -- status -------------------------------------------------------------------------------------------------------------------------

    def _write_status(self, verdict: Verdict | None) -> tuple[act.Action, ...]:
        """The status with fresh counts. `active` are pods that have been seen and that no decision has let go of."""
        gone = {pod.metadata.uid: None for pod in self.removed}
        staying = [pod for pod in self.live if pod.metadata.uid not in gone]
        uncounted = self.counted.uncounted
        over = verdict is not None and self._is_over()
        conditions, told = self._conditions(verdict, over)
        resumed = any(one.reason == "Resumed" for one in told)
        start = self.old.start_time
        if not self.spec.suspend and (not start or resumed):
            start = times.rfc3339(self.now)
        new = JobStatus(
            active=len(staying) or None,
            ready=sum(is_ready(pod) for pod in staying),
            terminating=len(self.ending),
            succeeded=self.counted.succeeded or None,
            failed=self.counted.failed or None,
            completed_indexes=indexes_text(self.counted.completed),
            uncounted_terminated_pods=uncounted,
            conditions=conditions,
            start_time=start,
            completion_time=times.rfc3339(self.now) if over and verdict is not None and verdict.type == COMPLETE else "",
        )
        if new == self.job.status:
            return ()
        meta = self.job.metadata
        named = {"resource": RESOURCE, "namespace": meta.namespace, "name": meta.name, "uid": meta.uid}
        return (*told, act.SetStatus(**named, status=new, resource_version=meta.resource_version))

    def _is_over(self) -> bool:
        """Whether nothing is left of it: no pod that runs, has its finalizer, or is not in the counters."""
        uncounted = self.counted.uncounted
        if uncounted.succeeded or uncounted.failed or self.counted.left or self.leaving or self.ending:
            return False
        return not any(is_tracked(pod) for pod in self.view.pods)

    def _conditions(self, verdict: Verdict | None, over: bool) -> tuple[tuple[JobCondition, ...], tuple[act.TellUser, ...]]:
        """The conditions, and what is told of their changes."""
        old = self.old.conditions
        if verdict is not None:
            told: tuple[act.TellUser, ...] = ()
            if over:
                words = (
                    ("Completed", "Job completed", "Normal") if verdict.type == COMPLETE else (verdict.reason, verdict.message, "Warning")
                )
                told = (_told(self.job, *words),)
            return with_verdict(old, verdict, over, self.now), told
        if self.spec.suspend and not condition_is(self.job, SUSPENDED):
            rests = new_condition(SUSPENDED, "True", "JobSuspended", "Job suspended", self.now)
            return with_condition(old, rests), (_told(self.job, "Suspended", "Job suspended"),)
        if not self.spec.suspend and condition_is(self.job, SUSPENDED):
            resumes = new_condition(SUSPENDED, "False", "JobResumed", "Job resumed", self.now)
            return with_condition(old, resumes), (_told(self.job, "Resumed", "Job resumed"),)
        return old, ()
