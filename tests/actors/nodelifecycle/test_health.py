"""Silence judged by an observed clock, with fake time."""

from __future__ import annotations

import pytest

from callboard.actors.nodelifecycle.health import HealthBook

PERIOD_S, GRACE_S = 5.0, 50.0


class _Ticks:
    def __init__(self, *names: str) -> None:
        self.book = HealthBook(PERIOD_S, GRACE_S)
        self.now = 1_000_000.0
        for name in names:
            self.book.node_seen(name, f"uid-{name}")
        self.book.advance(self.now, blind=False)

    def tick(self, count: int = 1, *heard: str, step_s: float = PERIOD_S, blind: bool = False) -> None:
        for _ in range(count):
            self.now += step_s
            for name in heard:
                self.book.heard(name)
            self.book.advance(self.now, blind=blind)


def test_a_node_is_silent_only_after_the_whole_grace_period() -> None:
    ticks = _Ticks("a")
    ticks.tick(10)
    assert not ticks.book.silent("a")
    ticks.tick()
    assert ticks.book.silent("a")


def test_a_sign_of_life_starts_the_period_anew() -> None:
    ticks = _Ticks("a", "b")
    ticks.tick(9)
    ticks.tick(1, "a")
    ticks.tick(10)
    assert not ticks.book.silent("a")
    assert ticks.book.silent("b")
    ticks.tick()
    assert ticks.book.silent("a")


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_jump_of_the_clock_makes_no_living_node_silent(jump_s: float) -> None:
    ticks = _Ticks("a")
    for _ in range(20):
        ticks.tick(3, "a")
        ticks.tick(1, step_s=jump_s)
        assert not ticks.book.silent("a")


def test_a_pause_of_the_whole_program_counts_as_two_periods_at_most() -> None:
    ticks = _Ticks("a")
    ticks.tick(8)
    ticks.tick(1, step_s=600.0)
    assert not ticks.book.silent("a")
    ticks.tick()
    assert ticks.book.silent("a")


def test_time_stands_still_while_the_controller_hears_nothing_itself() -> None:
    ticks = _Ticks("a")
    ticks.tick(100, blind=True)
    assert not ticks.book.silent("a")


def test_a_new_node_of_an_old_name_has_the_whole_period() -> None:
    ticks = _Ticks("a")
    ticks.tick(11)
    ticks.book.node_seen("a", "another")
    ticks.tick(10)
    assert not ticks.book.silent("a")


def test_lost_is_only_a_silence_that_was_confirmed_for_the_same_node() -> None:
    ticks = _Ticks("a")
    ticks.book.confirm_lost("a", "uid-a")
    assert not ticks.book.lost("a")  # not silent: the read came from an earlier silence
    ticks.tick(11)
    ticks.book.confirm_lost("a", "another")
    assert not ticks.book.lost("a")
    ticks.book.confirm_lost("a", "uid-a")
    assert ticks.book.lost("a")
    ticks.book.heard("a")
    assert not ticks.book.lost("a")


def test_a_reset_gives_everybody_the_whole_period() -> None:
    ticks = _Ticks("a", "b")
    ticks.tick(11)
    ticks.book.reset()
    ticks.tick(10)
    assert not ticks.book.silent("a")


def test_what_is_gone_is_neither_silent_nor_lost() -> None:
    ticks = _Ticks("a")
    ticks.tick(11)
    ticks.book.gone("a")
    assert not ticks.book.silent("a")
    assert not ticks.book.lost("a")


def test_between_two_ticks_the_clock_goes_on_for_a_period_at_most_and_never_back() -> None:
    book = HealthBook(5.0, 40.0)
    assert book.reading_s(1000.0) == 0.0, "no tick yet"
    book.advance(1000.0, blind=False)
    assert [book.reading_s(now) for now in (1000.0, 1002.5, 1600.0, 400.0)] == [0.0, 2.5, 5.0, 0.0]
    book.advance(1005.0, blind=False)
    assert book.reading_s(1006.0) == 6.0
