"""Many schedules on all cores: the portfolio from one seed to another, or until time is up. Used by the command line and by CI.

Workers are processes of their own, each with its share of seeds: histories don't depend on which worker plays them, or in which order.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any

import msgspec

from callboard.models.base import replace
from callboard.runtime.chaos.differential import EVERY, NAME, judges
from callboard.runtime.chaos.guiding import Guide
from callboard.runtime.chaos.portfolio import plan_of
from callboard.runtime.chaos.schedule import play
from callboard.runtime.faults.findings import Finding, Outcome
from callboard.runtime.faults.plan import Plan
from callboard.runtime.faults.strategies import strategy_named

CHUNK = 8
"""Schedules that a worker plays before it reports."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be explored: `scenarios` and `kinds` (of faults) limit it, none named means all; `strategy` "" means all. Unless it is
    `guided`, schedules don't learn from each other: a seed alone says what is played. The schedule of every `differential`-th seed is
    played without its faults besides (0: none is), and both have to end alike."""

    first_seed: int = 0
    schedules: int | None = None
    seconds: float | None = None
    scenarios: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    strategy: str = ""
    guided: bool = True
    differential: int = EVERY


class Played(msgspec.Struct, frozen=True):
    """One schedule, as a worker reports it; `plan` has its holds written in and is there for failures only."""

    seed: int
    scenario: str
    strategy: str
    steps: int
    virtual_s: float
    faults: int
    coverage: tuple[int, ...]
    finding: Finding | None = None
    plan: Plan | None = None
    trace_hash: str = ""


def plan_for(wish: Wish, seed: int) -> Plan:
    """The schedule of a seed, as wished, if nothing was learned before."""
    return plan_of(seed, strategy=wish.strategy, kinds=wish.kinds, scenarios=wish.scenarios)


def guide_for(wish: Wish) -> Guide:
    """Who says what is played from the first seed on."""
    strategies = (wish.strategy,) if wish.strategy else ()
    return Guide(wish.first_seed, wish.kinds, wish.scenarios, strategies, learns=wish.guided)


def play_seed(wish: Wish, seed: int) -> tuple[Plan, Outcome]:
    """Play the schedule of a seed, as if nothing was learned before; see `play_plan`."""
    return play_plan(plan_for(wish, seed), wish.differential)


def play_plan(plan: Plan, differential: int = EVERY) -> tuple[Plan, Outcome]:
    """Play one schedule with all oracles, the differential one as in `Wish`; the plan that comes back has its holds written in."""
    twice = differential > 0 and plan.seed % differential == differential - 1
    outcome = play(plan, strategy_named(plan.strategy, plan.seed, plan.lasts_s), judges(plan, twice=twice))
    return replace(plan, holds=outcome.holds), outcome


def replayed(plan: Plan, oracle: str = "") -> Outcome:
    """Play a plan with its own holds and all oracles; if `oracle` is the one for that, without its faults besides."""
    return play(plan, None, judges(plan, twice=oracle == NAME))


def explore(wish: Wish, jobs: int | None = None) -> Iterator[Played]:
    """Play schedules, in any order, as they are done. It ends when as many are played as wished, or when the wished seconds are over.

    Args:
        jobs: worker processes; None: one for each core.
    """
    workers = jobs or os.cpu_count() or 1
    began_s, seed = time.monotonic(), wish.first_seed
    guide = guide_for(wish)
    last = None if wish.schedules is None else wish.first_seed + wish.schedules
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_ready) as pool:
        under_way: set[Future[list[Played]]] = set()
        while True:
            over = wish.seconds is not None and time.monotonic() - began_s >= wish.seconds
            while not over and len(under_way) < 2 * workers and (last is None or seed < last) and not guide.waits(CHUNK):
                upto = seed + CHUNK if last is None else min(seed + CHUNK, last)
                under_way.add(pool.submit(_play, wish.differential, [guide.plan() for _ in range(seed, upto)]))
                seed = upto
            if not under_way:
                return
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                for one in future.result():
                    guide.tell(one.seed, frozenset(one.coverage), one.steps)
                    yield one


def _ready() -> None:
    """A worker's own process: what is imported stays, so nobody need look through it for garbage."""
    gc.freeze()


def _play(differential: int, plans: Sequence[Plan]) -> list[Played]:
    found = []
    for wanted in plans:
        plan, outcome = play_plan(wanted, differential)
        failed: dict[str, Any] = {}
        if outcome.finding is not None:
            failed = {"finding": outcome.finding, "plan": plan, "trace_hash": outcome.trace_hash}
        found.append(
            Played(
                plan.seed,
                plan.scenario,
                plan.strategy,
                outcome.steps,
                outcome.virtual_s,
                len(plan.faults),
                tuple(sorted(outcome.coverage)),
                **failed,
            )
        )
    return found
