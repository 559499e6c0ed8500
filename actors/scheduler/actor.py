"""The scheduler: gives every pod without a node the best one, and says why if there is none.

Talks to the apiserver: informers on pods, nodes and namespaces, `BindPod` with the pod's UID and on condition that it has no node yet, its
status condition PodScheduled, and Events. All it knows is rebuilt from its informers, so it may be restarted at any time. A bind without an
answer is settled by reading: the pod stays counted on the node that was asked for until that is certain, and a second try goes to the
same node, so that an answer that comes late never overfills another. For a pod that fits nowhere, pods of lower priority may have to go:
`preemption.py` decides it and `preempting.py` carries it out.
"""

from __future__ import annotations

from typing import Any

from callboard.actors.component import Port, Timer, handles
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.scheduler.binder import NAME, Binder, is_gated, is_ours
from callboard.actors.scheduler.binding import Binding, Settle
from callboard.actors.scheduler.decision import NO_NODES, Case, Decider, Unschedulable, has_relations
from callboard.actors.scheduler.nominations import Nominations
from callboard.actors.scheduler.preempting import Disruption, Preemptor, RetryDisruption
from callboard.actors.scheduler.preemption import Preempt, preempt
from callboard.actors.scheduler.queue import Entry
from callboard.actors.scheduler.telling import RetryStatus, StatusWrite, Teller
from callboard.models.api.core import Namespace, Node, Pod
from callboard.models.budgets import BUDGETS
from callboard.models.generic import GenericObject
from callboard.models.messages.api import Got, Listed, Refused, Written
from callboard.models.messages.base import Message
from callboard.models.podstatus import is_finished
from callboard.models.timing import Timing

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


