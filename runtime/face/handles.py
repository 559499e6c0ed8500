"""What users hold of nodes and components: how to break them on purpose, and mend them. Made by `Cluster` and `Simulation`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from callboard.models.errors import BadRequest, NotFound
from callboard.runtime.face import maintenance
from callboard.runtime.face.contract import Seconds
from callboard.runtime.face.fleet import Fleet
from callboard.runtime.face.nodespec import NodeSpec
from callboard.runtime.face.verbs import Verbs
from callboard.runtime.systems import System

READY_TIMEOUT_S = 60.0


class NodeHandle:
    """One node of a cluster or simulation."""

    def __init__(self, fleet: Fleet, verbs: Verbs, name: str) -> None:
        self._fleet = fleet
        self._system = fleet.system
        self._verbs = verbs
        self.name = name

    def __repr__(self) -> str:
        return f"<NodeHandle {self.name}>"

    def crash(self) -> None:
        """Cut the power: kubelet, proxy, runtime and all containers of the node are gone at once, and nobody is told.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1, timing="fast") as s:
        ...     s.nodes["node-1"].crash()
        ...     s.wait("node/node-1", "Ready=Unknown", timeout="1m").metadata.name
        'node-1'
        """
        self._fleet.crash(self.name)

    def restart(self) -> None:
        """Switch the node on again, with an empty container runtime.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1, timing="fast") as s:
        ...     s.nodes["node-1"].crash()
        ...     _ = s.wait("node/node-1", "Ready=Unknown", timeout="1m")
        ...     s.nodes["node-1"].restart()
        ...     s.wait("node/node-1", "Ready", timeout="1m").metadata.name
        'node-1'
        """
        self._system.restart_machine(self.name)

    def partition(self, *peers: str) -> None:
        """Cut the node off from these nodes, without names from every other machine; what runs on it goes on running. The traffic of its
        pods is cut too, established connections included, wherever nodes have networks of their own.

        Raises:
            BadRequest: there is no such node.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1, timing="fast") as s:
        ...     s.nodes["node-1"].partition()
        ...     s.wait("node/node-1", "Ready=Unknown", timeout="1m").metadata.name
        'node-1'
        """
        self._fleet.partition(self.name, peers)

    def heal(self, *peers: str) -> None:
        """Connect the node with these nodes again, without names with everything.

        Raises:
            BadRequest: there is no such node.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1, timing="fast") as s:
        ...     s.nodes["node-1"].partition()
        ...     _ = s.wait("node/node-1", "Ready=Unknown", timeout="1m")
        ...     s.nodes["node-1"].heal()
        ...     s.wait("node/node-1", "Ready", timeout="1m").metadata.name
        'node-1'
        """
        self._fleet.heal(self.name, peers)

    def cordon(self) -> None:
        """Let no further pods come here; those that are here stay.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     s.nodes["node-1"].cordon()
        ...     s.get("node/node-1").spec.unschedulable
        True
        """
        maintenance.cordon(self._verbs, self.name)

    def uncordon(self) -> None:
        """Let pods come here again.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     s.nodes["node-1"].cordon()
        ...     s.nodes["node-1"].uncordon()
        ...     bool(s.get("node/node-1").spec.unschedulable)
        False
        """
        maintenance.uncordon(self._verbs, self.name)

    def drain(
        self,
        *,
        force: bool = False,
        ignore_daemonsets: bool = False,
        delete_emptydir_data: bool = False,
        grace: Seconds | None = None,
        timeout: Seconds = maintenance.DRAIN_TIMEOUT_S,
    ) -> list[str]:
        """Cordon the node, evict its pods as disruption budgets allow, and come back when they are gone; returns what was done, in
        kubectl's words.

        Raises:
            BadRequest: pods are here that the options don't allow to evict; none was evicted then.
            WaitTimeout: pods are still here after `timeout`; names them.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=2, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.wait("deployment/web")
        ...     s.nodes["node-1"].drain()[-1]
        ...     s.settle()
        ...     {pod.spec.node_name for pod in s.list("pods")}
        'node/node-1 drained'
        {'node-2'}
        """
        lines = maintenance.drain(
            self._verbs,
            self.name,
            force=force,
            ignore_daemonsets=ignore_daemonsets,
            delete_emptydir_data=delete_emptydir_data,
            grace=grace,
            timeout=timeout,
        )
        return [*lines]


class ComponentHandle:
    """One component, for example `scheduler`, `apiserver-0`, `controller/replicaset`, `kubelet/node-1`."""

    def __init__(self, system: System, name: str) -> None:
        self._system = system
        self.name = name

    def __repr__(self) -> str:
        return f"<ComponentHandle {self.name}, {'alive' if self.alive else 'not alive'}>"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._system.alive(self.name)

    def crash(self) -> None:
        """End it at once: what is in its mailbox is lost, nothing is cleaned up. It stays down until `restart`.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     s.components["scheduler"].crash()
        ...     s.components["scheduler"].alive
        False
        """
        self._system.crash(self.name)

    def restart(self) -> None:
        """Start it as a new incarnation, which knows nothing but what it reads; a running one is crashed first.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     s.components["scheduler"].restart()
        ...     s.components["scheduler"].alive
        True
        """
        if self._system.alive(self.name):
            self._system.crash(self.name)
        self._system.restart(self.name)


class Nodes:
    """The nodes by name: `c.nodes["node-1"]`."""

    def __init__(self, fleet: Fleet, verbs: Verbs) -> None:
        self._fleet = fleet
        self._verbs = verbs

    def add(self, node: str | NodeSpec, *, timeout: Seconds = READY_TIMEOUT_S, **about: Any) -> NodeHandle:
        """Add a node, and come back when it is Ready: a `NodeSpec`, or a name and what a `NodeSpec` says otherwise.

        Raises:
            BadRequest: there is one of this name, or what it has makes no sense.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     s.nodes.add("big", cpu="16").name
        ...     s.get("node/big").status.capacity["cpu"]
        'big'
        '16'
        """
        spec = node if isinstance(node, NodeSpec) else NodeSpec(name=node, **about)
        self._fleet.add(spec)
        self._verbs.wait(f"node/{spec.name}", "Ready", timeout=timeout)
        return self[spec.name]

    def remove(self, name: str) -> None:
        """Take a node away for good: its object is deleted, its machine is gone with all that ran there. Drain it first to spare its pods.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=2, seed=1) as s:
        ...     s.nodes.remove("node-2")
        ...     [node.metadata.name for node in s.list("nodes")]
        ['node-1']
        """
        self[name]
        self._fleet.remove(name)
        with contextlib.suppress(NotFound):  # somebody has deleted the object already
            self._verbs.delete(f"node/{name}")

    def __getitem__(self, name: str) -> NodeHandle:
        if name not in self._fleet.names:
            raise BadRequest(f'there is no node "{name}"; there are {", ".join(self._fleet.names)}')
        return NodeHandle(self._fleet, self._verbs, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fleet.names)

    def __len__(self) -> int:
        return len(self._fleet.names)


class Components:
    """The components by name: `c.components["scheduler"]`."""

    def __init__(self, system: System) -> None:
        self._system = system

    def __getitem__(self, name: str) -> ComponentHandle:
        names = self._system.names()
        if name not in names:
            raise BadRequest(f'there is no component "{name}"; there are {", ".join(names)}')
        return ComponentHandle(self._system, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._system.names())

    def __len__(self) -> int:
        return len(self._system.names())
