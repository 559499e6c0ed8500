"""What kubelets tell the metrics server of their nodes' usage: one message per node and period, whatever runs there.

Nothing waits for a report: a lost one is followed by the next.
"""

from __future__ import annotations

import msgspec

from callboard.models.base import EMPTY_MAP, FrozenMap
from callboard.models.messages.base import Address, Message
from callboard.models.messages.runtime import ContainerUsage

METRICS_SERVER: Address = "metrics-server"


class PodReport(msgspec.Struct, frozen=True, gc=False):
    """What one running pod uses, and what its metrics are found by."""

    namespace: str
    name: str
    labels: FrozenMap
    containers: tuple[ContainerUsage, ...]


class UsageReport(Message, frozen=True, gc=False):
    """What the pods of a node use, as measured at `measured_at_s` (seconds since the epoch) over the `window_s` before. `cpu_milli` and
    `memory_bytes` are the node's. A kubelet that has nothing new sends the very tuple of pods that it sent before."""

    node: str
    measured_at_s: float
    window_s: float
    cpu_milli: int
    memory_bytes: int
    pods: tuple[PodReport, ...]
    labels: FrozenMap = EMPTY_MAP

    def subject(self) -> str:
        return f"nodes//{self.node}"
