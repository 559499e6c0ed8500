"""The search itself, on toys: how many orders there are is known, and nothing that plain search finds is left out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callboard.runtime.chaos.exhaustive.search import EVERYBODY, Event, Reduction, Searched, commute, search
from tests.runtime.chaos.exhaustive.toys import Post, Says, Toy

REDUCTIONS: tuple[Reduction, ...] = ("source", "sleep")


def searched(make: Callable[[], Toy], reduction: Reduction) -> tuple[Searched, list[Any]]:
    """The search with the states that orders have ended in."""
    ends: list[Any] = []

    def begin() -> Toy:
        toy = make()
        toy.ends = lambda one: ends.append(one.state)
        return toy

    return search(begin, 200_000, reduction=reduction), ends


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_two_actors_that_hear_two_messages_each_in_order_make_one_trace_of_six_orders(reduction: Reduction) -> None:
    posts: tuple[Post, ...] = (("x", "a", "1"), ("x", "a", "2"), ("y", "b", "1"), ("y", "b", "2"))
    assert search(lambda: Toy(posts, {}), reduction="none").orders == math.comb(4, 2)
    assert search(lambda: Toy(posts, {}), reduction=reduction).orders == 1


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_two_senders_of_two_messages_to_each_of_two_actors_make_thirty_six_traces(reduction: Reduction) -> None:
    posts = tuple((sender, receiver, f"{sender}{number}") for receiver in "ab" for sender in "xy" for number in (1, 2))
    found = search(lambda: Toy(posts, {}), reduction=reduction)
    assert (found.orders, found.longest, found.complete, found.wrong) == (
        36,
        8,
        True,
        "",
    )  # six orders at each, and they don't matter to each other
    assert search(lambda: Toy(posts, {}), reduction="none").orders == 2520  # 8! / (2! 2! 2! 2!)


def test_source_sets_begin_far_fewer_orders_that_come_to_nothing() -> None:
    posts = tuple((sender, receiver, f"{sender}{number}") for receiver in "ab" for sender in "xy" for number in (1, 2))
    source, sleep = (search(lambda: Toy(posts, {}), reduction=reduction) for reduction in REDUCTIONS)
    assert source.orders == sleep.orders
    assert source.cut < sleep.cut / 4


ACTORS = ("a", "b", "c")
POSTS = st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(ACTORS), st.sampled_from("mn")), min_size=2, max_size=4)
SAYS = st.dictionaries(
    st.tuples(st.sampled_from(ACTORS), st.sampled_from("mn"), st.integers(1, 3)),
    st.lists(st.tuples(st.sampled_from(ACTORS), st.sampled_from("opq")), min_size=1, max_size=2).map(tuple),
    max_size=4,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(POSTS, SAYS, st.sampled_from(("", "", "a")), st.integers(0, 1))
def test_every_state_that_plain_search_ends_in_is_ended_in_and_no_trace_twice(
    posts: list[Post], says: Says, lossy: str, jolts: int
) -> None:
    def make() -> Toy:
        return Toy(tuple(posts), says, lossy, jolts)

    plain, ends = searched(make, "none")
    assert search(make).orders == search(make, reduction="sleep").orders
    for reduction in REDUCTIONS:
        found, reduced = searched(make, reduction)
        assert set(reduced) == set(ends)
        assert found.orders <= plain.orders
        assert found.longest == plain.longest


def test_an_order_that_ends_badly_is_told_and_the_search_left() -> None:
    posts: tuple[Post, ...] = (("x", "a", "1"), ("y", "a", "2"), ("z", "b", "3"))

    def judge(toy: Toy) -> str | None:
        return "the second came first" if toy.heard["a"] == ["2", "1"] else None

    found = search(lambda: Toy(posts, {}, judge=judge))
    assert found.wrong == "the second came first"
    assert [event.words for event in found.order if event.target == "a"] == ["2", "1"]
    assert not found.complete


def test_a_search_that_comes_to_its_limit_is_not_complete() -> None:
    posts = tuple((sender, "a", "m") for sender in "uvwxyz")
    found = search(lambda: Toy(posts, {}), 10)
    assert (found.orders + found.cut, found.complete) == (10, False)


def test_events_of_different_actors_commute_unless_they_share_a_budget_or_concern_everybody() -> None:
    a, b = Event("a", "x>a", 1), Event("b", "x>b", 1)
    assert commute(a, b)
    assert not commute(a, Event("a", "y>a", 1))
    assert not commute(a, Event(EVERYBODY, "time", 1))
    assert not commute(Event("a", "x>a", 1, "loss"), Event("b", "x>b", 1, "loss"))
    assert commute(a, Event("b", "x>b", 1, "loss"))
