"""Which Events are told. Numbers and rules: client-go tools/record/events_cache.go (NewEventCorrelator)."""

from __future__ import annotations

from callboard.actors.eventcorrelator import BURST, KEPT_LIMIT, REFILL_S, SIMILAR_LIMIT, SIMILAR_S, About, EventCorrelator

POD: About = ("Pod", "default", "a", "uid-a")


def tell(told: EventCorrelator, message: str, now_s: float = 0.0, about: About = POD, reason: str = "Failed") -> str:
    """What is recorded, "" for nothing."""
    telling = told.correlate(about, "Warning", reason, message, now_s)
    return "" if telling is None else telling.message


def test_the_numbers_are_those_of_client_go() -> None:
    assert (SIMILAR_LIMIT, SIMILAR_S, BURST, REFILL_S, KEPT_LIMIT) == (10, 600.0, 25, 300.0, 4096)


def test_the_tenth_different_message_of_one_reason_and_all_later_are_combined() -> None:
    told = EventCorrelator()
    for number in range(9):
        assert tell(told, f"m{number}") == f"m{number}"
    assert tell(told, "m9") == "(combined from similar events): m9"
    assert tell(told, "m10") == "(combined from similar events): m10"
    assert tell(told, "other", reason="Killing") == "other"
    assert tell(told, "other", about=("Pod", "default", "b", "uid-b")) == "other"


def test_the_same_message_again_and_again_is_never_combined() -> None:
    told = EventCorrelator()
    assert [tell(told, "same") for _ in range(20)] == ["same"] * 20


def test_after_ten_quiet_minutes_the_count_of_different_messages_begins_anew() -> None:
    told = EventCorrelator()
    for number in range(12):
        tell(told, f"m{number}", 1.0)
    assert tell(told, "late", 1.0 + SIMILAR_S).startswith("(combined")
    assert tell(told, "later", 1.0 + 2 * SIMILAR_S + 1.0) == "later"


def test_twenty_five_events_about_an_object_at_once_then_one_every_five_minutes() -> None:
    told = EventCorrelator()
    assert [bool(tell(told, "same")) for _ in range(30)] == [True] * 25 + [False] * 5
    assert tell(told, "same", REFILL_S - 1) == ""
    assert tell(told, "same", REFILL_S + 1) == "same"
    assert tell(told, "same", REFILL_S + 2) == ""
    assert tell(told, "same", about=("Pod", "default", "a", "another uid")) == "same"


def test_a_clock_that_is_set_back_neither_fills_nor_empties_the_budget() -> None:
    told = EventCorrelator()
    for _ in range(24):
        tell(told, "same", 10_000.0)
    assert tell(told, "same", 0.0) == "same"
    assert tell(told, "same", 0.0) == ""


def test_what_is_remembered_is_bounded_and_the_oldest_is_forgotten() -> None:
    told = EventCorrelator()
    for _ in range(BURST):
        tell(told, "same")
    for number in range(KEPT_LIMIT):
        tell(told, "x", about=("Pod", "default", f"p{number}", str(number)))
    assert len(told._allowances) == KEPT_LIMIT
    assert tell(told, "same") == "same"
