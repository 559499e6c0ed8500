"""The scheduler: gives every pod without a node the best one, and says why if there is none.

Talks to the apiserver: informers on pods, nodes and namespaces, `BindPod` with the pod's UID and on condition that it has no node yet, its
status condition PodScheduled, and Events. All it knows is rebuilt from its informers, so it may be restarted at any time. A bind without an
answer is settled by reading: the pod stays counted on the node that was asked for until that is certain, and a second try goes to the
same node, so that an answer that comes late never overfills another.
"""

from __future__ import annotations

from typing import Any

from callboard.actors.client import TIMEOUT_CODE, ApiComponent
from callboard.actors.component import Port, Timer, handles
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.scheduler.binding import Assumptions, Binding, ReadAgain, Settle
from callboard.actors.scheduler.decision import Decider, Unschedulable, has_relations
from callboard.actors.scheduler.demand import TemplateBook
from callboard.actors.scheduler.queue import Entry, SchedulingQueue
from callboard.actors.scheduler.table import NodeTable
from callboard.actors.scheduler.telling import RetryStatus, StatusWrite, Teller
from callboard.models.api.core import Namespace, Node, Pod
from callboard.models.messages.api import BindPod, GetObject, Got, Listed, Refused, Written
from callboard.models.messages.base import Message
from callboard.models.podstatus import is_finished
from callboard.models.timing import Timing

NAME = "default-scheduler"
"""The `schedulerName` that pods call it by."""
PODS_PER_TURN = 32
"""Pods decided before other messages get their turn."""
TEMPLATES_PER_TURN = 64
"""Waiting templates checked before other messages get their turn."""
BINDS_IN_FLIGHT_LIMIT = 2048
"""Binds that the cache doesn't show yet; further pods stay in the queue."""


class Schedule(Message, frozen=True, gc=False):
    """The scheduler to itself: decide the pods that are active."""


class CheckWaiting(Message, frozen=True, gc=False):
    """The scheduler to itself: see which waiting pods the change could help."""


class ReleaseBackOff(Message, frozen=True, gc=False):
    """Timer: the back-off of some pod is over."""


class FlushWaiting(Message, frozen=True, gc=False):
    """Timer: try all waiting pods again, in case that a change went unnoticed."""


