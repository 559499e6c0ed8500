"""Events as text: the section at the end of a description, and the lines of `kubectl events`.

Sources: kubectl pkg/describe/describe.go (DescribeEvents), pkg/cmd/events/event_printer.go, pkg/util/event (sorted by the last time).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from callboard.models.columns.column import as_text
from callboard.models.describe.page import NONE, Page
from callboard.models.look import Look, look
from callboard.models.spans import age, epoch_s


def last_time_s(event: Any) -> float:
    """When it happened last, in seconds since the epoch; 0 if it doesn't say."""
    view = look(event)
    if view.has("series"):
        found = view.text("series", "lastObservedTime")
    else:
        found = view.text("lastTimestamp") or view.text("eventTime") or view.text("firstTimestamp")
    return (epoch_s(found) if found else None) or 0.0


def in_order(events: Iterable[Any]) -> list[Any]:
    """The same events, those that happened last at the end; of equal times, which are of whole seconds, those that changed last."""
    return sorted(events, key=lambda event: (last_time_s(event), _revision(event), look(event).name))


def _revision(event: Any) -> int:
    """Where a change stands among all changes: the resource version is a number, greater for later ones; 0 if there is none."""
    text = look(event).text("metadata", "resourceVersion")
    return int(text) if text.isascii() and text.isdigit() else 0


def interval(event: Look, now_s: float) -> str:
    """How long ago: `5s`, or `5s (x4 over 2m)`."""
    first = age(event.text("eventTime") or event.text("firstTimestamp"), now_s)
    if event.has("series"):
        last = age(event.text("series", "lastObservedTime"), now_s)
        return f"{last} (x{event.number('series', 'count')} over {first})"
    if event.number("count") > 1:
        return f"{age(event.text('lastTimestamp'), now_s)} (x{event.number('count')} over {first})"
    return first


def events_section(page: Page, events: Sequence[Any] | None, now_s: float) -> None:
    """The events of an object, at the end of its description; nothing if nobody looked for them."""
    if events is None:
        return
    if not events:
        page.field("Events", NONE)
        return
    page.end_columns()
    page.line("Events:")
    page.line("Type\tReason\tAge\tFrom\tMessage", 1)
    page.line("----\t------\t----\t----\t-------", 1)
    for one in in_order(events):
        event = look(one)
        source = event.text("source", "component") or event.text("reportingComponent")
        place = event.text("involvedObject", "fieldPath")
        message = f"{place}: {event.text('message').strip()}" if place else event.text("message").strip()
        page.line(f"{event.text('type')}\t{event.text('reason')}\t{interval(event, now_s)}\t{source}\t{message}", 1)


EVENT_HEADERS = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")


def event_rows(events: Iterable[Any], now_s: float, *, with_namespace: bool = False) -> list[tuple[str, ...]]:
    """The header and a row for each event, as `kubectl events` prints them; lay them out with `aligned`."""
    rows: list[tuple[str, ...]] = [(*(("NAMESPACE",) if with_namespace else ()), *EVENT_HEADERS)]
    for one in events:
        event = look(one)
        target = f"{event.text('involvedObject', 'kind')}/{event.text('involvedObject', 'name')}"
        cells = (interval(event, now_s), event.text("type"), event.text("reason"), target, event.text("message").strip())
        rows.append(tuple(as_text(cell) for cell in ((event.namespace, *cells) if with_namespace else cells)))
    return rows
