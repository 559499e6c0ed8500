"""Playing a replay file: whether the history is the same, and if not, which step is the first that differs."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import msgspec

from callboard.runtime.chaos.differential import NAME, judges
from callboard.runtime.chaos.schedule import Run
from callboard.runtime.faults.findings import Outcome
from callboard.runtime.faults.plan import Plan
from callboard.runtime.faults.replayfile import Expected
from callboard.runtime.telling.causes import Recording, Step

STEPS_LIMIT = 12_000
"""Steps whose checksums a file holds: a byte each, so that it stays under 20 KB."""


class Replayed(msgspec.Struct, frozen=True):
    """A plan, played with its own holds and all oracles: what it came to, and every step."""

    outcome: Outcome
    steps: tuple[Step, ...]
    began_s: float

    @property
    def checks(self) -> bytes:
        """A byte for each step: by it two histories are compared."""
        return bytes(_check(step) for step in self.steps[:STEPS_LIMIT])


def replay(plan: Plan, oracle: str = "") -> Replayed:
    """Play a plan and write every step down. `oracle` is what is expected to fire: one of them is asked only then."""
    run = Run(plan, None, judges(plan, twice=oracle == NAME)())
    system: Any = run.simulation._system
    recording = Recording(system, lambda: int(run.world.keyspace.revision))
    began_s = system.now()
    system.on_step.insert(0, recording.look)  # before the oracles: the step that they object to is one of the steps
    outcome = run.play()
    return Replayed(outcome, tuple(recording.steps), began_s)


def expectation(replayed: Replayed) -> Expected:
    """What a replay file says of a run."""
    outcome = replayed.outcome
    checks = base64.b64encode(replayed.checks).decode()
    finding = outcome.finding
    if finding is None:
        return Expected(trace_hash=outcome.trace_hash, checks=checks)
    return Expected(
        oracle=finding.oracle,
        object=finding.object,
        words=finding.words,
        at_s=finding.at_s,
        step=finding.step,
        trace_hash=outcome.trace_hash,
        checks=checks,
    )


def first_difference(expected: Expected, replayed: Replayed) -> Step | None:
    """The first step that is not as it was when the file was written; None if the file does not tell, or they are the same as far as it
    tells. A step whose checksum is the same by chance (one in 256) is passed over."""
    known = base64.b64decode(expected.checks)
    return next((step for step, check in zip(replayed.steps, known, strict=False) if _check(step) != check), None)


def step_words(step: Step, began_s: float) -> str:
    """A step in a line."""
    news = f", as of revision {step.revision} of {step.newest}" if step.revision else ""
    cause = f" (sent in step {step.born})" if step.born else ""
    what = f"{step.type} {step.subject}".strip()
    return f"{step.number:6} {step.at_s - began_s:9.3f} s  {step.sender or 'timer'} -> {step.receiver or '-'}  {what}{news}{cause}"


def _check(step: Step) -> int:
    return zlib.crc32(f"{step.at_s!r} {step.sender} {step.receiver} {step.type} {step.subject}".encode()) & 0xFF
