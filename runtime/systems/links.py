"""The ways between processes: cut, slow, lossy, repeating or held, on every system. Nothing set costs nothing.

A link never tells the sender. Lanes keep their order through delays. Processes of one machine are joined by links too, but a rule that
names a machine touches only what crosses its border.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from fnmatch import fnmatchcase

import msgspec

from callboard.models.messages.base import Message
from callboard.models.times import parse_duration


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


OCCURRENCES_LIMIT = 100_000
"""Identities of messages whose occurrences are counted; beyond it the identity that was seen first is forgotten."""

Judge = Callable[[Passage, Message], bool]
Hold = Callable[[Passage], float]
Slow = Callable[[Passage, Message], float]


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
    slow: Slow | None = None


class Links:
    """The rules of a system's links. `active` is False while there are none, and then nobody asks further.

    Rules may be changed from any thread: lists are replaced, never changed, so who judges sees either the old or the new ones.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.active = False
        self._cuts: list[_Cut] = []
        self._rules: list[_Rule] = []
        self._hold: Hold | None = None
        self._numbers = 0
        self._on_change = on_change
        self._lock = threading.Lock()
        self._occurrences: dict[tuple[str, str, int, str, str], int] = {}

    # -- rules ------------------------------------------------------------------------------------------------------------------

    def partition(self, a: str, b: str = "*", *, one_way: bool = False) -> None:
        """Cut everything between `a` and `b`: names of machines or processes, or patterns such as `kubelet/*`."""
        with self._lock:
            self._cuts = [*self._cuts, _Cut(a, b, one_way)]
        self._changed()

    def heal(self, a: str = "*", b: str = "*") -> None:
        """Take back the cuts between `a` and `b`; `*` stands for whatever is there."""
        with self._lock:
            self._cuts = [cut for cut in self._cuts if not (a in ("*", cut.a, cut.b) and b in ("*", cut.a, cut.b))]
        self._changed()

    def delay(self, source: str, target: str, delay_s: float) -> int:
        """Slow every message from `source` to `target`; returns a number for `remove`."""
        return self._add("delay", source, target, delay_s, None)

    def delay_by(self, source: str, target: str, slow: Slow) -> int:
        """Slow each message from `source` to `target` by as many seconds as `slow(passage, message)` says; the number is for `remove`."""
        return self._add("delay", source, target, 0.0, None, slow)

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
        with self._lock:
            self._rules = [rule for rule in self._rules if rule.number != number]
        self._changed()

    def forget(self, source: str, target: str) -> None:
        """Take all rules back that were made for exactly this source and target."""
        with self._lock:
            self._rules = [rule for rule in self._rules if (rule.source, rule.target) != (source, target)]
        self._changed()

    def clear(self) -> None:
        """Take all rules back."""
        with self._lock:
            self._cuts, self._rules, self._hold = [], [], None
        self._changed()

    def _add(self, kind: str, source: str, target: str, delay_s: float, judge: Judge | None, slow: Slow | None = None) -> int:
        if judge is not None and not callable(judge):
            raise TypeError(f"judge is a {type(judge).__name__}; give a function of (passage, message), or None for all messages")
        with self._lock:
            self._numbers += 1
            number = self._numbers
            self._rules = [*self._rules, _Rule(number, kind, source, target, delay_s, judge, slow)]
        self._changed()
        return number

    def _changed(self) -> None:
        with self._lock:
            self.active = bool(self._cuts or self._rules or self._hold is not None)
        self._on_change()

    def __getitem__(self, way: str) -> Way:
        """One way, as "source>target": names of machines or processes, or patterns.

        Raises:
            ValueError: it is not written so.
        """
        source, arrow, target = way.partition(">")
        if not arrow or not source or not target:
            raise ValueError(f'"{way}" names no way; write source>target, for example "scheduler>apiserver-0"')
        return Way(self, source, target)

    # -- judging ----------------------------------------------------------------------------------------------------------------

    def judge(self, source: str, source_machine: str, target: str, target_machine: str, incarnation: int, message: Message) -> list[float]:
        """Delays in seconds with which copies of the message arrive: [] if it is lost, [0.0] if nothing happens to it."""
        if source == target:
            return [0.0]
        kind, subject = type(message).__name__, message.subject()
        identity = (source, target, incarnation, kind, subject)
        occurrence = self._occurrence(identity)
        passage = Passage(source, source_machine, target, target_machine, incarnation, kind, subject, occurrence)
        if any(_cuts(cut, passage) for cut in self._cuts):
            return []
        delay_s, copies = 0.0, 1
        for rule in self._rules:
            if not _leads(rule.source, rule.target, passage):
                continue
            if rule.judge is not None and not rule.judge(passage, message):
                continue
            if rule.kind == "drop":
                return []
            delay_s += rule.delay_s if rule.slow is None else max(0.0, rule.slow(passage, message))
            copies += rule.kind == "duplicate"
        hold = self._hold
        if hold is not None:
            delay_s += max(0.0, hold(passage))
        return [delay_s] * copies

    def _occurrence(self, identity: tuple[str, str, int, str, str]) -> int:
        counts = self._occurrences
        count = counts[identity] = counts.get(identity, 0) + 1
        if len(counts) > OCCURRENCES_LIMIT:
            del counts[next(iter(counts))]
        return count


class Way:
    """The way from one end to another; made by `links["source>target"]`. What it is told holds until `release`."""

    def __init__(self, links: Links, source: str, target: str) -> None:
        self._links = links
        self.source = source
        self.target = target

    def __repr__(self) -> str:
        return f"<Way {self.source}>{self.target}>"

    def hold(self, for_: float | int | str, *types: str) -> int:
        """Hold every message of these types (none named: all) for so long: seconds, or text such as "12s". Returns a number for
        `links.remove`.

        Raises:
            ValueError: it is no span of time.
        """
        for_s = parse_duration(for_)
        return self._links.delay_by(
            self.source, self.target, lambda passage, _message: for_s if not types or passage.type in types else 0.0
        )

    def cut(self) -> None:
        """Let nothing through in this direction."""
        self._links.partition(self.source, self.target, one_way=True)

    def release(self) -> None:
        """Take back all that this way was told."""
        self._links.heal(self.source, self.target)
        self._links.forget(self.source, self.target)


def _names(pattern: str, process: str, machine: str) -> str:
    """As what a pattern names one end of a passage: "all", "process" or "machine"; "" if it doesn't."""
    if pattern == "*":
        return "all"
    if pattern == process or ("*" in pattern and fnmatchcase(process, pattern)):
        return "process"
    if pattern == machine or ("*" in pattern and fnmatchcase(machine, pattern)):
        return "machine"
    return ""


def _cuts(cut: _Cut, passage: Passage) -> bool:
    return _leads(cut.a, cut.b, passage) or (not cut.one_way and _leads(cut.b, cut.a, passage))


def _leads(source: str, target: str, passage: Passage) -> bool:
    """Whether a passage leads from `source` to `target`; what stays inside a machine is not touched by a rule that names the machine."""
    start = _names(source, passage.source, passage.source_machine)
    end = _names(target, passage.target, passage.target_machine)
    inside = passage.source_machine == passage.target_machine and "machine" in (start, end)
    return bool(start and end) and not inside
