"""The CronJob controller: which CronJob an event concerns, and what its decision sees. Jobs are watched only where there are CronJobs.

What time it is, only the port says.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.component import Port
from callboard.actors.cronjob.decision import RESOURCE, View, decide, scheduled_s
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.scoped import ScopedController
from callboard.models.api.batch import CronJob, Job
from callboard.models.jobs import JOBS
from callboard.models.messages.api import Refused, Written, object_key
from callboard.models.owners import controller_of

LAG_S = 0.1
"""A view that is older than it must be has so long to catch up before it is looked at again."""


class _Memory(msgspec.Struct, gc=False):
    """Of one CronJob: the last moment that this process has seen to. Needed where the Job is gone before anybody wrote down that it was
    made, or where somebody else has its name."""

    seen_to_s: float = 0.0
    failed_now: bool = False


class CronJobController(ScopedController):
    """Keys are CronJobs."""

    primary_resource = RESOURCE

    def __init__(self, port: Port, client: ClientSettings) -> None:
        super().__init__(port, client)
        self._memories: dict[str, _Memory] = {}
        self._late: dict[str, None] = {}

    # -- what concerns whom -------------------------------------------------------------------------------------------------------------

    def primary_changed(self, key: str, old: CronJob | None, new: CronJob | None) -> None:
        """See `ScopedController`."""
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._memories.pop(old.metadata.uid, None)
            self._late.pop(key, None)
        if new is None:
            assert old is not None
            if not self.own_of(old.metadata.namespace):
                self.stop_views(old.metadata.namespace)
            return
        namespace = new.metadata.namespace
        self.view(namespace, JOBS, partial(self._job_changed, namespace), {"owner": _owner})
        self.mark(key)

    def first_shown(self, informer: Informer) -> None:
        """See `ScopedController`."""
        for key in self.own_of(informer.selection["namespace"]):
            self.mark(key)

    def caught_up(self, informer: Informer) -> None:
        if informer is not self.primary:
            for key in list(self._late):
                del self._late[key]
                self.mark(key)
        super().caught_up(informer)

    def _job_changed(self, namespace: str, _key: str, old: Job | None, new: Job | None) -> None:
        for one in (old, new):
            owner = controller_of(one) if one is not None else None
            if owner is not None and owner.kind == "CronJob":
                key = object_key(RESOURCE, namespace, owner.name)
                if key in self.primary.objects:
                    self.mark(key)

    def _memory(self, cron_job: CronJob) -> _Memory:
        return self._memories.setdefault(cron_job.metadata.uid, _Memory())

    # -- decisions ----------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        cron_job: CronJob | None = self.primary.objects.get(key)
        if cron_job is None:
            return ()
        jobs = self.views[cron_job.metadata.namespace][JOBS]
        if not jobs.synced:
            return ()  # its first list calls again
        if jobs.revision < self.acquired:
            jobs.catch_up(self.acquired)
            self._late[key] = None
            return (act.LookAgain(after_s=LAG_S),)
        own = tuple(jobs.by("owner", cron_job.metadata.uid).values())
        return decide(View(cron_job=cron_job, jobs=own, seen_to_s=self._memory(cron_job).seen_to_s), self.port.now())

    # -- what came of them ----------------------------------------------------------------------------------------------------------------

    def wrote(self, key: str, action: act.Action, answer: Written) -> None:
        self._seen_to(key, action)

    def _seen_to(self, key: str, action: act.Action) -> None:
        cron_job = self.primary.objects.get(key)
        if cron_job is not None and isinstance(action, act.Create):
            memory = self._memory(cron_job)
            memory.seen_to_s = max(memory.seen_to_s, scheduled_s(action.obj))

    def refused(self, key: str, action: act.Action, answer: Refused) -> None:
        cron_job = self.primary.objects.get(key)
        if cron_job is None:
            return
        memory = self._memory(cron_job)
        if isinstance(action, act.Create) and not memory.failed_now:
            self.tell_user(cron_job, RESOURCE, "Warning", "FailedCreate", f"Error creating job: {answer.message}")
            memory.failed_now = True
            if answer.reason == "AlreadyExists":
                self._seen_to(key, action)  # somebody else has its name: the next moment has another
        elif isinstance(action, act.Delete) and answer.reason != "NotFound":
            self.tell_user(cron_job, RESOURCE, "Warning", "FailedDelete", f"Deleted job: {answer.message}")

    def settled(self, key: str, refused: bool) -> None:
        cron_job = self.primary.objects.get(key)
        if cron_job is not None:
            self._memory(cron_job).failed_now = False


def _owner(obj: Any) -> tuple[str, ...]:
    owner = controller_of(obj)
    return (owner.uid,) if owner is not None and owner.kind == "CronJob" else ()
