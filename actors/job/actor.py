"""The Job controller: which Job an event concerns, what its decision sees, and how fresh that has to be.

Pods are watched in all namespaces, but only those that have the label of a Job: most clusters have few of them. A pod with a finalizer
whose Job is not there (any more) is a key of its own, since nobody else would take that finalizer off (syncOrphanPod); so is one that has
lost the label: it is out of this controller's sight.
"""

from __future__ import annotations

from typing import Any

from callboard.actors import actions as act
from callboard.actors.component import Port
from callboard.actors.controller import Controller
from callboard.actors.informer import ClientSettings
from callboard.actors.job.decision import PODS, RESOURCE, View, decide, released, untracked
from callboard.actors.job.memory import BackOff, Memory
from callboard.models import times
from callboard.models.api.batch import Job
from callboard.models.api.core import Pod
from callboard.models.jobs import CONTROLLER_UID, is_tracked
from callboard.models.messages.api import Refused, Written, object_key
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_finished, is_terminating, phase_of
from callboard.models.selectors import Selector, selector_of
from callboard.models.timing import KUBERNETES, Timing

LAG_S = 0.1
"""A view that is older than it must be has so long to catch up before it is looked at again."""


class JobController(Controller):
    """Keys are Jobs, and pods that no Job looks after."""

    primary_resource = RESOURCE

    def __init__(self, port: Port, client: ClientSettings, timing: Timing = KUBERNETES) -> None:
        super().__init__(port, client)
        self._back_off = BackOff(timing.job_back_off_s, timing.job_back_off_limit_s)
        self._memories: dict[str, Memory] = {}
        self._lost_sight: dict[str, Pod] = {}
        self.jobs = self.inform(RESOURCE, self._job_changed)
        self.jobs.add_index("namespace", lambda obj: (obj.metadata.namespace,))
        self.pods = self.inform(PODS, self._pod_changed, labels=CONTROLLER_UID)
        self.pods.add_index("owner", _owner)
        self.pods.add_index("orphans", _orphaned)

    # -- what concerns whom -------------------------------------------------------------------------------------------------------------

    def _job_changed(self, key: str, old: Job | None, new: Job | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._memories.pop(old.metadata.uid, None)
            for pod_key, pod in self.pods.by("owner", old.metadata.uid).items():
                if is_tracked(pod):
                    self.mark(pod_key)
        if new is not None:
            if old is None and new.status is not None:  # somebody has counted: this view of the pods must show what was counted
                self._memory(new).needed_revision = int(new.metadata.resource_version)
            if old is None:
                for pod in self.pods.by("owner", new.metadata.uid).values():
                    self._remember(None, pod)
            self.mark(key)

    def _pod_changed(self, key: str, old: Pod | None, new: Pod | None) -> None:
        """Its owners before and after are concerned; if it is an orphan, who may adopt it; with a finalizer and no Job, it is itself."""
        namespace = key.split("/", 2)[1]
        for pod in (old, new):
            owner = controller_of(pod) if pod is not None else None
            if owner is not None and owner.kind == "Job":
                job_key = object_key(RESOURCE, namespace, owner.name)
                if job_key in self.jobs.objects:
                    self.mark(job_key)
        self._lost_sight.pop(key, None)
        if new is None:
            if old is not None and is_tracked(old) and not is_terminating(old):
                self._lost_sight[key] = old  # nobody can have removed it, so it is there still, without its label
                self.mark(key)
            return
        self._remember(old, new)
        if controller_of(new) is None:
            for job_key in self.jobs.by("namespace", namespace):
                if _selector(self.jobs.objects[job_key]).matches(new.metadata.labels):
                    self.mark(job_key)
        if is_tracked(new) and self._job_of(new) is None:
            self.mark(key)

    def _remember(self, old: Pod | None, new: Pod) -> None:
        job = self._job_of(new)
        if job is None or not _has_ended(new) or (old is not None and _has_ended(old)):
            return
        self._memory(job).pod_ended(new.metadata.uid, phase_of(new) != "Succeeded", _ended_s(new, self.port.now()))

    def _job_of(self, pod: Pod) -> Job | None:
        owner = controller_of(pod)
        if owner is None or owner.kind != "Job":
            return None
        job: Job | None = self.jobs.get(pod.metadata.namespace, owner.name)
        return job if job is not None and job.metadata.uid == owner.uid else None

    def _memory(self, job: Job) -> Memory:
        return self._memories.setdefault(job.metadata.uid, Memory())

    def elected(self) -> None:
        super().elected()
        for key, pod in self.pods.objects.items():
            if is_tracked(pod) and self._job_of(pod) is None:
                self.mark(key)

    # -- decisions ----------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        if key.startswith(f"{PODS}/"):
            return self._about_stray(key)
        job: Job | None = self.jobs.objects.get(key)
        if job is None:
            return ()
        memory = self._memory(job)
        orphans = tuple(self._orphans(job))
        uncertain = max((int(pod.metadata.resource_version) for pod in orphans), default=0)
        if self._is_late(memory.needed_revision, uncertain):
            return (act.LookAgain(after_s=LAG_S),)
        view = View(
            job=job,
            pods=tuple(self.pods.by("owner", job.metadata.uid).values()),
            orphans=orphans,
            taken=memory.taken,
            not_before_s=memory.not_before_s(self._back_off, self.port.now()),
            creates_limit=memory.creates_limit,
        )
        return decide(view, self.port.now())

    def _is_late(self, of_pods: int, of_jobs: int) -> bool:
        """Whether the views have not come to these revisions; then they are made to. Orphans may have been orphaned because their Job is
        deleted with the Orphan policy: adopting them would kill them. So it must be seen alive at a later revision than theirs."""
        late = [(view, revision) for view, revision in ((self.pods, of_pods), (self.jobs, of_jobs)) if view.revision < revision]
        for view, revision in late:
            view.catch_up(revision)
        return bool(late)

    def _orphans(self, job: Job) -> list[Pod]:
        selector = _selector(job)
        if selector.empty or job.metadata.deletion_timestamp:
            return []
        found: list[Pod] = list(self.pods.by("orphans", job.metadata.namespace).values())
        return [pod for pod in found if selector.matches(pod.metadata.labels)]

    def _about_stray(self, key: str) -> tuple[act.Action, ...]:
        """A pod whose finalizer nobody else takes off. That its Job is not there must be certain, or it would never be counted."""
        lost: Pod | None = self._lost_sight.get(key)
        if lost is not None:
            owner = controller_of(lost)
            return (released(lost, owner.uid if owner is not None else ""),)
        pod: Pod | None = self.pods.objects.get(key)
        if pod is None or not is_tracked(pod) or self._job_of(pod) is not None:
            return ()
        if self._is_late(0, int(pod.metadata.resource_version)):
            return (act.LookAgain(after_s=LAG_S),)
        namespace = pod.metadata.namespace
        if controller_of(pod) is None and not is_terminating(pod):
            if any(pod in self._orphans(self.jobs.objects[job_key]) for job_key in self.jobs.by("namespace", namespace)):
                return ()  # it is about to be adopted
        return (untracked(pod),)

    # -- what came of them ----------------------------------------------------------------------------------------------------------------

    def same_child(self, wanted: Any, existing: Any) -> bool:
        """A pod counts as created if it has the same owner and this controller sees it; one that has lost its label is to be released."""
        owner, other = controller_of(wanted), controller_of(existing)
        same = owner is not None and other is not None and owner.uid == other.uid
        return same and CONTROLLER_UID in existing.metadata.labels

    def wrote(self, key: str, action: act.Action, answer: Written) -> None:
        if isinstance(action, act.Patch):
            self._lost_sight.pop(key, None)

    def refused(self, key: str, action: act.Action, answer: Refused) -> None:
        if isinstance(action, act.Patch):
            if answer.reason in ("NotFound", "Conflict"):  # it is gone, or another has its name
                self._lost_sight.pop(key, None)
            return
        job = self.jobs.objects.get(key)
        if job is None or not isinstance(action, act.Create | act.Delete) or action.resource != PODS:
            return
        memory = self._memory(job)
        if isinstance(action, act.Delete):
            if answer.reason == "Conflict":
                return  # it has changed since it was looked at
            reason, verb = "FailedDelete", "deleting"
        else:
            if answer.reason == "AlreadyExists":
                memory.taken[action.obj.metadata.name] = None
            reason, verb = "FailedCreate", "creating"
        if not memory.failed_now:  # the first one of a decision speaks for all
            self.tell_user(job, RESOURCE, "Warning", reason, f"Error {verb}: {answer.message}")
        memory.refused()

    def settled(self, key: str, refused: bool) -> None:
        job = self.jobs.objects.get(key)
        if job is not None:
            self._memory(job).settled()


def _selector(job: Job) -> Selector:
    return selector_of(job.spec.selector if job.spec is not None else None)


def _owner(pod: Pod) -> tuple[str, ...]:
    owner = controller_of(pod)
    return (owner.uid,) if owner is not None and owner.kind == "Job" else ()


def _orphaned(pod: Pod) -> tuple[str, ...]:
    """The namespace of what nobody controls and nobody has deleted."""
    return (pod.metadata.namespace,) if controller_of(pod) is None and not is_terminating(pod) else ()


def _has_ended(pod: Pod) -> bool:
    """Whether its end counts for the pause before the next one: it has finished, or was taken away while it was wanted."""
    return is_finished(pod) or (is_terminating(pod) and is_tracked(pod))


def _ended_s(pod: Pod, now: float) -> float:
    """When it has ended, in seconds since the epoch: with the last of its containers, or when that is not known, now (getFinishedTime)."""
    statuses = pod.status.container_statuses if pod.status is not None else ()
    ends = [one.state.terminated.finished_at for one in statuses if one.state is not None and one.state.terminated is not None]
    known = [times.parse(text) for text in ends if text]
    return min(max(known), now) if known and is_finished(pod) else now
