"""What makes the node lifecycle controller take a turn: its timers, and the contexts of the reads that it waits for."""

from __future__ import annotations

import msgspec

from callboard.models.messages.base import Message


class MonitorNodes(Message, frozen=True, gc=False):
    """Timer: look at all nodes."""


class CollectPods(Message, frozen=True, gc=False):
    """Timer: look for pods that nobody else removes."""


class TimeIsUp(Message, frozen=True, gc=False):
    """Timer: a pod's time on the node of this key is over."""

    key: str

    def subject(self) -> str:
        return self.key


class LeaseRead(msgspec.Struct, frozen=True, gc=False):
    """Context of the read that confirms a node's silence; `renew_time` is what the cache shows."""

    name: str
    uid: str
    renew_time: str


class NodeRead(msgspec.Struct, frozen=True, gc=False):
    """Context of the read before pods are deleted because of a node's taints or absence."""

    key: str
