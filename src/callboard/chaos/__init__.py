"""The chaos harness for users: kinds of faults, `@chaos` for tests, strategies for Hypothesis, replay files.

    from callboard.chaos import ControllerRestart, NodeCrash, chaos

Everything is imported when it is first used: the pytest plugin lives here, and costs nothing where nobody uses it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callboard.chaos.decorator import ChaosFailure, chaos
    from callboard.runtime.faults.replayfile import BadReplayFile
    from callboard.runtime.faults.replayfile import read as read_replay
    from callboard.runtime.faults.strategies import strategy_named
    from callboard.runtime.faults.vocabulary import (
        AnswerLost,
        ApiServerCrash,
        ClockJump,
        Compaction,
        ControllerRestart,
        DeafAfterWrite,
        DiskFull,
        DiskSlow,
        Fault,
        KubeletRestart,
        LinkDelay,
        LinkDrop,
        LinkRepeat,
        NodeCrash,
        NodeReplace,
        Partition,
        Pause,
        ProcessRestart,
        RestartAtWrite,
        ServerGone,
        ServerLag,
        StoreCrash,
        TornWrite,
        WatchDelay,
        WatchDrop,
    )

_FAULTS = (
    "AnswerLost",
    "DeafAfterWrite",
    "DiskFull",
    "DiskSlow",
    "ApiServerCrash",
    "ClockJump",
    "Compaction",
    "ControllerRestart",
    "Fault",
    "KubeletRestart",
    "LinkDelay",
    "LinkDrop",
    "LinkRepeat",
    "NodeCrash",
    "NodeReplace",
    "Partition",
    "Pause",
    "ProcessRestart",
    "RestartAtWrite",
    "ServerGone",
    "ServerLag",
    "StoreCrash",
    "TornWrite",
    "WatchDelay",
    "WatchDrop",
)
_PLACES = {
    **{name: ("callboard.runtime.faults.vocabulary", name) for name in _FAULTS},
    "BadReplayFile": ("callboard.runtime.faults.replayfile", "BadReplayFile"),
    "ChaosFailure": ("callboard.chaos.decorator", "ChaosFailure"),
    "chaos": ("callboard.chaos.decorator", "chaos"),
    "read_replay": ("callboard.runtime.faults.replayfile", "read"),
    "strategy_named": ("callboard.runtime.faults.strategies", "strategy_named"),
}

__all__ = [
    "AnswerLost",
    "DeafAfterWrite",
    "DiskFull",
    "DiskSlow",
    "ApiServerCrash",
    "BadReplayFile",
    "ChaosFailure",
    "ClockJump",
    "Compaction",
    "ControllerRestart",
    "Fault",
    "KubeletRestart",
    "LinkDelay",
    "LinkDrop",
    "LinkRepeat",
    "NodeCrash",
    "NodeReplace",
    "Partition",
    "Pause",
    "ProcessRestart",
    "RestartAtWrite",
    "ServerGone",
    "ServerLag",
    "StoreCrash",
    "TornWrite",
    "WatchDelay",
    "WatchDrop",
    "chaos",
    "read_replay",
    "strategy_named",
]


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'callboard.chaos' has no attribute {name!r}")
    found = getattr(importlib.import_module(place[0]), place[1])
    globals()[name] = found
    return found
