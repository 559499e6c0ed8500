"""Nodes that come and go while a cluster runs: starting and ending the processes of one. Used by `Nodes`, for clusters and simulations."""

from __future__ import annotations

from callboard.models.errors import BadRequest
from callboard.runtime.face.assembly import Blueprint, NodeParts, start_node, stop_node
from callboard.runtime.face.nodespec import NODES_LIMIT, NodeSpec, node_specs
from callboard.runtime.systems import System


class Wires:
    """What a cluster has beside its actors that follows a node's fate: nothing where containers are simulated, since they end with their
    machine and their traffic goes over its links. The base of what has."""

    def lost(self, node: str) -> None:
        """A node has lost its power: its containers and its network end with it."""

    def removed(self, node: str) -> None:
        """A node that was lost comes back no more: nothing of it stays."""

    def cut(self, node: str, peers: tuple[str, ...]) -> None:
        """Cut the traffic between a node's pods and those of its peers; no peers: all that is not the node's own."""

    def heal(self, node: str, peers: tuple[str, ...]) -> None:
        """Take such cuts back; no peers: all that concern the node."""


class Fleet:
    """The machines of one cluster, and the wires between them."""

    def __init__(self, system: System, blueprint: Blueprint, wires: Wires | None = None, limit: int = NODES_LIMIT) -> None:
        self.system = system
        self.wires = wires or Wires()
        self._blueprint = blueprint
        self._limit = limit
        self._parts_of: NodeParts | None = None
        self._specs = {spec.name: spec for spec in blueprint.nodes}
        self._made = 0

    @property
    def names(self) -> list[str]:
        """The nodes that there are."""
        return list(self._specs)

    def start_all(self, parts_of: NodeParts) -> None:
        """Start every node of the blueprint. Call it where the system's state may be changed."""
        self._parts_of = parts_of
        for spec in self._specs.values():
            self._start(spec)

    def add(self, spec: NodeSpec) -> None:
        """Start one more node.

        Raises:
            BadRequest: its name is taken, what it says makes no sense, or there are no addresses left for it.
        """
        node_specs([spec])
        if spec.name in self._specs:
            raise BadRequest(f'there is a node "{spec.name}" already; give the new one a name of its own')
        if self._made >= self._limit:
            raise BadRequest(f"{self._made} nodes have been made, and there are addresses for {self._limit}")
        self.system.call(lambda: self._start(spec))
        self._specs[spec.name] = spec

    def _start(self, spec: NodeSpec) -> None:
        assert self._parts_of is not None
        start_node(self.system, self._blueprint, self._parts_of, self._made, spec)
        self._made += 1  # never used again: a node's addresses may still be in somebody's table

    def replaceable(self, name: str) -> NodeSpec | None:
        """What the node of this name is made of; None if there is none."""
        return self._specs.get(name)

    def crash(self, name: str) -> None:
        """Cut a node's power."""
        self.system.crash_machine(name)
        self.wires.lost(name)

    def partition(self, name: str, peers: tuple[str, ...]) -> None:
        """Cut a node off from its peers, from everything if there are none: components and pods alike."""
        for peer in self._checked(name, peers):
            self.system.links.partition(name, peer)
        self.wires.cut(name, peers)

    def heal(self, name: str, peers: tuple[str, ...]) -> None:
        """Take such cuts back; no peers: all that concern the node."""
        for peer in self._checked(name, peers):
            self.system.links.heal(name, peer)
        self.wires.heal(name, peers)

    def _checked(self, name: str, peers: tuple[str, ...]) -> tuple[str, ...]:
        for peer in peers:
            if peer not in self._specs or peer == name:
                others = ", ".join(other for other in self._specs if other != name) or "no others"
                raise BadRequest(f'"{peer}" is no other node of this cluster; there are {others}')
        return peers or ("*",)

    def remove(self, name: str) -> None:
        """Take a node's machine away, with all that runs on it."""
        del self._specs[name]
        self.system.call(lambda: self._stop(name))
        self.wires.lost(name)
        self.wires.removed(name)

    def _stop(self, name: str) -> None:
        self.system.crash_machine(name)
        stop_node(self.system, name)
