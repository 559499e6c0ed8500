"""One container of a pod as its kubelet knows it, and how facts change that. Pure: the moment comes with the fact.

`waiting` (not started yet) -> `starting` (asked for) -> `running` -> `exited` -> `starting` ... The numbers of lives only grow, whatever
is repeated or comes late.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from callboard.actors.kubelet.backoff import NO_BACK_OFF, BackOff, after_restart, due_s, retry_pause_s
from callboard.actors.kubelet.template import Kind, Part
from callboard.models.api.core import Container, ContainerStateTerminated, ContainerStatus
from callboard.models.messages.runtime import ContainerExited, ContainerStarted, ContainerState
from callboard.models.times import parse, rfc3339
from callboard.models.timing import Timing

PULL_REASONS = ("ErrImagePull",)
EARLY_LIMIT = 8
"""Facts kept about a life that was asked for and isn't known to have begun."""
LOST_REASON = "ContainerStatusUnknown"
LOST_MESSAGE = "The container could not be located when the pod was checked. The container used to be Running"
LOST_CODE = 137


class Failure(msgspec.Struct, frozen=True, gc=False):
    """A step that was refused: Kubernetes' reason, how often in a row, and when it is tried again (seconds since the epoch)."""

    reason: str
    message: str
    count: int
    retry_at_s: float


