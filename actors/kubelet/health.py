"""A kubelet's part that carries out probes and lifecycle hooks and takes their outcomes in. The base of `Kubelet`.

The rules are in `probing.py`. A probe's timer means that something is going on only until its outcome counts; from then on it is periodic.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from callboard.actors.component import Port, Timer, handles
from callboard.actors.informer import ClientSettings
from callboard.actors.kubelet import steps
from callboard.actors.kubelet.containers import ContainerRecord, port_number
from callboard.actors.kubelet.pods import PodRecord
from callboard.actors.kubelet.probing import ProbeRun, is_over, probes_of, waits
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.actors.kubelet.work import PodWork
from callboard.models.api.core import LifecycleHandler, Probe
from callboard.models.messages.base import Message
from callboard.models.messages.runtime import ProbeContainer, Probed

LOST_AFTER_S = 5.0
"""A probe without an answer so long after its time limit is lost; it says nothing about the container."""
HookName = Literal["preStop", "postStart"]


class ProbeDue(Message, frozen=True, gc=False):
    """Timer: carry out a probe."""

    uid: str
    name: str
    purpose: str
    attempt: int

    def subject(self) -> str:
        return f"{self.uid}/{self.name}"


class HookDone(Message, frozen=True, gc=False):
    """Timer: a hook that only sleeps is over, or one that was asked for has not been answered (then `problem` is set)."""

    uid: str
    name: str
    attempt: int
    hook: HookName
    problem: str = ""

    def subject(self) -> str:
        return f"{self.uid}/{self.name}"


class _Asked(msgspec.Struct, frozen=True, gc=False):
    """What the runtime was asked to carry out: a probe, or a hook."""

    uid: str
    name: str
    attempt: int
    purpose: str


class PodHealth(PodWork):
    """See `Kubelet`."""

    def __init__(self, port: Port, client: ClientSettings, own: KubeletSettings) -> None:
        super().__init__(port, client, own)
        self._asked: dict[int, _Asked] = {}
        """Bounded by one probe in flight per probe, and one hook per container."""
        self._hooks: dict[int, Timer] = {}
        """When a hook that was asked for counts as lost."""

    # -- probes -------------------------------------------------------------------------------------------------------------------

    def begin_probes(self, pod: PodRecord, one: ContainerRecord) -> None:
        """A life has begun, or was found: begin to probe it."""
        for run in probes_of(one):
            pod.runs[one.name, run.purpose] = run
            if not waits(run, one):
                self._probe_at(pod, run, run.first_at_s(one, self.port.now()))

    def _probe_at(self, pod: PodRecord, run: ProbeRun, due_s: float) -> None:
        timer = ProbeDue(pod.uid, run.name, run.purpose, run.attempt)
        self.port.after(max(due_s - self.port.now(), 0.0), timer, periodic=run.settled)

    @handles(ProbeDue)
    def _probe_due(self, timer: ProbeDue) -> None:
        pod = self.pods.get(timer.uid)
        run = pod.runs.get((timer.name, timer.purpose)) if pod is not None else None
        if pod is None or run is None or run.attempt != timer.attempt:
            return
        one = pod.containers[timer.name]
        if is_over(run, one, pod.goal != "run"):
            return
        now_s = self.port.now()
        if run.in_flight and now_s >= run.asked_at_s + run.timeout_s + LOST_AFTER_S:
            self._asked.pop(run.in_flight, None)
            run.in_flight = 0
        if not run.in_flight:
            run.in_flight, run.asked_at_s = self.next_id(), now_s
            self._asked[run.in_flight] = _Asked(pod.uid, one.name, run.attempt, run.purpose)
            self._send_probe(pod, one, run.in_flight, run.probe, run.port(one.spec), run.timeout_s, run.purpose)
        self._probe_at(pod, run, now_s + run.period_s)

    def _send_probe(
        self, pod: PodRecord, one: ContainerRecord, number: int, probe: Probe, port: int, timeout_s: float, purpose: str
    ) -> None:
        request = ProbeContainer(number, self.port.me, pod.uid, one.container_id, one.name, pod.ip, probe, port, timeout_s, purpose)
        self.port.send(self.own.runtime, request)

    @handles(Probed)
    def _probed(self, outcome: Probed) -> None:
        asked = self._asked.pop(outcome.id, None)
        timer = self._hooks.pop(outcome.id, None)
        if timer is not None:
            timer.cancel()
        pod = self.pods.get(asked.uid) if asked is not None else None
        if asked is None or pod is None:
            return
        one = pod.containers[asked.name]
        if outcome.message:
            outcome = msgspec.structs.replace(outcome, message=self._configs.discreet(pod, outcome.message))
        if asked.purpose in ("preStop", "postStart"):
            self._hook_done(pod, one, asked.attempt, asked.purpose, "" if outcome.ok else outcome.message or "it failed")
            return
        run = pod.runs.get((asked.name, asked.purpose))
        if run is None or run.in_flight != outcome.id:
            return
        run.in_flight = 0
        if not is_over(run, one, pod.goal != "run"):
            self._count(pod, one, run, outcome)

    def _count(self, pod: PodRecord, one: ContainerRecord, run: ProbeRun, outcome: Probed) -> None:
        if not outcome.ok:
            self.tell(pod, "Warning", "Unhealthy", f"{run.purpose.capitalize()} probe failed: {outcome.message}", one)
        if not run.outcome(outcome.ok):
            return
        if run.purpose == "readiness":
            one.probe_ready = outcome.ok
        elif not outcome.ok:
            grace_s = run.probe.termination_grace_period_seconds
            reason = f"Container {one.name} failed {run.purpose} probe, will be restarted"
            one.kill_within(reason, pod.grace_of_spec_s() if grace_s is None else grace_s, self.port.now())
        elif run.purpose == "startup":
            one.started = True
            for other in pod.runs.values():
                if other.name == one.name and other.attempt == one.attempt and other is not run:
                    self._probe_at(pod, other, other.first_at_s(one, self.port.now()))
        self.look(pod)

    # -- hooks --------------------------------------------------------------------------------------------------------------------

    def pre_stop(self, pod: PodRecord, step: steps.PreStop, now_s: float) -> bool:
        """Carry a container's preStop hook out; `decide` waits for it no longer than `limit_s`."""
        one = pod.containers[step.name]
        one.pre_stop = "running"
        assert one.spec.lifecycle is not None
        assert one.spec.lifecycle.pre_stop is not None
        return self._carry_out_hook(pod, one, one.spec.lifecycle.pre_stop, "preStop", step.limit_s)

    def post_start(self, pod: PodRecord, one: ContainerRecord) -> bool:
        """Carry a container's postStart hook out; returns whether it has one. "The Container's status is not set to RUNNING until the
        postStart handler completes", and until then it has not started and is not probed (kuberuntime_container.go, startContainer)."""
        if one.spec.lifecycle is None or one.spec.lifecycle.post_start is None:
            return False
        one.post_start, one.started = True, False
        limit_s = self.own.timing.crash_back_off_limit_s
        self._carry_out_hook(pod, one, one.spec.lifecycle.post_start, "postStart", limit_s)
        return True

    def _carry_out_hook(self, pod: PodRecord, one: ContainerRecord, handler: LifecycleHandler, hook: HookName, limit_s: float) -> bool:
        if handler.exec is None and handler.http_get is None:
            pause_s = float(handler.sleep.seconds or 0) if handler.sleep is not None else 0.0
            self.port.after(min(pause_s, limit_s), HookDone(pod.uid, one.name, one.attempt, hook))
            return False
        number = self.next_id()
        self._asked[number] = _Asked(pod.uid, one.name, one.attempt, hook)
        port = port_number(one.spec, handler.http_get.port) if handler.http_get is not None else 0
        self._send_probe(pod, one, number, Probe(exec=handler.exec, http_get=handler.http_get), port, limit_s, "lifecycle")
        if hook == "postStart":  # a preStop hook is not waited for beyond the grace period
            lost = HookDone(pod.uid, one.name, one.attempt, hook, "no answer")
            self._hooks[number] = self.port.after(limit_s + LOST_AFTER_S, lost)
        return False

    @handles(HookDone)
    def _slept(self, timer: HookDone) -> None:
        pod = self.pods.get(timer.uid)
        if pod is not None:
            self._hook_done(pod, pod.containers[timer.name], timer.attempt, timer.hook, timer.problem)

    def _hook_done(self, pod: PodRecord, one: ContainerRecord, attempt: int, hook: str, problem: str) -> None:
        if one.attempt != attempt or one.state != "running":
            return
        if hook == "preStop":
            one.pre_stop = "done"
            if problem:
                self.tell(pod, "Warning", "FailedPreStopHook", f"PreStopHook failed: {problem}", one)
        elif not one.post_start:
            return
        elif problem:
            self.tell(pod, "Warning", "FailedPostStartHook", f"PostStartHook failed: {problem}", one)
            one.kill_within("FailedPostStartHook", pod.grace_of_spec_s(), self.port.now())
        else:
            one.post_start, one.started = False, one.spec.startup_probe is None
            if pod.goal == "run":
                self.begin_probes(pod, one)
        self.look(pod)
