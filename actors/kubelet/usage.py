"""A kubelet's part that measures: it asks its runtime what the pods use, reports that, and judges whether the node is under pressure.

One message per node and period, and nothing per pod while nothing changes: a runtime then answers with the very tuple of its last answer.
The rules of pressure and eviction are in `eviction.py`.
"""

from __future__ import annotations

from callboard.actors.component import Port, handles
from callboard.actors.informer import ClientSettings
from callboard.actors.kubelet.eviction import (
    EVICTION_GRACE_S,
    REASON,
    TERMINATED,
    Amounts,
    Candidate,
    Eviction,
    Signal,
    crossed,
    last_observed,
    over_own_limit,
    refusal,
    standing,
    to_evict,
    used_by,
)
from callboard.actors.kubelet.health import PodHealth
from callboard.actors.kubelet.nodestatus import pressure_event
from callboard.actors.kubelet.pods import PodRecord
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.models.base import EMPTY_MAP
from callboard.models.messages.base import Message
from callboard.models.messages.runtime import ContainerUsage, PodMeasured, ReadUsage, UsageRead
from callboard.models.messages.usage import METRICS_SERVER, PodReport, UsageReport
from callboard.models.podstatus import disruption_target
from callboard.models.quantity import to_bytes
from callboard.models.times import rfc3339

FIRST_WITHIN_S = 1.0
"""The first measurement comes within this time, or within a period if that is shorter: not all nodes at once."""
JITTER = 0.04
CLEANUP_LIMIT_S = 30.0
"""Until an evicted pod has ended, but no longer than this, no other is evicted (podCleanupTimeout)."""


class MeasureUsage(Message, frozen=True, gc=False):
    """Timer: ask the runtime what the pods use."""


