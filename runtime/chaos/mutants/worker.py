"""A worker of the matrix: one mutant, one fresh process. Reads its order from standard input, says each schedule on standard output.

Nothing that may be patched is imported before the finder is installed, so imports are inside functions here.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from callboard.runtime.chaos.mutants.loading import install
from callboard.runtime.chaos.mutants.mutant import Mutant

OUR_FAULT = "the program falls"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is to do: play so many schedules from `first_seed` on until something is found, or (`stop_at_kill` False) all of them.
    Only `strategies` and `kinds` of faults (none named: all); `guided` as in `exploring.Wish`; `shrink`: what is found is made small."""

    mutant: Mutant
    first_seed: int = 0
    schedules: int
    guided: bool = True
    shrink: bool = False
    stop_at_kill: bool = True
    strategies: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


class Small(msgspec.Struct, frozen=True):
    """What is left of a failure when it has been made small, after how many replays and seconds."""

    holds: int
    faults: int
    replays: int
    took_s: float


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule as it was played. `oracle` "" means that nothing was found."""

    seed: int
    oracle: str = ""
    object: str = ""
    words: str = ""
    steps: int = 0
    took_s: float = 0.0
    small: Small | None = None


def main() -> int:
    """Carry an order out. Returns the exit code."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    install(order.mutant)
    for line in _lines(order):
        sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
        sys.stdout.buffer.flush()
        if line.oracle and order.stop_at_kill:
            break
    return 0


def _lines(order: Order) -> Iterator[Line]:
    from callboard.runtime.chaos.guiding import Guide

    guide = Guide(order.first_seed, order.kinds, strategies=order.strategies, learns=order.guided)
    for _ in range(order.schedules):
        yield _play(guide, order.shrink)


def _play(guide: Any, shrinks: bool) -> Line:
    from callboard.runtime.chaos.exploring import play_plan

    plan = guide.plan()
    seed = plan.seed
    began_s = time.perf_counter()
    try:
        played, outcome = play_plan(plan)
    except Exception as failure:  # a mutant may break the harness itself: that is noticed too, and no worker ends with it
        guide.tell(seed, frozenset(), 0)
        return Line(seed=seed, oracle=OUR_FAULT, words=f"{type(failure).__name__}: {failure}", took_s=time.perf_counter() - began_s)
    finding = outcome.finding
    guide.tell(seed, outcome.coverage, outcome.steps)
    took_s = time.perf_counter() - began_s
    if finding is None:
        return Line(seed=seed, steps=outcome.steps, took_s=took_s)
    return Line(
        seed=seed,
        oracle=finding.oracle,
        object=finding.object,
        words=finding.words[:300],
        steps=outcome.steps,
        took_s=took_s,
        small=_made_small(played, outcome) if shrinks else None,
    )


def _made_small(plan: Any, outcome: Any) -> Small:
    from callboard.runtime.chaos.exploring import replayed
    from callboard.runtime.chaos.shrinking import shrink

    began_s = time.perf_counter()
    found = shrink(plan, outcome, lambda smaller: replayed(smaller, outcome.finding.oracle))
    return Small(len(found.plan.holds), len(found.plan.faults), found.replays, round(time.perf_counter() - began_s, 2))


if __name__ == "__main__":
    gc.freeze()
    sys.exit(main())
