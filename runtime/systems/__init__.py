"""The worlds that actors live in: real time, simulated, stock threads. One contract (`System`), one conformance suite."""

from __future__ import annotations

from callboard.runtime.systems.edge import OUTSIDE
from callboard.runtime.systems.errors import (
    ComponentFailed,
    InboxOverflow,
    Livelock,
    MutableMessage,
    SystemStopped,
    Unsettled,
    WaitTimeout,
)
from callboard.runtime.systems.links import Links, Passage
from callboard.runtime.systems.process import Failure, Machine, ProcessStats
from callboard.runtime.systems.realtime import RealTimeSystem
from callboard.runtime.systems.simulated import SimulatedSystem
from callboard.runtime.systems.system import System
from callboard.runtime.systems.threaded import ThreadedSystem

__all__ = [
    "OUTSIDE",
    "ComponentFailed",
    "Failure",
    "InboxOverflow",
    "Links",
    "Livelock",
    "Machine",
    "MutableMessage",
    "Passage",
    "ProcessStats",
    "RealTimeSystem",
    "SimulatedSystem",
    "System",
    "SystemStopped",
    "ThreadedSystem",
    "Unsettled",
    "WaitTimeout",
]
