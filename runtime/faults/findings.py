"""What becomes of a schedule: nothing, or a finding; and the errors that say that it can't be played as asked."""

from __future__ import annotations

import msgspec

from callboard.runtime.errors import CallboardError
from callboard.runtime.faults.plan import Hold


class Finding(msgspec.Struct, frozen=True):
    """What an oracle found. `at_s` is virtual seconds after the cluster was up, `step` the number of the step, `traceback` that of a
    component that failed."""

    oracle: str
    object: str
    words: str
    at_s: float
    step: int
    traceback: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """One schedule, played. `holds` is all that was held; with them the plan gives the same history again. `coverage` stands for the
    situations that components were in, `virtual_s` for how long it took in there. `refusals`
    and `missed` are what users were told (see `runtime/chaos/user.py`)."""

    finding: Finding | None
    steps: int
    virtual_s: float
    trace_hash: str
    holds: tuple[Hold, ...] = ()
    coverage: frozenset[int] = frozenset()
    refusals: tuple[str, ...] = ()
    missed: tuple[int, ...] = ()


class ChaosError(CallboardError):
    """A schedule can't be played as asked; says why and what to do."""
