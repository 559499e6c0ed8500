"""Searching worlds on all cores, each in a process of its own. Used by the command line and by tests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from callboard.runtime.chaos.exhaustive.worker import MODULE, Errand
from callboard.runtime.chaos.exhaustive.worlds import Exhausted
from callboard.runtime.chaos.mutants.matrix import CONTROL
from callboard.runtime.chaos.mutants.mutant import Mutant
from callboard.runtime.chaos.processes import carried_out

PATIENCE_S = 7200.0
"""A search that takes longer hangs: the largest world takes minutes."""


def exhaust_each(names: Sequence[str], limit: int = 1_000_000, mutant: Mutant = CONTROL, jobs: int | None = None) -> Iterator[Exhausted]:
    """Search these worlds, in their order, with a mutant in place of the program (the default changes nothing).

    Args:
        limit: orders of each that are begun at most.
        jobs: searches at a time; None: one for each core.

    Raises:
        WorkerFailed: a search came to no end, or the program fell; says which.
    """

    def one(name: str) -> Exhausted:
        errand = Errand(mutant=mutant, world=name, limit=limit)
        (line,) = carried_out(MODULE, f"{mutant.id} in {name}", msgspec.json.encode(errand), PATIENCE_S)
        return msgspec.json.decode(line, type=Exhausted)

    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        yield from pool.map(one, names)
