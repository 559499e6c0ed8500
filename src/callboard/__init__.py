"""Callboard: a Kubernetes control plane made of actors, to embed, pause, break on purpose and replay.

The names here are the public face; everything is imported when it is first used, so that `import callboard` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callboard.models.behaviour import Behaviour, Usage
    from callboard.models.dns import Resolution
    from callboard.models.errors import (
        AlreadyExists,
        ApiError,
        BadRequest,
        Conflict,
        Forbidden,
        Gone,
        Invalid,
        NotFound,
        Timeout,
        TooManyRequests,
        Unavailable,
        WaitTimeout,
        YamlError,
    )
    from callboard.models.images import Program
    from callboard.models.timing import Timing
    from callboard.runtime.errors import CallboardError, InvariantBroken, RealTimeOnly
    from callboard.runtime.face.asynchronous import AsyncCluster
    from callboard.runtime.face.cluster import Cluster
    from callboard.runtime.face.connection import connect
    from callboard.runtime.face.contract import Response
    from callboard.runtime.face.nodespec import NodeSpec
    from callboard.runtime.face.simulation import Simulation
    from callboard.runtime.systems import ComponentFailed, SystemStopped, Unsettled

_PLACES = {
    **dict.fromkeys(("Behaviour", "Usage"), "callboard.models.behaviour"),
    **dict.fromkeys(
        (
            "AlreadyExists",
            "ApiError",
            "BadRequest",
            "Conflict",
            "Forbidden",
            "Gone",
            "Invalid",
            "NotFound",
            "Timeout",
            "TooManyRequests",
            "Unavailable",
            "WaitTimeout",
            "YamlError",
        ),
        "callboard.models.errors",
    ),
    "Program": "callboard.models.images",
    "Resolution": "callboard.models.dns",
    "Timing": "callboard.models.timing",
    **dict.fromkeys(("CallboardError", "InvariantBroken", "RealTimeOnly"), "callboard.runtime.errors"),
    "AsyncCluster": "callboard.runtime.face.asynchronous",
    "Cluster": "callboard.runtime.face.cluster",
    "NodeSpec": "callboard.runtime.face.nodespec",
    "Simulation": "callboard.runtime.face.simulation",
    "Response": "callboard.runtime.face.contract",
    "connect": "callboard.runtime.face.connection",
    **dict.fromkeys(("ComponentFailed", "SystemStopped", "Unsettled"), "callboard.runtime.systems"),
}

__all__ = [
    "AlreadyExists",
    "ApiError",
    "AsyncCluster",
    "BadRequest",
    "Behaviour",
    "CallboardError",
    "Cluster",
    "ComponentFailed",
    "Conflict",
    "Forbidden",
    "Gone",
    "Invalid",
    "InvariantBroken",
    "NodeSpec",
    "NotFound",
    "Program",
    "RealTimeOnly",
    "Resolution",
    "Response",
    "Simulation",
    "SystemStopped",
    "Timeout",
    "Timing",
    "TooManyRequests",
    "Unavailable",
    "Unsettled",
    "Usage",
    "WaitTimeout",
    "YamlError",
    "connect",
]


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'callboard' has no attribute {name!r}")
    found = getattr(importlib.import_module(place), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
