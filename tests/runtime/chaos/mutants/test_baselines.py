"""Naive searchers beside the portfolio: they find what is easy, find nothing in the unchanged program, and are compared by what they cost.

How far a search goes is said in schedules here, never in seconds.
"""

from __future__ import annotations

import pytest

from callboard.runtime.chaos.mutants.baselines import carry_out, compare, share
from callboard.runtime.chaos.mutants.catalogue import CATALOGUE
from callboard.runtime.chaos.mutants.matrix import CONTROL
from callboard.runtime.chaos.mutants.mutant import Mutant
from callboard.runtime.chaos.mutants.searchers import NAP_S, SEARCHERS, Budget, Over, Search, Searched, Searcher, naps
from callboard.runtime.systems.links import Passage

KNOWN = {mutant.id: mutant for mutant in CATALOGUE}
PASSAGE = Passage("a", "m", "b", "m", 1, "Ping", "", 1)


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_each_way_of_searching_finds_a_controller_that_forgets_its_own_writes(searcher: Searcher) -> None:
    searched = carry_out(Search(mutant=KNOWN["M02"], searcher=searcher, runs=6))
    assert (searched.id, searched.searcher, searched.killed) == ("M02", searcher, True)
    assert searched.oracle == "no surplus pods"
    assert 1 <= searched.runs <= 6
    assert searched.cpu_s > 0.0


@pytest.mark.parametrize(("searcher", "runs"), [("portfolio", 4), ("hypothesis", 2), pytest.param("threads", 1, marks=pytest.mark.slow)])
def test_nothing_is_found_in_the_unchanged_program(searcher: Searcher, runs: int) -> None:
    searched = carry_out(Search(mutant=CONTROL, searcher=searcher, runs=runs))
    assert (searched.killed, searched.oracle, searched.words, searched.runs) == (False, "", "", runs)


def test_a_comparison_has_every_mutant_and_the_control_in_each_way_and_counts_bugs_only() -> None:
    absent = Mutant(id="absent", kind="absent", note="no place for it")
    told: list[tuple[str, str]] = []
    found = compare((KNOWN["M02"], absent), None, 6, 2, lambda one: told.append((one.id, one.searcher)), ("portfolio", "hypothesis"))
    assert [(one.id, one.searcher, one.killed) for one in found.baselines] == [
        ("control", "portfolio", False),
        ("control", "hypothesis", False),
        ("M02", "portfolio", True),
        ("M02", "hypothesis", True),
    ]
    assert sorted(told) == sorted((one.id, one.searcher) for one in found.baselines)
    assert [(one.searcher, one.killed, one.of, one.false_alarms) for one in found.shares] == [
        ("portfolio", 1, 1, 0),
        ("hypothesis", 1, 1, 0),
    ]


def test_a_search_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="give seconds or runs"):
        compare((), None, None)


def test_kills_are_counted_by_processor_time_and_alarms_apart() -> None:
    def one(name: str, killed: bool, cpu_s: float, searcher: Searcher = "portfolio") -> Searched:
        return Searched(id=name, searcher=searcher, killed=killed, cpu_s=cpu_s, wall_s=9.0, runs=3)

    searched = (one("a", True, 0.5), one("b", True, 8.0), one("c", False, 60.0), one("e", True, 1.0), one("a", True, 2.0, "threads"))
    summed = share("portfolio", searched, frozenset("abc"))
    assert (summed.killed, summed.of, summed.within, summed.median_cpu_s) == (2, 3, (1, 2, 2), 4.25)
    assert (summed.cpu_s, summed.runs, summed.false_alarms) == (68.5, 9, 1)


def test_a_budget_is_spent_after_so_many_schedules_or_when_its_time_is_up() -> None:
    budget = Budget(None, 2)
    assert [budget.begin(), budget.begin()] == [0, 1]
    with pytest.raises(Over):
        budget.begin()
    with pytest.raises(Over):
        Budget(0.0, None).begin()


def test_some_messages_sleep_and_most_do_not() -> None:
    hold = naps(1)
    slept = [hold(PASSAGE) for _ in range(1000)]
    assert 100 < sum(one > 0.0 for one in slept) < 300
    assert max(slept) <= NAP_S
    again = naps(1)
    assert [again(PASSAGE) for _ in range(1000)] == slept
