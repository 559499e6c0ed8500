"""What faults act upon in a simulation: its system, its nodes, its store. Made by `Simulation`; see `runtime/faults/carrying.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.actors.store.actor import DISK_ENTRY
from callboard.runtime.face.assembly import CONTROL_PLANE
from callboard.runtime.face.fleet import Fleet
from callboard.runtime.systems import SimulatedSystem


class SimulatedStage:
    """The stage of one simulation."""

    def __init__(self, system: SimulatedSystem, fleet: Fleet, servers: tuple[str, ...], compact: Callable[[], None]) -> None:
        self.system = system
        self.fleet = fleet
        self.servers = servers
        self.compact = compact

    def stored(self, key: str) -> Any:
        """What is stored under a key; None if nothing is."""
        return self.system.add_machine(CONTROL_PLANE).disk[DISK_ENTRY].items.get(key)

    def later(self, delay_s: float, what: str, do: Callable[[], None]) -> None:
        """Do something after so many virtual seconds, between two steps."""
        self.system.later(delay_s, what, do)
