"""What users hold of nodes and components: how to break them on purpose, and mend them. Made by `Cluster` and `Simulation`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from callboard.models.errors import BadRequest
from callboard.runtime.systems import System


class NodeHandle:
    """One node of a cluster or simulation."""

    def __init__(self, system: System, name: str, on_crash: Callable[[str], None]) -> None:
        self._system = system
        self._on_crash = on_crash
        self.name = name

    def crash(self) -> None:
        """Cut the power: kubelet, proxy, runtime and all containers of the node are gone at once, and nobody is told.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1, timing="fast") as s:
        ...     s.nodes["node-1"].crash()
        ...     s.wait("node/node-1", "Ready=Unknown", timeout="1m").metadata.name
        'node-1'
        """
        self._system.crash_machine(self.name)
        self._on_crash(self.name)

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

    def partition(self) -> None:
        """Cut the node off from every other machine; what runs on it goes on running.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1, timing="fast") as s:
        ...     s.nodes["node-1"].partition()
        ...     s.wait("node/node-1", "Ready=Unknown", timeout="1m").metadata.name
        'node-1'
        """
        self._system.links.partition(self.name, "*")

    def heal(self) -> None:
        """Connect the node again.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1, timing="fast") as s:
        ...     s.nodes["node-1"].partition()
        ...     _ = s.wait("node/node-1", "Ready=Unknown", timeout="1m")
        ...     s.nodes["node-1"].heal()
        ...     s.wait("node/node-1", "Ready", timeout="1m").metadata.name
        'node-1'
        """
        self._system.links.heal(self.name, "*")


class ComponentHandle:
    """One component, for example `scheduler`, `apiserver-0`, `controller/replicaset`, `kubelet/node-1`."""

    def __init__(self, system: System, name: str) -> None:
        self._system = system
        self.name = name

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

    def __init__(self, system: System, names: list[str], on_crash: Callable[[str], None]) -> None:
        self._handles = {name: NodeHandle(system, name, on_crash) for name in names}

    def __getitem__(self, name: str) -> NodeHandle:
        try:
            return self._handles[name]
        except KeyError:
            raise BadRequest(f'there is no node "{name}"; there are {", ".join(self._handles)}') from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._handles)

    def __len__(self) -> int:
        return len(self._handles)


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
