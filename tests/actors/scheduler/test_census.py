"""What the census keeps and looks at, as templates, terms and classes of pods come and go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.scheduler import census as module
from callboard.actors.scheduler.census import Census, PodClass
from callboard.actors.scheduler.heldterms import HeldTerms
from callboard.actors.scheduler.terms import BoundTerm
from callboard.models.api.core import Affinity, Pod, PodAffinityTerm, PodAntiAffinity
from callboard.models.api.meta import LabelSelector, LabelSelectorRequirement
from callboard.models.base import FrozenMap
from callboard.models.selectors import NOTHING, Requirement, Selector

from .objects import Desk, node, pod

HOST = "kubernetes.io/hostname"


def loner(name: str, app: str, **fields: Any) -> Pod:
    """A pod that keeps away from those of its own app."""
    term = PodAffinityTerm(label_selector=LabelSelector(match_labels=FrozenMap(app=app)), topology_key=HOST)
    apart = Affinity(pod_anti_affinity=PodAntiAffinity(required_during_scheduling_ignored_during_execution=(term,)))
    return pod(name, labels={"app": app}, affinity=apart, **fields)


def class_of(desk: Desk, one: Pod) -> PodClass:
    return desk.table.census.class_of(one, desk.book.of(one))


class Counted:
    """How often terms are held against pods."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.times = 0
        real = BoundTerm.matches

        def matches(term: BoundTerm, *about: Any) -> bool:
            self.times += 1
            return real(term, *about)

        patch.setattr(BoundTerm, "matches", matches)


def test_terms_that_nobody_holds_any_more_are_gone() -> None:
    desk = Desk(node("a"))
    for number in range(50):
        one = loner("one", f"app-{number}", bound="a")
        desk.bound(one)
        assert len(desk.table.census.held) == 1
        desk.gone(one)
    assert len(desk.table.census.held) == 0
    assert not desk.table.census.held._drawers
    again = loner("again", "app-7", bound="a")
    desk.bound(again)
    assert desk.why_not(loner("next", "app-7")).startswith("0/1 nodes are available")
    assert desk.place(loner("other", "app-8")) == "a"


def test_who_remembers_a_term_that_is_gone_does_not_count_it_when_it_comes_back() -> None:
    desk = Desk(node("a"), node("b"))
    waiting = loner("waiting", "web")
    for where in ("a", "b", "a"):
        placed = loner("placed", "web", bound=where)
        desk.bound(placed)
        (held,) = desk.table.census.concerning(class_of(desk, waiting))
        assert held.total == 1
        assert desk.decider.choose("k", waiting, desk.book.of(waiting)).node == ("b" if where == "a" else "a")  # type: ignore[union-attr]
        desk.gone(placed)
        assert desk.table.census.concerning(class_of(desk, waiting)) == ()


def test_a_new_term_is_held_against_a_class_once_and_never_against_other_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(*(node(f"n{number}", pods="1000") for number in range(3)))
    census = desk.table.census
    web = class_of(desk, pod("web", labels={"app": "web"}))
    for number in range(200):
        desk.bound(loner(f"p{number}", f"app-{number}", bound="n0"))
    counted = Counted(monkeypatch)
    assert census.concerning(web) == ()
    assert counted.times == 0
    desk.bound(loner("x", "web", bound="n0"), loner("y", "web", bound="n1", cpu="1"))
    assert [held.total for held in census.concerning(web)] == [2]
    before = counted.times
    for number in range(200, 300):
        desk.bound(loner(f"p{number}", f"app-{number}", bound="n0"))
        census.concerning(web)
    assert counted.times == before


def test_more_classes_than_the_limit_that_are_all_in_use_are_not_searched_for_unused_ones_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CLASSES_LIMIT", 8)
    searches: list[int] = []
    real = Census._forget_unused

    def forget(census: Census) -> None:
        searches.append(len(census._classes))
        real(census)

    monkeypatch.setattr(Census, "_forget_unused", forget)
    desk = Desk(node("a", pods="1000"))
    placed = [pod(f"p{number}", labels={"app": str(number)}, bound="a") for number in range(100)]
    desk.bound(*placed)
    assert searches == [8, 16, 32, 64]
    for one in placed:
        desk.gone(one)
    for number in range(200, 300):
        class_of(desk, pod("q", labels={"app": str(number)}))
    assert searches[:5] == [8, 16, 32, 64, 128], "those that are used no more go before twice as many are kept as were needed"
    assert set(searches[5:]) == {8}
    assert len(desk.table.census._classes) <= 8


labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), max_size=3)
requirements = st.builds(
    Requirement,
    st.sampled_from("abc"),
    st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
    st.lists(st.sampled_from("xy"), max_size=2, unique=True).map(tuple),
)
selectors = st.just(NOTHING) | st.builds(
    Selector, labels.map(lambda pairs: tuple(pairs.items())), st.lists(requirements, max_size=2).map(tuple)
)
terms = st.builds(
    BoundTerm, st.lists(st.sampled_from(["one", "two"]), max_size=3).map(tuple), st.none() | selectors, selectors
)  # fmt: skip
NAMESPACES = {"one": {"a": "x"}, "two": {"b": "y"}}


@given(st.lists(st.tuples(terms, st.booleans()), max_size=12), st.sampled_from(["one", "two", "three"]), labels, st.integers(0, 12))
@settings(max_examples=300, deadline=None)
def test_the_terms_that_speak_of_a_pod_are_found_as_if_all_had_been_tried(
    made: list[tuple[BoundTerm, bool]], namespace: str, own: dict[str, str], than: int
) -> None:
    held = HeldTerms()
    for term, stays in made:
        one = held.make((term, HOST, 0), 3)
        if not stays:
            held.drop(one)
    wanted = [one for one in held if one.number > than and one.term.matches(namespace, own, NAMESPACES)]
    assert held.newer(namespace, own, than, NAMESPACES) == wanted


def test_terms_are_filed_by_values_of_an_in_requirement_too(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(node("a"))
    requirement = LabelSelectorRequirement(key="app", operator="In", values=("web", "shop"))
    term = PodAffinityTerm(label_selector=LabelSelector(match_expressions=(requirement,)), topology_key=HOST)
    apart = Affinity(pod_anti_affinity=PodAntiAffinity(required_during_scheduling_ignored_during_execution=(term,)))
    desk.bound(pod("one", bound="a", affinity=apart))
    counted = Counted(monkeypatch)
    found = [len(desk.table.census.concerning(class_of(desk, pod("p", labels={"app": app})))) for app in ("web", "shop", "db")]
    assert found == [1, 1, 0]
    assert counted.times == 2
