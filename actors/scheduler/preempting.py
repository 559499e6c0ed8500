"""Carries preemptions out: promise first, then the victims' condition, then their deletion; safe to be broken off anywhere.

Part of the scheduler's actor. Nobody is removed before the promise (`status.nominatedNodeName`) is durable, so a scheduler that starts anew
finds it and waits for what is under way instead of removing others. Every step carries the victim's UID and is repeated, after a pause and
only while it is still wanted, until it is answered or the cache shows that the victim is going. A pod may preempt again only when all its
victims are seen to be going, and each time after a longer pause.
Source: framework/preemption/preemption.go (PreemptPod, prepareCandidate).
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from callboard.actors.client import TIMEOUT_CODE
from callboard.actors.component import Port
from callboard.actors.scheduler.demand import TemplateBook
from callboard.actors.scheduler.nominations import Nominations, Nominee
from callboard.actors.scheduler.preemption import Budget, Preempt
from callboard.actors.scheduler.queue import Entry, SchedulingQueue
from callboard.actors.scheduler.table import NodeTable, Placed
from callboard.actors.scheduler.telling import Teller
from callboard.models.api.core import Pod
from callboard.models.base import freeze, plain
from callboard.models.budgets import label_selector_of, status_of
from callboard.models.generic import GenericObject
from callboard.models.messages.api import DeleteObject, Got, Listed, PatchObject, Refused, Written
from callboard.models.messages.base import Message, Request
from callboard.models.messages.store import Fence
from callboard.models.podstatus import disruption_target, is_terminating
from callboard.models.selectors import compile_selector
from callboard.models.times import rfc3339
from callboard.models.timing import Timing


class Disruption(msgspec.Struct, frozen=True, gc=False):
    """Context of a write about a victim. `marked`: its condition DisruptionTarget is written already, the deletion comes next."""

    preemptor: str
    preemptor_uid: str
    victim: str
    victim_uid: str
    node: str
    marked: bool = False


class RetryDisruption(Message, frozen=True, gc=False):
    """Timer: a write about a victim was refused, or its outcome is unknown."""

    disruption: Disruption


class Owner(Protocol):
    """What this needs of the scheduler."""

    port: Port
    table: NodeTable
    templates: TemplateBook
    nominations: Nominations

    @property
    def fence(self) -> Fence | None: ...

    def call(self, request: type[Request], context: Any, /, **fields: Any) -> int: ...

    def tell_user(self, obj: Any, resource: str, type_: str, reason: str, message: str) -> None: ...


class Preemptor:
    """All preemptions under way."""

    def __init__(self, owner: Owner, queue: SchedulingQueue, teller: Teller, timing: Timing, scheduler_name: str) -> None:
        self._owner = owner
        self._queue = queue
        self._teller = teller
        self._timing = timing
        self._scheduler_name = scheduler_name
        self._promised: dict[str, tuple[str, tuple[Placed, ...]]] = {}
        """(UID, victims) of pods whose promise isn't durable yet."""
        self._going: dict[str, dict[str, str]] = {}
        """By preemptor, the victims (with UID) that the cache doesn't show as terminating yet."""
        self._wanted_by: dict[str, dict[str, None]] = {}
        """By victim, the preemptors that wait for it."""
        self.budgets: dict[str, Budget] = {}

    # -- what is known ----------------------------------------------------------------------------------------------------------

    def busy(self, key: str) -> bool:
        """Whether the last preemption of a pod is not over: its victims aren't all seen to be going."""
        return key in self._promised or key in self._going

    def set_budget(self, key: str, obj: GenericObject | None) -> None:
        """A PodDisruptionBudget is new, has changed, or is gone."""
        self.budgets.pop(key, None)
        if obj is not None:
            self.budgets[key] = budget_of(obj)

    def victim_seen(self, key: str, pod: Pod | None) -> None:
        """What the cache shows of a pod, None if it is gone."""
        if key not in self._wanted_by:
            return
        for preemptor in list(self._wanted_by[key]):
            uid = self._going.get(preemptor, {}).get(key, "")
            if pod is None or pod.metadata.uid != uid or is_terminating(pod):
                self._is_going(preemptor, key)

    def _is_going(self, preemptor: str, victim: str) -> None:
        waiting = self._wanted_by.get(victim, {})
        waiting.pop(preemptor, None)
        if not waiting:
            self._wanted_by.pop(victim, None)
        left = self._going.get(preemptor)
        if left is not None:
            left.pop(victim, None)
            if not left:
                del self._going[preemptor]

    def forget(self, key: str) -> None:
        """A preemptor is gone or has its node: nobody more is removed for it."""
        self._promised.pop(key, None)
        if key in self._going:
            for victim in list(self._going[key]):
                self._is_going(key, victim)

    # -- the promise ------------------------------------------------------------------------------------------------------------

    def begin(self, entry: Entry, plan: Preempt) -> None:
        """Promise the node; whom a lower pod's promise of the same node would have been kept for has to look elsewhere."""
        for other in plan.outranked:
            self._owner.nominations.drop(other.key)
            outranked = self._queue.entries.get(other.key)
            if outranked is not None:
                outranked.nominated = ""
                self._promised.pop(other.key, None)
                self._teller.check(outranked)
                self._queue.wake(outranked)
        entry.preemptions += 1
        pause_s = min(self._timing.scheduler_retry_s * 2.0 ** min(entry.preemptions, 30), self._timing.scheduler_flush_s)
        entry.preempt_after_s = self._owner.port.now() + pause_s
        self.promise(entry, plan.candidate.node)
        self._promised[entry.key] = entry.pod.metadata.uid, plan.candidate.victims

    def promise(self, entry: Entry, node: str) -> None:
        """Hold a place on a node for a pod; "" to hold none any more."""
        entry.nominated = node
        if node:
            self._owner.nominations.set(Nominee(entry.key, entry.pod, entry.template, node))
        elif self._owner.nominations and self._owner.nominations.drop(entry.key):
            self._owner.table.improvements += 1  # a place that was held is held no longer

    def pod_seen(self, entry: Entry) -> None:
        """A waiting pod was seen, or its status was written: go on if its promise is durable."""
        promised = self._promised.get(entry.key)
        status = entry.pod.status
        if promised is None or status is None or status.nominated_node_name != entry.nominated or not entry.nominated:
            return
        del self._promised[entry.key]
        uid, victims = promised
        for placed in victims:
            meta = placed.pod.metadata
            disruption = Disruption(entry.key, uid, f"pods/{meta.namespace}/{meta.name}", meta.uid, entry.nominated)
            if self._still_there(disruption) is not None:
                self._going.setdefault(entry.key, {})[disruption.victim] = meta.uid
                self._wanted_by.setdefault(disruption.victim, {})[entry.key] = None
                self._mark(disruption)

    # -- victims ----------------------------------------------------------------------------------------------------------------

    def _still_there(self, disruption: Disruption) -> Placed | None:
        """The victim, if it is there and has to go still: same pods, same node, of lower priority, and nobody has deleted it."""
        entry = self._queue.entries.get(disruption.preemptor)
        placed = self._owner.table.pods.get(disruption.victim)
        if entry is None or entry.pod.metadata.uid != disruption.preemptor_uid or entry.nominated != disruption.node:
            return None
        if placed is None or placed.node != disruption.node or placed.pod.metadata.uid != disruption.victim_uid:
            return None
        if is_terminating(placed.pod) or placed.template.demand.priority >= entry.template.demand.priority:
            return None
        return placed

    def retry(self, disruption: Disruption) -> None:
        """The pause after a refusal is over."""
        if self._still_there(disruption) is None:
            self._is_going(disruption.preemptor, disruption.victim)
        elif disruption.marked:
            self._delete(disruption)
        else:
            self._mark(disruption)

    def _mark(self, disruption: Disruption) -> None:
        message = f"{self._scheduler_name}: preempting to accommodate a higher priority pod"
        condition = disruption_target("PreemptionByScheduler", message, rfc3339(self._owner.port.now()))
        patch = freeze({"status": {"conditions": [plain(condition)]}})
        self._write(PatchObject, disruption, type="strategic", patch=patch, subresource="status")

    def _delete(self, disruption: Disruption) -> None:
        self._write(DeleteObject, disruption)

    def _write(self, request: type[Request], disruption: Disruption, **fields: Any) -> None:
        _, namespace, name = disruption.victim.split("/", 2)
        self._owner.call(
            request,
            disruption,
            resource="pods",
            namespace=namespace,
            name=name,
            uid=disruption.victim_uid,
            fence=self._owner.fence,
            **fields,
        )

    def answered(self, disruption: Disruption, answer: Got | Listed | Written | Refused) -> None:
        """A write about a victim was answered."""
        if isinstance(answer, Refused):
            if answer.reason in ("NotFound", "Conflict") and answer.code != TIMEOUT_CODE:
                self._is_going(disruption.preemptor, disruption.victim)  # it is another pod by now, or none
            else:
                self._owner.port.after(self._timing.retry_s, RetryDisruption(disruption))
            return
        if not disruption.marked:
            self.retry(msgspec.structs.replace(disruption, marked=True))
            return
        placed = self._owner.table.pods.get(disruption.victim)
        if placed is not None and placed.pod.metadata.uid == disruption.victim_uid:
            words = f"Preempted by pod {disruption.preemptor_uid} on node {disruption.node}"
            self._owner.tell_user(placed.pod, "pods", "Normal", "Preempted", words)


def budget_of(obj: GenericObject) -> Budget:
    """What a preemption needs to know of a PodDisruptionBudget. One without a selector protects nobody."""
    status = status_of(obj)
    selector = compile_selector(label_selector_of(obj))
    allowed = int(status.get("disruptionsAllowed") or 0)
    return Budget(obj.metadata.namespace, selector, allowed, tuple(status.get("disruptedPods") or ()))
