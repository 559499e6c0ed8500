"""Whose turn it is to write in a namespace with quotas: how many wait is known at any time, without counting them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.apiserver.planning import Job
from callboard.actors.apiserver.turns import Turns


class Hooked(dict[str, Any]):
    """A table of queues that may not be walked through."""

    walks = 0

    def values(self) -> Any:
        self.walks += 1
        return super().values()


def job(deadline_s: float) -> Job:
    nothing: Any = None
    view: Any = type("View", (), {"learn": lambda _self, _known: None})()
    return Job(nothing, nothing, view, deadline_s)


steps = st.lists(st.tuples(st.sampled_from(["enter", "leave", "expire"]), st.sampled_from("ab")), max_size=40)


@given(steps)
def test_how_many_wait_is_what_went_in_and_did_not_come_out(chosen: list[tuple[str, str]]) -> None:
    turns, waiting, now_s = Turns(), 0, 0.0
    held: dict[str, bool] = {}
    for what, place in chosen:
        now_s += 1
        if what == "enter":
            if turns.enter(place, job(now_s + 5)):
                held[place] = True
            else:
                waiting += 1
        elif what == "leave" and held.get(place):
            held[place] = turns.leave(place, ())
            if held[place] and turns.next(place) is not None:
                waiting -= 1
        elif what == "expire":
            waiting -= len(turns.expired(now_s))
        assert len(turns) == waiting


def test_asking_how_many_wait_walks_through_no_queues() -> None:
    turns = Turns()
    hooked = turns._waiting = Hooked()
    for number in range(100):
        turns.enter(f"namespace-{number}", job(1.0))
    assert len(turns) == 0
    assert hooked.walks == 0
