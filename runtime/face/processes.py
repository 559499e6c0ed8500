"""What a cluster of real processes holds besides actors: the process daemon, and the network that pods live in.

Used by `Cluster`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callboard.models.errors import BadRequest
from callboard.models.images import ImageTable
from callboard.models.messages.base import Message
from callboard.models.messages.ingress import INGRESS
from callboard.runtime.containers.process import ProcessRuntime
from callboard.runtime.containers.process_place import Place
from callboard.runtime.containers.process_state import abandon_node
from callboard.runtime.face.assembly import CONTROL_PLANE, INGRESS_SERVER, NodeParts, Part
from callboard.runtime.face.fleet import Wires
from callboard.runtime.face.nodespec import NodeSpec
from callboard.runtime.face.podnetworks import Loopback, Namespaces, PodNetwork
from callboard.runtime.ingress.component import IngressServer
from callboard.runtime.ingress.driver import IngressDriver
from callboard.runtime.isolation.levels import Level, chosen
from callboard.runtime.logs import Logger
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.launch import remembered_level, state_folder
from callboard.runtime.process.protocol import HelperEnded
from callboard.runtime.systems import System

_log = Logger(component="process")


class Processes(Wires):
    """The process daemon of one cluster: one of its own that ends with it, or (with `data`) a durable one that containers live on under.

    `isolation` is the level by its name, or "auto" for the one that the data folder was made at, else for the best that works here;
    `images` says what image names mean.

    Raises:
        BadRequest: more nodes than addresses.
        IsolationRefused: the level can't be had here; says what failed and what to install or set.
        ProcessDaemonError: the daemon could not be started; says why and what to do.
    """

    def __init__(self, data: str | Path | None, nodes: int, isolation: str, images: ImageTable) -> None:
        before = remembered_level(state_folder(data)) if data is not None and isolation == "auto" else ""
        self.level: Level = chosen(before or isolation)
        limit = Namespaces.nodes_limit if self.level.network else Loopback.nodes_limit
        if nodes > limit:
            words = f'with containers="process" and isolation {self.level.name} a cluster has at most {limit} nodes'
            raise BadRequest(f'nodes={nodes}: {words}; use containers="simulated"')
        self._durable = data is not None
        if data is None:
            self._daemon = ProcessDaemon.start(None, self._heard, revive=True, level=self.level)
        else:
            self._daemon = ProcessDaemon.connect(state_folder(data), self._heard, revive=True, level=self.level)
        self._post: Any = None
        self._names: dict[str, str] = {}
        try:
            self.network = self._network()
            self._place = Place(self._daemon, self.level, self.network.driver, images, self.network.cluster_dns, hosts=self.network.hosts)
            self._ingress = IngressDriver(self._daemon, f"127.{self._daemon.block}.255.1")
        except BaseException:
            self._end()
            raise

    def _network(self) -> PodNetwork:
        return Namespaces(self._daemon, self.level.rules) if self.level.network else Loopback(self._daemon, keeps_hosts=self.level.confined)

    @property
    def folder(self) -> str:
        """The daemon's folder, in which pods have theirs."""
        return str(self._daemon.state_dir)

    def start(self, system: System) -> None:
        """Start what the cluster has once."""
        self.network.start(system)
        system.start(INGRESS_SERVER, IngressServer, system.post, INGRESS, self._ingress, machine=CONTROL_PLANE)

    def parts(self, system: System) -> NodeParts:
        """What each node has: a container runtime of real processes, and what its network needs."""
        self._post = system.post

        def parts_of(index: int, spec: NodeSpec) -> tuple[Part, ...]:
            name = self._names[spec.name] = f"runtime/{spec.name}"
            runtime = Part(name, ProcessRuntime, (self._place, spec.name, index, system.post))
            return (runtime, *self.network.parts(system, index, spec))

        return parts_of

    def lost(self, node: str) -> None:
        """A node has lost its power: its network falls silent first, then its containers end."""
        self.network.lost(node)
        self._daemon.kill_node(node)
        abandon_node(self._daemon.state_dir, node)

    def removed(self, node: str) -> None:
        """What the node had of the host's network is given back."""
        self.network.removed(node)

    def cut(self, node: str, peers: tuple[str, ...]) -> None:
        """Cut the traffic of a node's pods too, where the network can."""
        self.network.cut(node, peers)

    def heal(self, node: str, peers: tuple[str, ...]) -> None:
        """Let it flow again."""
        self.network.heal(node, peers)

    def leave(self) -> None:
        """End containers and daemon, unless they are to live on."""
        self._ingress.close()
        self.network.close()
        self._place.close()
        self._end()

    def _end(self) -> None:
        if self._durable:
            self._daemon.disconnect()
        else:
            self._daemon.stop()

    def _heard(self, message: Message) -> None:
        """Facts that the daemon pushes go to the runtime of their node; the loss of the daemon itself goes to all."""
        if self._post is None:
            return  # nothing has been started yet, so nothing can have ended
        if isinstance(message, HelperEnded):
            return  # whoever has a link to it notices by that, says so, and starts it again
        node = getattr(message, "node", "")
        targets = [self._names[node]] if node in self._names else [] if node else list(self._names.values())
        for name in targets:
            self._post(name, message)
