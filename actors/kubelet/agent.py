"""A kubelet's part that speaks of the node: its object, its conditions, its lease. The base of `Kubelet`.

The node is registered when the runtime has said what runs there. From then on a renewed lease says that the kubelet lives, and the node's
own informer shows when somebody else wrote another truth (a controller that lost sight of it): then it is written again at once.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import msgspec

from callboard.actors.client import ApiComponent
from callboard.actors.component import Port, handles
from callboard.actors.informer import ClientSettings
from callboard.actors.kubelet.nodestatus import lacks_labels, new_node, says_the_same, status_of_node
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.models.api.core import Node, NodeStatus
from callboard.models.base import FrozenMap
from callboard.models.messages.api import CreateObject, GetObject, Got, Listed, PatchObject, Refused, RenewLease, WriteStatus, Written
from callboard.models.messages.base import Message
from callboard.models.times import rfc3339_micro

LEASES = "leases.coordination.k8s.io"
LEASE_NAMESPACE = "kube-node-lease"
LEASE_PERIODS = 4
"""A lease is valid for so many periods of its renewal (nodeLeaseDurationSeconds 40, renewed every 10)."""
RENEW_JITTER = 0.04
READS_LIMIT = 4
"""Tries of a kubelet to write its node's status are five, of which the later ones read the object first (nodeStatusUpdateRetry)."""


class RenewNow(Message, frozen=True, gc=False):
    """Timer: renew the lease, and see whether the node's object is as it should be."""


class NodeWrite(msgspec.Struct, frozen=True, gc=False):
    """Context of a write to the node's object, or of a read that goes before one."""


class NodeAgent(ApiComponent):
    """See `Kubelet`. `host_ip` and `problem` (why the node is not ready, "" if it is) are kept by the subclass."""

    def __init__(self, port: Port, client: ClientSettings, own: KubeletSettings) -> None:
        super().__init__(port, client)
        self.own = own
        self.host_ip = ""
        self.problem = ""
        self.pressures: tuple[str, ...] | None = None
        """The pressure conditions that hold; None: nothing has been measured yet."""
        self.node: Node | None = None
        """The newest version of the node's object that is known."""
        self.nodes = self.inform("nodes", self._node_changed, fields=f"metadata.name={own.node_name}")
        self._speaks = False
        self._writing = False
        self._reported_at_s = 0.0
        self._renewals = (0, 0)
        self._reads = 0
        """How often the object has been read since the last renewal."""

    def begin_to_speak(self) -> None:
        """The runtime has said what runs here: register the node and hold its lease."""
        if not self._speaks:
            self._speaks = True
            self._renew()

    def _node_changed(self, key: str, old: Node | None, new: Node | None) -> None:
        if new is None or self.node is None or new.metadata.resource_version > self.node.metadata.resource_version:
            self.node = new
        if self._speaks and new is not None:
            self.check_node()

    def check_node(self) -> None:
        """Write what the node's object lacks: the object, labels, the status that it should have, or a fresh heartbeat."""
        if self._writing or not self._speaks or not self.nodes.synced:
            return
        now_s, node, own = self.port.now(), self.node, self.own
        if node is None:
            if self._reported_at_s == 0.0:  # a node that somebody deletes is not registered again by the same kubelet
                self._write(CreateObject, resource="nodes", obj=new_node(own, self.host_ip, self.problem, now_s, self.pressures))
            return
        name, uid = own.node_name, node.metadata.uid
        lacking = lacks_labels(node, own)
        if lacking:
            patch = FrozenMap({"metadata": FrozenMap({"labels": lacking})})
            self._write(PatchObject, resource="nodes", namespace="", name=name, uid=uid, type="merge", patch=patch)
            return
        seen = node.status or NodeStatus()
        wanted = status_of_node(own, seen, self.host_ip, self.problem, now_s, self.pressures)
        report_due = now_s >= self._reported_at_s + own.timing.node_status_s
        if report_due or not says_the_same(seen, wanted):
            revision = node.metadata.resource_version
            self._write(WriteStatus, resource="nodes", namespace="", name=name, uid=uid, status=wanted, resource_version=revision)

    def _write(self, request: Any, **fields: Any) -> None:
        self._writing = True
        self.call(request, NodeWrite(), **fields)

    def node_answered(self, answer: Got | Listed | Written | Refused) -> None:
        """A write to the node's object, or a read of it, was answered. A write that was refused because the object has changed meanwhile is
        tried again at once on what is stored, since the informer's stream may be silent; what else is refused, with the next renewal."""
        self._writing = False
        if isinstance(answer, Refused):
            if answer.reason == "Conflict" and self._reads < READS_LIMIT:
                self._reads += 1
                self._write(GetObject, resource="nodes", namespace="", name=self.own.node_name)
            elif answer.reason not in ("Conflict", "AlreadyExists"):
                self.port.log.info("node write refused", code=answer.code, problem=answer.message)
        elif not isinstance(answer, Listed):
            if isinstance(answer, Written):
                self._reported_at_s = self.port.now()
            if self.node is None or answer.obj.metadata.resource_version > self.node.metadata.resource_version:
                self.node = answer.obj
            self.check_node()

    @handles(RenewNow)
    def _renew_now(self, _timer: RenewNow) -> None:
        self._renew()
        self.renewed()

    def renewed(self) -> None:
        """A period of the lease has passed."""

    def _renew(self) -> None:
        own, port = self.own, self.port
        period_s = own.timing.lease_renew_s
        port.after(period_s * (1 + RENEW_JITTER * port.random()), RenewNow(), periodic=True)
        before_last, last = self._renewals
        self.doubt(before_last)  # where a request may take as long as a node may be silent, waiting for its time-out would lose the node
        renewal = self.call(
            RenewLease,
            None,
            resource=LEASES,
            namespace=LEASE_NAMESPACE,
            name=own.node_name,
            holder=own.node_name,
            renew_time=rfc3339_micro(port.now()),
            duration_s=ceil(period_s * LEASE_PERIODS),
        )
        self._renewals = (last, renewal)
        self._reads = 0
        self.check_node()
