"""What must hold of a run: after every step, at rest, and within a time after the last fault. See `base.py` for what an oracle is."""

from __future__ import annotations

from callboard.runtime.chaos.oracles import (
    caches,
    evictions,
    garbage,
    history,
    jobs,
    leaders,
    pods,
    promises,
    rates,
    scheduling,
    services,
    workloads,
)
from callboard.runtime.chaos.oracles.base import Oracle

MODULES = (pods, workloads, services, caches, scheduling, garbage, rates, promises, evictions, leaders, history, jobs)


def every() -> tuple[Oracle, ...]:
    """One of each oracle, for one run."""
    return tuple(oracle() for module in MODULES for oracle in module.ORACLES)
