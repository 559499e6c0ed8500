"""Why a pod waits, told where people look: its condition PodScheduled, the node that it was promised, and an Event.

Part of the scheduler's actor; also tells pods with scheduling gates that these hold them. The status is written on condition that the pod
is still as it was decided upon, so that nothing of what a kubelet wrote is ever overwritten; a write that was refused is tried again while
the pod still waits.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Protocol

import msgspec

from callboard.actors.component import Port
from callboard.actors.scheduler.queue import Entry, SchedulingQueue
from callboard.models.api.core import Pod, PodCondition, PodStatus
from callboard.models.base import replace
from callboard.models.messages.api import Got, Listed, Refused, WriteStatus, Written
from callboard.models.messages.base import Message, Request
from callboard.models.messages.store import Fence
from callboard.models.podstatus import condition, with_condition
from callboard.models.times import rfc3339
from callboard.models.timing import Timing

GATED = "SchedulingGated"
GATED_MESSAGE = "Scheduling is blocked due to non-empty scheduling gates"
UNSCHEDULABLE = "Unschedulable"
STATUS_WRITES_LIMIT = 128
"""Unanswered writes of status; further ones wait."""


class RetryStatus(Message, frozen=True, gc=False):
    """Timer: a write of status was refused."""

    key: str


class StatusWrite(msgspec.Struct, frozen=True, gc=False):
    """Context of a write of status."""

    key: str


class Owner(Protocol):
    """What telling needs of the scheduler."""

    port: Port

    @property
    def fence(self) -> Fence | None: ...

    @property
    def leads(self) -> bool: ...

    def call(self, request: type[Request], context: Any, /, **fields: Any) -> int: ...

    def tell_user(self, obj: Any, resource: str, type_: str, reason: str, message: str) -> None: ...


class Teller:
    """Tells of pods in the unschedulable part of the queue. An Event is repeated for news, and once in a flush period otherwise."""

    def __init__(self, owner: Owner, queue: SchedulingQueue, timing: Timing) -> None:
        self._owner = owner
        self._queue = queue
        self._timing = timing
        self._gated: dict[str, Pod] = {}
        self._waiting: dict[str, None] = {}
        self._in_flight: dict[str, None] = {}

    def tell(self, entry: Entry, message: str) -> None:
        """An attempt has failed, for this reason."""
        now = self._owner.port.now()
        if message != entry.message or now - entry.told_s >= self._timing.scheduler_flush_s:
            entry.told_s = now
            self._owner.tell_user(entry.pod, "pods", "Warning", "FailedScheduling", message)
        entry.message = message
        self.check(entry)

    def check(self, entry: Entry) -> None:
        """See to it that the pod's status says what its entry says."""
        if not _is_told(entry):
            self._waiting[entry.key] = None
            self._send()

    def gated(self, key: str, pod: Pod) -> None:
        """See to it that the condition of a pod with scheduling gates says that these hold it."""
        if not is_told(pod, GATED_MESSAGE, GATED):
            self._gated[key] = pod
            self._waiting[key] = None
            self._send()

    def forget(self, key: str) -> None:
        """The pod is gone, or its gates are."""
        self._gated.pop(key, None)

    def resume(self) -> None:
        """Its owner may have become the leader: what waited for that is told."""
        if self._waiting:
            self._send()

    def _send(self) -> None:
        if not self._owner.leads:
            return  # two who tell the same pod different reasons would do so for ever
        for key in list(islice(self._waiting, 2 * STATUS_WRITES_LIMIT)):
            if len(self._in_flight) >= STATUS_WRITES_LIMIT:
                return
            if key in self._in_flight:
                continue
            del self._waiting[key]
            entry = self._queue.unschedulable(key)
            gated = self._gated.get(key)
            if entry is not None and not _is_told(entry):
                self._write(key, entry.pod, UNSCHEDULABLE, entry.message, entry.nominated)
            elif gated is not None:
                self._write(key, gated, GATED, GATED_MESSAGE, "")

    def _write(self, key: str, pod: Pod, reason: str, message: str, nominated: str) -> None:
        self._in_flight[key] = None
        meta = pod.metadata
        self._owner.call(
            WriteStatus,
            StatusWrite(key),
            resource="pods",
            namespace=meta.namespace,
            name=meta.name,
            status=status_with(pod, reason, message, nominated, self._owner.port.now()),
            uid=meta.uid,
            resource_version=meta.resource_version,  # a pod that has moved on, perhaps to its node, isn't ours to write to
            fence=self._owner.fence,
        )

    def answered(self, context: StatusWrite, answer: Got | Listed | Written | Refused) -> None:
        """A write of status was answered. After a refusal the informer shows, or will show, what is so now."""
        self._in_flight.pop(context.key, None)
        if isinstance(answer, Refused) and answer.reason != "NotFound":
            self._owner.port.after(self._timing.retry_s, RetryStatus(context.key))
        self._send()

    def retry(self, key: str) -> None:
        """The pause after a refusal is over."""
        entry = self._queue.unschedulable(key)
        if entry is not None:
            self.check(entry)
        elif key in self._gated:
            self.gated(key, self._gated[key])


def _is_told(entry: Entry) -> bool:
    status = entry.pod.status
    return is_told(entry.pod, entry.message) and (status.nominated_node_name if status is not None else "") == entry.nominated


def is_told(pod: Pod, message: str, reason: str = UNSCHEDULABLE) -> bool:
    """Whether the pod's condition says so already."""
    found = condition(pod, "PodScheduled")
    return found is not None and found.status == "False" and found.reason == reason and found.message == message


def status_with(pod: Pod, reason: str, message: str, nominated: str, now: float) -> PodStatus:
    """The pod's status with the condition PodScheduled False, and the node that it was promised."""
    status = pod.status or PodStatus(phase="Pending")
    new = PodCondition(type="PodScheduled", status="False", reason=reason, message=message, last_transition_time=rfc3339(now))
    return replace(status, conditions=with_condition(status.conditions, new), nominated_node_name=nominated)
