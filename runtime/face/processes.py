"""What a cluster of real processes holds besides actors: the process daemon, the data plane, and the addresses of both.

Used by `Cluster`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callboard.models.errors import BadRequest
from callboard.models.messages.base import Message
from callboard.runtime.containers.process import ProcessRuntime
from callboard.runtime.containers.process_addresses import NODES_LIMIT
from callboard.runtime.containers.process_place import Place
from callboard.runtime.containers.process_state import abandon_node
from callboard.runtime.face.assembly import CONTROL_PLANE, NodeParts, Part
from callboard.runtime.face.fleet import Wires
from callboard.runtime.face.images import image_table
from callboard.runtime.face.nodespec import NodeSpec
from callboard.runtime.isolation.levels import C0
from callboard.runtime.logs import Logger
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.launch import state_folder
from callboard.runtime.proxy.dataplane import DriverSlot, UserspaceDataPlane
from callboard.runtime.systems import System

_log = Logger(component="process")


class Processes(Wires):
    """The process daemon of one cluster: one of its own that ends with it, or (with `data`) a durable one that containers live on under.

    Raises:
        BadRequest: more nodes than addresses.
        ProcessDaemonError: the daemon could not be started; says why and what to do.
    """

    nodes_limit = NODES_LIMIT

    def __init__(self, data: str | Path | None, nodes: int) -> None:
        if nodes > NODES_LIMIT:
            raise BadRequest(
                f'nodes={nodes}: with containers="process" a cluster has at most {NODES_LIMIT} nodes; use containers="simulated"'
            )
        self._durable = data is not None
        if data is None:
            self._daemon = ProcessDaemon.start(None, self._heard, revive=True)
        else:
            self._daemon = ProcessDaemon.connect(state_folder(data), self._heard, revive=True)
        self._place = Place(self._daemon, C0, images=image_table())
        self._post: Any = None
        self._names: dict[str, str] = {}
        self._slot = DriverSlot()

    @property
    def folder(self) -> str:
        """The daemon's folder, in which pods have theirs."""
        return str(self._daemon.state_dir)

    @property
    def service_cidr(self) -> str:
        """Where ClusterIPs come from: the upper half of the cluster's block."""
        return f"127.{self._daemon.block}.128.0/17"

    def start(self, system: System) -> None:
        """Start the data plane."""
        system.start("dataplane", UserspaceDataPlane, system.post, "proxy", self._slot, machine=CONTROL_PLANE)

    def parts(self, system: System) -> NodeParts:
        """Container runtimes of real processes."""
        self._post = system.post

        def parts_of(index: int, spec: NodeSpec) -> tuple[Part, ...]:
            name = self._names[spec.name] = f"runtime/{spec.name}"
            return (Part(name, ProcessRuntime, (self._place, spec.name, index, system.post)),)

        return parts_of

    def lost(self, node: str) -> None:
        self._daemon.kill_node(node)
        abandon_node(self._daemon.state_dir, node)

    def leave(self) -> None:
        """End containers and daemon, unless they are to live on."""
        self._slot.close()
        if self._durable:
            self._daemon.disconnect()
        else:
            self._daemon.stop()

    def _heard(self, message: Message) -> None:
        """Facts that the daemon pushes go to the runtime of their node; the loss of the daemon itself goes to all."""
        if self._post is None:
            return  # nothing has been started yet, so nothing can have ended
        node = getattr(message, "node", "")
        targets = [self._names[node]] if node in self._names else [] if node else list(self._names.values())
        for name in targets:
            self._post(name, message)
