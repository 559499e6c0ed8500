"""What led to a failure: the steps of a run, each with the step that caused it, and the slice of those that matter.

A message is caused by the step in which it was sent; a decision depends on what the same process has handled before about the same object.
The slice follows both backwards from the failure, so it leaves out all the rest that goes on in a cluster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

SLICE_LIMIT = 80
"""Steps that a picture can show."""
BEFORE = 3
"""So many earlier steps of the same process about the same object are followed."""
QUIET = frozenset({"RenewLease", "RenewNow", "BeatFollowers", "CheckStreams", "UsageReport", "MeasureUsage", "ReadUsage", "UsageRead"})


class Step(msgspec.Struct, frozen=True, gc=False):
    """One message or timer, handled. `sender` is "" for timers and deeds from outside; `born` the step in which it was sent; `revision` how
    far what it tells has come (0: it tells nothing of that); `held_s` how long it was held."""

    number: int
    at_s: float
    sender: str
    receiver: str
    type: str
    subject: str
    born: int
    revision: int = 0
    newest: int = 0
    """The store's revision at that moment."""
    held_s: float = 0.0


class Recording:
    """The steps of a run as they are handled, the last `limit` of them (None: all). Call `look` after each."""

    def __init__(self, system: Any, newest: Callable[[], int], limit: int | None = None) -> None:
        self._system = system
        self._newest = newest
        self.steps: deque[Step] = deque(maxlen=limit)

    def look(self) -> None:
        """Take the last step down."""
        system = self._system
        at_s, sender, receiver, kind, subject = system.last
        revision = getattr(system.last_message, "revision", 0) or 0
        self.steps.append(Step(system.steps, at_s, sender, receiver, kind, subject, system.last_born, int(revision), self._newest()))


def causal_slice(steps: Iterable[Step], last: int, about: str, limit: int = SLICE_LIMIT) -> tuple[Step, ...]:
    """The steps that led to step `last`, oldest first; `about` is the key of the object that is wrong ("" if none is)."""
    steps = tuple(steps)
    by_number: Mapping[int, Step] = {step.number: step for step in steps}
    by_process: dict[str, list[Step]] = {}
    for step in steps:
        by_process.setdefault(step.receiver, []).append(step)
    roots = [step.number for step in steps if about and step.subject == about and step.type not in QUIET][-6:]
    waiting = [last, *reversed(roots)]
    chosen: dict[int, Step] = {}
    while waiting and len(chosen) < limit:
        number = waiting.pop(0)
        found = by_number.get(number)
        if found is None or number in chosen or number > last or found.type in QUIET:
            continue
        chosen[number] = found
        if found.born:
            waiting.append(found.born)
        waiting += _earlier(by_process[found.receiver], found)
    return tuple(chosen[number] for number in sorted(chosen))


def _earlier(mates: Sequence[Step], step: Step) -> list[int]:
    """What the same process has handled before about the same object."""
    if not step.subject:
        return []
    found = [one.number for one in mates if one.number < step.number and one.subject == step.subject]
    return found[-BEFORE:]