class Measuring(PodHealth):
    """See `Kubelet`."""

    def __init__(self, port: Port, client: ClientSettings, own: KubeletSettings) -> None:
        super().__init__(port, client, own)
        self.capacity = Amounts(to_bytes(own.memory), to_bytes(own.ephemeral_storage), own.pids)
        self._measures = False
        self._usage_request = 0
        self._asked_at_s = 0.0
        self._read_at_s = 0.0
        self._measured: tuple[PodMeasured, ...] = ()
        self._used = Amounts()
        self._cpu_milli = 0
        self._told: list[tuple[PodRecord, PodReport]] = []
        """What was reported of which pod."""
        self._pods_report: tuple[PodReport, ...] = ()
        self._complete = True
        """Every pod that was measured was known and running when the last report was made."""
        self._observed: dict[str, float] = {}
        """When each pressure was observed last."""
        self._evicting: PodRecord | None = None
        self._evicted_at_s = 0.0

    def begin_to_speak(self) -> None:
        """The runtime can be asked: begin to measure."""
        super().begin_to_speak()
        if not self._measures:
            self._measures = True
            first_s = min(FIRST_WITHIN_S, self.own.timing.usage_s) * self.port.random()
            self.port.after(first_s, MeasureUsage(), periodic=True)

    @handles(MeasureUsage)
    def _measure(self, _timer: MeasureUsage) -> None:
        port = self.port
        port.after(self.own.timing.usage_s * (1 + JITTER * port.random()), MeasureUsage(), periodic=True)
        self._usage_request, self._asked_at_s = self.next_id(), port.now()
        port.send(self.own.runtime, ReadUsage(self._usage_request, port.me))

    @handles(UsageRead)
    def _usage_read(self, answer: UsageRead) -> None:
        if answer.id != self._usage_request:
            return  # too late: it was asked again
        self._usage_request = 0
        now_s = self.port.now()
        changed = answer.pods is not self._measured
        if changed:
            self._measured = answer.pods
            self._used = used_by(answer.pods)
            self._cpu_milli = sum([one.cpu_milli for pod in answer.pods for one in pod.containers])
        changed = changed or not self._complete
        self._send_report(now_s, changed)
        self._judge(now_s, changed)

    def clock_was_set_back(self, now_s: float) -> None:
        """See `PodWork`. A pressure was not observed later than now."""
        self._observed = {pressure: min(at_s, now_s) for pressure, at_s in self._observed.items()}
        self._read_at_s = min(self._read_at_s, now_s)
        self._asked_at_s = min(self._asked_at_s, now_s)
        self._evicted_at_s = min(self._evicted_at_s, now_s)
        super().clock_was_set_back(now_s)

    # -- reporting ----------------------------------------------------------------------------------------------------------------

    def _send_report(self, now_s: float, changed: bool) -> None:
        if changed or not all(usage.labels is record.pod.metadata.labels for record, usage in self._told):
            self._make_report()
        window_s = now_s - (self._read_at_s or now_s - self.own.timing.usage_s)
        self._read_at_s = now_s
        labels = self.node.metadata.labels if self.node is not None else EMPTY_MAP
        memory = self._used.memory
        report = UsageReport(self.own.node_name, now_s, window_s, self._cpu_milli, memory, self._pods_report, labels)
        self.port.send(METRICS_SERVER, report)

    def _make_report(self) -> None:
        told = []
        for measured in self._measured:
            record = self.pods.get(measured.pod_uid)
            if record is not None and record.seen.phase == "Running":  # of others metrics are not told, as by metrics-server
                meta = record.pod.metadata
                told.append((record, PodReport(meta.namespace, meta.name, meta.labels, _as_in_spec(record, measured))))
        self._told = told
        self._pods_report = tuple([usage for _, usage in told])
        self._complete = len(told) == len(self._measured)

    # -- pressure -----------------------------------------------------------------------------------------------------------------

    def _judge(self, now_s: float, changed: bool) -> None:
        """What was measured: is the node under pressure, and does a pod have to go?"""
        signals = crossed(self.capacity, self._used)
        if signals or self._observed or self.pressures is None:
            self._observed = last_observed(self._observed, signals, now_s)
            pressures = standing(self._observed, self.own.timing.pressure_transition_s, now_s)
            self._observed = {one: self._observed[one] for one in pressures}
            if pressures != self.pressures:
                self._pressures_changed(pressures)
        evicted = self._evict_over_limits(now_s) if changed else False
        if signals and not evicted and not self._cleans_up(now_s):
            self._reclaim(signals, now_s)

    def _pressures_changed(self, pressures: tuple[str, ...]) -> None:
        before, self.pressures = self.pressures or (), pressures
        for one in (*pressures, *before):
            if (one in pressures) != (one in before) and self.node is not None:
                event = pressure_event(one, one in pressures)
                self.tell_user(self.node, "nodes", "Normal", event, f"Node {self.own.node_name} status is now: {event}")
        self.check_node()

    def refused_under_pressure(self, record: PodRecord) -> tuple[str, str] | None:
        """Why the node does not take a pod while it is under pressure: reason and message."""
        return refusal(record.pod, self.pressures) if self.pressures else None

    # -- eviction -----------------------------------------------------------------------------------------------------------------

    def _evict_over_limits(self, now_s: float) -> bool:
        evicted = False
        for measured in self._measured:
            record = self.pods.get(measured.pod_uid)
            if record is not None and record.goal == "run" and record.template.limits_storage:
                eviction = over_own_limit(record.pod, measured)
                if eviction is not None:
                    self._evict(record, eviction, now_s)
                    evicted = True
        return evicted

    def _cleans_up(self, now_s: float) -> bool:
        """Whether the pod that was evicted last still has to end."""
        pod = self._evicting
        if pod is None or pod.uid not in self.pods or not pod.busy() or now_s >= self._evicted_at_s + CLEANUP_LIMIT_S:
            self._evicting = None
        return self._evicting is not None or self._asked_at_s <= self._evicted_at_s  # what was measured before says nothing new

    def _reclaim(self, signals: tuple[Signal, ...], now_s: float) -> None:
        if self.node is not None:
            what = f"Attempting to reclaim {signals[0].resource}"
            self.tell_user(self.node, "nodes", "Warning", "EvictionThresholdMet", what)
        eviction = to_evict(signals, self._candidates())
        if eviction is None:
            self.port.log.warning("no pod can be evicted", resource=signals[0].resource)
        else:
            self._evict(self.pods[eviction.uid], eviction, now_s)

    def _candidates(self) -> list[Candidate]:
        """The pods of which something ran when the runtime was asked."""
        measured = {one.pod_uid: one for one in self._measured}
        found = []
        for record in self.pods.values():
            if record.goal != "run" or record.sandbox != "running":
                continue
            ran = [one for one in record.containers.values() if one.state == "running" and one.started_at_s < self._asked_at_s]
            if ran:
                requests = dict(record.template.requests)
                memory, storage = requests.get("memory", 0), requests.get("ephemeral-storage", 0)
                found.append(Candidate(record.pod, memory, storage, measured.get(record.uid)))
        return found

    def _evict(self, record: PodRecord, eviction: Eviction, now_s: float) -> None:
        self.port.log.info("evicting", pod=record.key, why=eviction.message)
        self.tell(record, "Warning", REASON, eviction.message)
        record.finish("Failed", REASON, eviction.message)
        record.end_within(EVICTION_GRACE_S, now_s)
        if eviction.disruption:
            generation = record.pod.metadata.generation or None
            record.disruption = disruption_target(TERMINATED, eviction.message, rfc3339(now_s), generation)
        self._evicting, self._evicted_at_s = record, now_s
        self.look(record)


def _as_in_spec(record: PodRecord, measured: PodMeasured) -> tuple[ContainerUsage, ...]:
    """What a pod's containers use, in the order of its spec; runtimes tell them in the order of their starts."""
    if len(measured.containers) == 1:
        return measured.containers
    places = {name: place for place, name in enumerate(record.containers)}
    return tuple(sorted(measured.containers, key=lambda one: places.get(one.name, len(places))))
