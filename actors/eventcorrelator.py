"""Which Events a component records, and which it keeps to itself: similar ones are combined, and no object is written about without end.

Used by `ApiComponent.tell_user`; one per component, and gone with it. That identical Events are one that is counted is the apiserver's
affair (`apiserver/eventsink`). Source of rules and numbers: client-go tools/record/events_cache.go (EventCorrelator).
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

KEPT_LIMIT = 4096
"""Objects, and kinds of Events about them, that are remembered; the longest untouched is forgotten first (maxLruCacheEntries)."""
SIMILAR_LIMIT = 10
"""With so many different messages about the same (object, type, reason), further ones are combined."""
SIMILAR_S = 600.0
"""If nothing like it was told for so long, the count of different messages begins anew."""
BURST = 25
"""So many Events about one object at once..."""
REFILL_S = 300.0
"""...and one more every so many seconds."""
COMBINED = "(combined from similar events): "

About = tuple[str, str, str, str]
"""Kind, namespace, name and UID of the object that an Event is about."""
K = TypeVar("K")
V = TypeVar("V")


class ToRecord(msgspec.Struct, frozen=True, gc=False):
    """What to record. A `combined` Event is one for all messages of its type and reason, of which it shows the last."""

    message: str
    combined: bool


class _Similar(msgspec.Struct, gc=False):
    messages: dict[str, None]
    last_s: float


class _Allowance(msgspec.Struct, gc=False):
    tokens: float
    last_s: float


class EventCorrelator:
    """Remembers what was told about what."""

    def __init__(self) -> None:
        self._similar: dict[tuple[About, str, str], _Similar] = {}
        self._allowances: dict[About, _Allowance] = {}

    def correlate(self, about: About, type_: str, reason: str, message: str, now_s: float) -> ToRecord | None:
        """What becomes of an Event at `now_s` (seconds); None if too much has been told about this object already."""
        combined = self._is_one_of_many((about, type_, reason), message, now_s)
        if not self._may_tell(about, now_s):
            return None
        return ToRecord(COMBINED + message if combined else message, combined)

    def _is_one_of_many(self, key: tuple[About, str, str], message: str, now_s: float) -> bool:
        known = self._similar.pop(key, None)
        if known is None or not 0 <= now_s - known.last_s <= SIMILAR_S:
            known = _Similar({}, now_s)
        known.last_s = now_s
        known.messages[message] = None
        many = len(known.messages) >= SIMILAR_LIMIT
        if many:
            del known.messages[next(iter(known.messages))]
        _remember(self._similar, key, known)
        return many

    def _may_tell(self, about: About, now_s: float) -> bool:
        allowance = self._allowances.pop(about, None)
        if allowance is None:
            allowance = _Allowance(float(BURST), now_s)
        else:
            allowance.tokens = min(float(BURST), allowance.tokens + max(now_s - allowance.last_s, 0.0) / REFILL_S)
            allowance.last_s = now_s
        _remember(self._allowances, about, allowance)
        if allowance.tokens < 1.0:
            return False
        allowance.tokens -= 1.0
        return True


def _remember(book: dict[K, V], key: K, value: V) -> None:
    """Put an entry at the newest end, and forget the oldest if there are too many."""
    book[key] = value
    if len(book) > KEPT_LIMIT:
        del book[next(iter(book))]
