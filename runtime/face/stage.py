"""What faults act upon in a simulation: its system, its nodes, its store. Made by `Simulation`; see `runtime/faults/carrying.py`."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from callboard.actors.store.actor import DISK_ENTRY
from callboard.actors.store.keyspace import Keyspace
from callboard.runtime.face.assembly import CONTROL_PLANE, JOURNAL
from callboard.runtime.face.fleet import Fleet
from callboard.runtime.storage.driver import JournalDriver
from callboard.runtime.storage.session import JournalFolder
from callboard.runtime.storage.simdisk import SimDisk
from callboard.runtime.systems import SimulatedSystem

SYNC_S = 0.005
"""The longest that a simulated disk takes to sync when nothing slows it."""


def start_journal(system: SimulatedSystem) -> None:
    """Start the journal driver of a simulation's store, before the store is: the same program as in real time, on a disk in memory."""
    machine = system.add_machine(CONTROL_PLANE)
    disk = machine.disk[JOURNAL] = SimDisk(Random(f"{system.seed}/disk"))
    machine.disk[DISK_ENTRY] = Keyspace()  # where those look who read the store from outside
    folder = JournalFolder(lambda: disk)
    system.start(JOURNAL, JournalDriver, folder, sync_s=SYNC_S, slow_s=lambda: disk.slow_s, machine=CONTROL_PLANE)


class SimulatedStage:
    """The stage of one simulation."""

    def __init__(self, system: SimulatedSystem, fleet: Fleet, servers: tuple[str, ...], compact: Callable[[], None]) -> None:
        self.system = system
        self.fleet = fleet
        self.servers = servers
        self.compact = compact

    @property
    def disk(self) -> SimDisk | None:
        """The disk on which the store's journal is; None if it has none."""
        found: SimDisk | None = self.system.add_machine(CONTROL_PLANE).disk.get(JOURNAL)
        return found

    def stored(self, key: str) -> Any:
        """What is stored under a key; None if nothing is."""
        return self.system.add_machine(CONTROL_PLANE).disk[DISK_ENTRY].items.get(key)

    def later(self, delay_s: float, what: str, do: Callable[[], None]) -> None:
        """Do something after so many virtual seconds, between two steps."""
        self.system.later(delay_s, what, do)
