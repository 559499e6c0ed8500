"""A kubelet's part that works on pods: it carries out what is decided, with the runtime and with the API. The base of `Kubelet`.

One pod is looked at whenever something about it has changed; `decide` says what to do, `status_of` what to tell. Requests to the runtime
are numbered; what is not answered in time is asked again and means the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.actors.component import Port, handles
from callboard.actors.informer import ClientSettings
from callboard.actors.kubelet import steps
from callboard.actors.kubelet.admission import Room
from callboard.actors.kubelet.backoff import mount_pause_s, write_pause_s
from callboard.actors.kubelet.clock import wait_no_longer
from callboard.actors.kubelet.configs import ConfigBook, keys_of, missing_for_volumes, volume_keys_of
from callboard.actors.kubelet.containers import ContainerRecord, Failure
from callboard.actors.kubelet.contexts import ConfigRead, Deletion, Existence, StatusWrite
from callboard.actors.kubelet.decision import MINIMUM_GRACE_S, decide
from callboard.actors.kubelet.downward import downward
from callboard.actors.kubelet.environment import ConfigMissing, environment
from callboard.actors.kubelet.naming import NameBook
from callboard.actors.kubelet.pods import PodRecord
from callboard.actors.kubelet.servicelinks import ServiceLinks
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.actors.kubelet.status import status_of
from callboard.actors.kubelet.template import Templates
from callboard.actors.kubelet.wakes import Wake, Wakes
from callboard.models.messages.api import DeleteObject, GetObject, Got, Listed, Refused, WriteStatus, Written
from callboard.models.messages.base import Message
from callboard.models.messages.runtime import RemoveSandbox, RunSandbox, StartContainer, StopContainer, UpdateVolumes

LOOKS_LIMIT = 8
"""Decisions in a row about one pod: a step that only changes what is known here is followed by another."""


class SyncVolumes(Message, frozen=True, gc=False):
    """Timer: read the ConfigMaps and Secrets in use anew."""


class PodWork(ServiceLinks):
    """See `Kubelet`."""

    def __init__(self, port: Port, client: ClientSettings, own: KubeletSettings) -> None:
        super().__init__(port, client, own)
        self.pods: dict[str, PodRecord] = {}
        """By uid."""
        self.names = NameBook()
        self.room = Room(own.capacity)
        self.templates = Templates()
        self._configs = ConfigBook()
        self._config_timer = False
        self._wakes = Wakes(port, False)
        self._stuck_wakes = Wakes(port, True)
        self.stops: dict[int, ContainerRecord] = {}
        """Requests to stop a container that have no answer yet: at most one per container."""
        self._finished: dict[str, None] = {}
        self._carry: dict[type[steps.Step], Callable[[PodRecord, Any, float], bool]] = {
            steps.ReadConfigs: self._read_configs,
            steps.MakeSandbox: self._make_sandbox,
            steps.Start: self._start,
            steps.Stop: self._stop_container,
            steps.PreStop: self.pre_stop,
            steps.Finish: self._finish,
            steps.Initialized: self._initialized,
            steps.RemovePod: self._remove_sandbox,
            steps.Confirm: self._confirm,
            steps.Forget: self._forget,
        }

    def pre_stop(self, pod: PodRecord, step: steps.PreStop, now_s: float) -> bool:
        """Carry a preStop hook out."""
        raise NotImplementedError

    def tell(self, pod: PodRecord, type_: str, reason: str, message: str, one: ContainerRecord | None = None) -> None:
        """Record an Event about a pod, or one of its containers."""
        self.tell_user(pod.pod, "pods", type_, reason, message, one.field_path if one is not None else "")

    # -- looking at a pod ---------------------------------------------------------------------------------------------------------

    def look(self, pod: PodRecord) -> None:
        """Decide about a pod and do what is decided, write its status if that has changed, and say when to look again."""
        now_s = pod.changed_at_s = self.port.now()
        if pod.goal == "end" and pod.end_at_s == 0.0:
            grace_s = pod.pod.metadata.deletion_grace_period_seconds
            pod.end_within(pod.grace_of_spec_s() if not pod.deleting or grace_s is None else grace_s, now_s)
        decision = decide(pod, now_s, self.own)
        for _ in range(LOOKS_LIMIT):
            again = False
            for step in decision.steps:
                again = self._carry[step.__class__](pod, step, now_s) or again
            if not again:
                break
            decision = decide(pod, now_s, self.own)
        if decision.steps:
            decision.again(now_s + self.own.runtime_timeout_s)  # what was asked may be lost, or its answer
            decision.stuck = decision.stuck or pod.is_stuck()
        if pod.goal != "run":
            if pod.uid not in self.pods:
                return
            self._look_at_ending(pod, now_s)
        self._report(pod, now_s, decision)
        self._appoint(pod, decision)

    def _look_at_ending(self, pod: PodRecord, now_s: float) -> None:
        """What a pod that has ended takes: no room, and its sandbox only for its logs."""
        if pod.busy():
            return
        self.room.leave(pod.uid)
        if pod.goal == "end" and pod.sandbox == "running" and not pod.deleting and pod.uid not in self._finished:
            self._finished[pod.uid] = None
            if len(self._finished) > self.own.finished_kept:
                oldest = next(iter(self._finished))
                del self._finished[oldest]
                self._remove_sandbox(self.pods[oldest], steps.RemovePod(), now_s)

    def _report(self, pod: PodRecord, now_s: float, decision: steps.Decision) -> None:
        write = pod.write
        if write.in_flight is not None:
            pod.dirty = True
            return
        if pod.goal == "vanish" or pod.delete:
            return
        if now_s < write.retry_at_s:
            decision.again(write.retry_at_s)
            return
        quiet_until_s = pod.since_s + self.own.start_quiet_s
        if now_s < quiet_until_s and pod.coming_up():
            decision.again(quiet_until_s)
            return
        status = status_of(pod, now_s, self.own)
        if status == pod.seen:
            return
        write.in_flight = status
        meta = pod.pod.metadata
        context = StatusWrite(pod.uid)
        self.call(WriteStatus, context, resource="pods", namespace=meta.namespace, name=meta.name, status=status, uid=pod.uid)

    def _appoint(self, pod: PodRecord, decision: steps.Decision) -> None:
        due_s = pod.want_at_s = decision.again_at_s
        if due_s == 0.0:
            return
        if pod.wake_at_s == 0.0 or due_s < pod.wake_at_s or (pod.wake_stuck and not decision.stuck):
            pod.wake_at_s, pod.wake_stuck = due_s, decision.stuck
            (self._stuck_wakes if decision.stuck else self._wakes).at(due_s, pod.uid)

    @handles(Wake)
    def _wake(self, timer: Wake) -> None:
        wakes = self._stuck_wakes if timer.stuck else self._wakes
        now_s = self.port.now()
        for uid in wakes.due(now_s):
            pod = self.pods.get(uid)
            if pod is None:
                continue
            pod.wake_at_s = 0.0
            if 0.0 < pod.want_at_s <= now_s:
                self.look(pod)
            elif pod.want_at_s:
                pod.wake_at_s, pod.wake_stuck = pod.want_at_s, timer.stuck
                wakes.at(pod.want_at_s, uid)
        wakes.next()

    def clock_was_set_back(self, now_s: float) -> None:
        """Times that were noted by the clock as it was say little now: nobody waits longer for that than he would have."""
        self._wakes.forget()
        self._stuck_wakes.forget()
        for pod in list(self.pods.values()):
            wait_no_longer(pod, now_s, self.own.timing)
            self.look(pod)

    # -- steps --------------------------------------------------------------------------------------------------------------------

    def _make_sandbox(self, pod: PodRecord, _step: steps.MakeSandbox, now_s: float) -> bool:
        if why := pod.template.unmountable or (missing_for_volumes(pod) if pod.template.references else ""):
            self.sandbox_refused(pod, "FailedMount", why, now_s)
            return True
        if pod.sandbox == "absent":
            pod.begins_anew()
        pod.sandbox = "starting"
        pod.sandbox_request, pod.sandbox_asked_at_s = self.next_id(), now_s
        self.port.send(self.own.runtime, RunSandbox(pod.sandbox_request, self.port.me, pod.pod, self._shown(pod)))
        return False

    def sandbox_refused(self, pod: PodRecord, reason: str, message: str, now_s: float) -> None:
        """A pod can't have its sandbox now."""
        count = pod.failure.count + 1 if pod.failure is not None else 1
        pod.failure = Failure(reason, message, count, now_s + mount_pause_s(count, self.own.timing))
        pod.sandbox, pod.sandbox_request = "absent", 0
        if pod.template.references:
            pod.configs = None
        self.tell(pod, "Warning", reason, message)

    def _start(self, pod: PodRecord, step: steps.Start, now_s: float) -> bool:
        one = pod.containers[step.name]
        if pod.configs is None:
            return self._read_configs(pod, steps.ReadConfigs(), now_s)
        links = self.links_of(pod)
        if links is None:
            return False
        request = self.next_id()
        attempt = one.asked_to_start(request, now_s)
        try:
            variables = environment(pod, one.spec, self.own.node_name, self.own.capacity, links)
        except (ConfigMissing, ValueError) as problem:
            one.start_refused("CreateContainerConfigError", str(problem), now_s, self.own.timing)
            self.tell(pod, "Warning", "Failed", f"Error: {problem}", one)
            if pod.template.references:
                pod.configs = None
            return True
        self.port.send(self.own.runtime, StartContainer(request, self.port.me, pod.uid, one.name, attempt, one.spec, variables))
        return False

    def _stop_container(self, pod: PodRecord, step: steps.Stop, now_s: float) -> bool:
        one = pod.containers[step.name]
        self.stops.pop(one.stop_request, None)
        one.stop_request, one.asked_at_s, one.stop_acked = self.next_id(), now_s, False
        self.stops[one.stop_request] = one
        one.stop_by_s = now_s + step.grace_s
        self.port.send(self.own.runtime, StopContainer(one.stop_request, self.port.me, pod.uid, one.container_id, step.grace_s))
        if step.reason and (pod.goal == "run" or self.own.events == "all"):
            self.tell(pod, "Normal", "Killing", step.reason, one)
        return False

    def _finish(self, pod: PodRecord, step: steps.Finish, now_s: float) -> bool:
        pod.finish(step.phase, step.reason, step.message)
        pod.end_within(pod.grace_of_spec_s(), now_s)
        if step.reason:
            self.tell(pod, "Normal", step.reason, step.message)
        return True

    def _initialized(self, pod: PodRecord, _step: steps.Initialized, _now_s: float) -> bool:
        pod.initialized = True
        return True

    def _remove_sandbox(self, pod: PodRecord, _step: steps.RemovePod, now_s: float) -> bool:
        pod.sandbox = "removing"
        pod.sandbox_request, pod.sandbox_asked_at_s = self.next_id(), now_s
        self.port.send(self.own.runtime, RemoveSandbox(pod.sandbox_request, self.port.me, pod.uid))
        return False

    def _confirm(self, pod: PodRecord, _step: steps.Confirm, now_s: float) -> bool:
        if status_of(pod, now_s, self.own) != pod.seen:
            return False  # its last status is written first
        pod.delete = "asked"
        meta = pod.pod.metadata
        context = Deletion(pod.uid)
        self.call(DeleteObject, context, resource="pods", namespace=meta.namespace, name=meta.name, uid=pod.uid, grace_period_s=0)
        return False

    def _forget(self, pod: PodRecord, _step: steps.Forget, _now_s: float) -> bool:
        del self.pods[pod.uid]
        self._finished.pop(pod.uid, None)
        self.room.leave(pod.uid)
        for one in pod.containers.values():
            self.stops.pop(one.stop_request, None)
        if pod.template.references:
            self._configs.forget(pod.uid, keys_of(pod))
        self.may_start(self.names.leave(pod.key, pod.uid))
        return False

    def may_start(self, uid: str) -> None:
        """The pod that has waited for another one of its name, if there is any, waits no longer."""
        if pod := self.pods.get(uid):
            pod.behind = False
            self.look(pod)

    # -- ConfigMaps and Secrets ---------------------------------------------------------------------------------------------------

    def _read_configs(self, pod: PodRecord, _step: steps.ReadConfigs, _now_s: float) -> bool:
        if not pod.reading:
            pod.reading = True
            for key in self._configs.want(pod.uid, keys_of(pod)):
                self._read_config(key)
            if not self._config_timer:
                self._config_timer = True
                self.port.after(self.own.timing.volume_sync_s, SyncVolumes(), periodic=True)
        return False

    def _read_config(self, key: str) -> None:
        resource, namespace, name = key.split("/", 2)
        self.call(GetObject, ConfigRead(key), resource=resource, namespace=namespace, name=name)

    @handles(SyncVolumes)
    def _sync_volumes(self, _timer: SyncVolumes) -> None:
        self._config_timer = bool(self._configs.keys)
        if self._config_timer:
            self.port.after(self.own.timing.volume_sync_s, SyncVolumes(), periodic=True)
        for key in self._configs.changing_keys:
            self._read_config(key)

    def config_answered(self, key: str, answer: Got | Listed | Written | Refused) -> None:
        """A ConfigMap or Secret was read, is not there, or could not be read."""
        if isinstance(answer, Refused) and answer.reason != "NotFound":
            for uid in self._configs.failed(key):
                pod = self.pods[uid]
                pod.reading = False
                self.sandbox_refused(pod, "FailedMount", f"{key} can't be read: {answer.message}", self.port.now())
                self.look(pod)
            return
        complete, changed = self._configs.read(key, answer.obj if isinstance(answer, Got) else None)
        for uid in complete:
            pod = self.pods[uid]
            pod.reading = False
            pod.configs = tuple((one, self._configs.objects.get(one)) for one in keys_of(pod))
            self.look(pod)
        if changed:
            for uid in self._configs.users(key):
                if uid not in complete:
                    self._update_volumes(self.pods[uid], key)

    def _update_volumes(self, pod: PodRecord, key: str) -> None:
        if pod.configs is None or pod.goal != "run" or self._configs.objects.get(key) is None:
            return  # what is deleted stays in the volumes that show it
        pod.configs = tuple((one, self._configs.objects.get(one)) for one in keys_of(pod))
        if key in volume_keys_of(pod):
            self.refresh_volumes(pod)

    def refresh_volumes(self, pod: PodRecord) -> None:
        """What a pod's volumes show has changed."""
        if pod.sandbox == "running" and pod.goal == "run" and pod.configs is not None:
            self.port.send(self.own.runtime, UpdateVolumes(self.next_id(), self.port.me, pod.uid, self._shown(pod)))

    def _shown(self, pod: PodRecord) -> tuple[tuple[str, Any], ...]:
        """All that a pod's volumes may show."""
        return (*(pod.configs or ()), *downward(pod, self.own.node_name, self.own.capacity))

    # -- answers of the API -------------------------------------------------------------------------------------------------------

    def status_answered(self, pod: PodRecord, answer: Got | Listed | Written | Refused) -> None:
        """A status write was answered."""
        write, now_s = pod.write, self.port.now()
        write.in_flight = None
        dirty, pod.dirty = pod.dirty, False
        if isinstance(answer, Written):
            write.failures, write.retry_at_s = 0, 0.0
            meta = answer.obj.metadata
            if meta.resource_version > pod.seen_revision:
                pod.seen, pod.seen_revision = answer.obj.status, meta.resource_version
            if dirty or pod.goal != "run":
                self.look(pod)
            return
        assert isinstance(answer, Refused)
        write.failures += 1
        write.retry_at_s = now_s + write_pause_s(write.failures)
        if answer.reason in ("NotFound", "Conflict"):
            self._find_out(pod)
        elif answer.reason != "Timeout":
            self.port.log.info("status refused", pod=pod.key, code=answer.code, problem=answer.message)
        self.look(pod)

    def deletion_answered(self, pod: PodRecord, answer: Got | Listed | Written | Refused) -> None:
        """The delete that confirms a pod's end was answered. What finalizers keep is left to them."""
        if isinstance(answer, Written):
            pod.delete = "done"
            if answer.removed:
                self.vanished(pod)
            return
        assert isinstance(answer, Refused)
        pod.delete = ""
        pod.write.failures += 1
        pod.write.retry_at_s = self.port.now() + write_pause_s(pod.write.failures)
        if answer.reason in ("NotFound", "Conflict"):
            self._find_out(pod)
        self.look(pod)

    def _find_out(self, pod: PodRecord) -> None:
        meta = pod.pod.metadata
        self.call(GetObject, Existence(pod.uid), resource="pods", namespace=meta.namespace, name=meta.name)

    def vanished(self, pod: PodRecord) -> None:
        """A pod's object is gone, or another's: nothing of it may go on."""
        if pod.goal != "vanish":
            pod.end_within(MINIMUM_GRACE_S, self.port.now())
            pod.goal = "vanish"
            self.look(pod)
