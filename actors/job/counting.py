"""How the ends of pods come into a Job's status, each of them once. Pure.

Source: kubernetes pkg/controller/job/job_controller.go (trackJobStatusAndRemoveFinalizers), tracking_utils.go.

A pod that has ended is written into `status.uncountedTerminatedPods`; when that is stored, the pod loses its finalizer; when the pod is
seen without it, or gone, it moves from there into the counter. So at every moment it stands in one place: it has the finalizer and isn't
written down, or it is written down, or it is in the counter. Each step is decided from what is stored, never from what was asked for: where
Kubernetes counted a pod as soon as it had asked for the finalizer's removal, a view that lagged behind counted it again
(kubernetes#105200, #130103). A success with an index is written into `completedIndexes` at once, since an index counts only once anyway.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from callboard.actors.job.failurepolicy import FAIL_JOB, IGNORE, judged
from callboard.actors.job.pods import has_failed
from callboard.models.api.batch import Job, JobStatus, UncountedTerminatedPods
from callboard.models.api.core import Pod
from callboard.models.jobs import index_of, indexes_of, is_indexed, is_tracked
from callboard.models.podstatus import phase_of

UNCOUNTED_LIMIT = 500
"""UIDs in a status at most (MaxUncountedPods); the rest is written down after those are counted."""


class Counted(msgspec.Struct, frozen=True, gc=False):
    """The counters as they are to be written, and the pods that may lose their finalizers now.

    `succeeded` and `failed` leave out what is in `uncounted`. `left` tells that some pods that have ended have not been written down yet;
    `fails` is why a pod's failure fails the whole Job, "" if none does.
    """

    succeeded: int
    failed: int
    uncounted: UncountedTerminatedPods
    completed: tuple[int, ...]
    release: tuple[Pod, ...]
    left: bool = False
    fails: str = ""

    @property
    def successes(self) -> int:
        """All pods that have succeeded, or all indexes that are completed."""
        return self.succeeded + len(self.uncounted.succeeded)

    @property
    def failures(self) -> int:
        """All pods that have failed."""
        return self.failed + len(self.uncounted.failed)


def counted(job: Job, pods: Iterable[Pod], only_replace_failed: bool) -> Counted:
    """What becomes of the counters. `pods` are those that the Job controls."""
    tally = _Tally(job, {pod.metadata.uid: pod for pod in pods}, only_replace_failed)
    return tally.result()


class _Tally:
    """The counters while pods are looked at one by one."""

    def __init__(self, job: Job, pods: dict[str, Pod], only_replace_failed: bool) -> None:
        status = job.status or JobStatus()
        stored = status.uncounted_terminated_pods or UncountedTerminatedPods()
        self.pods, self.only_replace_failed = pods, only_replace_failed
        self.indexed = is_indexed(job)
        self.completions = (job.spec.completions if job.spec is not None else 0) or 0
        self.stored_indexes = indexes_of(status.completed_indexes, self.completions) if self.indexed else ()
        self.completed = dict.fromkeys(self.stored_indexes)
        self.known = dict.fromkeys((*stored.succeeded, *stored.failed))
        self.succeeded_uids = self._still_tracked(stored.succeeded)
        self.failed_uids = self._still_tracked(stored.failed)
        self.succeeded = (status.succeeded or 0) + len(stored.succeeded) - len(self.succeeded_uids)
        self.failed = (status.failed or 0) + len(stored.failed) - len(self.failed_uids)
        self.release: list[Pod] = []
        self.left = False
        self.policy = job.spec.pod_failure_policy if job.spec is not None else None
        self.fails = ""

    def _still_tracked(self, uids: Iterable[str]) -> list[str]:
        """Those whose pods have their finalizers still: the others are counted now."""
        return [uid for uid in uids if (pod := self.pods.get(uid)) is not None and is_tracked(pod)]

    def result(self) -> Counted:
        """What comes out."""
        for uid, pod in self.pods.items():
            if not is_tracked(pod):
                continue
            if uid in self.known:
                self.release.append(pod)
            elif phase_of(pod) == "Succeeded":
                self._success(uid, pod)
            elif has_failed(pod, self.only_replace_failed):
                self._failure(uid, pod)
        completed = tuple(sorted(self.completed))
        uncounted = UncountedTerminatedPods(succeeded=tuple(self.succeeded_uids), failed=tuple(self.failed_uids))
        succeeded = len(completed) if self.indexed else self.succeeded
        return Counted(succeeded, self.failed, uncounted, completed, tuple(self.release), self.left, self.fails)

    def _success(self, uid: str, pod: Pod) -> None:
        if not self.indexed:
            self._write_down(uid, self.succeeded_uids)
            return
        index = index_of(pod, self.completions)
        if index < 0 or index in self.stored_indexes:
            self.release.append(pod)  # another pod of this index has been counted, or none will be
        self.completed.update({} if index < 0 else {index: None})

    def _failure(self, uid: str, pod: Pod) -> None:
        action, why = judged(self.policy, pod)
        if action == FAIL_JOB:
            self.fails = self.fails or why
        if action == IGNORE:
            self.release.append(pod)  # it counts for nothing, and another comes for it
        elif self.indexed and index_of(pod, self.completions) < 0:
            self.release.append(pod)
        else:
            self._write_down(uid, self.failed_uids)

    def _write_down(self, uid: str, place: list[str]) -> None:
        if len(self.succeeded_uids) + len(self.failed_uids) < UNCOUNTED_LIMIT:
            place.append(uid)
        else:
            self.left = True
