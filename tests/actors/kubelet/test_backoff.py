"""How long a container that ended waits: Kubernetes' crash back-off, as examples and as properties. Pure."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.kubelet.backoff import NO_BACK_OFF, after_restart, due_s, pull_words_change_s, retry_pause_s
from callboard.models.timing import KUBERNETES

START_S = 1_800_000_000.0


def pauses(lives_s: list[float]) -> list[float]:
    """The pause after each life of these lengths, each followed by a restart when it is due."""
    back_off, now_s, found = NO_BACK_OFF, START_S, []
    for life_s in lives_s:
        now_s += life_s
        due = due_s(back_off, now_s, KUBERNETES)
        found.append(due - now_s)
        back_off = after_restart(back_off, now_s, due, KUBERNETES)
        now_s = due
    return found


def test_the_first_restart_is_immediate_the_next_after_ten_seconds_doubling_up_to_five_minutes() -> None:
    assert pauses([1.0] * 9) == [0, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_life_of_more_than_ten_minutes_makes_the_back_off_begin_anew() -> None:
    """client-go flowcontrol/backoff.go, hasExpired: forgotten when the end comes more than twice the cap after the last restart."""
    assert pauses([1.0, 1.0, 1.0, 601.0, 1.0]) == [0, 10, 20, 0, 10]


def test_a_life_of_ten_minutes_or_less_does_not() -> None:
    assert pauses([1.0, 1.0, 1.0, 600.0, 1.0]) == [0, 10, 20, 40, 80]


def test_the_time_in_back_off_does_not_count_as_running() -> None:
    assert pauses([1.0] * 8 + [590.0]) == [0, 10, 20, 40, 80, 160, 300, 300, 300]


def test_refused_starts_wait_ten_seconds_doubling_up_to_five_minutes() -> None:
    assert [retry_pause_s(count, KUBERNETES) for count in range(1, 8)] == [10, 20, 40, 80, 160, 300, 300]
    assert pull_words_change_s(1, START_S + 10, KUBERNETES) == START_S + 1


@settings(deadline=None)
@given(st.lists(st.floats(0, 5000), max_size=40))
def test_no_pause_is_beyond_the_cap_and_each_doubles_or_begins_anew(lives_s: list[float]) -> None:
    found = [round(pause, 3) for pause in pauses(lives_s)]
    steps: list[float] = [0, 10, 20, 40, 80, 160, 300]
    assert all(pause in steps for pause in found)
    for before, after, life_s in zip(found, found[1:], lives_s[1:], strict=False):
        follows = steps[min(steps.index(before) + 1, len(steps) - 1)]
        assert after == (0 if life_s > 600.001 else follows) or abs(life_s - 600) < 0.01


@settings(deadline=None)
@given(st.integers(1, 10_000))
def test_no_refusal_waits_beyond_the_cap(failures: int) -> None:
    assert 10 <= retry_pause_s(failures, KUBERNETES) <= 300
