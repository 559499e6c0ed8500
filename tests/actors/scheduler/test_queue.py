"""The parts of the queue: order, back-off, waking one by one."""

from __future__ import annotations

from typing import Any

from callboard.actors.scheduler.demand import TemplateBook
from callboard.actors.scheduler.queue import Entry, SchedulingQueue

from .objects import key_of, pod


class _Line:
    def __init__(self) -> None:
        self.queue = SchedulingQueue(1.0, 10.0)
        self.book = TemplateBook()

    def offer(self, name: str, **fields: Any) -> Entry:
        one = pod(name, **fields)
        return self.queue.offer(key_of(one), one, self.book.of(one))

    def take(self) -> str:
        entry = self.queue.take()
        return entry.pod.metadata.name if entry is not None else ""

    def taken(self) -> Entry:
        entry = self.queue.take()
        assert entry is not None
        return entry


def test_priority_then_age_then_order_of_arrival() -> None:
    line = _Line()
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5)):
        line.offer(name, priority=priority)
    assert [line.take() for _ in range(5)] == ["b", "d", "a", "c", ""]


def test_a_pod_that_is_seen_again_is_queued_once() -> None:
    line = _Line()
    line.offer("a")
    line.offer("a", labels={"new": "label"}, owner="")
    assert [line.take(), line.take()] == ["a", ""]


def test_a_removed_pod_is_never_taken() -> None:
    line = _Line()
    entry = line.offer("a")
    line.queue.remove(entry.key)
    assert not line.queue.has_active
    assert line.take() == ""
    assert len(line.queue) == 0


def test_the_back_off_doubles_up_to_its_limit() -> None:
    line = _Line()
    assert [line.queue.back_off_s(attempts) for attempts in (0, 1, 2, 3, 4, 5, 60)] == [1.0, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_pod_that_backs_off_is_active_again_when_it_is_due_and_not_before() -> None:
    line = _Line()
    line.offer("a")
    assert line.queue.try_later(line.taken(), now=100.0) == 101.0
    assert line.queue.release_due(100.9) == 101.0
    assert line.take() == ""
    assert line.queue.release_due(101.0) is None
    assert line.take() == "a"


def test_a_clock_that_was_set_back_lengthens_no_back_off() -> None:
    line = _Line()
    line.offer("a")
    line.queue.try_later(line.taken(), now=10_000.0)
    assert line.queue.release_due(100.0) is None
    assert line.take() == "a"


def test_waking_takes_the_longest_waiting_of_its_template_only() -> None:
    line = _Line()
    for name in ("a", "b"):
        line.offer(name, owner="web")
    line.offer("c", owner="db")
    for _ in range(3):
        line.queue.put_aside(line.taken())
    templates = line.queue.waiting_templates()
    assert len(templates) == 2
    line.queue.wake_first(templates[0].number, 0.0, with_back_off=False)
    woken = line.taken()
    assert (woken.pod.metadata.name, woken.chained) == ("a", True)
    assert line.take() == ""


def test_a_flush_wakes_all_in_their_order() -> None:
    line = _Line()
    for name in ("a", "b", "c"):
        line.offer(name, owner="db" if name == "b" else "web")
    for _ in range(3):
        line.queue.put_aside(line.taken())
    line.queue.wake_all()
    assert [line.take() for _ in range(4)] == ["a", "b", "c", ""]


def test_a_pod_that_asks_for_less_is_tried_at_once() -> None:
    line = _Line()
    line.offer("a", cpu="4", uid="same")
    line.queue.put_aside(line.taken())
    line.offer("a", cpu="1", uid="same")
    assert line.take() == "a"
