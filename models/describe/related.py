"""What a description needs beside the object itself. Gathered by whoever asks for it, so that the builders stay pure."""

from __future__ import annotations

from typing import Any

import msgspec


class Related(msgspec.Struct, frozen=True, kw_only=True):
    """Objects around the one described, as they are stored; only those that its kind needs. `events` None: nobody looked."""

    events: tuple[Any, ...] | None = None
    pods: tuple[Any, ...] = ()
    """Of a workload: those that its selector selects. Of a node: those bound to it that have not finished."""
    replica_sets: tuple[Any, ...] = ()
    slices: tuple[Any, ...] = ()
    """EndpointSlices of a Service; of an Ingress, those of its namespace."""
    services: tuple[Any, ...] = ()
    lease: Any = None
    quotas: tuple[Any, ...] = ()
    limits: tuple[Any, ...] = ()
