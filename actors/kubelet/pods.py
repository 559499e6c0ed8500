"""One pod as its kubelet knows it: its goal, its sandbox, its containers, and what the API says of it.

Decisions (`decision.py`, `status.py`) only read it; the actor and the facts that it hands in change it.
"""

from __future__ import annotations

from typing import Any, Literal

from callboard.actors.kubelet.containers import ContainerRecord, Failure
from callboard.actors.kubelet.eviction import REASON as EVICTED
from callboard.actors.kubelet.probing import ProbeRun
from callboard.actors.kubelet.template import Template
from callboard.models.api.core import Pod, PodCondition, PodStatus
from callboard.models.messages.runtime import SandboxState
from callboard.models.podstatus import FINISHED_PHASES
from callboard.models.times import rfc3339

Goal = Literal["run", "end", "vanish"]
DEFAULT_GRACE_S = 30
STUCK_AFTER_FAILURES = 3
"""After so many refusals in a row a pod counts as stuck: it is tried again, but nothing goes on."""
EMPTY_STATUS = PodStatus()


class PodRecord:
    """What a kubelet knows of one pod.

    `goal` only moves forward: `run` -> `end` (it is to be stopped; its object is there) -> `vanish` (its object is gone, or another's).
    """

    __slots__ = (
        "behind",
        "changed_at_s",
        "configs",
        "containers",
        "delete",
        "dirty",
        "disruption",
        "end_at_s",
        "failure",
        "goal",
        "grace_s",
        "host_ip",
        "initialized",
        "ip",
        "key",
        "message",
        "phase",
        "pod",
        "reading",
        "reason",
        "rejected",
        "runs",
        "sandbox",
        "sandbox_asked_at_s",
        "sandbox_request",
        "seen",
        "seen_revision",
        "since_s",
        "start_time",
        "template",
        "uid",
        "wake_at_s",
        "wake_stuck",
        "want_at_s",
        "write",
    )

    def __init__(self, key: str, pod: Pod, template: Template, now_s: float) -> None:
        self.key = key
        self.pod = pod
        self.uid = pod.metadata.uid
        self.template = template
        self.goal: Goal = "run"
        self.phase = ""
        """Succeeded or Failed once that is decided for good."""
        self.reason = ""
        self.message = ""
        self.disruption: PodCondition | None = None
        """Its condition DisruptionTarget, if this kubelet evicts it for the node's sake."""
        self.rejected = False
        """The node did not take it: it has no containers."""
        self.behind = False
        """Another pod of its name is on the node, and ends first."""
        self.containers = {part.spec.name: ContainerRecord(part) for part in template.parts}
        self.initialized = not template.has_init
        self.sandbox: Literal["absent", "starting", "running", "removing"] = "absent"
        self.sandbox_request = 0
        self.sandbox_asked_at_s = 0.0
        self.ip = ""
        self.host_ip = ""
        self.failure: Failure | None = None
        """Why it has no sandbox yet."""
        self.configs: tuple[tuple[str, Any], ...] | None = None if template.references else ()
        """The ConfigMaps and Secrets it refers to, by store key; None: not read yet."""
        self.end_at_s = 0.0
        """When its last container will have ended at the latest."""
        self.grace_s = 0.0
        self.since_s = now_s
        self.start_time = rfc3339(now_s)
        self.seen: PodStatus = pod.status or EMPTY_STATUS
        """The newest status that the API is known to have."""
        self.seen_revision = pod.metadata.resource_version
        self.write = WriteState()
        self.delete: Literal["", "asked", "done"] = ""
        self.reading = False
        """Its configs are being read."""
        self.dirty = False
        """Something has changed while its status was being written."""
        self.changed_at_s = now_s
        """When it was last looked at."""
        self.want_at_s = 0.0
        """When it wants to be looked at again; 0: no need."""
        self.wake_at_s = 0.0
        """The appointment that it has; 0: none."""
        self.wake_stuck = False
        self.runs: dict[tuple[str, str], ProbeRun] = {}
        """The probes of its containers, by container and purpose."""
        status = pod.status
        if status is not None:
            if status.start_time:
                self.start_time = status.start_time
            self.ip, self.host_ip = status.pod_ip, status.host_ip
            if status.phase in FINISHED_PHASES:
                self.finish(status.phase, status.reason, status.message)
            elif status.reason == EVICTED:  # by a kubelet that ended before the pod did
                self.finish("Failed", status.reason, status.message)

    # -- judgements ---------------------------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether its phase is decided for good."""
        return self.phase != ""

    @property
    def policy(self) -> str:
        """Its restartPolicy."""
        return (self.pod.spec.restart_policy if self.pod.spec is not None else "") or "Always"

    @property
    def deleting(self) -> bool:
        """Whether somebody asked for its deletion."""
        return self.pod.metadata.deletion_timestamp != ""

    def busy(self) -> bool:
        """Whether a container runs or is being started."""
        return any(one.state in ("running", "starting") for one in self.containers.values())

    def is_stuck(self) -> bool:
        """Whether it has been refused something so often that only a change elsewhere will help."""
        if self.failure is not None and self.failure.count > STUCK_AFTER_FAILURES:
            return True
        return any(one.failure is not None and one.failure.count > STUCK_AFTER_FAILURES for one in self.containers.values())

    def coming_up(self) -> bool:
        """Whether it is on its way up and nothing has gone wrong so far."""
        if self.failure is not None or self.goal != "run":
            return False
        if self.sandbox != "running":
            return True
        for one in self.containers.values():
            if one.failure is not None or one.attempt > 0:
                return False
        return any(one.state in ("starting", "waiting") for one in self.containers.values())

    # -- facts --------------------------------------------------------------------------------------------------------------------

    def finish(self, phase: str, reason: str = "", message: str = "") -> None:
        """Its phase is decided: it is to be ended if it has not, and never leaves that phase."""
        if not self.phase:
            self.phase, self.reason, self.message = phase, reason, message
        if self.goal == "run":
            self.goal = "end"

    def end_within(self, grace_s: float, now_s: float) -> None:
        """It is to end, with this grace period; a later one can only be shorter."""
        if self.goal == "run":
            self.goal = "end"
        if self.end_at_s == 0.0:
            self.grace_s = grace_s
            self.end_at_s = now_s + grace_s
        elif grace_s < self.grace_s:
            self.end_at_s -= self.grace_s - grace_s
            self.grace_s = grace_s

    def api_says(self, pod: Pod, template: Template, now_s: float) -> None:
        """A newer version of its object."""
        self.pod = pod
        if template is not self.template:
            self.template = template
            for part in template.parts:
                one = self.containers.get(part.spec.name)
                if one is not None:
                    one.spec = part.spec
                    if one.image != part.spec.image:
                        one.kill_within(f"Container {one.name} definition changed, will be restarted", self.grace_of_spec_s(), now_s)
        if pod.metadata.resource_version > self.seen_revision:
            self.seen_revision = pod.metadata.resource_version
            self.seen = pod.status or EMPTY_STATUS
            if self.seen.phase in FINISHED_PHASES:
                self.finish(self.seen.phase, self.seen.reason, self.seen.message)

    def has_sandbox(self, ip: str, host_ip: str) -> None:
        """Its sandbox runs."""
        self.sandbox, self.sandbox_request, self.failure = "running", 0, None
        self.ip, self.host_ip = ip, host_ip

    def lose_sandbox(self, now_s: float) -> None:
        """Its sandbox and all that ran in it are gone although nobody asked for that."""
        self.sandbox, self.sandbox_request = "absent", 0
        for one in self.containers.values():
            one.lose(now_s)
        if self.template.references:
            self.configs = None

    def begins_anew(self) -> None:
        """It is about to get a sandbox, which is initialized from the beginning. Not before: one that gets none, since nothing of it is to
        run again, stays initialized."""
        if self.template.has_init and self.goal == "run":
            self.initialized = False
            for one in self.containers.values():
                if one.kind == "init" and one.succeeded:
                    one.state, one.previous, one.ended = "waiting", one.ended, None

    def adopt(self, found: SandboxState) -> None:
        """Its sandbox was there before this kubelet."""
        self.has_sandbox(found.ip, found.host_ip)
        for state in found.containers:
            record = self.containers.get(state.name)
            if record is not None:
                record.adopt(state)
                if record.kind == "main":
                    self.initialized = True

    def seed(self, now_s: float) -> None:
        """Take over what the API says of its containers. Whatever runs counts as lost until the runtime says otherwise."""
        for status in (*self.seen.init_container_statuses, *self.seen.container_statuses):
            record = self.containers.get(status.name)
            if record is not None:
                record.seed(status, now_s)

    def grace_of_spec_s(self) -> float:
        """Its own grace period in seconds."""
        own = self.pod.spec.termination_grace_period_seconds if self.pod.spec is not None else None
        return float(DEFAULT_GRACE_S if own is None else own)


class WriteState:
    """The status write of one pod: at most one is on its way."""

    __slots__ = ("failures", "in_flight", "retry_at_s")

    def __init__(self) -> None:
        self.in_flight: PodStatus | None = None
        self.failures = 0
        self.retry_at_s = 0.0
