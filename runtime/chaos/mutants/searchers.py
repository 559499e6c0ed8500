"""A worker that looks for one mutant in one of three ways: the portfolio of the harness, and two that anybody would think of first.

As in `worker.py`, nothing that may be patched is imported before the finder is installed, so imports are inside functions here.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from callboard.runtime.chaos.mutants.loading import install
from callboard.runtime.chaos.mutants.mutant import Mutant
from callboard.runtime.chaos.mutants.worker import OUR_FAULT

if TYPE_CHECKING:
    from callboard.runtime.systems.links import Hold, Passage

Searcher = Literal["portfolio", "threads", "hypothesis"]
SEARCHERS: tuple[Searcher, ...] = ("portfolio", "threads", "hypothesis")
NAPS, NAP_S = 0.2, 0.1
"""On threads, this share of all messages sleeps before it is delivered, for up to so long."""
THREADS_PATIENCE_S = 20.0
"""How long a cluster on threads may take to come to rest: nothing but naps goes wrong in it, and its own pauses are 10 s at most."""
HOLDS_S = (0.0, 0.0, 0.0, 0.005, 0.02, 0.2, 2.5)
"""What Hypothesis chooses from for every message: not at all, shortly (that reorders), or for longer than requests and leases last."""
DRAWS_LIMIT = 6000
"""Choices of one schedule that are drawn; the messages behind are not held. Hypothesis allows no example more than 8192."""
EXAMPLES = 1_000_000
SEEDS = 1_000_000
"""Hypothesis draws the workload and the faults as one of so many seeds of the portfolio."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is to do: look for this mutant in this way, until it is found, `seconds` of wall time are over, or `runs` schedules
    have been played (None: no such limit; one of them has to be there)."""

    mutant: Mutant
    searcher: Searcher
    seconds: float | None = None
    runs: int | None = None


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a search. `cpu_s` is processor time of all threads of the worker, and `wall_s` time on the wall, both from the first
    schedule to the first kill, or to the end; imports don't count. `runs` are the schedules that were begun. `oracle` "" means that
    nothing was found; `words` says what was."""

    id: str
    searcher: Searcher
    killed: bool
    cpu_s: float
    wall_s: float
    runs: int
    oracle: str = ""
    words: str = ""


class Found(BaseException):
    """A schedule is wrong. Hypothesis lets it through: it is no `Exception`, so nothing is played again or made smaller."""

    def __init__(self, oracle: str, words: str) -> None:
        super().__init__(oracle)
        self.oracle, self.words = oracle, words


class Over(BaseException):
    """The budget is spent."""


class Budget:
    """What is left of a search's wall time and runs."""

    def __init__(self, seconds: float | None, runs: int | None) -> None:
        self.runs = 0
        self._most = runs
        self.until_s = float("inf") if seconds is None else time.monotonic() + seconds

    def begin(self) -> int:
        """One more schedule begins: its number, from 0. Raises `Over` if there is no budget for it."""
        if time.monotonic() >= self.until_s or (self._most is not None and self.runs >= self._most):
            raise Over
        self.runs += 1
        return self.runs - 1


def search(order: Search) -> Searched:
    """Look for a mutant that has been installed."""
    look = _SEARCH[order.searcher]()
    wall_s, cpu_s = time.monotonic(), time.process_time()
    budget = Budget(order.seconds, order.runs)
    oracle = words = ""
    try:
        look(budget)
    except Over:
        pass
    except Found as found:
        oracle, words = found.oracle, found.words
    except Exception as failure:  # a mutant may break the harness itself: that is noticed too, and no worker ends with it
        oracle, words = OUR_FAULT, f"{type(failure).__name__}: {failure}"
    return Searched(
        id=order.mutant.id,
        searcher=order.searcher,
        killed=bool(oracle),
        cpu_s=round(time.process_time() - cpu_s, 3),
        wall_s=round(time.monotonic() - wall_s, 3),
        runs=budget.runs,
        oracle=oracle,
        words=words[:300],
    )