class ContainerRecord:
    """What a kubelet knows of one container. `attempt` numbers its newest life from 0; -1: it never had one."""

    __slots__ = (
        "asked_at_s",
        "attempt",
        "back_off",
        "container_id",
        "early_exits",
        "early_ready",
        "ended",
        "ended_at_s",
        "failure",
        "id_of_last",
        "image",
        "kill",
        "kill_by_s",
        "kind",
        "name",
        "own_ready",
        "post_start",
        "pre_stop",
        "previous",
        "probe_ready",
        "request",
        "spec",
        "started",
        "started_at_s",
        "state",
        "stop_acked",
        "stop_by_s",
        "stop_request",
    )

    def __init__(self, part: Part) -> None:
        self.spec: Container = part.spec
        self.kind: Kind = part.kind
        self.name = part.spec.name
        self.state: Literal["waiting", "starting", "running", "exited"] = "waiting"
        self.attempt = -1
        self.container_id = ""
        self.image = ""
        """The image that the newest life was started with."""
        self.started_at_s = 0.0
        self.ended: ContainerStateTerminated | None = None
        """How the newest life ended."""
        self.ended_at_s = 0.0
        self.previous: ContainerStateTerminated | None = None
        """How the life before it ended."""
        self.own_ready = False
        self.probe_ready = False
        self.started = False
        """Its startup probe, if it has one, has succeeded."""
        self.failure: Failure | None = None
        self.back_off: BackOff = NO_BACK_OFF
        self.request = 0
        self.asked_at_s = 0.0
        self.kill = ""
        """Why the newest life is to be ended although its pod goes on."""
        self.kill_by_s = 0.0
        self.post_start = False
        """Its postStart hook goes on: until that is over it does not count as running for anybody outside."""
        self.pre_stop: Literal["", "running", "done"] = ""
        self.stop_by_s = 0.0
        """When it will have ended at the latest since it was asked to; 0: it was not."""
        self.stop_request = 0
        self.stop_acked = False
        self.early_exits: dict[str, ContainerExited] = {}
        self.early_ready: dict[str, bool] = {}
        self.id_of_last = ""

    # -- judgements ---------------------------------------------------------------------------------------------------------------

    @property
    def field_path(self) -> str:
        """What Events call it (pkg/kubelet/container/ref.go, fieldPath)."""
        return f"spec.{'containers' if self.kind == 'main' else 'initContainers'}{{{self.name}}}"

    @property
    def ready(self) -> bool:
        """Whether it counts as ready."""
        if self.state != "running":
            return self.kind == "init" and self.succeeded
        if self.kind == "init" or not self.started or self.post_start:
            return False
        return self.probe_ready if self.spec.readiness_probe is not None else self.own_ready

    @property
    def succeeded(self) -> bool:
        """Whether its newest life ended with code 0."""
        return self.state == "exited" and self.ended is not None and self.ended.exit_code == 0

    @property
    def restarts(self) -> int:
        """Kubernetes' restartCount. A life that was only asked for does not count yet."""
        return max(self.attempt - (self.state == "starting"), 0)

    def restarted_after(self, code: int, pod_policy: str) -> bool:
        """Whether it is started again after a life that ended with this code."""
        if self.kind == "sidecar":
            return True
        policy = self.spec.restart_policy or pod_policy or "Always"
        if policy == "Never":
            return False
        return code != 0 or (policy == "Always" and self.kind == "main")

    def restart_due_s(self, timing: Timing) -> float:
        """When an exited container may be started again, in seconds since the epoch."""
        return due_s(self.back_off, self.ended_at_s, timing)

    # -- facts --------------------------------------------------------------------------------------------------------------------

    def asked_to_start(self, request: int, now_s: float) -> int:
        """A start is asked for, perhaps again; returns the number of the life."""
        if self.state != "starting":
            if self.state == "exited":
                self.previous, self.ended = self.ended, None
            self.attempt += 1
            self.state = "starting"
            self.kill, self.pre_stop, self.stop_by_s, self.stop_acked = "", "", 0.0, False
            self.own_ready = self.probe_ready = self.started = False
        self.request, self.asked_at_s = request, now_s
        return self.attempt

    def has_started(self, fact: ContainerStarted, timing: Timing) -> ContainerExited | None:
        """It runs. Returns its end, if that is known already."""
        if self.previous is not None:
            self.back_off = after_restart(self.back_off, self.ended_at_s, fact.started_at_s, timing)
        self.state = "running"
        self.request = 0
        self.failure = None
        self.container_id = self.id_of_last = fact.container_id
        self.image = self.spec.image
        self.started_at_s = fact.started_at_s
        self.own_ready = self.early_ready.pop(fact.container_id, fact.ready)
        self.probe_ready = False
        self.started = self.spec.startup_probe is None
        ended = self.early_exits.pop(fact.container_id, None)
        self.early_ready.clear()
        self.early_exits.clear()
        return ended

    def start_refused(self, reason: str, message: str, now_s: float, timing: Timing) -> None:
        """A start was refused: that life never began."""
        count = self.failure.count + 1 if self.failure is not None else 1
        self.failure = Failure(reason, message, count, now_s + retry_pause_s(count, timing))
        self._never_began()

    def has_exited(self, fact: ContainerExited) -> bool:
        """A life has ended. Returns whether that was news."""
        if self.state == "running" and fact.container_id == self.container_id:
            self.end(terminated_of(fact), fact.finished_at_s)
            return True
        if self.state == "starting" and fact.container_id != self.id_of_last and len(self.early_exits) < EARLY_LIMIT:
            self.early_exits[fact.container_id] = fact
        return False

    def end(self, how: ContainerStateTerminated, at_s: float) -> None:
        """Its newest life has ended."""
        self.state = "exited"
        self.ended, self.ended_at_s = how, at_s
        self.own_ready = self.probe_ready = self.started = self.post_start = False
        self.kill, self.stop_by_s = "", 0.0

    def kill_within(self, reason: str, grace_s: float, now_s: float) -> None:
        """Its newest life is to be ended although its pod goes on."""
        if self.state == "running" and not self.kill:
            self.kill, self.kill_by_s = reason, now_s + grace_s

    def readiness(self, container_id: str, ready: bool) -> bool:
        """What the runtime says of its readiness has changed. Returns whether that was news."""
        if self.state == "running" and container_id == self.container_id:
            changed = self.own_ready != ready
            self.own_ready = ready
            return changed
        if self.state == "starting" and container_id != self.id_of_last and len(self.early_ready) < EARLY_LIMIT:
            self.early_ready[container_id] = ready
        return False

    def lose(self, now_s: float) -> None:
        """Its sandbox is gone: whatever ran is lost, whatever was asked for has to be asked again."""
        if self.state == "running":
            self.end(lost(self.container_id, self.started_at_s, now_s), now_s)
        elif self.state == "starting":
            self._never_began()

    def _never_began(self) -> None:
        """The life that was asked for will not be: it is as it was before."""
        self.attempt -= 1
        self.request = 0
        self.state, self.ended = "waiting", None
        previous = self.previous
        if previous is not None and not (self.kind == "init" and previous.exit_code == 0):  # such a one is begun for a new sandbox
            self.state, self.ended = "exited", previous
        self.early_ready.clear()
        self.early_exits.clear()

    # -- what was there before this kubelet ---------------------------------------------------------------------------------------

    def seed(self, status: ContainerStatus, now_s: float) -> None:
        """Take over what the API says of it. What it says to run counts as lost until the runtime says otherwise."""
        state, last = status.state, status.last_state
        self.previous = last.terminated if last is not None else None
        running = state.running if state is not None else None
        if running is not None:
            self.attempt = status.restart_count or 0
            self.container_id = self.id_of_last = status.container_id
            self.started_at_s = parse(running.started_at) if running.started_at else now_s
            self.image = status.image
            self.end(lost(status.container_id, self.started_at_s, now_s), now_s)
            self.probe_ready, self.started = bool(status.ready), bool(status.started)
        elif state is not None and state.terminated is not None:
            self.attempt = status.restart_count or 0
            self.state, self.ended = "exited", state.terminated
        elif self.previous is not None:  # between two lives
            self.attempt = status.restart_count or 0
            self.state, self.ended, self.previous = "exited", self.previous, None
        if self.ended is not None and running is None:
            self.ended_at_s = parse(self.ended.finished_at) if self.ended.finished_at else now_s
        self.container_id = status.container_id

    def adopt(self, found: ContainerState) -> None:
        """Take over what the runtime says of it."""
        if found.attempt < self.attempt:
            return  # what runs is older than what the API knows of; it can't be this life
        if found.attempt > self.attempt and self.ended is not None:
            self.previous = self.ended
        same = found.container_id == self.container_id
        was_ready, was_started = (self.probe_ready, self.started) if same else (False, False)
        self.attempt = found.attempt
        self.container_id = self.id_of_last = found.container_id
        self.started_at_s = found.started_at_s
        self.image = self.spec.image
        if found.exited is not None:
            self.end(terminated_of(found.exited), found.exited.finished_at_s)
            return
        self.state, self.ended = "running", None
        self.own_ready = found.ready
        self.probe_ready = was_ready
        self.started = was_started or self.spec.startup_probe is None


def terminated_of(fact: ContainerExited) -> ContainerStateTerminated:
    """The end of a life as a status says it."""
    return ContainerStateTerminated(
        container_id=fact.container_id,
        exit_code=fact.exit_code,
        signal=fact.signal or None,
        reason=fact.reason,
        message=fact.message,
        started_at=rfc3339(fact.started_at_s),
        finished_at=rfc3339(fact.finished_at_s),
    )


def lost(container_id: str, started_at_s: float, now_s: float) -> ContainerStateTerminated:
    """The end of a life that nobody saw, in Kubernetes' words."""
    return ContainerStateTerminated(
        container_id=container_id,
        exit_code=LOST_CODE,
        reason=LOST_REASON,
        message=LOST_MESSAGE,
        started_at=rfc3339(started_at_s),
        finished_at=rfc3339(now_s),
    )


def port_number(container: Container, port: Any) -> int:
    """A port as a number: named ones are looked up in the container's ports; 0 if there is none of that name."""
    if isinstance(port, int):
        return port
    for one in container.ports:
        if one.name == port:
            return one.container_port or 0
    text = str(port or "")
    return int(text) if text.isdigit() else 0
