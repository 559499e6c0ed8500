"""Playing a failure once more to see why: its steps with their causes, the picture, and the object that is wrong as it was stored then."""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.models.base import plain, yaml_of
from callboard.runtime.chaos.differential import NAME, judges
from callboard.runtime.chaos.schedule import Run
from callboard.runtime.faults.findings import Finding, Outcome
from callboard.runtime.faults.plan import Plan
from callboard.runtime.telling.causes import Recording, Step, causal_slice
from callboard.runtime.telling.chart import chart

STATE_LINES = 40


class Explained(msgspec.Struct, frozen=True):
    """A failure with what led to it: `slice` are the steps that matter, `html` the picture, `state` the object that is wrong as YAML."""

    outcome: Outcome
    slice: tuple[Step, ...]
    html: str
    state: str


def explain(plan: Plan, oracle: str = "") -> Explained | None:
    """Play a plan with its holds and tell why it fails; None if it does not. `oracle` is what is expected to fire."""
    run = Run(plan, None, judges(plan, twice=oracle == NAME)())
    system: Any = run.simulation._system
    recording = Recording(system, lambda: int(run.world.keyspace.revision))
    began_s = system.now()
    system.on_step.append(recording.look)
    objects: dict[str, Any] = {}
    outcome = run.play(lambda: objects.update(run.world.objects))
    finding = outcome.finding
    if finding is None:
        return None
    steps = causal_slice(recording.steps, finding.step, finding.object)
    return Explained(outcome, steps, chart(plan, finding, steps, began_s), _state(finding, objects))


def _state(finding: Finding, objects: dict[str, Any]) -> str:
    obj = objects.get(finding.object)
    if obj is None:
        return ""
    lines = yaml_of(plain(obj)).splitlines()
    cut = [f"... ({len(lines) - STATE_LINES} lines more)"] if len(lines) > STATE_LINES else []
    return "\n".join([*lines[:STATE_LINES], *cut])
