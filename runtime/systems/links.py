"""The ways between processes: cut, slow, lossy, repeating or held, on every system. Nothing set costs nothing.

A link never tells the sender. Lanes keep their order through delays. Processes of one machine are joined by links too, but a rule that names a
machine touches only what crosses its border.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

import msgspec

from callboard.models.messages.base import Message


class Passage(msgspec.Struct, frozen=True):
    """One message on its way; what rules look at. `occurrence` counts equal ones (same link, incarnation, type, subject) from 1."""

    source: str
    source_machine: str
    target: str
    target_machine: str
    incarnation: int
    type: str
    subject: str
    occurrence: int


Judge = Callable[[Passage, Message], bool]
Hold = Callable[[Passage], float]


class _Cut(msgspec.Struct, frozen=True):
    a: str
    b: str
    one_way: bool


class _Rule(msgspec.Struct, frozen=True):
    number: int
    kind: str
    source: str
    target: str
    delay_s: float
    judge: Judge | None


class Links:
    """The rules of a system's links. `active` is False while there are none, and then nobody asks further."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.active = False
        self._cuts: list[_Cut] = []
        self._rules: list[_Rule] = []
        self._hold: Hold | None = None
        self._numbers = 0
        self._on_change = on_change
        self._occurrences: dict[tuple[str, str, int, str, str], int] = {}

    # -- rules ------------------------------------------------------------------------------------------------------------------

    def partition(self, a: str, b: str = "*", *, one_way: bool = False) -> None:
        """Cut everything between `a` and `b`: names of machines or processes, or patterns such as `kubelet/*`."""
        self._cuts.append(_Cut(a, b, one_way))
        self._changed()

    def heal(self, a: str = "*", b: str = "*") -> None:
        """Take back the cuts between `a` and `b`; `*` stands for all."""
        self._cuts = [cut for cut in self._cuts if not ({cut.a, cut.b} == {a, b} or (a, b) == ("*", "*"))]
        self._changed()

    def delay(self, source: str, target: str, delay_s: float) -> int:
        """Slow every message from `source` to `target`; returns a number for `remove`."""
        return self._add("delay", source, target, delay_s, None)

    def drop(self, source: str, target: str, judge: Judge | None = None) -> int:
        """Lose the messages that `judge` says yes to (None: all); returns a number for `remove`."""
        return self._add("drop", source, target, 0.0, judge)

    def duplicate(self, source: str, target: str, judge: Judge | None = None) -> int:
        """Deliver the messages that `judge` says yes to twice; returns a number for `remove`."""
        return self._add("duplicate", source, target, 0.0, judge)

    def hold(self, strategy: Hold | None) -> None:
        """Hold every message as long as `strategy` says (seconds); None takes it back."""
        self._hold = strategy
        self._changed()

    def remove(self, number: int) -> None:
        """Take a rule back."""
        self._rules = [rule for rule in self._rules if rule.number != number]
        self._changed()

    def clear(self) -> None:
        """Take all rules back."""
        self._cuts, self._rules, self._hold = [], [], None
        self._changed()

    def _add(self, kind: str, source: str, target: str, delay_s: float, judge: Judge | None) -> int:
        self._numbers += 1
        self._rules.append(_Rule(self._numbers, kind, source, target, delay_s, judge))
        self._changed()
        return self._numbers

    def _changed(self) -> None:
        self.active = bool(self._cuts or self._rules or self._hold is not None)
        self._on_change()

    # -- judging ----------------------------------------------------------------------------------------------------------------

    def judge(self, source: str, source_machine: str, target: str, target_machine: str, incarnation: int, message: Message) -> list[float]:
        """Delays in seconds with which copies of the message arrive: [] if it is lost, [0.0] if nothing happens to it."""
        if source == target:
            return [0.0]
        kind, subject = type(message).__name__, message.subject()
        identity = (source, target, incarnation, kind, subject)
        occurrence = self._occurrences[identity] = self._occurrences.get(identity, 0) + 1
        passage = Passage(source, source_machine, target, target_machine, incarnation, kind, subject, occurrence)
        if any(_cuts(cut, passage) for cut in self._cuts):
            return []
        delay_s, copies = 0.0, 1
        for rule in self._rules:
            if not (_names(rule.source, source, source_machine) and _names(rule.target, target, target_machine)):
                continue
            if rule.judge is not None and not rule.judge(passage, message):
                continue
            if rule.kind == "drop":
                return []
            delay_s += rule.delay_s
            copies += rule.kind == "duplicate"
        if self._hold is not None:
            delay_s += max(0.0, self._hold(passage))
        return [delay_s] * copies


def _names(pattern: str, process: str, machine: str) -> bool:
    return pattern in ("*", process, machine) or ("*" in pattern and fnmatchcase(process, pattern))


def _cuts(cut: _Cut, passage: Passage) -> bool:
    forth = _border(cut.a, cut.b, passage)
    back = not cut.one_way and _border(cut.b, cut.a, passage)
    return forth or back


def _border(a: str, b: str, passage: Passage) -> bool:
    """Whether a passage leads from `a` to `b`; a machine's inside is not cut by a cut of the machine from everybody."""
    if passage.source_machine == passage.target_machine and passage.source_machine in (a, b):
        return False
    return _names(a, passage.source, passage.source_machine) and _names(b, passage.target, passage.target_machine)
