"""The metrics server: hears the usage reports of all kubelets and answers what the apiserver passes on to it of group metrics.k8s.io.

It keeps nothing but the newest report of each node, so one that crashed knows all again after one period. Started by `runtime/face`.
"""

from __future__ import annotations

from callboard.actors.component import Component, Port, handles
from callboard.actors.metrics.samples import Samples
from callboard.models.errors import ApiError, not_found
from callboard.models.kinds import NODE_METRICS, POD_METRICS
from callboard.models.messages.api import GetObject, Got, Listed, ListObjects, Refused
from callboard.models.messages.base import Message
from callboard.models.messages.usage import UsageReport

KEPT_PERIODS = 3
"""A node that was silent for so many periods is not told of any more."""


class ForgetSilent(Message, frozen=True, gc=False):
    """Timer: forget the nodes that have been silent for too long."""


class MetricsServer(Component):
    """One per cluster. `usage_s` is how often kubelets report."""

    def __init__(self, port: Port, usage_s: float) -> None:
        super().__init__(port)
        self._keep_s = usage_s * KEPT_PERIODS
        self.samples = Samples(self._keep_s)

    def on_start(self) -> None:
        """Begin to forget."""
        self.port.after(self._keep_s, ForgetSilent(), periodic=True)

    @handles(ForgetSilent)
    def _forget_silent(self, _timer: ForgetSilent) -> None:
        self.port.after(self._keep_s, ForgetSilent(), periodic=True)
        self.samples.expire(self.port.now())

    @handles(UsageReport)
    def _reported(self, report: UsageReport) -> None:
        self.samples.take(report, self.port.now())

    @handles(GetObject, ListObjects)
    def _read(self, request: GetObject | ListObjects) -> None:
        self.port.send(request.reply_to, answer(request, self.samples, self.port.now()))


def answer(request: GetObject | ListObjects, samples: Samples, now_s: float) -> Got | Listed | Refused:
    """What is answered to a read of metrics."""
    resource = request.resource
    try:
        if resource not in (NODE_METRICS, POD_METRICS):
            raise not_found(resource, getattr(request, "name", ""))
        if isinstance(request, GetObject):
            return Got(request.id, samples.get(resource, request.namespace, request.name, now_s), 0)
        found = samples.list(resource, request.namespace, request.labels, request.fields, now_s)
        return Listed(request.id, found, 0)
    except ApiError as refusal:
        return Refused(request.id, refusal.code, refusal.reason, refusal.message, refusal.details)