def _judge(outcome: Any) -> None:
    if outcome.finding is not None:
        raise Found(outcome.finding.oracle, f"{outcome.finding.object} {outcome.finding.words}".strip())


Look = Callable[[Budget], None]
"""Searches until it raises `Over` or `Found`, or an exception of the program itself."""


def _portfolio() -> Look:
    from callboard.runtime.chaos.exploring import play_plan
    from callboard.runtime.chaos.guiding import Guide

    def look(budget: Budget) -> None:
        guide = Guide(0)
        while True:
            budget.begin()
            plan = guide.plan()
            outcome = play_plan(plan)[1]
            guide.tell(plan.seed, outcome.coverage, outcome.steps)
            _judge(outcome)

    return look


def _threads() -> Look:
    """The same workloads without a fault on a thread for each actor, where messages sleep at random before they are delivered."""
    from callboard.models.base import replace
    from callboard.runtime.chaos.portfolio import plan_of
    from callboard.runtime.chaos.soaking import BudgetSpent, soak

    def look(budget: Budget) -> None:
        while True:
            seed = budget.begin()
            plan = replace(plan_of(seed), faults=())
            try:
                outcome = soak(plan, system="threaded", hold=naps(seed), patience_s=THREADS_PATIENCE_S, until_s=budget.until_s)
            except BudgetSpent:
                raise Over from None
            _judge(outcome)

    return look


def naps(seed: int) -> Hold:
    """For how long a message sleeps on threads, drawn anew for each."""
    rng = random.Random(f"naps/{seed}")

    def hold(_passage: Passage) -> float:
        return rng.random() * NAP_S if rng.random() < NAPS else 0.0

    return hold


def _hypothesis() -> Look:
    """Hypothesis draws workload and faults as a seed, and then for every message how long it is held. Drawn on the one thread of a
    simulation, whose actors let `StopTest` through: on threads of their own it would end an actor and never reach Hypothesis."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st
    from hypothesis.errors import HypothesisException

    from callboard.runtime.chaos.oracles import every
    from callboard.runtime.chaos.portfolio import plan_of
    from callboard.runtime.chaos.schedule import play

    seeds, holds = st.integers(0, SEEDS - 1), st.sampled_from(HOLDS_S)

    def played(data: Any) -> None:
        draws = 0

        def drawn(_passage: Passage, _now_s: float) -> float:
            nonlocal draws
            draws += 1
            return float(data.draw(holds)) if draws <= DRAWS_LIMIT else 0.0

        try:
            _judge(play(plan_of(data.draw(seeds), strategy="oldest-first"), drawn, every))
        except HypothesisException:
            raise
        except Exception as failure:  # the mutant's, which Hypothesis would play again before it says so
            raise Found(OUR_FAULT, f"{type(failure).__name__}: {failure}") from None

    def look(budget: Budget) -> None:
        ended: list[BaseException] = []

        @seeded(0)
        @settings(max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(st.data())
        def schedules(data: Any) -> None:
            try:
                budget.begin()
                played(data)
            except (Found, Over) as end:
                ended.append(end)
                raise

        try:
            schedules()
        except HypothesisException:
            if not ended:  # else it complains that an example was left, which has not drawn what the same one drew before
                raise
        raise ended[0] if ended else Over()  # over: nothing new is left to be drawn

    return look


_SEARCH: dict[Searcher, Callable[[], Look]] = {"portfolio": _portfolio, "threads": _threads, "hypothesis": _hypothesis}


def main() -> int:
    """Carry an order from standard input out, and say on standard output what became of it. Returns the exit code."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Search)
    install(order.mutant)
    sys.stdout.buffer.write(msgspec.json.encode(search(order)) + b"\n")
    return 0


if __name__ == "__main__":
    gc.freeze()
    sys.exit(main())