class Scheduler(Binder):
    """The actor; decisions are `decision.Decider`'s."""

    def __init__(self, port: Port, client: ClientSettings, timing: Timing) -> None:
        super().__init__(port, client, timing)
        self.nominations = Nominations()
        self.decider = Decider(self.table, self.nominations)
        self.nodes = self.inform("nodes", self._node_changed)
        self.namespaces = self.inform("namespaces", self._namespace_changed)
        self.budgets = self.inform(BUDGETS, self._budget_changed)
        self.pods = self.inform("pods", self._pod_changed)
        self._scheduled = False
        self._checking: dict[int, bool] = {}
        self._check_sent = False
        self._seen = (0, 0)
        self._back_off_timer: tuple[float, Timer] | None = None
        self._touched: dict[str, None] = {}
        """Nodes where something happened that pods which were promised them may have waited for."""
        self.teller = Teller(self, self.queue, timing)
        self.preemptor = Preemptor(self, self.queue, self.teller, timing, NAME)

    def rooms(self) -> dict[str, int]:
        """How many pods it counts on each node, those on their way there too: for oracles."""
        return {node: len(mates) for node, mates in self.table.by_node.items()}

    def counted_waiters(self) -> list[str]:
        """Keys of pods that wait for a node and are counted on one all the same, for oracles: there should never be any."""
        waiting = (entry for entry in self.queue.entries.values() if entry.part != "taken")
        counted = ((entry, self.table.pods.get(entry.key)) for entry in waiting)
        return [entry.key for entry, placed in counted if placed is not None and placed.pod.metadata.uid == entry.pod.metadata.uid]

    def on_start(self) -> None:
        """Begin to list and watch."""
        self.start_informers()
        self.port.after(self.timing.scheduler_flush_s, FlushWaiting(), periodic=True)

    # -- what the informers say -----------------------------------------------------------------------------------------------------

    def _node_changed(self, _key: str, old: Node | None, new: Node | None) -> None:
        if new is None:
            assert old is not None
            self._touched[old.metadata.name] = None
            self.table.remove_node(old.metadata.name)
            return
        self._touched[new.metadata.name] = None
        try:
            self.table.set_node(new)
        except ValueError as problem:  # that node's fault: it gets no pods until it says something sensible
            self.port.log.error("node can't be used", node=new.metadata.name, problem=str(problem))
            self.table.remove_node(new.metadata.name)

    def _namespace_changed(self, _key: str, old: Namespace | None, new: Namespace | None) -> None:
        if new is not None:
            self.table.set_namespace(new.metadata.name, new.metadata.labels)
        elif old is not None:
            self.table.set_namespace(old.metadata.name, None)

    def _budget_changed(self, key: str, _old: GenericObject | None, new: GenericObject | None) -> None:
        try:
            self.preemptor.set_budget(key, new)
        except (ValueError, TypeError, KeyError) as problem:  # that budget's fault: it protects nobody
            self.port.log.error("budget can't be read", key=key, problem=str(problem))

    def _pod_changed(self, key: str, old: Pod | None, new: Pod | None) -> None:
        gone = new is None or is_finished(new)
        self.preemptor.victim_seen(key, None if gone else new)
        if new is None or gone:
            if old is not None and old.spec is not None and old.spec.node_name:
                self._touched[old.spec.node_name] = None
            self._forget_pod(key)
            return
        node = new.spec.node_name if new.spec is not None else ""
        try:
            if node:
                if old is None or old.spec is None or not old.spec.node_name:
                    self._leave_queue(key)
                elif self.table.renew_pod(key, new):  # it has left when it was first seen there
                    return
                self.table.place(key, new, self.templates.of(new), node)
            else:
                self._unbound_changed(key, new)
        except ValueError as problem:  # that pod's fault: it must not stop the others
            self.port.log.error("pod can't be scheduled", key=key, problem=str(problem))
            self._forget_pod(key)

    def _forget_pod(self, key: str) -> None:
        self._leave_queue(key)
        self.table.remove(key)

    def _leave_queue(self, key: str) -> None:
        self.assumed.drop(key)
        self.teller.forget(key)
        entry = self.queue.remove(key)
        if entry is not None and not entry.nominated and not entry.preemptions:
            return  # as nearly all: nothing was promised, nobody went for it
        self.preemptor.forget(key)
        node = self.nominations.drop(key)
        if node:
            self.table.improvements += 1  # a place that was held is held no longer
            self._touched[node] = None

    def _unbound_changed(self, key: str, pod: Pod) -> None:
        binding = self.assumed.get(key)
        if binding is not None and binding.uid == pod.metadata.uid:
            entry = self.queue.entries.get(key)
            if entry is not None:
                entry.pod = pod
            return
        if binding is not None:
            self.assumed.drop(key)
        self.table.remove(key)
        if not is_ours(pod):
            self._leave_queue(key)
            if is_gated(pod):
                self.teller.gated(key, pod)
            return
        self.teller.forget(key)
        known = self.queue.entries.get(key)
        entry = self.queue.offer(key, pod, self.templates.of(pod))
        if entry is not known or not self.leads:  # as it stands in its status: perhaps an earlier scheduler's promise
            nominated = pod.status.nominated_node_name if pod.status is not None else ""
            if known is not None:
                self.preemptor.forget(key)
            if known is not None or nominated:
                self.preemptor.promise(entry, nominated)
        else:
            self.preemptor.pod_seen(entry)
        if entry.part == "active":
            self._schedule_soon()
        elif entry.part == "unschedulable":
            self.teller.check(entry)  # somebody else's write may have replaced the condition

    def caught_up(self, informer: Informer) -> None:
        if not self.synced:
            return
        if informer is self.pods:
            for binding in self.assumed.overdue(informer.revision):
                self.not_bound(binding, "its pod is gone")
        self._look_for_hope()
        self.teller.resume()
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
        if not self.synced:
            return  # the last list goes on from here
        for _turn in range(PODS_PER_TURN):
            if not self.leads or len(self.assumed) >= BINDS_IN_FLIGHT_LIMIT:
                return  # and from here the answer to a bind
            entry = self.queue.take()
            if entry is None:
                return
            self._decide(entry)
        if self.queue.has_active:
            self._schedule_soon()

    def _decide(self, entry: Entry) -> None:
        if not self.table.node_count:
            self.queue.put_aside(entry)
            self.teller.tell(entry, NO_NODES)
            return
        case = self.decider.case(entry.key, entry.pod, entry.template)
        result = self.decider.choose_of(case)
        if isinstance(result, Unschedulable):
            self._preempt(entry, case, result.message)
            return
        if entry.nominated or entry.preemptions:
            self.preemptor.forget(entry.key)
            self.preemptor.promise(entry, "")
        meta = entry.pod.metadata
        binding = Binding(entry.key, meta.uid, result.node)
        self.assumed.add(binding)
        self.table.place(entry.key, entry.pod, entry.template, result.node)
        self.bind(binding, entry.pod)
        if entry.chained:
            entry.chained = False
            self._note_due(self.queue.wake_first(entry.template.number, self.port.now(), with_back_off=False))

    def _preempt(self, entry: Entry, case: Case, message: str) -> None:
        """It fits nowhere: perhaps others have to go. What is said follows Kubernetes' FitError with the words of PostFilter."""
        self.queue.put_aside(entry)
        now_s = self.port.now()
        entry.preempt_after_s = min(entry.preempt_after_s, now_s + self.timing.scheduler_flush_s)  # the clock may have been set back
        if not self.preemptor.busy(entry.key) and now_s >= entry.preempt_after_s:
            plan = preempt(self.decider, case, list(self.preemptor.budgets.values()), self.decider.next_row)
            if isinstance(plan, Preempt):
                victims = [placed.pod.metadata.name for placed in plan.candidate.victims]
                self.port.log.info("preempts", pod=entry.key, node=plan.candidate.node, victims=victims)
                self.preemptor.begin(entry, plan)
            else:
                message = f"{message} preemption: {plan.message}"
                if entry.nominated and not plan.keeps_promise:
                    self.preemptor.promise(entry, "")
        self.teller.tell(entry, message)
        self.preemptor.pod_seen(entry)

    @handles(RetryDisruption)
    def _retry_disruption(self, timer: RetryDisruption) -> None:
        self.preemptor.retry(timer.disruption)

    @handles(RetryStatus)
    def _retry_status(self, timer: RetryStatus) -> None:
        self.teller.retry(timer.key)

    def elected(self) -> None:
        super().elected()
        self._schedule_soon()

    # -- answers ----------------------------------------------------------------------------------------------------------------------

    def answered(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        if isinstance(context, Binding):
            self.bind_answered(context, answer)
        elif isinstance(context, Settle):
            self.settled(context, answer)
        elif isinstance(context, StatusWrite):
            self.teller.answered(context, answer)
        elif isinstance(context, Disruption):
            self.preemptor.answered(context, answer)

    # -- waiting pods -------------------------------------------------------------------------------------------------------------------

    def room_again(self, due_s: float | None) -> None:
        self._note_due(due_s)
        self._look_for_hope()
        self._schedule_soon()

    def _look_for_hope(self) -> None:
        """Have waiting templates checked if something has become better since the last time."""
        for node in self._touched:
            for nominee in self.nominations.on(node):
                entry = self.queue.entries.get(nominee.key)
                if entry is not None and not self.decider.waits_for_victims(nominee):
                    self.queue.wake(entry)
        self._touched.clear()
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
            if template is None:
                continue
            demand = template.demand
            if self.decider.may_fit(template):
                self._note_due(self.queue.wake_first(number, now, with_back_off=has_relations(template)))
            elif demand.preempts and self.table.outranks_some(demand.priority):  # perhaps others can be removed now
                self._note_due(self.queue.wake_first(number, now, with_back_off=True))
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
