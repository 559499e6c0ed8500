"""The kubelet: makes true on its node what the API says of the pods that are bound to it, and tells the API what became of them.

It acts only when two pictures are complete: the pods of its node (informer) and what the runtime already runs (`ListSandboxes`), so that no
pod ever runs twice. Its own state can be lost at any time: it is made anew from these two.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.actors.component import Port, handles
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.kubelet.agent import NodeWrite
from callboard.actors.kubelet.containers import ContainerRecord
from callboard.actors.kubelet.contexts import ConfigRead, Deletion, Existence, StatusWrite
from callboard.actors.kubelet.downward import shows_itself
from callboard.actors.kubelet.inside import InsidePods
from callboard.actors.kubelet.pods import PodRecord
from callboard.actors.kubelet.refusals import told_of
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.actors.kubelet.usage import Measuring
from callboard.models.api.core import Pod
from callboard.models.base import EMPTY_MAP
from callboard.models.messages.api import Got, Listed, Refused, Written
from callboard.models.messages.base import Message
from callboard.models.messages.runtime import (
    ContainerExited,
    ContainerReadiness,
    ContainerStarted,
    ContainerStopping,
    ListSandboxes,
    RemoveSandbox,
    RuntimeRefused,
    RuntimeStarted,
    SandboxesListed,
    SandboxRemoved,
    SandboxRunning,
    SandboxState,
    VolumesUpdated,
)

__all__ = ["Kubelet", "KubeletSettings"]

LIST_AGAIN_S = 1.0
"""A runtime that has not said what runs, at the beginning, is asked again this often."""
RELIST_PERIODS = 3
"""The runtime is asked what runs every so many renewals of the lease: what it pushed may have been lost."""
RUNTIME_DOWN = "container runtime is down"


class AskRuntime(Message, frozen=True, gc=False):
    """Timer: the runtime has not said yet what runs here."""


class Kubelet(InsidePods, Measuring):
    """One per node. Started with the client settings of the cluster and what the node is like."""

    def __init__(self, port: Port, client: ClientSettings, own: KubeletSettings) -> None:
        super().__init__(port, client, own)
        self.bound = self.inform("pods", self._pod_changed, fields=f"spec.nodeName={own.node_name}")
        self._found: dict[str, SandboxState] | None = None
        """What the runtime said at the beginning, until it has been taken in."""
        self._adopted = False
        self._list_request = 0
        self._list_asked_at_s = 0.0
        self._periods = 0
        self._renewed_at_s = port.now()

    def on_start(self) -> None:
        """Ask what runs here, and begin to list and watch."""
        self.start_informers()
        self._ask_runtime()

    def _ask_runtime(self) -> None:
        self._list_request, self._list_asked_at_s = self.next_id(), self.port.now()
        self.port.send(self.own.runtime, ListSandboxes(self._list_request, self.port.me))
        if self._found is None and not self._adopted:
            self.port.after(LIST_AGAIN_S, AskRuntime())

    @handles(AskRuntime)
    def _ask_again(self, _timer: AskRuntime) -> None:
        if self._found is None and not self._adopted:
            self._ask_runtime()

    def renewed(self) -> None:
        """Every few renewals, and every time while it is down: is the runtime there, and does it run what it should?"""
        now_s = self.port.now()
        if now_s < self._renewed_at_s:
            self._reported_at_s = min(self._reported_at_s, now_s)
            self.clock_was_set_back(now_s)
        self._renewed_at_s = now_s
        self._periods += 1
        if self._periods % RELIST_PERIODS == 0 or self.problem:
            if self._list_request:
                self.problem = RUNTIME_DOWN
                self.check_node()
            self._ask_runtime()

    # -- the two pictures ---------------------------------------------------------------------------------------------------------

    @handles(SandboxesListed)
    def _listed(self, answer: SandboxesListed) -> None:
        first = self._found is None and not self._adopted  # any answer will do: a slow runtime is asked again before it has answered
        if answer.id != self._list_request and not first:
            return
        self._list_request = 0
        self.host_ip = answer.host_ip
        found = {state.pod_uid: state for state in answer.sandboxes}
        if self._adopted:
            self._compare(found)
        else:
            self._found = found
            self._adopt()
        self.problem = RUNTIME_DOWN if answer.problem else ""
        self.begin_to_speak()
        self.check_node()

    def caught_up(self, informer: Informer) -> None:
        if not self._adopted and informer is self.bound:
            self._adopt()
        elif informer is self.nodes:
            self.check_node()
        else:
            for uid in self.linked_by(informer):
                if uid in self.pods:
                    self.look(self.pods[uid])

    def _adopt(self) -> None:
        """Both pictures are complete: go on with what runs, remove what should not."""
        if self._found is None or not self.bound.synced or self._adopted:
            return
        self._adopted = True
        found, self._found = self._found, {}
        pods = sorted(self.bound.objects.items(), key=lambda item: (item[1].metadata.creation_timestamp, item[0]))
        wanted = {pod.metadata.uid for _, pod in pods}
        for stray in [one for uid, one in found.items() if uid not in wanted]:  # whose pods are gone
            self._remove_stray(stray)
        records = [(self._record(key, pod), found.get(pod.metadata.uid)) for key, pod in pods]
        now_s = self.port.now()
        known = [record for record, state in records if state is not None or (record.seen.start_time and not record.finished)]
        self.room.hold(known)
        for record, state in records:
            record.seed(now_s)
            if state is not None:
                record.adopt(state)
                for one in record.containers.values():
                    if one.state == "running":
                        self.begin_probes(record, one)
            elif not record.finished:
                record.lose_sandbox(now_s)
        held = {record.uid: None for record in known}
        for record, _ in records:
            if record.uid not in held:
                self._admit(record)
            self.look(record)

    def _compare(self, found: dict[str, SandboxState]) -> None:
        """The runtime has said again what runs. Pods about which anything has happened since it was asked are left for the next time."""
        asked_at_s, now_s = self._list_asked_at_s, self.port.now()
        for pod in list(self.pods.values()):
            state = found.pop(pod.uid, None)
            if pod.changed_at_s >= asked_at_s or pod.sandbox in ("starting", "removing"):
                continue
            if pod.sandbox == "running" and state is None:
                pod.lose_sandbox(now_s)
                self.look(pod)
            elif pod.sandbox == "running" and state is not None:
                changed = [self._compare_container(one, state, now_s) for one in pod.containers.values()]
                if state.ip != pod.ip:  # another sandbox, made for a request that came late
                    pod.has_sandbox(state.ip, state.host_ip)
                    changed.append(True)
                if any(changed):
                    self.look(pod)
            elif state is not None and pod.goal != "run":
                self._remove(pod.uid)
        for uid in self.names.strays():
            if uid not in found:
                self.may_start(self.names.stray_left(uid))
        for state in found.values():
            self._remove_stray(state)

    def _compare_container(self, one: ContainerRecord, state: SandboxState, now_s: float) -> bool:
        if one.state != "running":
            return False
        for known in state.containers:
            if known.container_id == one.container_id:
                return one.has_exited(known.exited) if known.exited is not None else one.readiness(one.container_id, known.ready)
        one.lose(now_s)
        return True

    def _remove_stray(self, state: SandboxState) -> None:
        self.names.take_stray(f"pods/{state.namespace}/{state.pod_name}", state.pod_uid)
        self._remove(state.pod_uid)

    def _remove(self, uid: str) -> None:
        self.port.send(self.own.runtime, RemoveSandbox(self.next_id(), self.port.me, uid))

    @handles(RuntimeStarted)
    def _runtime_started(self, _fact: RuntimeStarted) -> None:
        """The runtime is another incarnation: what it was asked before is lost, and perhaps what ran."""
        self.inside_lost()
        if not self._adopted:
            return
        for pod in list(self.pods.values()):
            waiting = [one for one in pod.containers.values() if one.state == "starting" or one.stop_by_s]
            if waiting or pod.sandbox in ("starting", "removing"):
                pod.sandbox_asked_at_s = 0.0
                for one in waiting:
                    one.asked_at_s, one.stop_acked = 0.0, False
                self.look(pod)
        self._ask_runtime()

    # -- pods of this node --------------------------------------------------------------------------------------------------------

    def _record(self, key: str, pod: Pod) -> PodRecord:
        record = PodRecord(key, pod, self.templates.of(pod.spec), self.port.now())  # type: ignore[arg-type]
        record.behind = not self.names.take(key, record.uid)
        if pod.metadata.deletion_timestamp:
            record.goal = "end"
        self.pods[record.uid] = record
        return record

    def _admit(self, record: PodRecord) -> None:
        if record.goal != "run":
            return
        status = self.node.status if self.node is not None else None
        rejection = self.refused_under_pressure(record) or self.room.take(record, status.allocatable if status is not None else EMPTY_MAP)
        if rejection is not None:
            record.rejected = True
            record.finish("Failed", *rejection)
            self.tell(record, "Warning", *rejection)

    def _pod_changed(self, key: str, old: Pod | None, new: Pod | None) -> None:
        if not self._adopted:
            return
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            gone = self.pods.get(old.metadata.uid)
            if gone is not None:
                self.vanished(gone)
        if new is None:
            return
        record = self.pods.get(new.metadata.uid)
        if record is None:
            record = self._record(key, new)
            self._admit(record)
            self.look(record)
            return
        before = record.pod
        is_own_write = (new.status is record.seen or new.status == record.seen) and new.spec is before.spec
        meta = new.metadata
        record.api_says(new, self.templates.of(new.spec), self.port.now())  # type: ignore[arg-type]
        if (meta.labels, meta.annotations) != (before.metadata.labels, before.metadata.annotations) and shows_itself(new):
            self.refresh_volumes(record)
        if meta.deletion_timestamp:
            grace_s = meta.deletion_grace_period_seconds
            record.end_within(record.grace_of_spec_s() if grace_s is None else grace_s, self.port.now())
        elif is_own_write and meta.generation == before.metadata.generation:
            return
        self.look(record)

    # -- what the runtime answers and tells ---------------------------------------------------------------------------------------

    @handles(SandboxRunning)
    def _sandbox_running(self, answer: SandboxRunning) -> None:
        pod = self.pods.get(answer.pod_uid)
        if pod is not None and pod.sandbox == "starting":
            pod.has_sandbox(answer.ip, answer.host_ip)
            self.look(pod)

    @handles(SandboxRemoved)
    def _sandbox_removed(self, answer: SandboxRemoved) -> None:
        self.may_start(self.names.stray_left(answer.pod_uid))
        pod = self.pods.get(answer.pod_uid)
        if pod is not None and pod.sandbox == "removing":
            pod.sandbox = "absent"
            for one in pod.containers.values():
                one.lose(self.port.now())
            self.look(pod)

    @handles(ContainerStarted)
    def _container_started(self, answer: ContainerStarted) -> None:
        pod = self.pods.get(answer.pod_uid)
        one = pod.containers.get(answer.name) if pod is not None else None
        if pod is None or one is None or one.state != "starting" or answer.id != one.request or pod.sandbox != "running":
            return
        ended = one.has_started(answer, self.own.timing)
        if self.own.events == "all":
            present = "already present on machine and can be accessed by the pod"
            self.tell(pod, "Normal", "Pulled", f'Container image "{one.spec.image}" {present}', one)
            self.tell(pod, "Normal", "Created", "Container created", one)
            self.tell(pod, "Normal", "Started", "Container started", one)
        if ended is not None:
            self._exited(pod, one, ended)
        elif pod.goal == "run":
            if not self.post_start(pod, one):
                self.begin_probes(pod, one)
        self.look(pod)

    @handles(ContainerStopping)
    def _container_stopping(self, answer: ContainerStopping) -> None:
        one = self.stops.pop(answer.id, None)
        if one is not None and one.stop_request == answer.id:
            one.stop_acked = True

    @handles(ContainerExited)
    def _container_exited(self, fact: ContainerExited) -> None:
        pod = self.pods.get(fact.pod_uid)
        one = pod.containers.get(fact.name) if pod is not None else None
        if pod is None or one is None:
            return
        if fact.message:
            fact = msgspec.structs.replace(fact, message=self._configs.discreet(pod, fact.message))
        if self._exited(pod, one, fact):
            self.look(pod)

    def _exited(self, pod: PodRecord, one: ContainerRecord, fact: ContainerExited) -> bool:
        if not one.has_exited(fact):
            return False
        if pod.goal == "run" and one.restarted_after(fact.exit_code, pod.policy):
            if one.restart_due_s(self.own.timing) > one.ended_at_s:
                meta = pod.pod.metadata
                what = f"Back-off restarting failed container {one.name} in pod {meta.name}_{meta.namespace}({meta.uid})"
                self.tell(pod, "Warning", "BackOff", what, one)
        return True

    @handles(ContainerReadiness)
    def _container_readiness(self, fact: ContainerReadiness) -> None:
        pod = self.pods.get(fact.pod_uid)
        one = pod.containers.get(fact.name) if pod is not None else None
        if pod is not None and one is not None and one.readiness(fact.container_id, fact.ready):
            self.look(pod)

    @handles(VolumesUpdated)
    def _volumes_updated(self, _answer: VolumesUpdated) -> None:
        """Nothing waits for it."""

    @handles(RuntimeRefused)
    def _refused(self, answer: RuntimeRefused) -> None:
        if self.inside_refused(answer):
            return
        pod = self.pods.get(answer.pod_uid)
        if pod is None:
            return
        now_s = self.port.now()
        answer = msgspec.structs.replace(answer, message=self._configs.discreet(pod, answer.message))
        if answer.id == pod.sandbox_request and pod.sandbox == "starting":
            self.sandbox_refused(pod, answer.reason, answer.message, now_s)
        elif (
            one := next((one for one in pod.containers.values() if one.state == "starting" and one.request == answer.id), None)
        ) is not None:
            if answer.reason == "NotFound":
                pod.lose_sandbox(now_s)
            else:
                one.start_refused(answer.reason, answer.message, now_s, self.own.timing)
                for kind, reason, message in told_of(one.spec.image, answer.reason, answer.message):
                    self.tell(pod, kind, reason, message, one)
        elif (stopped := self.stops.pop(answer.id, None)) is not None:
            if stopped.stop_request == answer.id:
                stopped.lose(now_s)
        else:
            self.port.log.info("the runtime refused", pod=pod.key, reason=answer.reason, problem=answer.message)
            return
        self.look(pod)

    # -- what the API answers -----------------------------------------------------------------------------------------------------

    def answered(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        kind = context.__class__
        if kind is NodeWrite:
            self.node_answered(answer)
            return
        if kind is ConfigRead:
            self.config_answered(context.key, answer)
            return
        pod = self.pods.get(context.uid)
        if pod is None:
            return
        if kind is StatusWrite:
            self.status_answered(pod, answer)
        elif kind is Deletion:
            self.deletion_answered(pod, answer)
        elif kind is Existence:
            absent = isinstance(answer, Refused) and answer.reason == "NotFound"
            if absent or (isinstance(answer, Got) and answer.obj.metadata.uid != pod.uid):
                self.vanished(pod)