class Scheduler(ApiComponent):
    """The actor; decisions are `decision.Decider`'s."""

    def __init__(self, port: Port, client: ClientSettings, timing: Timing) -> None:
        super().__init__(port, client)
        self.timing = timing
        self.table = NodeTable()
        self.decider = Decider(self.table)
        self.templates = TemplateBook()
        self.queue = SchedulingQueue(timing.scheduler_retry_s, timing.scheduler_retry_limit_s)
        self.assumed = Assumptions()
        self.nodes = self.inform("nodes", self._node_changed)
        self.namespaces = self.inform("namespaces", self._namespace_changed)
        self.pods = self.inform("pods", self._pod_changed)
        self._scheduled = False
        self._checking: dict[int, bool] = {}
        self._check_sent = False
        self._seen = (0, 0)
        self._back_off_timer: tuple[float, Timer] | None = None
        self.teller = Teller(self, self.queue, timing)

    def on_start(self) -> None:
        """Begin to list and watch."""
        self.start_informers()
        self.port.after(self.timing.scheduler_flush_s, FlushWaiting(), periodic=True)

    # -- what the informers say -----------------------------------------------------------------------------------------------------

    def _node_changed(self, _key: str, _old: Node | None, new: Node | None) -> None:
        if new is None:
            assert _old is not None
            self.table.remove_node(_old.metadata.name)
            return
        try:
            self.table.set_node(new)
        except ValueError as problem:  # that node's fault: it gets no pods until it says something sensible
            self.port.log.error("node can't be used", node=new.metadata.name, problem=str(problem))
            self.table.remove_node(new.metadata.name)

    def _namespace_changed(self, _key: str, old: Namespace | None, new: Namespace | None) -> None:
        if new is not None:
            self.table.namespaces[new.metadata.name] = new.metadata.labels
        elif old is not None:
            self.table.namespaces.pop(old.metadata.name, None)

    def _pod_changed(self, key: str, _old: Pod | None, new: Pod | None) -> None:
        if new is None or is_finished(new):
            self._forget_pod(key)
            return
        node = new.spec.node_name if new.spec is not None else ""
        try:
            if node:
                self.assumed.drop(key)
                self.queue.remove(key)
                self.table.place(key, new, self.templates.of(new), node)
            else:
                self._unbound_changed(key, new)
        except ValueError as problem:  # that pod's fault: it must not stop the others
            self.port.log.error("pod can't be scheduled", key=key, problem=str(problem))
            self._forget_pod(key)

    def _forget_pod(self, key: str) -> None:
        self.assumed.drop(key)
        self.queue.remove(key)
        self.table.remove(key)

    def _unbound_changed(self, key: str, pod: Pod) -> None:
        binding = self.assumed.get(key)
        if binding is not None and binding.uid == pod.metadata.uid:
            entry = self.queue.entries.get(key)
            if entry is not None:
                entry.pod = pod
            return
        self.assumed.drop(key)
        self.table.remove(key)
        if not _is_ours(pod):
            self.queue.remove(key)
            return
        entry = self.queue.offer(key, pod, self.templates.of(pod))
        if entry.part == "active":
            self._schedule_soon()
        elif entry.part == "unschedulable":
            self.teller.check(entry)  # somebody else's write may have replaced the condition

    def caught_up(self, informer: Informer) -> None:
        if not self.synced:
            return
        if informer is self.pods:
            for binding in self.assumed.overdue(informer.revision):
                self._not_bound(binding, "its pod is gone")
        self._look_for_hope()
        if self.queue.has_active:
            self._schedule_soon()

    # -- decisions --------------------------------------------------------------------------------------------------------------------

    def _schedule_soon(self) -> None:
        if not self._scheduled and self.synced and self.leads and len(self.assumed) < BINDS_IN_FLIGHT_LIMIT:
            self._scheduled = True
            self.port.send(self.port.me, Schedule())

    @handles(Schedule)
    def _schedule(self, _: Schedule) -> None:
        self._scheduled = False
        for _turn in range(PODS_PER_TURN):
            if not self.synced or not self.leads or len(self.assumed) >= BINDS_IN_FLIGHT_LIMIT:
                return  # the answer to a bind, or the last list, goes on from here
            entry = self.queue.take()
            if entry is None:
                return
            self._decide(entry)
        if self.queue.has_active:
            self._schedule_soon()

    def _decide(self, entry: Entry) -> None:
        result = self.decider.choose(entry.pod, entry.template)
        if isinstance(result, Unschedulable):
            self.queue.put_aside(entry)
            self.teller.tell(entry, result.message)
            return
        meta = entry.pod.metadata
        binding = Binding(entry.key, meta.uid, result.node)
        self.assumed.add(binding)
        self.table.place(entry.key, entry.pod, entry.template, result.node)
        self._bind(binding, entry.pod)
        if entry.chained:
            entry.chained = False
            self._note_due(self.queue.wake_first(entry.template.number, self.port.now(), with_back_off=False))

    def _bind(self, binding: Binding, pod: Pod) -> None:
        meta = pod.metadata
        self.call(
            BindPod,
            binding,
            resource="pods",
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            node_name=binding.node,
            fence=self.fence,
        )

    @handles(RetryStatus)
    def _retry_status(self, timer: RetryStatus) -> None:
        self.teller.retry(timer.key)

    def elected(self) -> None:
        super().elected()
        self._schedule_soon()

    # -- answers ----------------------------------------------------------------------------------------------------------------------

    def answered(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        if isinstance(context, Binding):
            self._bind_answered(context, answer)
        elif isinstance(context, Settle):
            self._settled(context, answer)
        elif isinstance(context, StatusWrite):
            self.teller.answered(context, answer)

    def _bind_answered(self, binding: Binding, answer: Got | Listed | Written | Refused) -> None:
        if isinstance(answer, Written):
            placed = self.table.pods.get(binding.key)
            if placed is not None and placed.pod.metadata.uid == binding.uid:
                meta = placed.pod.metadata
                words = f"Successfully assigned {meta.namespace}/{meta.name} to {binding.node}"
                self.tell_user(placed.pod, "pods", "Normal", "Scheduled", words)
            self._wait_for_cache(binding, answer.revision)
            return
        assert isinstance(answer, Refused)
        if not self.assumed.holds(binding):
            return
        if answer.reason == "NotFound":
            self._not_bound(binding, answer.message)
        else:
            self._read(Settle(binding, refused=answer.code != TIMEOUT_CODE))

    def _wait_for_cache(self, binding: Binding, revision: int) -> None:
        if not self.assumed.holds(binding):
            return
        if revision <= self.pods.revision:
            self._not_bound(binding, "its pod is gone")
        else:
            self.assumed.acknowledged(binding, revision)

    def _read(self, settle: Settle) -> None:
        _, namespace, name = settle.binding.key.split("/", 2)
        self.call(GetObject, settle, resource="pods", namespace=namespace, name=name)

    @handles(ReadAgain)
    def _read_again(self, timer: ReadAgain) -> None:
        if self.assumed.holds(timer.settle.binding):
            self._read(timer.settle)

    def _settled(self, settle: Settle, answer: Got | Listed | Written | Refused) -> None:
        binding = settle.binding
        if not self.assumed.holds(binding):
            return
        if isinstance(answer, Refused) and answer.reason != "NotFound":
            self.port.after(self.timing.retry_s, ReadAgain(settle))
            return
        pod = answer.obj if isinstance(answer, Got) else None
        if pod is None or pod.metadata.uid != binding.uid or is_finished(pod):
            self._not_bound(binding, "its pod is gone")
        elif pod.spec.node_name:
            actual = Binding(binding.key, binding.uid, pod.spec.node_name)
            self.assumed.add(actual)
            self.table.place(binding.key, pod, self.templates.of(pod), actual.node)
            self._wait_for_cache(actual, pod.metadata.resource_version)
        elif settle.refused or not _is_ours(pod) or binding.node not in self.table.rows:
            self._not_bound(binding, "bind refused")
        else:
            self._bind(binding, pod)  # the first request may be on its way still: only the same node is safe

    def _not_bound(self, binding: Binding, why: str) -> None:
        """The assumption was wrong: free the node, and try again later if the pod still wants one."""
        self.port.log.info("pod not bound", key=binding.key, node=binding.node, why=why)
        self.assumed.drop(binding.key)
        self.table.remove(binding.key)
        entry = self.queue.entries.get(binding.key)
        pod = self.pods.objects.get(binding.key)
        if entry is not None and (pod is None or pod.metadata.uid != binding.uid or not _is_ours(pod)):
            self.queue.remove(binding.key)
        elif entry is not None:
            self._note_due(self.queue.try_later(entry, self.port.now()))
        self._look_for_hope()
        self._schedule_soon()

    # -- waiting pods -------------------------------------------------------------------------------------------------------------------

    def _look_for_hope(self) -> None:
        """Have waiting templates checked if something has become better since the last time."""
        seen = (self.table.improvements, self.table.placements)
        if seen == self._seen:
            return
        improved, placed = seen[0] != self._seen[0], seen[1] != self._seen[1]
        self._seen = seen
        for template in self.queue.waiting_templates():
            if improved or (placed and has_relations(template)):
                self._checking[template.number] = True
        self._check_soon()

    def _check_soon(self) -> None:
        if self._checking and not self._check_sent:
            self._check_sent = True
            self.port.send(self.port.me, CheckWaiting())

    @handles(CheckWaiting)
    def _check_waiting(self, _: CheckWaiting) -> None:
        self._check_sent = False
        waiting = {template.number: template for template in self.queue.waiting_templates()}
        now = self.port.now()
        for number in list(self._checking)[:TEMPLATES_PER_TURN]:
            del self._checking[number]
            template = waiting.get(number)
            if template is not None and self.decider.may_fit(template):
                self._note_due(self.queue.wake_first(number, now, with_back_off=has_relations(template)))
        self._check_soon()
        if self.queue.has_active:
            self._schedule_soon()

    def _note_due(self, due_s: float | None) -> None:
        """Have the clock ring when a back-off ends."""
        if due_s is None or (self._back_off_timer is not None and self._back_off_timer[0] <= due_s):
            return
        if self._back_off_timer is not None:
            self._back_off_timer[1].cancel()
        self._back_off_timer = due_s, self.port.after(max(due_s - self.port.now(), 0.0), ReleaseBackOff())

    @handles(ReleaseBackOff)
    def _release_back_off(self, _: ReleaseBackOff) -> None:
        self._back_off_timer = None
        self._note_due(self.queue.release_due(self.port.now()))
        if self.queue.has_active:
            self._schedule_soon()

    @handles(FlushWaiting)
    def _flush(self, _: FlushWaiting) -> None:
        self.port.after(self.timing.scheduler_flush_s, FlushWaiting(), periodic=True)
        self.queue.wake_all()
        if self.queue.has_active:
            self._schedule_soon()


def _is_ours(pod: Pod) -> bool:
    spec = pod.spec
    return (
        spec is not None
        and not spec.node_name
        and spec.scheduler_name in ("", NAME)
        and not spec.scheduling_gates
        and not pod.metadata.deletion_timestamp
    )
