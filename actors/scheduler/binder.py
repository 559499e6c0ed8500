"""How a bind is asked for, and what becomes of it when its answer is lost or a refusal: the lower half of the scheduler's actor.

`actor.py` builds on it and decides. A bind without an answer is settled by reading: the pod stays counted on the node that was asked for
until that is certain, and a second try goes to the same node, so that an answer that comes late never overfills another.
"""

from __future__ import annotations

from callboard.actors.client import TIMEOUT_CODE, ApiComponent
from callboard.actors.component import Port, handles
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.scheduler.binding import Assumptions, Binding, ReadAgain, Settle
from callboard.actors.scheduler.demand import TemplateBook
from callboard.actors.scheduler.queue import SchedulingQueue
from callboard.actors.scheduler.table import NodeTable
from callboard.models.api.core import Pod
from callboard.models.messages.api import BindPod, GetObject, Got, Listed, Refused, Written
from callboard.models.podstatus import is_finished
from callboard.models.timing import Timing

NAME = "default-scheduler"
"""The `schedulerName` that pods call it by."""


class Binder(ApiComponent):
    """Binds pods that were decided, and sees to it that table and queue say what came of it."""

    pods: Informer

    def __init__(self, port: Port, client: ClientSettings, timing: Timing) -> None:
        super().__init__(port, client)
        self.timing = timing
        self.table = NodeTable()
        self.templates = TemplateBook()
        self.queue = SchedulingQueue(timing.scheduler_retry_s, timing.scheduler_retry_limit_s)
        self.assumed = Assumptions()

    def room_again(self, due_s: float | None) -> None:
        """A pod was not bound after all: its place is free, and it is tried again at `due_s`."""
        raise NotImplementedError

    def bind(self, binding: Binding, pod: Pod) -> None:
        """Ask for it. The answer goes to `bind_answered`."""
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

    def bind_answered(self, binding: Binding, answer: Got | Listed | Written | Refused) -> None:
        """The bind is done, or refused, or nobody knows."""
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
            self.not_bound(binding, answer.message)
        else:
            self._read(Settle(binding, refused=answer.code != TIMEOUT_CODE))

    def _wait_for_cache(self, binding: Binding, revision: int) -> None:
        if not self.assumed.holds(binding):
            return
        if revision <= self.pods.revision:
            self.not_bound(binding, "its pod is gone")
        else:
            self.assumed.acknowledged(binding, revision)

    def _read(self, settle: Settle) -> None:
        _, namespace, name = settle.binding.key.split("/", 2)
        self.call(GetObject, settle, resource="pods", namespace=namespace, name=name)

    @handles(ReadAgain)
    def _read_again(self, timer: ReadAgain) -> None:
        if self.assumed.holds(timer.settle.binding):
            self._read(timer.settle)

    def settled(self, settle: Settle, answer: Got | Listed | Written | Refused) -> None:
        """The pod was read, whose bind was refused or unanswered."""
        binding = settle.binding
        if not self.assumed.holds(binding):
            return
        if isinstance(answer, Refused) and answer.reason != "NotFound":
            self.port.after(self.timing.retry_s, ReadAgain(settle))
            return
        pod = answer.obj if isinstance(answer, Got) else None
        if pod is None or pod.metadata.uid != binding.uid or is_finished(pod):
            self.not_bound(binding, "its pod is gone")
        elif pod.spec.node_name:
            actual = Binding(binding.key, binding.uid, pod.spec.node_name)
            self.assumed.add(actual)
            self.table.place(binding.key, pod, self.templates.of(pod), actual.node)
            self._wait_for_cache(actual, pod.metadata.resource_version)
        elif settle.refused or not is_ours(pod) or binding.node not in self.table.rows:
            self.not_bound(binding, "bind refused")
        else:
            self.bind(binding, pod)  # the first request may be on its way still: only the same node is safe

    def not_bound(self, binding: Binding, why: str) -> None:
        """The assumption was wrong: free the node, and try again later if the pod still wants one."""
        self.port.log.info("pod not bound", key=binding.key, node=binding.node, why=why)
        self.assumed.drop(binding.key)
        self.table.remove(binding.key)
        due_s = None
        entry = self.queue.entries.get(binding.key)
        pod = self.pods.objects.get(binding.key)
        if entry is not None and (pod is None or pod.metadata.uid != binding.uid or not is_ours(pod)):
            self.queue.remove(binding.key)
        elif entry is not None:
            due_s = self.queue.try_later(entry, self.port.now())
        self.room_again(due_s)


def is_gated(pod: Pod) -> bool:
    """Whether a pod is this scheduler's, but for the gates that hold it."""
    spec = pod.spec
    return spec is not None and bool(spec.scheduling_gates) and spec.scheduler_name in ("", NAME) and not pod.metadata.deletion_timestamp


def is_ours(pod: Pod) -> bool:
    """Whether this scheduler may give a pod a node."""
    spec = pod.spec
    return (
        spec is not None
        and not spec.node_name
        and spec.scheduler_name in ("", NAME)
        and not spec.scheduling_gates
        and not pod.metadata.deletion_timestamp
    )
