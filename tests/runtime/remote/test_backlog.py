"""What waits for a slow reader: bounded by the number of objects, and still the truth."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callboard.models.messages.api import WatchEvent
from callboard.runtime.remote.backlog import Backlog
from tests.runtime.remote.conftest import config

View = dict[str, int]


def histories(draw_from: list[int]) -> list[WatchEvent]:
    """A possible history of three objects: each number creates, changes or deletes one of them."""
    there: set[str] = set()
    events = []
    for revision, number in enumerate(draw_from, 1):
        name = "abc"[number % 3]
        obj = config(name, revision)
        if name not in there:
            there.add(name)
            events.append(WatchEvent("ADDED", name, obj))
        elif number % 2:
            there.discard(name)
            events.append(WatchEvent("DELETED", name, obj))
        else:
            events.append(WatchEvent("MODIFIED", name, obj))
    return events


def heard(view: View, events: list[WatchEvent]) -> View:
    """What a watcher knows after some events; each must make sense to it."""
    for event in events:
        assert (event.key in view) is (event.type != "ADDED"), f"{event.type} of {event.key} to one who knows {view}"
        if event.type == "DELETED":
            del view[event.key]
        else:
            view[event.key] = event.obj.metadata.resource_version
    return view


@given(st.lists(st.integers(0, 100), max_size=40), st.integers(0, 40), st.integers(1, 3))
def test_a_slow_reader_ends_up_with_the_same_view_and_hears_nothing_absurd(numbers: list[int], until: int, step: int) -> None:
    events = histories(numbers)
    backlog = Backlog()
    view: View = {}
    for number, event in enumerate(events):
        if number < until:
            heard(view, [event])  # told at once
            continue
        backlog.add(event)
        assert len(backlog) <= 3
        if number % 7 == 0:
            heard(view, list(backlog.take(step)))
    while len(backlog):
        heard(view, list(backlog.take(step)))
    assert view == heard({}, events)


def test_an_object_that_came_and_went_unseen_is_never_told() -> None:
    backlog = Backlog()
    for type_ in ("ADDED", "MODIFIED", "DELETED"):
        backlog.add(WatchEvent(type_, "a", config("a")))
    assert len(backlog) == 0
    assert backlog.take(9) == ()


def test_an_object_that_was_replaced_is_told_to_have_gone_and_come() -> None:
    backlog = Backlog()
    for type_, revision in (("DELETED", 2), ("ADDED", 3), ("MODIFIED", 4)):
        backlog.add(WatchEvent(type_, "a", config("a", revision)))  # type: ignore[arg-type]
    assert [(event.type, event.obj.metadata.resource_version) for event in backlog.take(1)] == [("DELETED", 2), ("ADDED", 4)]
